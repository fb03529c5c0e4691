"""An exploration's tables and sentences, each made once for every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.judge.tables.grid import Column, Grid, numbers, text

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

    def figure(column: Found, name: str) -> str:
        value = None if column["numeric"] is None else column["numeric"][name]
        return _number(value)

    def share_of_entropy(column: Found) -> str:
        share = column["mutual_information_share"]
        return "–" if share is None else f"{share:.1%}"

    cells: dict[str, list[str]] = {
        "column": [c["name"] for c in found["columns"]],
        "kind": [c["kind"] for c in found["columns"]],
        "unit": [c["unit"] for c in found["columns"]],
    }
    for name in ("missing", "infinite", "out_of_bounds"):
        values = [c[name] for c in found["columns"]]
        if any(values):
            cells[name.replace("_", " ")] = [f"{v:,}" for v in values]
    if not any(cells["unit"]):
        del cells["unit"]
    cells |= {
        "distinct": [f"{c['distinct']:,}" for c in found["columns"]],
        "most common": [f"{c['most_common_share']:.1%}" for c in found["columns"]],
        "min": [figure(c, "min") for c in found["columns"]],
        "median": [_median(c) for c in found["columns"]],
        "max": [figure(c, "max") for c in found["columns"]],
        "tells of label": [share_of_entropy(c) for c in found["columns"]],
    }
    none = [
        words
        for name, words in (
            ("missing", "missing"),
            ("infinite", "infinite"),
            ("out of bounds", "outside its column's bounds"),
        )
        if name not in cells
    ]
    note = "Tells of label: mutual information as a share of the label's entropy."
    if none:
        note += f" No value is {' or '.join(none)}."
    return Grid(
        title="Every column",
        note=note,
        columns=tuple(
            Column(name, is_text=name in ("column", "kind", "unit")) for name in cells
        ),
        rows=tuple(zip(*cells.values(), strict=True)),
    )


def _median(column: Found) -> str:
    if column["numeric"] is None or "0.5" not in column["numeric"]["quantiles"]:
        return _number(None)
    return _number(column["numeric"]["quantiles"]["0.5"])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:,.0f}" if whole else f"{value:,.6g}"
