"""Choices that a sender makes beside the file: its labels, and its event times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.errors import DataError

MAX_WORD = 200
"""Characters of a column or a value."""
MAX_BENIGN = 20
"""Values that may mean benign."""


def choices(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of the columns, for the payload of the job.

    ``label`` is the column, ``benign`` its values that mean benign, separated by
    commas, and ``time_column`` that of the event times; each may be absent or empty.

    Raises
    ------
    DataError
        One is too long, or no text.
    """
    names = ("label", "benign", "time_column")
    label, benign, time = (given.get(name, "") or "" for name in names)
    for name, value in zip(names, (label, benign, time), strict=True):
        if not isinstance(value, str) or len(value) > MAX_WORD * MAX_BENIGN:
            raise DataError(f"found an unusable {name}, expected a short text")
    label, time = (text.replace("\0", "").strip() for text in (label, time))
    values = [v for part in benign.replace("\0", "").split(",") if (v := part.strip())]
    if any(len(word) > MAX_WORD for word in (label, time, *values)):
        raise DataError(
            f"found a name of more than {MAX_WORD} characters, expected columns and "
            "values as they stand in the file"
        )
    if len(values) > MAX_BENIGN:
        raise DataError(
            f"found {len(values)} values that mean benign, expected {MAX_BENIGN} at "
            "most"
        )
    found: dict[str, Any] = {}
    if label:
        found["label"] = label
    if values:
        found["benign"] = values
    if time:
        found["time_column"] = time
    return found
