"""ADASYN: more new rows where a minority row has more foreign neighbours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

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


class ADASYN(Sampler):
    """Interpolate from each minority row in proportion to its foreign neighbours.

    imbalanced-learn makes the rows. Its counts per row are rounded, so that it
    makes somewhat more or fewer rows than asked for; here a surplus is thinned
    evenly and a shortfall filled by SMOTE, so the class has the size asked for.
    Where no row has a foreign neighbour, or each share is rounded to none, the class
    falls back to SMOTE. Notes say how many rows that were.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    n_neighbors : int, default=5
        Neighbours counted, and neighbours interpolated towards.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] H. He, Y. Bai, E. A. Garcia and S. Li, "ADASYN: adaptive synthetic
       sampling approach for imbalanced learning", IJCNN 2008.
       doi:10.1109/IJCNN.2008.4633969
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        n_neighbors: Count = 5,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from imblearn import over_sampling

        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        blocks = () if layout is None else layout.blocks

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            k = fit_neighbors(self.n_neighbors, len(rows), label, self.notes_)
            sampler = over_sampling.ADASYN(
                sampling_strategy={label: len(rows) + n_new},
                n_neighbors=Neighbors(k + 1, blocks=blocks),
                random_state=self.random_state,
            )
            try:
                new = made_by(sampler, X, y)
            except (RuntimeError, ValueError):
                if self._n_made(X, y, label, rows, n_new, sampler.n_neighbors):
                    raise
                new = X[:0]
                self.notes_.append(
                    f"class {label}: ADASYN has nothing to generate (its rows have "
                    "no or too few foreign neighbours); grown by SMOTE"
                )
            if len(new) > n_new:  # thin evenly: they come in the order of the class
                self.notes_.append(
                    f"class {label}: ADASYN's rounding made {len(new)} rows, not "
                    f"{n_new}; thinned evenly"
                )
                new = new[np.arange(n_new) * len(new) // n_new]
            if short := n_new - len(new):
                if len(new):
                    self.notes_.append(
                        f"class {label}: ADASYN's rounding left {short} of {n_new} "
                        "rows; made by SMOTE"
                    )
                more = interpolated(X, rows, short, k, self.random_state)
                new = np.concatenate([new, more])
            return new

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )

    @staticmethod
    def _n_made(
        X: Matrix, y: Labels, label: int, rows: Rows, n_new: int, near: Neighbors
    ) -> int:
        """Return how many rows ADASYN makes, each row's share rounded."""
        found = near.fit(X).kneighbors(X[rows], None, False)[:, 1:]
        foreign = (y[found] != label).sum(axis=1)
        if not foreign.any():
            return 0
        return int(np.rint(foreign / foreign.sum() * n_new).sum())


SAMPLER = ADASYN
