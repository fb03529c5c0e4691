"""The columns of an unknown text: named by its header, its user or its layout."""

from __future__ import annotations

from collections.abc import Sequence

from evenflow.conform import fold, shown, unique_names
from evenflow.datasets._layouts import LAYOUTS, Layout
from evenflow.errors import DataError
from evenflow.text.header import (
    DELIMITERS,
    NUMBER,
    Dialect,
    is_data,
    split,
    splits_of,
)
from evenflow.text.numbers import MISSING


def by_itself(
    head: str,
    second: str,
    *,
    name: str,
    header: Sequence[str] = (),
) -> tuple[Dialect, Layout | None]:
    """Return the dialect of a text from what it holds, and its published layout.

    Parameters
    ----------
    head, second : str
        Its first two lines.
    header : sequence of str, optional
        The names of the columns of a text that has none.

    Raises
    ------
    DataError
        There is one column only, the first line is a comment or holds values, or
        ``header`` has another number of names.
    """
    splits = splits_of(head, name=name)
    delimiter = max(DELIMITERS, key=lambda d: len(splits[d]))
    fields = [f.strip() for f in splits[delimiter]]
    if head.lstrip().startswith(("#", "%", "//")) and len(fields) != len(
        split(second, delimiter)
    ):
        raise DataError(
            f"{name}, line 1: found a comment ({shown(head)}), expected the names of "
            "the columns. Delete the comment lines"
        )
    if len(fields) < 2:
        raise DataError(
            f"{name}: the first line is one field ({shown(head)}); expected the names "
            "of two columns or more, separated by comma, semicolon, tab or |. Write "
            "the table as CSV"
        )
    if header:
        names = unique_names(header)
        if len(fields) != len(names):
            raise DataError(
                f"{name}: the first line has {len(fields)} fields and header has "
                f"{len(names)} names; expected one name for each field. Correct header"
            )
        is_named = [fold(f) for f in fields] == [fold(n) for n in names]
        return (
            Dialect(delimiter=delimiter, names=names, has_header=is_named),
            None,
        )
    for layout in LAYOUTS:
        if layout.fits(fields):
            names = layout.names[: len(fields)]
            dialect = Dialect(delimiter=delimiter, names=names, has_header=False)
            return dialect, layout
    if is_data(fields) and not _is_header(fields, split(second, delimiter)):
        value = next(f for f in fields if NUMBER.fullmatch(f))
        raise DataError(
            f"{name}, line 1: found values ({value!r} among them), expected the names "
            f'of the {len(fields)} columns. Give the names: header = ["...", ...], or '
            "write them into the first line"
        )
    names = unique_names(fields)
    return Dialect(delimiter=delimiter, names=names, has_header=True), None


def _is_header(fields: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether a first line with numbers in it holds names all the same.

    It does if the numbers count from 0 or 1, or if a word stands above a number.
    """
    found = [f for f in fields if NUMBER.fullmatch(f)]
    start = 1 if found[0] == "1" else 0
    if len(found) > 1 and found == [str(start + i) for i in range(len(found))]:
        return True
    return any(
        NUMBER.fullmatch(below.strip())
        and not NUMBER.fullmatch(field)
        and field.lower() not in MISSING
        for field, below in zip(fields, second, strict=False)
    )
