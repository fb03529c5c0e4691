"""SMOTE and random under-sampling: all classes of one size."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.balance._targets import Count, counts
from evenflow.prepare.balance.rus import RandomUnderSampler
from evenflow.prepare.balance.smote import SMOTE
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SMOTERUS(Sampler):
    """Grow small classes by SMOTE and keep random rows of large ones.

    Parameters
    ----------
    max_rows_per_class : int or None, default=None
        Rows of each class afterwards; the mean of the classes without it.
    k_neighbors : int, default=5
        Neighbours SMOTE chooses from; fewer in a small class.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE:
       synthetic minority over-sampling technique", JAIR 16, 2002, which under-samples
       the majority, too. doi:10.1613/jair.953

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(20, dtype=np.float32).reshape(10, 2)
    >>> y = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    >>> _, y_new = SMOTERUS(random_state=7).fit_resample(X, y)
    >>> np.bincount(y_new).tolist()
    [5, 5]
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        max_rows_per_class: Count | None = None,
        k_neighbors: Count = 5,
        random_state: int | None = None,
    ) -> None:
        self.max_rows_per_class = max_rows_per_class
        self.k_neighbors = k_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        found = counts(y)
        n = self.max_rows_per_class or round(len(y) / len(found))
        grow = SMOTE(
            sampling_strategy={code: n for code, rows in found.items() if rows < n},
            k_neighbors=self.k_neighbors,
            random_state=self.random_state,
        )
        cut = RandomUnderSampler(
            sampling_strategy="auto",
            max_rows_per_class=n,
            random_state=self.random_state,
        )
        X, y = grow.fit_resample(X, y, layout=layout, on_event=on_event)
        self.notes_ += grow.notes_
        balanced: tuple[Matrix, Labels] = cut.fit_resample(X, y, on_event=on_event)
        return balanced


SAMPLER = SMOTERUS
