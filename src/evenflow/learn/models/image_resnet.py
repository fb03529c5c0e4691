"""A small residual network on the record as an image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from evenflow.learn.models._image import ToImage, check_width, convolution
from evenflow.learn.network import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    width: int = 16
    """Filters of the first stage; each later stage has twice as many."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        check_width(self.width, self.dropout)


class ImageResNet(nn.Module):  # type: ignore[misc]
    """Lay the record out as an image and classify it by a residual network.

    Three stages of two residual blocks; the later two halve the image. Deviations from
    [1]_: a feature of the prepared row is a pixel, where they make eight bits of
    numbers cut into bins one pixel; their ResNet50 on images of natural size becomes
    this small one; the head reads every position, since each is a feature of its own.

    References
    ----------
    .. [1] Z. Li, Z. Qin, K. Huang, X. Yang, S. Ye, "Intrusion detection using
       convolutional neural networks for representation learning", ICONIP 2017.
       doi:10.1007/978-3-319-70139-4_87
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image
       recognition", CVPR 2016. doi:10.1109/CVPR.2016.90
    """

    def __init__(self, n_features: int, n_classes: int, config: Config) -> None:
        super().__init__()
        image, width = ToImage(n_features), config.width
        side = image.side
        layers: list[nn.Module] = [image, convolution(1, width, 3), nn.ReLU()]
        n_in = width
        for stage in range(3):
            n_out, stride = width * 2**stage, 2 if stage else 1
            layers += [Residual(n_in, n_out, stride), Residual(n_out, n_out, 1)]
            n_in, side = n_out, (side + stride - 1) // stride
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


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions, whose output is added to their input."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            convolution(n_in, n_out, 3, stride), nn.ReLU(), convolution(n_out, n_out, 3)
        )
        is_same = n_in == n_out and stride == 1
        self.keep = nn.Identity() if is_same else convolution(n_in, n_out, 1, stride)
        self.out = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(B, n_in, side, side)`` to as many maps as the block has filters."""
        found: Tensor = self.out(self.change(maps) + self.keep(maps))
        return found


MODEL = Network(ImageResNet, Config)
