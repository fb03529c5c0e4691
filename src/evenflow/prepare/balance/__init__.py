"""Samplers: change how many training rows each class has; one file each.

A file holds ``SAMPLER = Class``; its name is what a recipe writes under
``[balance]``. A sampler sees the prepared matrix of *training* rows and nothing
else: it runs after the split and after the preprocessor was fitted, so that no test
row can help to make a training row. The contract stands in :class:`Sampler`, which
other distributions may extend, too; files whose names begin with an underscore are
shared parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenflow.prepare.balance._sampler import Sampler

__all__ = ["Sampler"]


def __getattr__(name: str) -> Any:
    if name != "Sampler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from evenflow.prepare.balance._sampler import Sampler  # scikit-learn is slow

    return Sampler
