"""No balancing: the baseline every balanced result stands beside."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class NoBalancing(Sampler):
    """Return the rows as they came.

    Parameters
    ----------
    random_state : int or None, default=None
        Accepted so that every sampler is built alike; nothing here is random.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(4, dtype=np.float32).reshape(2, 2)
    >>> _, y_new = NoBalancing().fit_resample(X, np.array([0, 1]))
    >>> y_new.tolist()
    [0, 1]
    """

    kind: ClassVar[Kind] = "none"
    min_classes: ClassVar[int] = 0

    def __init__(self, *, random_state: int | None = None) -> None:
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        return X, y


SAMPLER = NoBalancing
