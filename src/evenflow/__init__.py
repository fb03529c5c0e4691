"""Network intrusion detection that is honest by construction.

The whole public interface is here; each name is imported when it is first used, so
``import evenflow`` costs next to nothing.

Examples
--------
>>> import evenflow
>>> evenflow.Recipe.load("synthetic/dnn-none").name
'synthetic/dnn-none'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenflow.api import evaluate, load_bundle, load_dataset, train
    from evenflow.errors import (
        BundleError,
        BusyError,
        ChecksumError,
        DataError,
        EvenflowError,
        LeakError,
        MissingExtraError,
        RecipeError,
        StorageError,
    )
    from evenflow.recipe import Recipe
    from evenflow.schema import Table
    from evenflow.studies import ablate, compare, tune

__version__ = "0.1.0"

_HOMES = {
    "evenflow.api": ("evaluate", "load_bundle", "load_dataset", "train"),
    "evenflow.errors": (
        "BundleError",
        "BusyError",
        "ChecksumError",
        "DataError",
        "EvenflowError",
        "LeakError",
        "MissingExtraError",
        "RecipeError",
        "StorageError",
    ),
    "evenflow.recipe": ("Recipe",),
    "evenflow.schema": ("Table",),
    "evenflow.studies": ("ablate", "compare", "tune"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BundleError",
    "BusyError",
    "ChecksumError",
    "DataError",
    "EvenflowError",
    "LeakError",
    "MissingExtraError",
    "Recipe",
    "RecipeError",
    "StorageError",
    "Table",
    "__version__",
    "ablate",
    "compare",
    "evaluate",
    "load_bundle",
    "load_dataset",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'evenflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
