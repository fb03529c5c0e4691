"""The memory of a detector at work, in a file: it resumes where it stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.files import write_json

FORMAT = 1
MOST_BYTES = 2**30
KINDS = "iufbU"
"""Kinds of arrays that a state may hold: numbers and text."""
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class State:
    """The content of a state file."""

    rows: dict[str, NDArray[Any]]
    """Of the contract: what came before."""
    incidents: dict[str, Any]
    drift: dict[str, Any] | None
    """Of the traffic; None where it was not watched."""
    position: str
    """How far a log was read; empty for other sources."""


def save(
    path: Path,
    *,
    rows: Arrays,
    incidents: Mapping[str, Any],
    drift: Mapping[str, Any] | None = None,
    position: str = "",
) -> None:
    """Write a state, whole or not at all.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    write_json(
        path,
        {
            "format": FORMAT,
            "rows": {name: _packed(array) for name, array in rows.items()},
            "incidents": incidents,
            "drift": drift,
            "position": position,
        },
    )


def load(path: Path) -> State | None:
    """Return what was saved; None where there is no file.

    Raises
    ------
    DataError
        It is not a state, or damaged.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        value = json.loads(text)
        if value["format"] != FORMAT or not isinstance(value["incidents"], dict):
            raise ValueError(f"found the format {value['format']!r}")
        rows = {name: _unpacked(array) for name, array in value["rows"].items()}
        drift = value.get("drift")
        if not isinstance(drift, dict | None):
            raise ValueError("found drift of another kind")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is not a state of evenflow watch ({error}); expected the file of "
            "--state of another run. Name another file, or delete it to start without"
        ) from error
    return State(
        rows=rows,
        incidents=value["incidents"],
        drift=drift,
        position=str(value.get("position", "")),
    )


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    if array.dtype.kind not in KINDS:
        raise TypeError(f"an array of {array.dtype} cannot be in a state")
    data = np.ascontiguousarray(array).tobytes()
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "data": base64.b64encode(data).decode(),
    }


def _unpacked(value: Mapping[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(str(value["dtype"]))
    if dtype.kind not in KINDS or dtype.hasobject:
        raise ValueError(f"found an array of {dtype}")
    data = base64.b64decode(value["data"], validate=True)
    return np.frombuffer(data, dtype).reshape(value["shape"]).copy()
