"""Find plug-ins: the file name is the plug-in's name.

A data set, a sampler, a model is one file in its folder; another distribution adds
one through an entry point of the group ``evenflow.<kind>``. Nothing is imported
before it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from evenflow.errors import MissingExtraError, RecipeError

PACKAGES = {
    "datasets": "evenflow.datasets",
    "balance": "evenflow.prepare.balance",
    "models": "evenflow.learn.models",
}
ATTRIBUTES = {"datasets": "DATASET", "balance": "SAMPLER", "models": "MODEL"}
# Kinds whose plug-ins are few and short: a table in one file, not a folder.
TABLES = {"splits": ("evenflow.prepare.split", "SPLITS")}


def names(kind: str) -> list[str]:
    """Return the names that :func:`load` accepts for this kind, sorted."""
    if kind in TABLES:
        return sorted(_table(kind))
    package = importlib.import_module(PACKAGES[kind])
    built_in = {m.name for m in pkgutil.iter_modules(package.__path__) if not m.ispkg}
    return sorted(n for n in built_in | _added(kind).keys() if not n.startswith("_"))


def load(kind: str, name: str) -> Any:
    """Import one plug-in and return it.

    Parameters
    ----------
    kind : {'datasets', 'balance', 'models', 'splits'}
        Where to look.
    name : str
        File name without ``.py``, or the name of an entry point.

    Raises
    ------
    RecipeError
        No plug-in of that name; the message lists the nearest ones.
    MissingExtraError
        The plug-in needs a package that is not installed.
    """
    if name not in (known := names(kind)):
        raise RecipeError(f"no plug-in {name!r} in {kind}; {nearest(name, known)}")
    if kind in TABLES:
        return _table(kind)[name]
    try:
        if name in _added(kind):
            return _added(kind)[name].load()
        module = importlib.import_module(f"{PACKAGES[kind]}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evenflow"):
            raise
        raise MissingExtraError(
            f"{kind} {name!r} needs the package {error.name!r}, which is not "
            "installed. Install the training parts: pip install 'evenflow[train]'"
        ) from error
    return getattr(module, ATTRIBUTES[kind])


@cache
def _added(kind: str) -> dict[str, EntryPoint]:
    """Return what other distributions add; reading them all takes 30 ms a time."""
    return {e.name: e for e in entry_points(group=f"evenflow.{kind}")}


def _table(kind: str) -> dict[str, Any]:
    module, attribute = TABLES[kind]
    table: dict[str, Any] = getattr(importlib.import_module(module), attribute)
    return table


def nearest(name: str, known: list[str]) -> str:
    """Return ``did you mean ...`` with the nearest names, or all of them."""
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"expected one of: {', '.join(known)}"
