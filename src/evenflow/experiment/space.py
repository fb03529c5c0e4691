"""The values that a search may give to keys of a recipe."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenflow import registry, toml
from evenflow.errors import RecipeError
from evenflow.recipe import Recipe

EXAMPLE = (
    "expected KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B, for example "
    "model.num_leaves=15:127:log"
)
FACTOR = 4
"""How many times smaller and larger than in the recipe a number may be."""
NOT_SEARCHED = frozenset(
    {"epochs", "patience", "valid_fraction", "precision", "early_stopping_rounds",
     "n_jobs"}
)  # fmt: skip
"""Keys that say how long or where it trains."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A range of numbers, both ends in it."""

    low: float
    high: float
    is_log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values."""

    values: tuple[Any, ...]


FIXED = frozenset({"dataset", "target", "split", "seed", "title", "reference"})
"""Keys that a search leaves alone: scores of other rows do not compare."""

Space = Mapping[str, Numbers | Choices]
"""Dotted key of a recipe -> its values."""


def parsed(texts: Sequence[str]) -> dict[str, Numbers | Choices]:
    """Return the space of some ``KEY=VALUES``.

    Raises
    ------
    RecipeError
        One is written otherwise, or a range is empty.
    """
    found = dict(map(_parsed, texts))
    for key in found:
        if key.split(".")[0] in FIXED:
            raise RecipeError(
                f"--search {key}: it decides which rows are judged, or how; expected a "
                "key of prepare, select, balance, loss, model, training or decide"
            )
    return found


def _parsed(text: str) -> tuple[str, Numbers | Choices]:
    key, equals, values = text.partition("=")
    if not (equals and key.strip() and values.strip()):
        raise RecipeError(f"--search {text}: {EXAMPLE}")
    if ":" not in values:
        return key.strip(), Choices(tuple(_value(v) for v in values.split(",")))
    low, high, *how = values.split(":")
    ends = _value(low), _value(high)
    if how not in ([], ["log"]) or not all(type(e) in (int, float) for e in ends):
        raise RecipeError(f"--search {text}: {EXAMPLE}")
    if not ends[0] < ends[1] or (how and ends[0] <= 0):
        raise RecipeError(
            f"--search {text}: found a range without values; expected LOW below HIGH, "
            "and LOW over 0 for log"
        )
    return key.strip(), Numbers(*ends, is_log=bool(how))


def _value(text: str) -> Any:
    try:
        return toml.loads(f"value = {text.strip()}")["value"]
    except (ValueError, KeyError):
        return text.strip()


def around(recipe: Recipe) -> dict[str, Numbers | Choices]:
    """Return a space around the recipe's own values.

    Numbers over 0 of the model and of its training may be up to four times smaller or
    larger, and switches are tried both ways; values that the recipe refuses are left
    out when they come.
    """
    found: dict[str, Numbers | Choices] = {}
    accepted = registry.parameters("models", recipe.model.name)
    tables = {"model": recipe.model.params}
    if registry.load("models", recipe.model.name).takes_loss:  # a network
        tables["training"] = recipe.training.model_dump()
    for table, values in tables.items():
        for name, value in values.items():
            if name in NOT_SEARCHED:
                continue
            hint = accepted[name][0] if table == "model" else type(value)
            if (one := _around(value, hint)) is not None:
                found[f"{table}.{name}"] = one
    return found


def _around(value: Any, hint: Any) -> Numbers | Choices | None:
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if choices:
        return Choices(choices)
    if isinstance(value, bool):
        return Choices((value, not value))
    if isinstance(value, int) and value > 1:
        return Numbers(max(1, value // FACTOR), value * FACTOR, is_log=True)
    if isinstance(value, float) and value > 0:  # up to 1 it may be a share
        high = min(value * FACTOR, 1.0) if value <= 1 else value * FACTOR
        return Numbers(value / FACTOR, high, is_log=True)
    return None
