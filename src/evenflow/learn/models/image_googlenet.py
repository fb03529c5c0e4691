"""A small network of inception modules on the record as an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evenflow.learn.models._image import ToImage, check_width, convolution
from evenflow.learn.network import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    width: int = 8
    """Filters of each branch of the first module; later ones have twice as many."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        check_width(self.width, self.dropout)


class ImageGoogLeNet(nn.Module):  # type: ignore[misc]
    """Lay the record out as an image and classify it by inception modules.

    Three modules, with a pooling that halves the image before the later two. Deviations
    from [1]_: a feature of the prepared row is a pixel, where they make eight bits of
    numbers cut into bins one pixel; their GoogLeNet on images of natural size becomes
    this small one, without the classifiers at its sides; the head reads every position,
    since each is a feature of its own.

    References
    ----------
    .. [1] Z. Li, Z. Qin, K. Huang, X. Yang, S. Ye, "Intrusion detection using
       convolutional neural networks for representation learning", ICONIP 2017.
       doi:10.1007/978-3-319-70139-4_87
    .. [2] C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.
       doi:10.1109/CVPR.2015.7298594
    """

    def __init__(self, n_features: int, n_classes: int, config: Config) -> None:
        super().__init__()
        image, n_in = ToImage(n_features), 4 * config.width
        side = image.side
        layers: list[nn.Module] = [image, convolution(1, n_in, 3), nn.ReLU()]
        for number in range(3):
            if number:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                side = (side + 1) // 2
            width = config.width * 2**number
            layers.append(Inception(n_in, width))
            n_in = 4 * width
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(n_in * side**2, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        logits: Tensor = self.head(self.body(x))
        return logits


class Inception(nn.Module):  # type: ignore[misc]
    """Convolutions of 1, 3 and 5 pixels and a pooling, side by side."""

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()

        def after_one(size: int) -> nn.Sequential:
            return nn.Sequential(
                convolution(n_in, width, 1), nn.ReLU(), convolution(width, width, size)
            )

        pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.branches = nn.ModuleList(
            [
                convolution(n_in, width, 1),
                after_one(3),
                after_one(5),
                nn.Sequential(pool, convolution(n_in, width, 1)),
            ]
        )
        self.out = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, n_in, side, side)`` to ``(B, 4 * width, side, side)``."""
        found: Tensor = self.out(torch.cat([b(maps) for b in self.branches], dim=1))
        return found


MODEL = Network(ImageGoogLeNet, Config)
