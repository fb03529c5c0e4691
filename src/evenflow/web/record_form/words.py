"""Columns and their values in plain words, where the published name is a riddle."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources

from evenflow import toml
from evenflow.schema import Column

_FILE = resources.files(__package__).joinpath("words.toml")
_WORDS = toml.loads(_FILE.read_text(encoding="utf-8"))
_KDD, _SPELLING = _WORDS["kdd"], _WORDS["spelling"]
SHORTEST, LONGEST = 8, 60
"""Characters of a description that may serve as a label."""


def labels(columns: Sequence[Column], *, is_kdd: bool) -> dict[str, str]:
    """Return what a person calls each column; no two are called the same.

    ``is_kdd`` says if they are those of KDD Cup 99: ``count`` is a word anywhere.
    """
    known = _KDD["labels"] if is_kdd else _WORDS["labels"]
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


def _described(column: Column) -> tuple[str, str]:
    """Return the start of the description, and all of it; else the name, spelled."""
    text = column.description.removeprefix("1: ")
    text = text.split(" over the publisher")[0]
    start = re.split(r"[;:(]|, | with ", text)[0].strip()
    is_own = not text.startswith("CICFlowMeter")
    spelled = _spelled(column.name)
    short, full = (
        _capital(t) if is_own and SHORTEST <= len(t) <= LONGEST else spelled
        for t in (start, text)
    )
    return short, full


def _spelled(name: str) -> str:
    """Return a name with its abbreviations written out."""
    return _capital(" ".join(_SPELLING.get(low, low) for low in _parts(name))) or name


def value(column: str, choice: str, *, is_kdd: bool) -> str:
    """Return what a value of a category means; empty where it speaks for itself."""
    return str(_KDD["values"].get(column, {}).get(choice, "")) if is_kdd else ""


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for part in re.split(r"[_\s]+", spaced.lower()) if part]


def _capital(text: str) -> str:
    is_name = text[1:2].isupper()  # nDPI
    return text if is_name else text[:1].upper() + text[1:]
