"""Samplers: change how many training rows each class has; one file each.

A file holds ``SAMPLER = Class``; its name is what a recipe writes under
``[balance]``. A sampler sees the prepared matrix of *training* rows and nothing
else: it runs after the split and after the preprocessor was fitted, so that no test
row can help to make a training row. The contract stands in :class:`Sampler`, which
other distributions may extend, too.

Files whose names begin with an underscore are shared parts: ``_grow`` of over-samplers,
``_zoom`` new rows within a class, ``_compress`` the rows nearest to a class's cluster
centres, ``_edit`` rows among rows of another class, ``_neighbors`` exact nearest
neighbours, ``_targets`` rows wanted for each class, ``_forms`` what imbalanced-learn
accepts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenflow.prepare.balance._outside import Outside, make
    from evenflow.prepare.balance._sampler import Sampler

__all__ = ["Outside", "Sampler", "make"]

_PARTS = {"Outside": "_outside", "Sampler": "_sampler", "make": "_outside"}


def __getattr__(name: str) -> Any:
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # scikit-learn is slow to import
    return getattr(importlib.import_module(f"{__name__}.{_PARTS[name]}"), name)
