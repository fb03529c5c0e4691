"""kNN under-sampling of benign rows, then TACGAN for the attacks."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.balance._targets import Count, Strategy
from evenflow.prepare.balance.knn_under import KNNUnder
from evenflow.prepare.balance.tacgan import TACGAN
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class KNNUnderTACGAN(Sampler):
    """Drop benign rows next to others, then grow small classes by TACGAN.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after both. ``'auto'`` lifts every class to the size of
        the largest one that is left, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    n_benign : int or None, default=None
        Benign rows to keep; as many as there are attacks without it.
    n_neighbors : int, default=5
        Benign neighbours that a benign row stands for.
    steps : int, default=5000
        Steps of the generator.
    random_state : int or None, default=None
        Seed.

    Notes
    -----
    Differences from the publication [1]_ are those of ``knn_under`` and ``tacgan``.

    References
    ----------
    .. [1] H. Ding et al., "Imbalanced data classification: a KNN and generative
       adversarial networks-based hybrid approach for intrusion detection", Future
       Generation Computer Systems 131, 2022. doi:10.1016/j.future.2022.01.026
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        n_benign: Count | None = None,
        n_neighbors: Count = 5,
        steps: Count = 5000,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.n_benign = n_benign
        self.n_neighbors = n_neighbors
        self.steps = steps
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        cut = KNNUnder(max_rows_per_class=self.n_benign, n_neighbors=self.n_neighbors)
        grow = TACGAN(
            sampling_strategy=self.sampling_strategy_,
            max_rows_per_class=self.max_rows_per_class,
            steps=self.steps,
            random_state=self.random_state,
        )
        X, y = cut.fit_resample(X, y, layout=layout, on_event=on_event)
        balanced: tuple[Matrix, Labels] = grow.fit_resample(
            X, y, layout=layout, on_event=on_event
        )
        self.notes_ += cut.notes_ + grow.notes_
        return balanced


SAMPLER = KNNUnderTACGAN
