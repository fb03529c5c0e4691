"""Find plug-ins: the file name is the plug-in's name.

A data set, a sampler, a model is one file in its folder; another distribution adds
one through an entry point of the group ``evenflow.<kind>``. Nothing is imported
before it is asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import textwrap
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
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
        No plug-in of that name (the message lists the nearest ones), or another
        distribution's entry point leads to something else.
    MissingExtraError
        The plug-in needs a package that is not installed.
    """
    if name not in (known := names(kind)):
        raise RecipeError(f"no plug-in {name!r} in {kind}; {nearest(name, known)}")
    if kind in TABLES:
        return _table(kind)[name]
    if name in _added(kind):
        return _of_another(kind, _added(kind)[name])
    try:
        module = importlib.import_module(f"{PACKAGES[kind]}.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evenflow"):
            raise
        raise MissingExtraError(
            f"{kind} {name!r} needs the package {error.name!r}, which is not "
            "installed. Install the training parts: pip install 'evenflow[train]'"
        ) from error
    return getattr(module, ATTRIBUTES[kind])


def parameters(kind: str, name: str) -> dict[str, tuple[Any, Any]]:
    """Return parameter -> (type, default) that a plug-in accepts from a recipe."""
    plug_in = load(kind, name)
    if kind == "models":
        config = plug_in[1]
        hints = _hints(config)
        return {
            f.name: (hints.get(f.name, Any), _default(f))
            for f in dataclasses.fields(config)
            if f.init
        }
    functions = {"balance": "__init__", "datasets": "load"}
    function = getattr(plug_in, functions[kind]) if kind in functions else plug_in
    hints = _hints(function)
    hidden = {"self", "split", "random_state", "folders", "load", "seed", "on_event"}
    star = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = {
        p.name: (hints.get(p.name, Any), ... if p.default is p.empty else p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name not in hidden and p.kind not in star
    }
    # written out, a default of None has to be read again
    return {
        name: (hint | None if default is None and hint is not Any else hint, default)
        for name, (hint, default) in found.items()
    }


def is_added(kind: str, name: str) -> bool:
    """Return whether another distribution adds the plug-in of that name."""
    return kind in PACKAGES and name in _added(kind)


@contextmanager
def blamed(kind: str, name: str) -> Iterator[None]:
    """Turn what another distribution's plug-in raises into an error for its user.

    Raises
    ------
    RecipeError
        The plug-in raised something else than an error of evenflow.
    """
    try:
        yield
    except Exception as error:
        # ours is a message already, or ends the run, such as a job that is stopped
        is_ours = type(error).__module__.partition(".")[0] == "evenflow"
        if is_ours or isinstance(error, MemoryError) or not is_added(kind, name):
            raise
        text = textwrap.shorten(str(error), 200, placeholder=" ...")
        raise RecipeError(
            f"the plug-in {name!r} of {kind} ({_added(kind)[name].value}) failed: "
            f"{type(error).__name__}: {text}. Expected a plug-in as CONTRIBUTING.md "
            "describes, and parameters that fit the data. Correct the plug-in or its "
            "parameters, or use another"
        ) from error


def _of_another(kind: str, entry: EntryPoint) -> Any:
    """Return what another distribution's entry point leads to, checked."""
    where = f"the entry point {entry.name} = {entry.value!r} of evenflow.{kind}"
    attribute = ATTRIBUTES[kind]
    do = f"Correct {entry.value!r}, or uninstall the package that adds it"
    try:
        found = entry.load()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{where} needs the module {error.name!r}, which is not installed. "
            f"Install it. {do}"
        ) from error
    except Exception as error:
        raise RecipeError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. {do}"
        ) from error
    if isinstance(found, ModuleType):
        if not hasattr(found, attribute):
            raise RecipeError(
                f"{where} leads to a module without {attribute}, expected one that "
                f"defines it. {do}"
            )
        found = getattr(found, attribute)
    if missing := _missing(kind, found):
        kind_found = type(found).__name__
        raise RecipeError(f"{where} leads to a {kind_found}, expected {missing}. {do}")
    return found


def _missing(kind: str, found: Any) -> str:
    """Return what a plug-in of that kind has to be, or nothing if it is."""
    if kind == "balance":
        method = getattr(found, "fit_resample", None)
        if not (isinstance(found, type) and callable(method)):
            return "a class with the method fit_resample(X, y, *, layout)"
    elif kind == "models":
        is_pair = isinstance(found, tuple) and len(found) == 2
        if not (
            is_pair
            and callable(found[0])
            and isinstance(found[1], type)
            and dataclasses.is_dataclass(found[1])
        ):
            return (
                "(network, Config) or (function, Config), where Config is a dataclass"
            )
    elif not (callable(getattr(found, "load", None)) and hasattr(found, "splits")):
        return "an evenflow.datasets.Dataset"
    return ""


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


def _hints(thing: Any) -> dict[str, Any]:
    """Return the types of parameters; none where names in them are not to be found."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except NameError:  # another distribution's, imported for type checkers alone
        return {}


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a dataclass's field; ``...`` if there is none."""
    if field.default is not dataclasses.MISSING:
        return field.default
    made = field.default_factory
    return ... if made is dataclasses.MISSING else made()
