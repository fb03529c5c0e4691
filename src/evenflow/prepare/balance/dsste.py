"""DSSTE: compress the difficult majority, zoom the difficult minority."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._compress import centres
from evenflow.prepare.balance._edit import disagreeing
from evenflow.prepare.balance._grow import possible
from evenflow.prepare.balance._neighbors import nearest_others
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, counts, targets
from evenflow.prepare.balance._zoom import categories, zoomed
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress


class DSSTE(Sampler):
    """Difficult set sampling technique: change what lies among other classes alone.

    1. A row that most of its nearest rows would call another class is difficult (edited
       nearest neighbours); all others are easy, and stay.
    2. The difficult rows of a large class are replaced by the centres of
       ``scaling_factor`` clusters (k-means).
    3. The difficult rows of a small class stay. Each is added again with its numbers
       multiplied by ``1 - 1/n`` and by ``1 + 1/n``, for ``n`` from ``scaling_factor``
       on: as many ``n`` as the class has difficult rows. Categories stay.

    Parameters
    ----------
    max_rows_per_class : int or None, default=None
        A class of fewer rows is small, and no class grows beyond it; without it, all
        but the largest class are small and grow to the size of that at most.
    scaling_factor : int, default=20
        ``K`` of the publication: clusters, and the least ``n``. At least 2, for a
        factor of ``1 - 1/n`` that leaves something.
    n_neighbors : int, default=5
        Neighbours that tell easy from difficult.
    random_state : int or None, default=None
        Seed of the clusters.

    Notes
    -----
    Known differences from [1]_: centres and zoomed rows are moved to the nearest
    possible row, where a layout is given; new rows of a class that would grow beyond
    its limit are thinned evenly; which classes are large is decided by their rows. The
    value of ``K`` in the publication is not known to us.
    :mod:`evenflow.prepare.balance.hybrid` is our own sampler after it.

    References
    ----------
    .. [1] L. Liu, P. Wang, J. Lin and L. Liu, "Intrusion detection of imbalanced
       network traffic based on machine learning and deep learning", IEEE Access 9,
       2021, its algorithm 1. doi:10.1109/ACCESS.2020.3048198
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        max_rows_per_class: Count | None = None,
        scaling_factor: Count = 20,
        n_neighbors: Count = 5,
        random_state: int | None = None,
    ) -> None:
        self.max_rows_per_class = max_rows_per_class
        self.scaling_factor = scaling_factor
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        found, k = counts(y), min(self.n_neighbors, len(y) - 1)
        wanted = targets("auto", y, max_rows_per_class=self.max_rows_per_class)
        rng = np.random.default_rng(self.random_state)
        steps = len(found) + 1
        on_event(Progress(step="balance", done=1, total=steps, unit="steps"))
        difficult = disagreeing(y, nearest_others(X, k, layout=layout), kind="mode")
        stays = np.ones(len(y), dtype=bool)
        parts, labels = [], []
        for step, (label, n) in enumerate(found.items(), start=2):
            rows = np.flatnonzero((y == label) & difficult)
            if wanted[label] > n:
                new = self._zooms(X, rows, layout, wanted[label] - n)
                what = f"{len(new)} zoomed rows beside"
            else:
                new = X[:0]
                if len(rows):
                    new = centres(X, rows, min(self.scaling_factor, len(rows)), rng)
                stays[rows] = False
                what = f"{len(new)} centres in place of"
            self.notes_.append(f"class {label}: {what} {len(rows)} difficult rows")
            parts.append(possible(new, X, layout))
            labels.append(np.full(len(new), label, dtype=np.int64))
            on_event(Progress(step="balance", done=step, total=steps, unit="steps"))
        return (
            np.concatenate([X[stays], *parts]),
            np.concatenate([y[stays], *labels]),
        )

    def _zooms(self, X: Matrix, rows: Rows, layout: Layout | None, most: int) -> Matrix:
        """Return rows zoomed out and in by each factor, ``most`` of all evenly."""
        if not len(rows):
            return X[:0]
        _, continuous = categories(X, layout)
        n = np.arange(len(rows)) + max(self.scaling_factor, 2)
        factor = np.concatenate([1 - 1 / n, 1 + 1 / n])
        total = len(rows) * len(factor)
        most = min(most, total)
        row, by = np.divmod(np.arange(most) * total // most, len(factor))
        return zoomed(X[rows[row]], factor[by], continuous, layout)


SAMPLER = DSSTE
