"""Choices that a sender makes beside the file: the model, and where its labels are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.errors import DataError

MAX_WORD = 200
"""Characters of a column or a value."""
MAX_BENIGN = 20
"""Values that may mean benign."""


def labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of the labels, for the payload of the job.

    ``label`` is the column, ``benign`` its values that mean benign, separated by
    commas; either may be absent or empty.

    Raises
    ------
    DataError
        One is too long, or no text.
    """
    label, benign = (given.get(name, "") or "" for name in ("label", "benign"))
    for name, value in (("label", label), ("benign", benign)):
        if not isinstance(value, str) or len(value) > MAX_WORD * MAX_BENIGN:
            raise DataError(f"found an unusable {name}, expected a short text")
    label = label.replace("\0", "").strip()
    values = [v for part in benign.replace("\0", "").split(",") if (v := part.strip())]
    if len(label) > MAX_WORD or any(len(v) > MAX_WORD for v in values):
        raise DataError(
            f"found a name of more than {MAX_WORD} characters, expected the label "
            "column and its values as they stand in the file"
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
    return found
