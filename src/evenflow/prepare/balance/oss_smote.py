"""One-sided selection, then SMOTE."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix
from evenflow.prepare.balance._targets import Count, Strategy
from evenflow.prepare.balance.one_sided_selection import OneSidedSelection
from evenflow.prepare.balance.smote import SMOTE
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class OSSSMOTE(SMOTE):
    """Drop rows of the largest class that teach nothing or mislead, then use SMOTE.

    The hybrid sampling of [1]_. Deviation: a class is lifted to the largest one that is
    left, or to ``max_rows_per_class``.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after SMOTE. ``'auto'`` lifts every class to the size
        of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours SMOTE chooses from; fewer in a small class.
    n_seeds : int, default=1
        Random rows of the largest class that start its selection.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] K. Jiang, W. Wang, A. Wang, H. Wu, "Network intrusion detection combined
       hybrid sampling with deep hierarchical network", IEEE Access 8, 2020.
       doi:10.1109/ACCESS.2020.2973730
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        k_neighbors: Count = 5,
        n_seeds: Count = 1,
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            sampling_strategy=sampling_strategy,
            max_rows_per_class=max_rows_per_class,
            k_neighbors=k_neighbors,
            random_state=random_state,
        )
        self.n_seeds = n_seeds

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        select = OneSidedSelection(
            n_seeds=self.n_seeds, majority_only=True, random_state=self.random_state
        )
        X, y = select.fit_resample(X, y, layout=layout, on_event=on_event)
        self.notes_ += select.notes_
        return super()._resample(X, y, layout, on_event)


SAMPLER = OSSSMOTE
