"""The small TOML file that describes a user's own table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenflow import toml
from evenflow.errors import DataError, RecipeError
from evenflow.registry import nearest

Value = str | int | float | bool


class Config(BaseModel):
    """What the small TOML file may say; whatever it leaves out is guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str | None = None
    """Column of the label."""
    benign: Value | list[Value] | None = None
    """Values of the label that mean benign traffic: words, numbers, true or false."""
    drop: list[str] = Field(default_factory=list)
    """Columns to forget."""
    extra: list[str] = Field(default_factory=list)
    """Columns to keep beside the rows, not as features: addresses, times, numbers."""
    columns: dict[str, Literal["numeric", "category", "extra"]] = Field(
        default_factory=dict
    )
    """Kind of single columns."""
    families: dict[str, str] = Field(default_factory=dict)
    """Value of the label -> class, to put several attack types into one class."""


def read_config(config: str | None, folders: Sequence[Path]) -> Config:
    """Return what the TOML file says; everything is guessed without one."""
    if config is None:
        return Config()
    path = find(config, folders)
    try:
        value = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Expected a TOML file that this "
            "user may read; change its permissions"
        ) from error
    except ValueError as error:
        raise RecipeError(f"{path} is not TOML: {error}. Mend that line") from error
    try:
        return Config.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            near = nearest(key, sorted(Config.model_fields))
            raise RecipeError(f"{path}: unknown key {key!r}; {near}") from error
        raise RecipeError(
            f"{path}: {key!r} is {first['input']!r}: {first['msg']}. Change it"
        ) from error


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
        f"{path} is not there (looked at {', '.join(map(str, tried))}); expected a "
        "CSV or Parquet file. Check the path"
    )
