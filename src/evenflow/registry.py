"""Find plug-ins: the file name is the plug-in's name.

A data set, a sampler, a model is one file in its folder; another distribution adds
one through an entry point of the group ``evenflow.<kind>``. Nothing is imported
before it is asked for.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import textwrap
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import pairwise
from types import ModuleType
from typing import Any

from evenflow.errors import MissingExtraError, RecipeError


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Where plug-ins of one kind are, and what they are."""

    title: str
    """Of the kind's table in the reference, which names the recipe's key."""
    packages: tuple[str, ...] = ()
    """Folders with one file for each plug-in."""
    attribute: str = ""
    """Name that holds the plug-in within its module."""
    table: tuple[str, str] | None = None
    """Module and dictionary of a kind whose plug-ins are few and short."""
    expected: str = ""
    """What another distribution's plug-in has to be."""
    is_one: Callable[[Any], bool] = lambda _found: True
    signature: Callable[[Any], Any] = lambda plug_in: plug_in
    """Returns the function, or the dataclass, whose parameters a recipe may set."""


def _has_config(found: Any) -> bool:
    """Return whether a plug-in has a dataclass ``Config`` and can be fitted."""
    config = getattr(found, "Config", None)
    return isinstance(config, type) and dataclasses.is_dataclass(config)


KINDS = {
    "datasets": Kind(
        title="Data sets (`[dataset]`)",
        packages=("evenflow.datasets",),
        attribute="DATASET",
        expected="an evenflow.datasets.Dataset",
        is_one=lambda found: (
            callable(getattr(found, "load", None)) and hasattr(found, "splits")
        ),
        signature=lambda plug_in: plug_in.load,
    ),
    "splits": Kind(
        title="Splits (`[split]`)", table=("evenflow.prepare.split", "SPLITS")
    ),
    "balance": Kind(
        title="Samplers (`[balance]`)",
        packages=("evenflow.prepare.balance",),
        attribute="SAMPLER",
        expected="a class with the method fit_resample(X, y, *, layout)",
        is_one=lambda found: (
            isinstance(found, type) and callable(getattr(found, "fit_resample", None))
        ),
        signature=lambda plug_in: plug_in.__init__,
    ),
    "select": Kind(
        title="Selectors of columns (`[select]`)",
        packages=("evenflow.prepare.select",),
        attribute="SELECTOR",
        expected="an evenflow.prepare.select.Selector",
        is_one=lambda found: _has_config(found) and callable(found.choose),
        signature=lambda plug_in: plug_in.Config,
    ),
    "losses": Kind(
        title="Losses (`[loss]`)",
        packages=("evenflow.learn.losses",),
        attribute="LOSS",
        expected="an evenflow.learn.Loss",
        is_one=lambda found: _has_config(found) and callable(found.build),
        signature=lambda plug_in: plug_in.Config,
    ),
    "models": Kind(
        title="Models (`[model]`)",
        packages=(
            "evenflow.learn.models",
            "evenflow.learn.novelty",
            "evenflow.learn.systems",
        ),
        attribute="MODEL",
        expected="an evenflow.learn.Network, Estimator, Novelty or System",
        is_one=lambda found: _has_config(found) and callable(found.fit),
        signature=lambda plug_in: plug_in.Config,
    ),
}
"""Kind -> where its plug-ins are."""


def names(kind: str) -> list[str]:
    """Return the names that :func:`load` accepts for this kind, sorted."""
    if KINDS[kind].table:
        return sorted(_table(kind))
    return sorted(n for n in modules(kind).keys() | _added(kind).keys())


def load(kind: str, name: str) -> Any:
    """Import one plug-in and return it.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
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
    if KINDS[kind].table:
        return _table(kind)[name]
    if name in _added(kind):
        return _of_another(kind, _added(kind)[name])
    try:
        module = importlib.import_module(modules(kind)[name])
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evenflow"):
            raise
        raise MissingExtraError(
            f"{kind} {name!r} needs the package {error.name!r}, which is not "
            "installed. Install the training parts: pip install 'evenflow[train]'"
        ) from error
    return getattr(module, KINDS[kind].attribute)


def parameters(kind: str, name: str) -> dict[str, tuple[Any, Any]]:
    """Return parameter -> (type, default) that a plug-in accepts from a recipe."""
    function = KINDS[kind].signature(load(kind, name))
    hints = _hints(function)
    if dataclasses.is_dataclass(function):
        return {
            f.name: (hints.get(f.name, Any), _default(f))
            for f in dataclasses.fields(function)
            if f.init
        }
    hidden = {"self", "split", "random_state", "folders", "load", "seed", "on_event",
              "rows"}  # fmt: skip
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


def field_docs(cls: type) -> dict[str, str]:
    """Return field -> docstring of a class and its parents, where one stands below."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] == "evenflow":
            [tree] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(tree, ast.ClassDef)  # noqa: S101
            found |= {
                field.target.id: str(doc.value.value)
                for field, doc in pairwise(tree.body)
                if isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(doc, ast.Expr)
                and isinstance(doc.value, ast.Constant)
            }
    return found


def is_added(kind: str, name: str) -> bool:
    """Return whether another distribution adds the plug-in of that name."""
    return name in _added(kind)


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
    attribute = KINDS[kind].attribute
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
    if not KINDS[kind].is_one(found):
        raise RecipeError(
            f"{where} leads to a {type(found).__name__}, expected "
            f"{KINDS[kind].expected}. {do}"
        )
    return found


@cache
def modules(kind: str) -> dict[str, str]:
    """Return name -> module of the plug-ins that come with evenflow."""
    return {
        found.name: f"{package}.{found.name}"
        for package in KINDS[kind].packages
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__)
        if not found.ispkg and not found.name.startswith("_")
    }


@cache
def _added(kind: str) -> dict[str, EntryPoint]:
    """Return what other distributions add; reading them all takes 30 ms a time."""
    return {e.name: e for e in entry_points(group=f"evenflow.{kind}")}


def _table(kind: str) -> dict[str, Any]:
    where = KINDS[kind].table
    assert where is not None  # noqa: S101
    module, attribute = where
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
