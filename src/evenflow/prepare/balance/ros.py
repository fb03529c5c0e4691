"""Random over-sampling: copies of minority rows."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.balance._targets import Strategy, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress


class RandomOverSampler(Sampler):
    """Copy minority rows until every class has the rows the strategy asks for.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    random_state : int or None, default=None
        Seed. The same seed and the same rows give the same copies.

    References
    ----------
    .. [1] H. He and E. A. Garcia, "Learning from imbalanced data", IEEE TKDE
       21(9), 2009. doi:10.1109/TKDE.2008.239

    Examples
    --------
    >>> X = np.arange(8, dtype=np.float32).reshape(4, 2)
    >>> y = np.array([0, 0, 0, 1])
    >>> _, y_new = RandomOverSampler(random_state=7).fit_resample(X, y)
    >>> np.bincount(y_new).tolist()
    [3, 3]
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        rng = np.random.default_rng(self.random_state)
        picked = [np.arange(len(y))]
        for label, n_new in wanted.items():
            picked.append(rng.choice(np.flatnonzero(y == label), size=n_new))
        rows = np.concatenate(picked)
        on_event(Progress(step="balance", done=len(rows), total=len(rows)))
        return X[rows], y[rows]


SAMPLER = RandomOverSampler
