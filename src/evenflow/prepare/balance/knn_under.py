"""kNN under-sampling: drop benign rows next to a benign row that stays."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._neighbors import Neighbors
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress


class KNNUnder(Sampler):
    """Keep benign rows that stand for their nearest neighbours; attacks all stay.

    The benign row whose ``n_neighbors`` nearest benign rows are nearest stays, and they
    are dropped; then the next such row that is left, until as many rows are dropped as
    shall be. So each dropped row lies next to a row that stays, and rows far from all
    others stay. Where one pass over the rows is not enough, the rows that stayed are
    passed over again.

    Parameters
    ----------
    max_rows_per_class : int or None, default=None
        Benign rows to keep; as many as there are attacks without it.
    n_neighbors : int, default=5
        Neighbours that a row stands for.
    random_state : int or None, default=None
        Accepted so that all samplers can be called alike; nothing is drawn.

    Notes
    -----
    The publication [1]_ says that a method of k nearest neighbours removes normal rows
    with the least loss of information, before a generator makes rows of attacks. Its
    steps are not known to us: those above are ours. Code 0 is benign.

    References
    ----------
    .. [1] H. Ding et al., "Imbalanced data classification: a KNN and generative
       adversarial networks-based hybrid approach for intrusion detection", Future
       Generation Computer Systems 131, 2022. doi:10.1016/j.future.2022.01.026

    Examples
    --------
    >>> X = np.array([[0], [0.1], [5], [9], [9.2], [20]], dtype=np.float32)
    >>> y = np.array([0, 0, 0, 0, 0, 1])
    >>> sampler = KNNUnder(max_rows_per_class=3, n_neighbors=1)
    >>> sampler.fit_resample(X, y)[0].ravel().tolist()
    [0.0, 5.0, 9.0, 20.0]
    """

    kind: ClassVar[Kind] = "under"

    def __init__(
        self,
        *,
        max_rows_per_class: Count | None = None,
        n_neighbors: Count = 5,
        random_state: int | None = None,
    ) -> None:
        self.max_rows_per_class = max_rows_per_class
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        benign = np.flatnonzero(y == 0)
        wanted = self.max_rows_per_class or len(y) - len(benign)
        n_gone = total = max(len(benign) - wanted, 0)
        blocks = () if layout is None else layout.blocks
        while n_gone:
            benign = self._passed(X, benign, n_gone, blocks)
            n_gone = len(benign) - wanted
            on_event(Progress(step="balance", done=total - n_gone, total=total))
        on_event(Progress(step="balance", done=total, total=total))
        self.notes_.append(
            f"dropped {total} benign rows, each next to a row that stays"
        )
        rows = np.sort(np.concatenate([benign, np.flatnonzero(y != 0)]))
        return X[rows], y[rows]

    def _passed(
        self, X: Matrix, rows: Rows, n_gone: int, blocks: tuple[tuple[int, int], ...]
    ) -> Rows:
        """Return the rows that stay after one pass, which ends at ``n_gone``."""
        k = min(self.n_neighbors, len(rows) - 1)
        search = Neighbors(k + 1, blocks=blocks).fit(X[rows])
        distance, near = search.kneighbors()
        is_gone = np.zeros(len(rows), dtype=bool)
        is_kept = np.zeros(len(rows), dtype=bool)
        left = n_gone
        for row in np.argsort(distance[:, -1], kind="stable"):
            if is_gone[row]:
                continue
            is_kept[row] = True
            others = near[row][~(is_gone | is_kept)[near[row]]][:left]
            is_gone[others] = True
            left -= len(others)
            if not left:
                break
        return rows[~is_gone]


SAMPLER = KNNUnder
