"""A number as a text writes it: one rule for training, files and single records."""

from __future__ import annotations

import re

import polars as pl

from evenflow.schema import Column

MISSING = frozenset(
    {"", "-", "?", "na", "n/a", "nan", "null", "none", "inf", "-inf", "+inf"}
    | {"infinity", "-infinity", "+infinity"}
)
"""Words for "no value" in a numeric column, in lower case. The preprocessor fills
such a value with what training rows showed; that is not an error."""

SPACE = " \t\r\n\v\f\u00a0"
"""What is dropped around a value; Python and Polars differ in what a space is."""

TRUTHS = {"true": 1.0, "t": 1.0, "false": 0.0, "f": 0.0}
"""Words for 1 and 0, in lower case, in a numeric column of 0 and 1 alone."""


def numbers(series: pl.Series, column: Column) -> tuple[pl.Series, pl.Series]:
    """Return a column's values as ``Float64``, and which of them are not numbers.

    A text is read as the column says: with its decimal and thousands marks, and in a
    column of 0 and 1 also as ``true`` and ``false``. The words of :data:`MISSING`
    are null, and so is any other word.

    Returns
    -------
    values : Series of Float64
    wrong : Series of Boolean
        Rows with a word that is neither a number nor one for no value.
    """
    if series.dtype != pl.String:
        values = series.cast(pl.Float64, strict=False)
        return values, values.is_null() & series.is_not_null()
    word = series.str.strip_chars(SPACE)
    plain = word
    if (pattern := written(column)) is not None:
        plain = word.set(~word.str.contains(pattern).fill_null(value=False), None)
        plain = plain.str.replace_all(column.thousands, "", literal=True)
        plain = plain.str.replace_all(column.decimal or ".", ".", literal=True)
    values = plain.cast(pl.Float64, strict=False)
    wrong = values.is_null() & word.is_not_null()
    if not wrong.any():
        return values, wrong
    rest = word.set(~wrong, None).str.to_lowercase()
    if _is_flag(column):
        truth = rest.replace_strict(TRUTHS, default=None, return_dtype=pl.Float64)
        values = values.zip_with(values.is_not_null(), truth)
    return values, wrong & values.is_null() & ~rest.is_in(sorted(MISSING))


def number(word: str, column: Column) -> float | None:
    """Return one stripped word as :func:`numbers` reads it; None for no number."""
    plain: str | None = word
    if (pattern := written(column)) is not None:
        is_so = re.search(pattern, word) is not None
        plain = word.replace(column.thousands, "") if is_so else None
        plain = plain and plain.replace(column.decimal or ".", ".")
    # float() also reads 1_000 and other scripts' digits, a file's reader does not
    if plain and plain.isascii() and plain.isprintable() and "_" not in plain:
        try:
            return float(plain)
        except ValueError:
            pass
    if _is_flag(column) and word.lower() in TRUTHS:
        return TRUTHS[word.lower()]
    return float("nan") if word.lower() in MISSING else None


def written(column: Column) -> str | None:
    """Return the pattern of the column's numbers; None for plain ones."""
    if not (column.decimal or column.thousands):
        return None
    whole = r"\d+"
    if column.thousands:
        whole = rf"(\d{{1,3}}({re.escape(column.thousands)}\d{{3}})+|\d+)"
    mark = re.escape(column.decimal or ".")
    return rf"^[-+]?({whole}({mark}\d*)?|{mark}\d+)([eE][-+]?\d+)?$"


def _is_flag(column: Column) -> bool:
    return (column.low, column.high, column.step) == (0, 1, 1)
