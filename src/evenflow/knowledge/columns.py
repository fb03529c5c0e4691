"""Labels of columns and of their values in plain words, one for the whole product.

The form, the reasons, explorations and reports ask here. A label stands alone, as in
"Connections to this host in the last 2 s"; :func:`titled` adds the column's own name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from typing import Any

from evenflow import toml
from evenflow.schema import Column

SHORTEST, LONGEST = 8, 60
"""Characters of a description that may serve as a label."""
MIN_SHARE = 0.9
"""Share of the columns that a table must hold for it to be the data set's."""


@cache
def _tables() -> dict[str, Any]:
    file = resources.files(__package__).joinpath("columns.toml")
    found: dict[str, Any] = toml.loads(file.read_text(encoding="utf-8"))
    return found


def family(names: Collection[str]) -> str | None:
    """Return the family of data sets that columns of these names are of, if any.

    Examples
    --------
    >>> family(["duration", "protocol_type", "service", "flag", "src_bytes"])
    'kdd'
    >>> family(["count", "price"])
    """
    tables = _tables()["labels"]
    known = {key: sum(name in table for name in names) for key, table in tables.items()}
    best = max(known, key=lambda key: known[key])
    return best if names and known[best] >= MIN_SHARE * len(names) else None


def labels(columns: Sequence[Column]) -> dict[str, str]:
    """Return what a person calls each column; no two are called the same."""
    key = family([c.name for c in columns])
    known = _tables()["labels"][key] if key else {}
    named = {c.name: known.get(c.name) or _described(c)[0] for c in columns}
    often = Counter(named.values())
    for column in columns:
        if often[named[column.name]] > 1:
            named[column.name] = _described(column)[1]
    often = Counter(named.values())
    return {
        name: text if often[text] == 1 else _spelled(name)
        for name, text in named.items()
    }


def titled(name: str, label: str) -> str:
    """Return a label with the column's name, unless both are one word.

    Examples
    --------
    >>> titled("count", "Connections to this host in the last 2 s")
    'Connections to this host in the last 2 s (count)'
    >>> titled("age", "Age")
    'age'
    """
    return name if label.casefold() == name.casefold() else f"{label} ({name})"


def titles(columns: Sequence[Column]) -> dict[str, str]:
    """Return the label of each column with its name."""
    return {name: titled(name, label) for name, label in labels(columns).items()}


def value(key: str | None, column: str, choice: str) -> str:
    """Return what a value of a category means; empty where it speaks for itself.

    Parameters
    ----------
    key : str or None
        The :func:`family` of the columns.
    """
    return str(_tables()["values"].get(key, {}).get(column, {}).get(choice, ""))


def _described(column: Column) -> tuple[str, str]:
    """Return the start of the description, and all of it; else the name, spelled."""
    text = column.description.removeprefix("1: ")
    start = re.split(r"[;:(]|, | with ", text)[0].strip()
    spelled = _spelled(column.name)
    short, full = (
        _capital(t) if SHORTEST <= len(t) <= LONGEST else spelled for t in (start, text)
    )
    return short, full


def _spelled(name: str) -> str:
    """Return a name with its abbreviations written out."""
    spelling = _tables()["spelling"]
    return _capital(" ".join(spelling.get(low, low) for low in _parts(name))) or name


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for part in re.split(r"[_\s]+", spaced.lower()) if part]


def _capital(text: str) -> str:
    is_name = text[1:2].isupper()  # nDPI
    return text if is_name else text[:1].upper() + text[1:]
