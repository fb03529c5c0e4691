"""Focal loss: rows that are classified well already count for little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evenflow.errors import RecipeError
from evenflow.learn.losses import Loss, mean


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[loss]`` in a recipe."""

    gamma: float = 2.0
    """How fast the weight of a row falls with its probability; 0 is cross-entropy."""

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise RecipeError(
                f"gamma is {self.gamma}; expected 0 or more. Change it in [loss]"
            )


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean of ``-w_y (1 - p_y)**gamma log p_y`` over the weights.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
       doi:10.1109/ICCV.2017.324
    """
    del n_rows

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        log_p = functional.log_softmax(logits, dim=1)
        log_p = log_p.gather(1, y[:, None]).squeeze(1)
        each = -((1 - log_p.exp()) ** config.gamma) * log_p
        return mean(each, y, class_weight)

    return loss


LOSS = Loss(build, Config)
