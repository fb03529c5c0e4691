"""One-sided selection: drop the majority rows that teach nothing or mislead."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._edit import cleaned, tomek_links
from evenflow.prepare.balance._neighbors import nearest_others
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Sampler
from evenflow.prepare.balance._targets import Count, counts
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress


class OneSidedSelection(Sampler):
    """Keep the rarest class whole and, of each other, what lies towards it.

    For each other class: from the rare rows and ``n_seeds`` random rows of that
    class, 1-nearest-neighbour classifies its other rows; those it gets right are
    redundant and go. Then majority rows in Tomek links go as noise. The same rows
    as imbalanced-learn's ``OneSidedSelection`` keeps, in their order; a class never
    loses its last row.

    Parameters
    ----------
    n_seeds : int, default=1
        Random rows of each class that start its selection.
    majority_only : bool, default=False
        Select from the largest class alone: the others, together, stay whole.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] M. Kubat and S. Matwin, "Addressing the curse of imbalanced training
       sets: one-sided selection", ICML 1997.
    """

    kind: ClassVar[Kind] = "clean"

    def __init__(
        self,
        *,
        n_seeds: Count = 1,
        majority_only: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.n_seeds = n_seeds
        self.majority_only = majority_only
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from sklearn.neighbors import KNeighborsClassifier

        # the legacy generator, so that imbalanced-learn draws the same seeds
        rng = np.random.RandomState(self.random_state)
        found, given = counts(y), y
        rarest = min(found, key=lambda label: found[label])
        if self.majority_only:
            y = (y == max(found, key=lambda label: found[label])).astype(np.int64)
            found, rarest = counts(y), 0
        rare = np.flatnonzero(y == rarest)
        kept = [rare]
        for done, (label, n) in enumerate(found.items(), start=1):
            on_event(Progress(step="balance", done=done, total=len(found)))
            if label == rarest:
                continue
            rows = np.flatnonzero(y == label)
            drawn = rng.randint(low=0, high=n, size=self.n_seeds)
            others = np.delete(rows, drawn)
            start = np.append(rare, rows[drawn])
            nearest = KNeighborsClassifier(n_neighbors=1).fit(X[start], y[start])
            wrong = (
                nearest.predict(X[others]) != label
                if len(others)
                else others.astype(bool)
            )
            kept += [np.unique(rows[drawn]), others[wrong]]
        rows = np.sort(np.concatenate(kept))
        self.notes_.append(
            f"one-sided selection kept {len(rows)} of {len(y)} rows before Tomek links"
        )
        nearest_row = nearest_others(X[rows], 1, layout=layout)[:, 0]
        remove = tomek_links(y[rows], nearest_row) & (y[rows] != rarest)
        rows = rows[cleaned(given[rows], remove, self.notes_, "Tomek links")]
        return X[rows], given[rows]


SAMPLER = OneSidedSelection
