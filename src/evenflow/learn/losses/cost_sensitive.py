"""Cost-sensitive cross-entropy: each error costs what the classes' rows say."""

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

    power: float = 1.0
    """How far costs follow the distribution of the classes: an error costs the ratio
    of the wrong class's rows to the true one's to this power, at least 1. 0 leaves the
    costs below alone."""
    missed: float = 1.0
    """Factor of the cost of an attack that is called benign."""
    false_alarm: float = 1.0
    """Factor of the cost of a benign row that is called an attack."""

    def __post_init__(self) -> None:
        if not self.power >= 0:
            raise RecipeError(
                f"power is {self.power}; expected 0 or more. Change it in [loss]"
            )
        for name in ("missed", "false_alarm"):
            if not getattr(self, name) > 0:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a number over 0. "
                    "Change it in [loss]"
                )


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the mean of ``-log (exp(z_y) / sum_k C_yk exp(z_k))``.

    ``C_yk`` is what it costs to call a row of class ``y`` one of class ``k``; the cost
    of no error is 1. A wrong class that costs more counts for more in the softmax, and
    its logit has to be lower. The matrix is that of [1]_, made from the classes' shares
    (``max(n_y, n_k) / n_y``), with two factors of our own. The paper also adapts it to
    how separable the classes are and which are confused, which would need more rows
    than those of training; that is left out.

    The exported scores are the softmax of the logits ``z`` alone. They lean to classes
    that are costly to miss, by up to the logarithm of the ratio of costs where such a
    class is likely and by nothing where it is not; so they are probabilities under no
    shares. Calibration brings them near those of the training rows by a temperature and
    a bias, and undoes most of a constant cost: costs direct what the network learns;
    what is called an attack, the false-alarm budget decides.

    References
    ----------
    .. [1] S. H. Khan et al., "Cost-sensitive learning of deep feature representations
       from imbalanced data", IEEE TNNLS 29(8), 2018. doi:10.1109/TNNLS.2017.2732482
    """
    log_cost = torch.tensor(np.log(costs(config, n_rows)), dtype=torch.float32)

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        costly = logits + log_cost.to(logits)[y]
        each = functional.cross_entropy(costly, y, reduction="none")
        return mean(each, y, class_weight)

    return loss


def costs(config: Config, n_rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cost matrix: true classes down, answers across.

    Parameters
    ----------
    config : Config
    n_rows : ndarray of shape (n_classes,), int64
        A class without rows counts as one of a row.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        The diagonal is 1: an answer that is right has the cost of one row.

    Examples
    --------
    >>> costs(Config(missed=2.0), np.array([40, 10])).tolist()
    [[1.0, 1.0], [8.0, 1.0]]
    """
    counted = np.maximum(n_rows, 1).astype(np.float64)
    cost = np.maximum(1.0, counted[None, :] / counted[:, None]) ** config.power
    cost[1:, 0] *= config.missed
    cost[0, 1:] *= config.false_alarm
    return np.asarray(cost)


LOSS = Loss(build, Config)
