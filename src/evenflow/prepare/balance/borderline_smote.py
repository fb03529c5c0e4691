"""Borderline-SMOTE: new rows only from minority rows near another class."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._grow import (
    fit_neighbors,
    grow,
    interpolated,
    made_by,
)
from evenflow.prepare.balance._neighbors import Neighbors
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class BorderlineSMOTE(Sampler):
    """Interpolate from the minority rows in danger (borderline-1).

    A row is in danger where half its neighbours or more, but not all, are of other
    classes. imbalanced-learn makes the rows. A class without a row in danger falls
    back to SMOTE, and a note says so.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours of the same class to interpolate towards.
    m_neighbors : int, default=10
        Neighbours of any class that tell whether a row is in danger.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] H. Han, W.-Y. Wang and B.-H. Mao, "Borderline-SMOTE: a new over-sampling
       method in imbalanced data sets learning", ICIC 2005.
       doi:10.1007/11538059_91
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        k_neighbors: Count = 5,
        m_neighbors: Count = 10,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.k_neighbors = k_neighbors
        self.m_neighbors = m_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from imblearn import over_sampling

        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        blocks = () if layout is None else layout.blocks
        m = min(self.m_neighbors, len(y) - 1)

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            k = fit_neighbors(self.k_neighbors, len(rows), label, self.notes_)
            sampler = over_sampling.BorderlineSMOTE(
                sampling_strategy={label: len(rows) + n_new},
                k_neighbors=Neighbors(k + 1, blocks=blocks),
                m_neighbors=Neighbors(m + 1, blocks=blocks),
                random_state=self.random_state,
            )
            new = made_by(sampler, X, y)
            if len(new):
                return new
            self.notes_.append(f"class {label}: no row in danger; grown by SMOTE")
            return interpolated(X, rows, n_new, k, self.random_state)

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )


SAMPLER = BorderlineSMOTE
