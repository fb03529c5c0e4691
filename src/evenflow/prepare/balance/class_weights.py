"""Class weights: the rows stay, the loss counts rare classes more."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from evenflow.errors import DataError
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class ClassWeights(Sampler):
    """Weigh each class by a power of how rare it is; the rows stay as they are.

    ``class_weight_[c]`` is proportional to ``(n_samples / n_c) ** power``; the mean
    over the training rows is 1, so the learning rate means what it meant before. A
    class without training rows gets weight 1.

    Parameters
    ----------
    power : float, default=1.0
        1 gives every class the same total weight (scikit-learn's ``'balanced'``);
        0.5 is milder and keeps 50 rows from ruling 50,000; 0 weighs nothing.
    random_state : int or None, default=None
        Accepted so that every sampler is built alike; nothing here is random.

    References
    ----------
    .. [1] G. King and L. Zeng, "Logistic regression in rare events data",
       Political Analysis 9(2), 2001. doi:10.1093/oxfordjournals.pan.a004868

    Examples
    --------
    >>> weights = ClassWeights()
    >>> X, y = np.zeros((4, 1), dtype=np.float32), np.array([0, 0, 0, 1])
    >>> _ = weights.fit_resample(X, y)
    >>> weights.class_weight_.round(3).tolist()
    [0.667, 2.0]
    """

    kind: ClassVar[Kind] = "weight"

    def __init__(
        self,
        *,
        power: Annotated[float, Field(ge=0, le=1)] = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.power = power
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        if not 0 <= self.power <= 1:
            raise DataError(f"class_weights: power is {self.power}; expected 0 to 1")
        found = np.bincount(y)
        weight = np.ones(len(found))
        there = found > 0
        weight[there] = (len(y) / found[there]) ** self.power
        weight[there] /= (weight * found).sum() / len(y)
        self.class_weight_ = weight
        return X, y


SAMPLER = ClassWeights
