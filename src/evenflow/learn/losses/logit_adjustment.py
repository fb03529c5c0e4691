"""Logit adjustment: the classes' shares are added to the logits in training alone."""

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

    tau: float = 1.0
    """Multiple of the logarithm of the shares that is added; 0 is cross-entropy, 1
    aims at the mean recall."""

    def __post_init__(self) -> None:
        if not self.tau >= 0:
            raise RecipeError(
                f"tau is {self.tau}; expected 0 or more. Change it in [loss]"
            )


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the cross-entropy of ``logits + tau log share``.

    The exported scores are the softmax of the logits alone. With ``tau = 1`` they are
    the probabilities where each class is equally frequent; calibration then brings back
    the shares of the training rows. A class without rows counts as one of a row.

    References
    ----------
    .. [1] A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021,
       its equation 10. doi:10.48550/arXiv.2007.07314
    """
    return adjusted(n_rows, class_weight, tau=config.tau)


def adjusted(
    n_rows: NDArray[np.int64], class_weight: Tensor | None, *, tau: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the cross-entropy of ``logits + tau log share``."""
    counted = np.maximum(n_rows, 1)
    log_share = torch.tensor(tau * np.log(counted / counted.sum()), dtype=torch.float32)

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        shifted = logits + log_share.to(logits)
        each = functional.cross_entropy(shifted, y, reduction="none")
        return mean(each, y, class_weight)

    return loss


LOSS = Loss(build, Config)
