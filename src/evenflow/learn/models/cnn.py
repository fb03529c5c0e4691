"""A convolutional network over the feature axis.

The one-dimensional convolution is written as ``Conv2d`` with kernel ``(1, k)``:
the same sums, but the two-dimensional kernels of PyTorch (channels last) and of
ONNX Runtime (blocked channels) run them several times as fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.network import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    channels: tuple[int, ...] = (32, 64, 128)
    """Filters of each convolution; multiples of 16 run fastest."""
    kernel_size: int = 3
    """Features that each filter of the second and later layers sees."""
    stem_kernel_size: int = 5
    """Features that each filter of the first layer sees."""
    stem_stride: int = 2
    """Stride of the first layer in features; 2 halves the work of all later layers."""
    batch_norm: bool = True
    """Normalise after each convolution; folded into it when exported."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        check_convolution(self)


def check_convolution(config: Any) -> None:
    """Refuse sizes no convolution can have, or that would skip features.

    Raises
    ------
    RecipeError
        A size is not positive, the stride is too long for the first kernel, or the
        dropout is outside [0, 1).
    """
    channels, dropout = config.channels, config.dropout
    kernels = (config.kernel_size, config.stem_kernel_size)
    longest = config.stem_kernel_size // 2 + 1
    if not channels or min(channels) < 1:
        raise RecipeError(
            f"channels is {list(channels)}; expected at least one number, each 1 or "
            "more. Change it in [model]"
        )
    if min(kernels) < 1:
        raise RecipeError(
            f"a kernel size is {min(kernels)}; expected 1 or more. Change it in [model]"
        )
    if not 1 <= config.stem_stride <= longest:
        raise RecipeError(
            f"stem_stride is {config.stem_stride}; expected 1 to {longest}, so that a "
            f"stem_kernel_size of {config.stem_kernel_size} skips no feature. "
            "Change it in [model]"
        )
    if not 0 <= dropout < 1:
        raise RecipeError(
            f"dropout is {dropout}; expected a share in [0, 1). Change it in [model]"
        )


def convolutions(n_features: int, config: Any) -> tuple[nn.Sequential, int]:
    """Return convolutions from ``(B, 1, 1, n_features)`` and their output's width.

    Each is followed by ReLU and a max-pool that halves the width. The first is
    padded, so that no feature is left over; a later one only where it would be wider
    than its input: padded borders are slow paths, and cost a quarter of the speed.
    """
    layers: list[nn.Module] = []
    width, stride, kernel = n_features, config.stem_stride, config.stem_kernel_size
    for n_in, n_out in pairwise((1, *config.channels)):
        is_padded = not layers or width < kernel
        padding = kernel // 2 if is_padded else 0
        width = (width + 2 * padding - kernel) // stride + 1
        layers += [
            nn.Conv2d(
                n_in,
                n_out,
                (1, kernel),
                stride=(1, stride),
                padding=(0, padding),
                bias=not config.batch_norm,
            ),
            *([nn.BatchNorm2d(n_out)] if config.batch_norm else []),
            nn.ReLU(inplace=True),
            nn.MaxPool2d((1, 2), ceil_mode=True),
        ]
        width, stride, kernel = math.ceil(width / 2), 1, config.kernel_size
    return nn.Sequential(*layers), width


class CNN(nn.Module):  # type: ignore[misc]
    """Convolve along the feature axis, halve it after each layer, classify.

    The head reads every position of the last layer: averaging over them would
    forget which feature was seen.

    References
    ----------
    .. [1] R. Vinayakumar, K. P. Soman, P. Poornachandran, "Applying convolutional
       neural network for network intrusion detection", ICACCI 2017.
       doi:10.1109/ICACCI.2017.8126009
    .. [2] O. Elghalhoud, K. Naik, M. Zaman, R. Manzano, "Data balancing and CNN
       based network intrusion detection system", WCNC 2023.
       doi:10.1109/WCNC55385.2023.10118702
    """

    def __init__(self, n_features: int, n_classes: int, config: Config) -> None:
        super().__init__()
        self.front, width = convolutions(n_features, config)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(config.channels[-1] * width, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        logits: Tensor = self.head(self.front(x[:, None, None, :]))
        return logits


MODEL = Network(CNN, Config)
