"""SMOTE-ENN: SMOTE, then edited nearest neighbours over all rows."""

from __future__ import annotations

from typing import ClassVar, Literal

from evenflow.prepare.balance._edit import cleaned, enn_mask
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix
from evenflow.prepare.balance._targets import Count, Strategy
from evenflow.prepare.balance.smote import SMOTE
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SMOTEENN(SMOTE):
    """Grow minority classes by SMOTE, then remove rows that sit among others.

    The neighbours are exact (see :mod:`._neighbors`) and looked for after the new
    rows were moved to possible rows. A class never loses its last row.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after SMOTE. ``'auto'`` lifts every class to the size
        of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours SMOTE chooses from; fewer in a small class.
    n_neighbors : int, default=3
        Neighbours that edit a row.
    kind_sel : {'all', 'mode'}, default='all'
        A row is removed unless all its neighbours, or most, share its class.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] G. E. A. P. A. Batista, R. C. Prati and M. C. Monard, "A study of the
       behavior of several methods for balancing machine learning training data",
       SIGKDD Explorations 6(1), 2004. doi:10.1145/1007730.1007735
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        k_neighbors: Count = 5,
        n_neighbors: Count = 3,
        kind_sel: Literal["all", "mode"] = "all",
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            sampling_strategy=sampling_strategy,
            max_rows_per_class=max_rows_per_class,
            k_neighbors=k_neighbors,
            random_state=random_state,
        )
        self.n_neighbors = n_neighbors
        self.kind_sel = kind_sel

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        X, y = super()._resample(X, y, layout, on_event)
        remove = enn_mask(X, y, self.n_neighbors, kind=self.kind_sel, layout=layout)
        rows = cleaned(y, remove, self.notes_, "edited nearest neighbours")
        return X[rows], y[rows]


SAMPLER = SMOTEENN
