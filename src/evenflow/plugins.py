"""A plug-in and its parameters, as a recipe names them, checked and filled.

A part may hold parts: the models of a system are models themselves. A plug-in says so
with the type of a parameter, ``gate: Annotated[Part, PlugIn("models")]``; what holds
for a recipe's parts (defaults written out, the nearest known name in an error) then
holds for those within.
"""

from __future__ import annotations

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
    version has other defaults.

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
    inner = {
        name: complete(
            mark.kind,
            getattr(params, name),
            f"{source}: [{part.name}.{name}]",
            level=level + 1,
        )
        for name, (hint, _) in accepted.items()
        if (mark := part_mark(hint)) and getattr(params, name) is not None
    }
    if hasattr(registry.load(kind, part.name), "Config"):
        # a Config checks its own ranges: now, not after balancing
        configure(kind, part.name, params.model_dump() | inner)
    with registry.blamed(kind, part.name):  # a default that no file can hold
        plain = params.model_dump(mode="json")
    return Part(name=part.name, params=plain | {k: p.flat() for k, p in inner.items()})


def configure(kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """Return the ``Config`` of a plug-in with those parameters.

    Raises
    ------
    RecipeError
        A value is out of range.
    """
    accepted = registry.parameters(kind, name)
    given = {
        key: Part.model_validate(value)
        if value is not None and part_mark(accepted[key][0])
        else value
        for key, value in params.items()
    }
    with registry.blamed(kind, name):
        return registry.load(kind, name).Config(**given)


def part_mark(hint: Any) -> PlugIn | None:
    """Return the mark of a parameter of that type, or None where it is not a part."""
    for one in (hint, *typing.get_args(hint)):
        for mark in getattr(one, "__metadata__", ()):
            if isinstance(mark, PlugIn):
                return mark
    return None


def within(kind: str, part: Part) -> list[tuple[PlugIn, Part]]:
    """Return the parts that a part holds itself, each with its mark."""
    return [
        (mark, Part.model_validate(value))
        for name, (hint, _) in registry.parameters(kind, part.name).items()
        if (mark := part_mark(hint)) and (value := part.params.get(name)) is not None
    ]


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
