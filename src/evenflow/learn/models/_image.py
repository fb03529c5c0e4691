"""A record as a small square image, for networks that were made for pictures."""

from __future__ import annotations

import math

from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.models._places import places


class ToImage(nn.Module):  # type: ignore[misc]
    """Lay the features of a row out as pixels, row by row; the rest is zero.

    Parameters
    ----------
    n_features : int
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.side = max(math.ceil(math.sqrt(n_features)), 4)
        pixels = places(n_features, self.side**2)
        self.register_buffer("pixels", pixels, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to images ``(B, 1, side, side)``."""
        return (x @ self.pixels).reshape(-1, 1, self.side, self.side)


def convolution(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Sequential:
    """Return a padded convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


def check_width(width: int, dropout: float) -> None:
    """Refuse sizes that no network can have.

    Raises
    ------
    RecipeError
        The width is not positive, or the dropout is outside [0, 1).
    """
    if width < 1 or not 0 <= dropout < 1:
        raise RecipeError(
            f"width is {width} and dropout {dropout}; expected 1 or more and "
            "a share in [0, 1). Change them in [model]"
        )
