"""An exploration's tables and sentences, each made once for every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.judge.tables.grid import Grid, numbers, text
from evenflow.knowledge.columns import titles
from evenflow.schema import Column

Found = Mapping[str, Any]
DASH = "–"


def classes(found: Found) -> Grid:
    """Return the rows of each class, in each split."""
    others = found["splits"]
    per_split = [{c["name"]: c["n"] for c in s["classes"]} for s in others]
    return Grid(
        title="Rows of each class",
        columns=(
            *text("class"),
            *numbers(found["overview"]["split"], "share", *(s["name"] for s in others)),
        ),
        rows=tuple(
            (
                c["name"],
                f"{c['n']:,}",
                f"{c['share']:.2%}",
                *(f"{counts.get(c['name'], 0):,}" for counts in per_split),
            )
            for c in found["classes"]
        ),
    )


def attacks(found: Found) -> Grid:
    """Return the rows of each attack type."""
    return Grid(
        title="Rows of each attack type",
        columns=(*text("attack type", "class"), *numbers("rows", "share")),
        rows=tuple(
            (a["name"], a["family"], f"{a['n']:,}", f"{a['share']:.3%}")
            for a in found["attacks"]
        ),
    )


def copies(found: Found) -> str:
    """Return how many rows repeat or contradict another one, in a sentence."""
    copied, conflicts = found["duplicates"], found["conflicts"]
    return (
        f"{copied['duplicate_rows']:,} rows ({copied['duplicate_share']:.2%}) "
        f"repeat the features of an earlier row; the largest group has "
        f"{copied['largest_group']:,}. {conflicts['vectors']:,} feature vectors "
        f"({conflicts['rows']:,} rows) carry more than one class."
    )


def shared(found: Found) -> Grid:
    """Return what other splits share with the rows looked at."""
    return Grid(
        title="Shared with other splits",
        note="A shared row has exactly the features of a row of this split.",
        columns=(
            *text("split"),
            *numbers("rows", "shared rows", "share", "same class", "other class"),
            *text("attack types not found here"),
        ),
        rows=tuple(
            (
                s["name"], f"{s['n_rows']:,}", f"{s['shared_rows']:,}",
                f"{s['shared_share']:.2%}", _count(s["shared_same_class"]),
                _count(s["shared_other_class"]), _unseen(s),
            )
            for s in found["splits"]
        ),
    )  # fmt: skip


def _count(n: int | None) -> str:
    return DASH if n is None else f"{n:,}"


def _unseen(split: Found) -> str:
    found = [f"{a['name']} ({a['n']:,})" for a in split["unseen_attacks"]]
    return ", ".join(found) or "none"


def columns(found: Found) -> Grid:
    """Return every column: what it holds and what it tells of the label."""
    each = found["columns"]
    named = titles_of(each)
    absent = {
        "missing": "missing",
        "infinite": "infinite",
        "out_of_bounds": "outside its column's bounds",
    }
    occur = [name for name in absent if any(c[name] for c in each)]
    words = ["column", "kind", *(["unit"] if any(c["unit"] for c in each) else [])]
    note = "Tells of label: mutual information as a share of the label's entropy."
    if none := [said for name, said in absent.items() if name not in occur]:
        note += f" No value is {' or '.join(none)}."
    return Grid(
        title="Every column",
        note=note,
        columns=(
            *text(*words),
            *numbers(*(name.replace("_", " ") for name in occur), "distinct",
                     "most common", "min", "median", "max", "tells of label"),
        ),
        rows=tuple(
            (
                *(named[c["name"]] if name == "column" else c[name] for name in words),
                *(f"{c[name]:,}" for name in occur),
                f"{c['distinct']:,}",
                f"{c['most_common_share']:.1%}",
                *map(_number, _spread(c["numeric"])),
                DASH if (share := c["mutual_information_share"]) is None
                else f"{share:.1%}",
            )
            for c in each
        ),
    )  # fmt: skip


def titles_of(columns: Sequence[Found]) -> dict[str, str]:
    """Return each column of an exploration in plain words, with its name."""
    return titles(
        [Column(name=c["name"], description=c["description"]) for c in columns]
    )


def _spread(numeric: Found | None) -> tuple[float | None, ...]:
    """Return least value, median and greatest value of a numeric column."""
    if numeric is None:
        return None, None, None
    return numeric["min"], numeric["quantiles"].get("0.5"), numeric["max"]


def _number(value: float | None) -> str:
    if value is None:
        return DASH
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:,.0f}" if whole else f"{value:,.6g}"
