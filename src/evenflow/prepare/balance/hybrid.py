"""Hybrid: our own data balancing, after DSSTE.

The training rows fall into easy and difficult ones. Easy rows teach a class where
it is at home; difficult ones lie where classes meet. Large classes give up part of
their difficult rows there, small classes grow, and no new row is made where another
class is at home.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evenflow.errors import DataError
from evenflow.prepare.balance._compress import compressed
from evenflow.prepare.balance._edit import Mask, disagreeing
from evenflow.prepare.balance._grow import possible
from evenflow.prepare.balance._neighbors import Neighbors, nearest_others
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, counts, targets
from evenflow.prepare.balance._zoom import Nursery, categories
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress

Share = Annotated[float, Field(ge=0, le=1)]

ROUNDS = 4
"""Times a new row may be made again when it lands among another class."""


class Hybrid(Sampler):
    """Thin the difficult majority, grow the minority within its own bounds.

    1. *Sort.* A row is difficult when one of its ``n_neighbors`` nearest rows has
       another class (edited nearest neighbours, exact); all others are easy.
    2. *Thin.* Of the difficult rows of a class that shall not grow,
       ``keep_difficult`` stay: k-means within each combination of categories, and
       the real row nearest to each centre. Its easy rows all stay, unless the
       strategy asks for fewer rows of the class; then they are thinned alike.
    3. *Grow.* A class below its target grows from its own rows, a part
       ``difficult_share`` of the new rows from its difficult ones. A new row keeps
       all categories of the row it grows from. Its numbers lie between that row
       and a near row of the same class and the same categories; where there is
       none, they are zoomed by ``1 +- 1/n`` in raw units and kept within the
       class's own least and greatest values.
    4. *Test.* A new row whose nearest real row is of another class is made again,
       up to three times, and then given up for a copy of the row it grew from.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Target per class. ``'auto'`` lifts every class to the size of the largest
        one, or to ``max_rows_per_class``, and thins difficult rows of the others. A
        dict may ask for more rows of a class or for fewer.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    n_neighbors : int, default=5
        Neighbours that tell easy from difficult, and to grow towards.
    keep_difficult : float, default=0.75
        Share of a large class's difficult rows that stays, in [0, 1].
    difficult_share : float, default=0.25
        Share of a small class's new rows that grow from difficult rows, in [0, 1].
    zoom : int, default=10
        Least ``n`` of the zoom ``1 +- 1/n``.
    random_state : int or None, default=None
        Seed.

    Notes
    -----
    Differences from DSSTE [1]_: its cluster *centres* replace the difficult
    majority, here real rows do, since a mean of rows is not a possible row; it zooms
    every difficult minority row and lets each class's size follow from that, here
    a class has a target, rows lie between neighbours first, and easy rows take
    part, so that a class of 50 rows does not become a class of borderline cases;
    its difficult rows are outvoted by their neighbours, here one foreign neighbour
    is enough; the test of step 4 is ours.

    References
    ----------
    .. [1] L. Liu, P. Wang, J. Lin and L. Liu, "Intrusion detection of imbalanced
       network traffic based on machine learning and deep learning", IEEE Access 9,
       2021. doi:10.1109/ACCESS.2020.3048198
    .. [2] D. L. Wilson, "Asymptotic properties of nearest neighbor rules using
       edited data", IEEE Trans. SMC 2(3), 1972. doi:10.1109/TSMC.1972.4309137
    """

    kind: ClassVar[Kind] = "both"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        n_neighbors: Count = 5,
        keep_difficult: Share = 0.75,
        difficult_share: Share = 0.25,
        zoom: Count = 10,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.n_neighbors = n_neighbors
        self.keep_difficult = keep_difficult
        self.difficult_share = difficult_share
        self.zoom = zoom
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        for name in ("keep_difficult", "difficult_share"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise DataError(f"hybrid: {name} is {share}; expected 0 to 1")
        wanted = targets(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        found = counts(y)
        rng = np.random.default_rng(self.random_state)
        steps = len(found) + 1
        on_event(Progress(step="balance", done=0, total=steps, unit="steps"))
        k = min(self.n_neighbors, len(y) - 1)
        difficult = disagreeing(y, nearest_others(X, k, layout=layout), kind="all")
        self.notes_.append(
            "difficult rows: "
            + ", ".join(
                f"{difficult[y == label].sum()} of {n} of class {label}"
                for label, n in found.items()
            )
        )
        kept, parts, labels = [], [], []
        for step, (label, n) in enumerate(found.items(), start=1):
            on_event(Progress(step="balance", done=step, total=steps, unit="steps"))
            rows = np.flatnonzero(y == label)
            if wanted[label] > n:
                kept.append(rows)
                new = self._grown(
                    X, y, label, wanted[label] - n, difficult, layout, rng
                )
                parts.append(new)
                labels.append(np.full(len(new), label, dtype=np.int64))
            else:
                kept.append(
                    self._thinned(X, rows, wanted[label], difficult, layout, rng)
                )
        on_event(Progress(step="balance", done=steps, total=steps, unit="steps"))
        rows = np.sort(np.concatenate(kept))
        return np.concatenate([X[rows], *parts]), np.concatenate([y[rows], *labels])

    def _thinned(
        self,
        X: Matrix,
        rows: Rows,
        target: int,
        difficult: Mask,
        layout: Layout | None,
        rng: np.random.Generator,
    ) -> Rows:
        """Return the rows of a large class that stay."""
        hard, easy = rows[difficult[rows]], rows[~difficult[rows]]
        n_hard = round(len(hard) * self.keep_difficult)
        if not len(easy):  # a class of difficult rows only keeps at least one
            n_hard = max(1, n_hard)
        if target < len(rows):
            n_hard = min(n_hard, max(target - len(easy), target * n_hard // len(rows)))
            n_easy = min(len(easy), target - n_hard)
            n_hard = min(len(hard), target - n_easy)
        else:
            n_easy = len(easy)
        group, continuous = categories(X, layout)
        numbers = X[:, continuous]
        return np.concatenate(
            [
                compressed(numbers, hard, n_hard, group, rng),
                compressed(numbers, easy, n_easy, group, rng),
            ]
        )

    def _grown(
        self,
        X: Matrix,
        y: Labels,
        label: int,
        n_new: int,
        difficult: Mask,
        layout: Layout | None,
        rng: np.random.Generator,
    ) -> Matrix:
        """Return ``n_new`` rows of a small class, none where another is at home."""
        rows = np.flatnonzero(y == label)
        nursery = Nursery.of(X[rows], layout, k=self.n_neighbors, zoom=self.zoom)
        parent = self._parents(difficult[rows], n_new, rng)
        new = X[rows[parent]]
        home = Neighbors(1, blocks=() if layout is None else layout.blocks).fit(X)
        is_open = np.ones(n_new, dtype=bool)
        for _ in range(ROUNDS):
            made = possible(nursery.child(parent[is_open], rng), X, layout)
            at_home = y[home.kneighbors(made, None, False)[:, 0]] == label
            passed = np.flatnonzero(is_open)[at_home]
            new[passed] = made[at_home]
            is_open[passed] = False
            if not is_open.any():
                break
        if n_copies := int(is_open.sum()):
            self.notes_.append(
                f"class {label}: {n_copies} of {n_new} new rows are copies, since "
                "what grew there lay among another class"
            )
        return new

    def _parents(
        self, difficult: Mask, n_new: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return which of its rows each new row grows from, each used evenly."""
        hard, easy = np.flatnonzero(difficult), np.flatnonzero(~difficult)
        share = (
            self.difficult_share if len(hard) and len(easy) else float(len(easy) == 0)
        )
        n_hard = round(n_new * share)
        return np.concatenate(
            [_dealt(hard, n_hard, rng), _dealt(easy, n_new - n_hard, rng)]
        )


def _dealt(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Return ``n`` of the rows, each as often as any other, give or take one."""
    if n == 0:
        return rows[:0]
    rounds = -(-n // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:n]


SAMPLER = Hybrid
