"""SVM-SMOTE: new rows from the minority rows that support a border."""

from __future__ import annotations

import warnings
from typing import ClassVar, Self

import numpy as np
from sklearn.svm import SVC

from evenflow.prepare.balance._grow import (
    fit_neighbors,
    grow,
    interpolated,
    made_by,
)
from evenflow.prepare.balance._neighbors import Neighbors
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, counts, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SVMSMOTE(Sampler):
    """Grow from support vectors: inwards in danger, outwards where it is safe.

    A support vector machine with an RBF kernel finds the rows at the borders of
    classes. A support vector whose neighbours are mostly of other classes is
    interpolated towards its own class, one among its own is extrapolated away from it;
    one among other classes alone is noise. imbalanced-learn makes the rows. It makes
    fewer than asked for where no support vector is in danger, or none is safe; SMOTE
    makes the rest, and all rows of a class whose support vectors are noise. Notes say
    so.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours of the same class to interpolate towards.
    m_neighbors : int, default=10
        Neighbours of any class that tell danger from safety.
    out_step : float, default=0.5
        Greatest part of a difference to extrapolate by.
    svm_rows_per_class : int or None, default=2000
        Rows of each class, drawn at random, that the machine is fitted on; its time
        grows with their square. None takes all.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] H. M. Nguyen, E. W. Cooper and K. Kamei, "Borderline over-sampling for
       imbalanced data classification", Int. J. Knowledge Engineering and Soft Data
       Paradigms 3(1), 2011. doi:10.1504/IJKESDP.2011.039875
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        k_neighbors: Count = 5,
        m_neighbors: Count = 10,
        out_step: float = 0.5,
        svm_rows_per_class: Count | None = 2000,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.k_neighbors = k_neighbors
        self.m_neighbors = m_neighbors
        self.out_step = out_step
        self.svm_rows_per_class = svm_rows_per_class
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from imblearn import over_sampling

        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        blocks = () if layout is None else layout.blocks
        m = min(self.m_neighbors, len(y) - 1)
        support = self._support(X, y) if wanted else np.arange(0)

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            k = fit_neighbors(self.k_neighbors, len(rows), label, self.notes_)
            sampler = over_sampling.SVMSMOTE(
                sampling_strategy={label: len(rows) + n_new},
                k_neighbors=Neighbors(k + 1, blocks=blocks),
                m_neighbors=Neighbors(m + 1, blocks=blocks),
                svm_estimator=Fitted(support),
                out_step=self.out_step,
                random_state=self.random_state,
            )
            try:
                new = made_by(sampler, X, y) if (y[support] == label).any() else X[:0]
            except ValueError as error:
                if "considered as noise" not in str(error):
                    raise
                new = X[:0]
            if short := n_new - len(new):
                self.notes_.append(
                    f"class {label}: support vectors of one kind only, or noise, left "
                    f"{short} of {n_new} rows; made by SMOTE"
                )
                more = interpolated(X, rows, short, k, self.random_state)
                new = np.concatenate([new, more])
            return new

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )

    def _support(self, X: Matrix, y: Labels) -> Rows:
        """Return the numbers of the rows that are support vectors."""
        drawn = np.arange(len(y))
        most = self.svm_rows_per_class
        if most is not None and max(counts(y).values()) > most:
            rng = np.random.default_rng(self.random_state)
            drawn = np.sort(
                np.concatenate(
                    [
                        rng.permutation(np.flatnonzero(y == label))[:most]
                        for label in counts(y)
                    ]
                )
            )
            self.notes_.append(
                f"support vectors of {len(drawn)} of {len(y)} rows, at most {most} of "
                "each class"
            )
        machine = SVC(gamma="scale", random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            machine.fit(X[drawn], y[drawn])
        support: Rows = drawn[machine.support_]
        return support


class Fitted(SVC):  # type: ignore[misc]
    """A support vector machine that was fitted before, as far as SMOTE needs it.

    Parameters
    ----------
    support : ndarray of shape (n_support,), int64
        Numbers of the rows that are support vectors.
    """

    def __init__(self, support: Rows) -> None:
        self.support = support

    def fit(self, X: Matrix, y: Labels) -> Self:
        """Answer the support vectors found before."""
        del X, y
        self.support_ = self.support
        return self


SAMPLER = SVMSMOTE
