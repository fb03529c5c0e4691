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
from evenflow.knowledge.columns import family
from evenflow.schema import Column

Heading = tuple[str, str]
"""Title and explanation of a group."""

MIN_SIZE, MAX_GROUPS = 3, 8

_FILE = resources.files(__package__).joinpath("groups.toml")
_TABLES: dict[str, list[dict[str, str]]] = toml.loads(_FILE.read_text(encoding="utf-8"))
"""Groups of each family of data sets: title, text, and a pattern of columns."""
REST: Heading = ("More columns", "")


def grouped(columns: Sequence[Column]) -> list[tuple[Heading, list[Column]]]:
    """Return the columns in groups, each in the order of the schema."""
    key = family([column.name for column in columns])
    if key is None:
        named, order = _by_name(columns), []
    else:
        named = {c.name: _place(c.name, key) or REST for c in columns}
        order = [(group["title"], group["text"]) for group in _TABLES[key]]
    groups: dict[Heading, list[Column]] = {}
    for column in columns:
        groups.setdefault(named[column.name], []).append(column)
    order += [heading for heading in groups if heading not in (*order, REST)]
    return [(h, groups[h]) for h in [*order, REST] if h in groups]


def _place(name: str, key: str) -> Heading | None:
    for group in _TABLES[key]:
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
