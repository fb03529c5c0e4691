"""A plug-in and its parameters, as a recipe names them, checked and filled.

A part may hold parts: the models of a system are models themselves. A plug-in says so
with the type of a parameter, ``gate: Annotated[Part, PlugIn("models")]``; what holds
for a recipe's parts (defaults written out, the nearest known name in an error) then
holds for those within. A parameter of the type ``dict[str, ...]`` of such a part holds
any number of them, each under a name of the recipe's choice.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from evenflow import registry
from evenflow.errors import RecipeError

STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
MOST_LEVELS = 8
"""Parts within parts."""
MOST_SHOWN = 200
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class PlugIn:
    """Marks a parameter as a part, and says the kind of plug-in that it names."""

    kind: str
    names_classes: bool = False
    """Whether the model has to tell classes of attacks apart where there are some."""


class Part(BaseModel):
    """A plug-in and its parameters: ``name`` and whatever else the table holds."""

    model_config = STRICT

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and set(value) != {"name", "params"}:
            rest = {k: v for k, v in value.items() if k != "name"}
            return {k: v for k, v in value.items() if k == "name"} | {"params": rest}
        return value

    def flat(self) -> dict[str, Any]:
        """Return the table as it stands in a TOML file."""
        return {"name": self.name, **self.params}


def default(name: str) -> Any:
    """Return the default of a ``Config``'s field that is a part: a plug-in by name."""
    return field(default_factory=lambda: Part(name=name))


def complete(kind: str, part: Part, source: str, *, level: int = 1) -> Part:
    """Return the part with its parameters checked and its defaults written out.

    A recipe then says all that decides the result, and still says it when a later
    version has other defaults. The parameters that a ``Config`` lists in ``later``
    leave no trace at their defaults: digests of recipes that are older than they stay.

    Raises
    ------
    RecipeError
        There is no such plug-in, it does not take a parameter or its value, or parts
        lie within parts too often.
    """
    if level > MOST_LEVELS:
        raise RecipeError(
            f"{source}: {part.name!r} lies within {level - 1} other plug-ins; expected "
            f"{MOST_LEVELS - 1} at most. Name a model without parts"
        )
    accepted = registry.parameters(kind, part.name)
    params = _checked(part, accepted, source)

    def filled(mark: PlugIn, path: str, inner: Part) -> Part:
        where = f"{source}: [{part.name}.{path}]"
        return complete(mark.kind, inner, where, level=level + 1)

    inner: dict[str, Any] = {}
    for name, (hint, _) in accepted.items():
        value = getattr(params, name)
        if (mark := part_mark(hint)) and value is not None:
            inner[name] = filled(mark, name, value)
        elif mark := parts_mark(hint):
            _check_names(value, f"{source}: [{part.name}.{name}]")
            inner[name] = {k: filled(mark, f"{name}.{k}", p) for k, p in value.items()}
    if hasattr(registry.load(kind, part.name), "Config"):
        # a Config checks its own ranges: now, not after balancing
        configure(kind, part.name, params.model_dump() | inner)
    with registry.blamed(kind, part.name):  # a default that no file can hold
        plain = params.model_dump(mode="json", exclude=_unused(kind, params, part.name))
    return Part(name=part.name, params=plain | {k: _flat(v) for k, v in inner.items()})


def _unused(kind: str, params: Any, name: str) -> set[str]:
    """Return the parameters in ``later`` of a ``Config`` that are at their defaults."""
    config = getattr(registry.load(kind, name), "Config", None)
    return {
        key
        for key in getattr(config, "later", ())
        if getattr(params, key) == type(params).model_fields[key].default
    }


def _check_names(parts: Iterable[str], source: str) -> None:
    """Refuse a name that is not a word: folders and columns are named by it too."""
    for name in parts:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", name):
            raise RecipeError(
                f"{source}: found the name {name[:60]!r}; expected letters, digits and "
                "underscores, 64 at most. Rename it"
            )


def _flat(value: Part | dict[str, Part]) -> dict[str, Any]:
    """Return a part, or parts by name, as they stand in a TOML file."""
    if isinstance(value, Part):
        return value.flat()
    return {name: part.flat() for name, part in value.items()}


def configure(kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """Return the ``Config`` of a plug-in with those parameters.

    Raises
    ------
    RecipeError
        A value is out of range.
    """
    accepted = registry.parameters(kind, name)
    given = dict(params)
    for key, value in params.items():
        hint = accepted[key][0]
        if value is not None and part_mark(hint):
            given[key] = Part.model_validate(value)
        elif parts_mark(hint):
            given[key] = {k: Part.model_validate(v) for k, v in value.items()}
    with registry.blamed(kind, name):
        return registry.load(kind, name).Config(**given)


def part_mark(hint: Any) -> PlugIn | None:
    """Return the mark of a parameter of that type, or None where it is not a part."""
    if typing.get_origin(hint) is dict:
        return None
    for one in (hint, *typing.get_args(hint)):
        for mark in getattr(one, "__metadata__", ()):
            if isinstance(mark, PlugIn):
                return mark
    return None


def parts_mark(hint: Any) -> PlugIn | None:
    """Return the mark of a parameter that holds parts by name, or None."""
    if typing.get_origin(hint) is not dict:
        return None
    return part_mark(typing.get_args(hint)[1])


def part_at(config: Any, path: str) -> Part:
    """Return the part of a ``Config`` at ``name``, or ``name.key`` of several."""
    name, _, key = path.partition(".")
    found: Part = getattr(config, name)[key] if key else getattr(config, name)
    return found


def within(kind: str, part: Part) -> list[tuple[PlugIn, Part]]:
    """Return the parts that a part holds itself, each with its mark."""
    found: list[tuple[PlugIn, Part]] = []
    for name, (hint, _) in registry.parameters(kind, part.name).items():
        value = part.params.get(name)
        if (mark := part_mark(hint)) and value is not None:
            found.append((mark, Part.model_validate(value)))
        elif mark := parts_mark(hint):
            found += [(mark, Part.model_validate(v)) for v in (value or {}).values()]
    return found


def _checked(part: Part, accepted: Mapping[str, Any], source: str) -> Any:
    model = create_model(
        part.name,
        __config__=ConfigDict(
            extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
        ),
        **accepted,
    )
    given = dict(part.params)
    for key, (_, default) in accepted.items():
        value = given.get(key)
        if isinstance(default, Part) and isinstance(value, Mapping):
            # parameters of the model that stands there unless another is named
            given[key] = {"name": default.name, **value}
    return validate(model, given, f"{source}: [{part.name}]")


def validate(model: Any, value: Mapping[str, Any], source: str) -> Any:
    """Return the pydantic model of a mapping.

    Raises
    ------
    RecipeError
        A key is unknown (the nearest known one is named) or a value is wrong.
    """
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise RecipeError(
            f"{source}: " + "; ".join(_explain(model, e) for e in error.errors())
        ) from error


def _explain(model: Any, error: Mapping[str, Any]) -> str:
    """Return the error of one key, and the nearest known key."""
    path = [str(step) for step in error["loc"]]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        known: Iterable[str] = _fields_at(model, path[:-1])
        return f"unknown key {key!r}; {registry.nearest(path[-1], sorted(known))}"
    if error["type"] == "missing":
        return f"the key {key!r} is missing; add it"
    return f"{key!r} is {_shown(error['input'])}: {error['msg']}"


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits
        return "too large to be shown"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _fields_at(model: Any, path: list[str]) -> list[str]:
    for step in path:
        model = model.model_fields[step].annotation
        model = next((m for m in typing.get_args(model) if m is not type(None)), model)
    return list(model.model_fields)
