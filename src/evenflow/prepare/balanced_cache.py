"""Keep balanced rows on disk, so that a resumed run or a sibling need not redo them.

Balancing can take minutes. What it made is kept under a name that says everything it
was made from; other rows or other settings have another name.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import __version__
from evenflow.files import replacing

Made = tuple[
    NDArray[np.float32], NDArray[np.int64], list[str], list[NDArray[np.float32]]
]
"""Rows ``(n_samples, n_features)``, labels, notes, and the arrays of an encoder."""


def key(
    X: NDArray[np.float32], y: NDArray[np.int64], settings: Mapping[str, Any]
) -> str:
    """Return a name for what these settings make of these rows, 32 hex digits."""
    digest = hashlib.sha256(__version__.encode())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(X).data)
    digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:32]


def rows(folder: Path | None, name: str, make: Callable[[], Made]) -> Made:
    """Return what is kept under ``name``; make and keep it if need be.

    Parameters
    ----------
    folder : Path or None
        Where rows are kept; None keeps nothing.
    name : str
        As :func:`key` gives it.
    make : callable
    """
    if folder is None:
        return make()
    path = folder / f"balanced-{name}.npz"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            layers = [kept[f"layer{i}"] for i in range(int(kept["n_layers"]))]
            return kept["X"], kept["y"], [str(text) for text in kept["notes"]], layers
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)  # absent, or cut off by a full disk
    X, y, notes, layers = make()
    arrays = {f"layer{i}": array for i, array in enumerate(layers)}
    with replacing(path) as part, part.open("wb") as out:
        np.savez(
            out,
            X=X,
            y=y,
            notes=np.array(notes, dtype=np.str_),
            n_layers=np.array(len(layers)),
            **arrays,  # type: ignore[arg-type]
        )
    return X, y, notes, layers
