"""Rows that a model can score, separated from those it cannot.

A value far from all training values can leave the range of float32 when it is
scaled, and a model can answer NaN. NaN is over no threshold, so without this such a
row would be called benign; it is rejected like any impossible value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.conform import BadRow, check, shown
from evenflow.decision import Scores
from evenflow.schema import Table

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle

FINITE_SCORE = "values for which the model computes finite scores"


def judge(
    bundle: Bundle,
    table: Table,
    *,
    lines: NDArray[np.int64] | None = None,
    unit: str = "row",
) -> tuple[Scores, NDArray[np.int64], tuple[BadRow, ...]]:
    """Decide the rows of a table of the bundle's schema.

    Parameters
    ----------
    bundle : Bundle
    table : Table
    lines : ndarray of shape (n_rows,), int64, optional
        Line of each row in its source; counted from 1 without it.
    unit : str
        What ``lines`` counts.

    Returns
    -------
    scores : Scores
        Of the rows that can be judged.
    rows : ndarray of shape (n_scores,), int64
        Which rows of the table those are, ascending.
    bad : tuple of BadRow
        One entry for each other row, ascending.
    """
    X = bundle.preprocessor.transform(table)
    column = bundle.preprocessor.first_not_finite(X)
    log_proba = bundle.log_proba(X)
    is_finite = column < 0
    if not np.isfinite(log_proba).all():
        with np.errstate(invalid="ignore"):
            is_finite &= np.isfinite(bundle.decision.log_odds(log_proba))
    rows = np.flatnonzero(is_finite)
    if len(rows) == len(table):
        return bundle.decision.apply(log_proba), rows, ()
    bad = []
    for row in np.flatnonzero(~is_finite).tolist():
        name, found, expected = "", "values without a finite score", FINITE_SCORE
        if column[row] >= 0:
            name = bundle.preprocessor.numeric[column[row]]
            found = shown(table.frame[name][row])
            expected = bundle.preprocessor.expected
        line = row + 1 if lines is None else int(lines[row])
        bad.append(
            BadRow(line=line, column=name, found=found, expected=expected, unit=unit)
        )
    return bundle.decision.apply(log_proba[rows]), rows, tuple(bad)


def judge_labelled(
    bundle: Bundle, table: Table
) -> tuple[Table, Scores, tuple[BadRow, ...]]:
    """Decide labelled rows as a file of them is scored, the rejected ones left out.

    Returns
    -------
    table : Table
        The rows that are scored; ``n_rejected`` counts the others too.
    scores : Scores
    bad : tuple of BadRow
        The other rows, by their number in the table given.
    """
    found = check(bundle.schema, table.frame)
    kept = table.take(found.rows) if found.bad else table
    scores, rows, bad = judge(bundle, kept, lines=found.rows + 1)
    bad = tuple(sorted((*found.bad, *bad), key=lambda one: one.line))
    if len(rows) < len(kept):
        kept = kept.take(rows)
    return replace(kept, n_rejected=table.n_rejected + len(bad)), scores, bad
