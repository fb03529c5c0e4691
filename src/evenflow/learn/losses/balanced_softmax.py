"""Balanced softmax: each class counts in the softmax as often as it has rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evenflow.learn.losses import Loss
from evenflow.learn.losses.logit_adjustment import adjusted


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[loss]`` in a recipe: there are none."""


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean of ``-log (n_y exp(z_y) / sum_k n_k exp(z_k))``.

    It is logit adjustment with ``tau = 1``, found independently. The exported scores
    are the softmax of the logits ``z`` alone: the probabilities where each class is
    equally frequent. Calibration then brings back the shares of the training rows. A
    class without rows counts as one of a row. The paper's meta sampler is left out.

    References
    ----------
    .. [1] J. Ren et al., "Balanced meta-softmax for long-tailed visual recognition",
       NeurIPS 2020, its equation 3. doi:10.48550/arXiv.2007.10740
    """
    del config
    return adjusted(n_rows, class_weight, tau=1.0)


LOSS = Loss(build, Config)
