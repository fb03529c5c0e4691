"""The files of this folder as they are written, checked when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter
from pydantic import ValidationError as Invalid

from evenflow import toml
from evenflow.errors import DataError

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
"""A label in lower case, with an underscore for everything else."""
Id = Annotated[str, StringConstraints(pattern=r"^T1\d{3}$")]
Line = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
"""Text without a line break or a space at its ends."""
E = TypeVar("E", bound="Entry")


class Entry(BaseModel):
    """The table below one heading of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TechniqueEntry(Entry):
    """One heading of ``techniques.toml``."""

    name: Line
    tactic: Line


class ClassEntry(Entry):
    """One heading of ``classes.toml``; what is None, the base says."""

    base: Word | None = None
    name: Line
    phrase: Line
    meaning: Line
    techniques: tuple[Id, ...] | None = None
    steps: tuple[Line, ...] | None = None
    false_alarm: Line | None = None


class TypeEntry(Entry):
    """One heading of ``attack_types.toml``; what is None, the class ``base`` says."""

    base: Word
    name: Line
    meaning: Line
    techniques: tuple[Id, ...] | None = None
    step: Line | None = None
    """What to do first, before the steps of the class."""
    false_alarm: Line | None = None


@cache
def techniques() -> Mapping[str, TechniqueEntry]:
    """Return the techniques by their id."""
    return _read("techniques.toml", TypeAdapter(dict[Id, TechniqueEntry]))


@cache
def classes() -> Mapping[str, ClassEntry]:
    """Return the classes, each with what its base says for it."""
    file = "classes.toml"
    found = _read(file, TypeAdapter(dict[Word, ClassEntry]))
    _check_techniques(file, found)
    whole = {}
    for key, entry in found.items():
        base = _base(file, key, entry.base, found) if entry.base else None
        if base is not None and base.base is not None:
            raise DataError(
                f"{file}: the base of [{key}] is {entry.base!r}, which has a base "
                "itself, expected a class without one. Name that one"
            )
        inherited = {} if base is None else base.model_dump(exclude={"base"})
        merged = entry.model_copy(
            update={k: v for k, v in inherited.items() if getattr(entry, k) is None}
        )
        for field in ("steps", "false_alarm"):
            if not getattr(merged, field):
                raise DataError(
                    f"{file}: [{key}] has neither {field} nor a base, expected one of "
                    "them. Add it"
                )
        whole[key] = merged
    return whole


@cache
def attack_types() -> Mapping[str, TypeEntry]:
    """Return the attack types."""
    file = "attack_types.toml"
    found = _read(file, TypeAdapter(dict[Word, TypeEntry]))
    _check_techniques(file, found)
    for key, entry in found.items():
        _base(file, key, entry.base, classes())
    return found


def _read(file: str, kind: TypeAdapter[dict[str, E]]) -> dict[str, E]:
    try:
        return kind.validate_python(toml.loads(_text(file)))
    except Invalid as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise DataError(
            f"{file}: {where} is {first['input']!r}: {first['msg']}. Correct it"
        ) from error
    except ValueError as error:
        raise DataError(f"{file} is not TOML: {error}. Correct that line") from error


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text(encoding="utf-8")


def _base(
    file: str, key: str, base: str, known: Mapping[str, ClassEntry]
) -> ClassEntry:
    if base not in known:
        raise DataError(
            f"{file}: the base of [{key}] is {base!r}, expected a class of "
            "classes.toml. Correct it"
        )
    return known[base]


def _check_techniques(
    file: str, found: Mapping[str, ClassEntry] | Mapping[str, TypeEntry]
) -> None:
    for key, entry in found.items():
        for technique in entry.techniques or ():
            if technique not in techniques():
                raise DataError(
                    f"{file}: [{key}] names the technique {technique}, expected one "
                    "of techniques.toml. Add it there, or correct it"
                )
