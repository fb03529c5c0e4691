"""Random under-sampling: fewer majority rows."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.balance._targets import Strategy, rows_to_keep
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress


class RandomUnderSampler(Sampler):
    """Keep random rows of the large classes, in their order.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows to keep per class. ``'auto'`` cuts every class to the size of the
        smallest one, or to ``max_rows_per_class`` where that is given.
    max_rows_per_class : int or None, default=None
        Rows to keep of a larger class, under ``'auto'``. Where the smallest class
        has 50 rows, this is what leaves something to learn from.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] H. He and E. A. Garcia, "Learning from imbalanced data", IEEE TKDE
       21(9), 2009. doi:10.1109/TKDE.2008.239

    Examples
    --------
    >>> X = np.arange(8, dtype=np.float32).reshape(4, 2)
    >>> y = np.array([0, 0, 0, 1])
    >>> _, y_new = RandomUnderSampler(random_state=7).fit_resample(X, y)
    >>> np.bincount(y_new).tolist()
    [1, 1]
    """

    kind: ClassVar[Kind] = "under"

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
        keep = rows_to_keep(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        rng = np.random.default_rng(self.random_state)
        rows = np.sort(
            np.concatenate(
                [
                    rng.choice(np.flatnonzero(y == label), size=n, replace=False)
                    for label, n in keep.items()
                ]
            )
        )
        on_event(Progress(step="balance", done=len(rows), total=len(rows)))
        return X[rows], y[rows]


SAMPLER = RandomUnderSampler
