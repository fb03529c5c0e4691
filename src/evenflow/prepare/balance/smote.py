"""SMOTE: new rows between a minority row and its neighbours."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._grow import fit_neighbors, grow, interpolated
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SMOTE(Sampler):
    """Interpolate between a minority row and one of its nearest of the same class.

    imbalanced-learn makes the rows; the neighbour count adapts to small classes,
    and with a layout each new row is then moved to the nearest possible row.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours to choose from; fewer in a class of ``k_neighbors`` rows or less.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE:
       synthetic minority over-sampling technique", JAIR 16, 2002.
       doi:10.1613/jair.953
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        k_neighbors: Count = 5,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.k_neighbors = k_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            k = fit_neighbors(self.k_neighbors, len(rows), label, self.notes_)
            return interpolated(X, rows, n_new, k, self.random_state)

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )


SAMPLER = SMOTE
