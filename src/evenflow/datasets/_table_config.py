"""The small TOML file that describes a user's own table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from evenflow import toml
from evenflow.errors import DataError, RecipeError
from evenflow.registry import nearest
from evenflow.schema import Column

Value = str | int | float | bool
Decimal = Literal[".", ","]
Thousands = Literal["", ".", ",", " ", "'"]


def _name(value: object) -> object:
    return str(value) if isinstance(value, int) and value is not True else value


Name = Annotated[str, BeforeValidator(_name)]
"""Name of a column; TOML and the command line may give a number for it."""


class Config(BaseModel):
    """The keys of the small TOML file; absent ones are guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Name | None = None
    """Column of the label."""
    benign: Value | list[Value] | None = None
    """Values of the label that mean benign traffic: words, numbers, true or false."""
    drop: list[Name] = Field(default_factory=list)
    """Columns to drop."""
    extra: list[Name] = Field(default_factory=list)
    """Columns to keep beside the rows, not as features: addresses, times, numbers."""
    header: list[Name] = Field(default_factory=list)
    """Names of the columns of a text that has none."""
    decimal: Decimal = "."
    """Decimal mark of the numbers in a text."""
    thousands: Thousands | None = None
    """Mark between the thousands; a point by default where the decimal mark is a
    comma."""
    columns: dict[str, Literal["numeric", "category", "extra"]] = Field(
        default_factory=dict
    )
    """Kind of single columns."""
    families: dict[str, str] = Field(default_factory=dict)
    """Value of the label -> class, to put several attack types into one class."""

    @property
    def marks(self) -> Column:
        """A column without a name whose numbers are written so."""
        thousands = self.thousands
        if thousands is None:
            thousands = "." if self.decimal == "," else ""
        decimal = "" if self.decimal == "." else self.decimal
        return Column(name="", decimal=decimal, thousands=thousands)


def read_config(config: str | None, folders: Sequence[Path], **given: Any) -> Config:
    """Return what the TOML file says; everything is guessed without one.

    Parameters
    ----------
    **given
        Keys of the file that were given otherwise, and are stronger; None for not.

    Raises
    ------
    DataError
        The file is not there.
    RecipeError
        The file is not valid, or the decimal mark is also the thousands mark.
    """
    found = Config() if config is None else _from_file(find(config, folders))
    changes = {key: value for key, value in given.items() if value is not None}
    try:
        found = Config.model_validate(found.model_dump() | changes)
    except ValidationError as error:
        raise _wrong(error.errors()[0], "table_file") from error
    if found.marks.thousands == found.decimal:
        raise RecipeError(
            f"decimal and thousands are both {found.decimal!r}; expected different "
            "marks. Change one"
        )
    return found


def _from_file(path: Path) -> Config:
    try:
        value = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Expected a TOML file that this "
            "user may read; change its permissions"
        ) from error
    except ValueError as error:
        raise RecipeError(f"{path} is not TOML: {error}. Correct that line") from error
    try:
        return Config.model_validate(value)
    except ValidationError as error:
        raise _wrong(error.errors()[0], str(path)) from error


def _wrong(first: ErrorDetails, where: str) -> RecipeError:
    key = ".".join(str(step) for step in first["loc"])
    if first["type"] == "extra_forbidden":
        near = nearest(key, sorted(Config.model_fields))
        return RecipeError(f"{where}: unknown key {key!r}; {near}")
    return RecipeError(
        f"{where}: {key!r} is {first['input']!r}: {first['msg']}. Change it"
    )


def find(path: str, folders: Sequence[Path]) -> Path:
    """Return where a file lies: as given, or in one of the data folders.

    Raises
    ------
    DataError
        It is in none of them.
    """
    tried = [Path(path).expanduser()]
    if not tried[0].is_absolute():
        tried += [folder / path for folder in folders]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise DataError(
        f"{path} does not exist (looked at {', '.join(map(str, tried))}); expected a "
        "CSV or Parquet file. Check the path"
    )
