"""SMOTE-NC: SMOTE that knows which columns are categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.balance._grow import fit_neighbors, grow, made_by
from evenflow.prepare.balance._sampler import Labels, Matrix, Rows
from evenflow.prepare.balance._targets import rows_to_add
from evenflow.prepare.balance.smote import SMOTE
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SMOTENC(SMOTE):
    """Interpolate the numbers; take each category from most of the neighbours.

    One-hot blocks are decoded to category codes, imbalanced-learn's SMOTE-NC makes
    the rows, and the codes are encoded again. Columns that hold 0 or 1 to tell that
    a value is missing count as categories. The memory and time it needs grow with
    the rows it makes: ``max_rows_per_class`` bounds both.

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
       synthetic minority over-sampling technique", JAIR 16, 2002, section 6.1.
       doi:10.1613/jair.953
    """

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from imblearn import over_sampling

        if layout is None or not layout.blocks or not layout.n_numeric:
            found = (
                "no layout"
                if layout is None
                else f"{layout.n_numeric} numeric and {len(layout.blocks)} category "
                "columns"
            )
            raise DataError(
                f"smotenc: found {found}; expected a layout with columns of both "
                "kinds, to tell categories from numbers. Pass "
                "layout=preprocessor.layout, or balance with 'smote'"
            )
        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        table = decoded(X, layout)
        categorical = list(range(layout.n_numeric, table.shape[1]))

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            k = fit_neighbors(self.k_neighbors, len(rows), label, self.notes_)
            sampler = over_sampling.SMOTENC(
                categorical,
                sampling_strategy={1: len(rows) + n_new},
                k_neighbors=k,
                random_state=self.random_state,
            )
            # rows of other classes change nothing, but it refuses to work without
            other = np.flatnonzero(y != label)[:1]
            labels = np.r_[np.ones(len(rows), dtype=np.int64), 0]
            return encoded(made_by(sampler, table[np.r_[rows, other]], labels), layout)

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )


def decoded(X: Matrix, layout: Layout) -> NDArray[np.float32]:
    """Return numbers, indicators and one category code per one-hot block."""
    n = layout.n_numeric + layout.n_indicators
    codes = [X[:, a:b].argmax(axis=1).astype(np.float32) for a, b in layout.blocks]
    return np.column_stack([X[:, :n], *codes])


def encoded(table: NDArray[np.float32], layout: Layout) -> Matrix:
    """Return the prepared rows that :func:`decoded` came from."""
    n = layout.n_numeric + layout.n_indicators
    X = np.zeros((len(table), layout.n_features), dtype=np.float32)
    X[:, :n] = table[:, :n]
    for i, (start, _) in enumerate(layout.blocks):
        X[np.arange(len(table)), start + table[:, n + i].astype(np.int64)] = 1.0
    return X


SAMPLER = SMOTENC
