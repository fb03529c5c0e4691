"""Which columns stand together in a form, and what the group is about.

A table for the schemas we know, by patterns, so that a data set's smaller samples and
the columns that live traffic gives find theirs too; anything else is grouped by the
first part of its columns' names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources

from evenflow import toml
from evenflow.schema import Column

Heading = tuple[str, str]
"""Title and explanation of a group."""

MIN_SHARE = 0.9
"""Share of the columns a table must place for it to be the schema's."""
MIN_SIZE, MAX_GROUPS = 3, 8

_FILE = resources.files(__package__).joinpath("groups.toml")
_TABLES: dict[str, list[dict[str, str]]] = toml.loads(_FILE.read_text(encoding="utf-8"))
"""Groups of each family of data sets: title, text, and a pattern of columns."""
REST: Heading = ("More columns", "")


def is_kdd(columns: Sequence[Column]) -> bool:
    """Return whether the columns are KDD Cup 99's, all or those of live traffic."""
    return _family(columns) == "kdd"


def grouped(columns: Sequence[Column]) -> list[tuple[Heading, list[Column]]]:
    """Return the columns in groups, each in the order of the schema."""
    family = _family(columns)
    if family is None:
        named, order = _by_name(columns), []
    else:
        named = {c.name: _place(c.name, family) or REST for c in columns}
        order = [(group["title"], group["text"]) for group in _TABLES[family]]
    groups: dict[Heading, list[Column]] = {}
    for column in columns:
        groups.setdefault(named[column.name], []).append(column)
    order += [heading for heading in groups if heading not in (*order, REST)]
    return [(h, groups[h]) for h in [*order, REST] if h in groups]


def _family(columns: Sequence[Column]) -> str | None:
    """Return the family that places most of the columns, if it places nearly all."""
    placed = {
        family: sum(_place(c.name, family) is not None for c in columns)
        for family in _TABLES
    }
    best = max(placed, key=lambda family: placed[family])
    return best if placed[best] >= MIN_SHARE * len(columns) else None


def _place(name: str, family: str) -> Heading | None:
    for group in _TABLES[family]:
        if re.fullmatch(group["columns"], name):
            return group["title"], group["text"]
    return None


def _by_name(columns: Sequence[Column]) -> dict[str, Heading]:
    """Group words, then numbers that share the first part of their name."""
    heads = {c.name: re.split(r"[_.\s]", c.name)[0].lower() for c in columns}
    found: dict[str, Heading] = {}
    sizes = Counter(heads[c.name] for c in columns if c.kind == "numeric")
    shared = {head for head, n in sizes.most_common(MAX_GROUPS) if n >= MIN_SIZE}
    for column in columns:
        head = heads[column.name]
        if column.kind == "category":
            found[column.name] = ("Words", "Values that are words or codes.")
        elif column.kind == "address":
            found[column.name] = ("Hosts", "Addresses; none is read as a value.")
        elif head in shared:
            text = f"Columns whose name starts with {head!r}."
            found[column.name] = (f"{head.capitalize()} \u2026", text)
        else:
            found[column.name] = REST
    if set(found.values()) == {REST}:
        return dict.fromkeys(found, ("All columns", ""))
    return found
