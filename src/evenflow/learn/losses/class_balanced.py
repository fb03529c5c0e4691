"""Class-balanced loss: a class weighs by its effective number of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evenflow.errors import RecipeError
from evenflow.learn.losses import Loss, mean


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[loss]`` in a recipe."""

    beta: float = 0.999
    """How much of a row is new, [0, 1): a class has at most ``1 / (1 - beta)`` rows
    that count. 0 is cross-entropy; near 1, weights are inverse frequencies."""

    def __post_init__(self) -> None:
        check_beta(self.beta)


def check_beta(beta: float) -> None:
    """Refuse a share outside [0, 1).

    Raises
    ------
    RecipeError
        With it, no weight is defined.
    """
    if not 0 <= beta < 1:
        raise RecipeError(
            f"beta is {beta}; expected a number in [0, 1). Change it in [loss]"
        )


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean of ``-a_y log p_y`` with ``a_y ~ (1 - beta) / (1 - beta**n_y)``.

    The weights ``a`` add up to the number of classes that have rows. The exported
    scores are those of rows drawn with these weights, as if a rare class were more
    frequent; calibration then brings back the shares of the training rows.

    References
    ----------
    .. [1] Y. Cui et al., "Class-balanced loss based on effective number of samples",
       CVPR 2019, its equation 4 with softmax. doi:10.1109/CVPR.2019.00949
    """
    weights = torch.tensor(effective_weights(n_rows, config.beta), dtype=torch.float32)

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        each = functional.cross_entropy(
            logits, y, weight=weights.to(logits), reduction="none"
        )
        return mean(each, y, class_weight)

    return loss


def effective_weights(n_rows: NDArray[np.int64], beta: float) -> NDArray[np.float64]:
    """Return the weight of each class: the inverse of its effective number of rows.

    Parameters
    ----------
    n_rows : ndarray of shape (n_classes,), int64
    beta : float
        [0, 1).

    Returns
    -------
    ndarray of shape (n_classes,)
        Their sum is the number of classes that have rows; 0 for a class without.

    Examples
    --------
    >>> effective_weights(np.array([2, 1, 0]), 0.5).round(2).tolist()
    [0.8, 1.2, 0.0]
    """
    has_rows = n_rows > 0
    # 1 - beta**n, exact for beta near 1
    spread = np.ones(len(n_rows))
    if beta:
        spread = -np.expm1(np.maximum(n_rows, 1) * np.log(beta))
    weights = has_rows / spread
    return np.asarray(weights * has_rows.sum() / weights.sum())


LOSS = Loss(build, Config)
