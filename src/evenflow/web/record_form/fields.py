"""One field of a form: a column of the contract as a person fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evenflow.conform import SPACE, describe, parse_numbers, shown
from evenflow.errors import DataError
from evenflow.schema import Column

Value = float | str | None
"""A raw value of a record; None is missing."""
Kind = Literal["number", "choice", "yes_no", "address"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One value of a field and what it means."""

    value: str
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of the form for one column; values are raw, never scaled."""

    column: Column
    label: str
    """In plain words, with the column's name."""
    kind: Kind
    choices: tuple[Choice, ...] = ()
    """Of a choice, documented or seen in training; others are accepted as unseen. Of
    yes or no, both and "not known"."""
    default: str = ""
    """Typical value of benign traffic: a hint, or a start."""
    is_used: bool = True
    """False where the model does not read the column: it was constant in training."""

    @property
    def name(self) -> str:
        """Name of the column, and of the input."""
        return self.column.name

    @property
    def unit(self) -> str:
        """Unit of the values, or empty."""
        return self.column.unit

    @property
    def range(self) -> str:
        """Which values are possible, in words."""
        low, high, step = self.column.low, self.column.high, self.column.step
        if self.kind == "choice":
            return "a word; one the model never saw is treated as unseen"
        if self.kind == "address":
            return "an address; a host that no training row shows is an unknown one"
        if self.kind == "yes_no":
            return "yes or no"
        text = "a whole number" if step == 1 else "a number"
        if low is not None and high is not None:
            return f"{text} from {low:,g} to {high:,.12g}"
        if low is not None:
            return f"{text}, {low:,.12g} or more"
        return f"{text}, {high:,.12g} or less" if high is not None else text

    @property
    def hint(self) -> str:
        """Description and range, to stand below the input."""
        description = self.column.description
        parts = [description[:1].upper() + description[1:]]
        if self.kind != "yes_no":
            parts.append(self.range)
        if self.label.startswith(parts[0]) and len(parts) > 1:
            parts = [parts[1][:1].upper() + parts[1][1:]]
        if not self.is_used:
            parts.append("the model does not read it")
        return "; ".join(part for part in parts if part) + "."

    def options(self, typed: str = "") -> list[tuple[str, str]]:
        """Return value and text of each choice, with what was typed among them."""
        options = [(c.value, c.label) for c in self.choices]
        if typed not in {value for value, _ in options}:
            options.append((typed, typed))
        return options


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldGroup:
    """Fields that belong together."""

    title: str
    text: str
    """What the group is about; may be empty."""
    fields: tuple[Field, ...]


def is_yes_no(column: Column) -> bool:
    """Return whether the column takes 0 and 1 alone."""
    return (column.low, column.high, column.step) == (0, 1, 1)


def read(column: Column, value: object) -> Value:
    """Return a typed or pasted value by the rules of the contract.

    Raises
    ------
    DataError
        The value is not a number, impossible, or not plain; the message, for the field,
        says what was expected.
    """
    if column.kind == "numeric":
        try:
            number = parse_numbers({column.name: value}, [column])[0]
        except (DataError, OverflowError):
            raise DataError(_refusal(column, value)) from None
        return number if np.isfinite(number) else None
    if isinstance(value, (dict, list)):
        raise DataError(_refusal(column, value))
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip(SPACE)
    if "\0" in text:  # no database keeps it
        raise DataError(_refusal(column, text))
    return text or None


def typed(value: object) -> str:
    """Return a value as a person would type it; :func:`read` gives it back."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if is_whole else repr(value)
    return str(value)


def _refusal(column: Column, value: object) -> str:
    do = "Correct it, or leave it empty if it is not known."
    if isinstance(value, str) and "," in value:
        do = "Write a decimal point, as in 0.5, and nothing between thousands."
    return f"Found {shown(value)}, expected {describe(column)}. {do}"
