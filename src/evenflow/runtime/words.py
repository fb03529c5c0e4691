"""One value of a category, read as a table's reader reads it."""

from __future__ import annotations

from evenflow.conform import SPACE, shown
from evenflow.errors import DataError


def word(value: object) -> str | None:
    """Return one value of a category as a table's reader reads it.

    Raises
    ------
    DataError
        The value is a list or an object.
    """
    if isinstance(value, (list, dict)):
        raise DataError(
            f"found {shown(value)} for a category, expected a word. Correct the value"
        )
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value).lower()  # as a typed column reads
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip(SPACE) or None
