"""An exploration as a page in one file, with charts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evenflow import files
from evenflow.judge import charts, explore_charts, page
from evenflow.prepare.explore import Exploration

Found = Mapping[str, Any]
Picture = tuple[str, charts.Chart, str]
BAD = frozenset({"gives_away_label", "shared_rows", "one_class", "no_labels"})
"""Warnings that can make every figure worthless."""


def write(exploration: Exploration, path: Path) -> None:
    """Write the page, whole or not at all."""
    files.write_text(path, html(exploration))


def png(exploration: Exploration, folder: Path, scale: float = 2) -> list[Path]:
    """Draw every chart into ``folder``, made if missing; return the paths."""
    paths = []
    for name, chart, _ in pictures(exploration):
        path = folder / f"{name}.png"
        charts.to_png(chart, path, scale)
        paths.append(path)
    return paths


def pictures(exploration: Exploration) -> list[Picture]:
    """Return every chart: file name, chart, and what it shows in words."""
    found = exploration.to_dict()
    return [
        *_class_pictures(found),
        *_association_pictures(found),
        *_column_pictures(found),
    ]


def html(exploration: Exploration) -> str:
    """Return the page."""
    found = exploration.to_dict()
    overview = found["overview"]
    marks = []
    if overview["is_synthetic"]:
        marks.append(
            "Synthetic rows: made by a program; they say nothing about real traffic."
        )

    def drawn(pictures: list[Picture], small: bool = False) -> page.Html:
        parts = [page.figure(chart, alt) for _, chart, alt in pictures]
        return page.grid(*parts, small=small)

    parts = [
        page.tiles(_tiles(found)),
        page.section(
            "What to act on",
            *(
                page.notice(w["text"], "warn" if w["kind"] in BAD else "note")
                for w in found["warnings"]
            ),
            *([] if found["warnings"] else [page.notice("Nothing.", "pass")]),
        ),
    ]
    if found["classes"]:
        parts.append(
            page.section(
                "Classes and attack types",
                drawn(_class_pictures(found)),
                *_class_tables(found),
            )
        )
    parts += [
        page.section("Rows", *_rows(found)),
        page.section(
            "Columns",
            _column_table(found),
            page.paragraph(
                "Below, each row of cells is a class and each cell a range of values: "
                "the stronger its colour, the more of the class's rows lie there. "
                "Missing and "
                "infinite values are in no cell.",
                quiet=True,
            ),
            drawn(_column_pictures(found), small=True),
        ),
    ]
    if associated := _association_pictures(found):
        parts.append(page.section("What goes together", drawn(associated)))
    return page.document(
        f"What is in {overview['name']} ({overview['split']})",
        *parts,
        subtitle=page.paragraph(
            f"Taxonomy: {overview['taxonomy'] or 'not stated'}.", quiet=True
        ),
        marks=marks,
    )


def _said(found: Found) -> str:
    overview = found["overview"]
    mark = "SYNTHETIC ROWS · " if overview["is_synthetic"] else ""
    return f"{mark}{overview['name']}, {overview['split']}, {overview['n_rows']:,} rows"


def _tiles(found: Found) -> list[tuple[str, str, str]]:
    overview, copies = found["overview"], found["duplicates"]
    tiles = [
        ("rows", f"{overview['n_rows']:,}", f"{copies['distinct_rows']:,} distinct"),
        (
            "columns",
            f"{overview['n_columns']}",
            f"{overview['n_numeric']} numbers, {overview['n_category']} categories",
        ),
    ]
    if found["classes"]:
        ratio = overview["imbalance_ratio"]
        tiles += [
            (
                "classes",
                f"{overview['n_classes']}",
                f"{overview['n_attack_types']} attack types",
            ),
            (
                "largest : smallest class",
                "-" if ratio is None else f"{ratio:,.0f} : 1",
                "",
            ),
        ]
    tiles.append(
        (
            "contradictory rows",
            f"{found['conflicts']['rows']:,}",
            "equal features, other class",
        )
    )
    return tiles


def _class_pictures(found: Found) -> list[Picture]:
    if not found["classes"]:
        return []
    line = _said(found)
    counts = {c["name"]: c["n"] for c in found["classes"]}
    name = found["overview"]["split"]
    drawn: list[Picture] = [
        (
            "classes",
            charts.class_counts(counts, subtitle=line),
            "Bars: rows of each class on a logarithmic scale; also in a table.",
        )
    ]
    if found["splits"]:
        shares = {name: counts} | {
            s["name"]: {c["name"]: c["n"] for c in s["classes"]}
            for s in found["splits"]
        }
        drawn.append(
            (
                "splits",
                explore_charts.splits(shares, subtitle=line),
                "Bars: rows of each class in each split, logarithmic; also in a table.",
            )
        )
    if found["attacks"]:
        drawn.append(
            (
                "attack_types",
                charts.class_counts(
                    {a["name"]: a["n"] for a in found["attacks"]},
                    title="Rows of each attack type",
                    subtitle=line,
                    groups={a["name"]: a["family"] for a in found["attacks"]},
                    limit=60,
                ),
                "Bars: rows of each attack type, logarithmic; also in a table.",
            )
        )
    return drawn


def _association_pictures(found: Found) -> list[Picture]:
    line, drawn = _said(found), []
    if any(c["mutual_information_share"] is not None for c in found["columns"]):
        drawn.append(
            (
                "information",
                explore_charts.information(found["columns"], subtitle=line),
                "Bars: share of the label each column tells; also in the column table.",
            )
        )
    names = found["correlation"]["columns"]
    if len(names) > 1:
        for kind, words in (("pearson", "Pearson"), ("spearman", "Spearman, by rank")):
            drawn.append(
                (
                    f"correlation_{kind}",
                    explore_charts.correlation(
                        names,
                        found["correlation"][kind],
                        title=f"Columns that go together ({words})",
                        subtitle=line,
                    ),
                    f"Heat map: {words} correlation of every pair of numeric columns.",
                )
            )
    return drawn


def _column_pictures(found: Found) -> list[Picture]:
    return [
        (
            f"column_{number:03d}",
            explore_charts.distribution(column),
            f"How {column['name']} spreads in each class.",
        )
        for number, column in enumerate(found["columns"], start=1)
        if any(any(counts) for counts in column["distribution"]["counts"].values())
    ]


def _class_tables(found: Found) -> list[page.Html]:
    others = found["splits"]
    per_split = [{c["name"]: c["n"] for c in s["classes"]} for s in others]
    tables = [
        page.table(
            "Rows of each class",
            [
                "class",
                found["overview"]["split"],
                "share",
                *(s["name"] for s in others),
            ],
            [
                (
                    c["name"],
                    f"{c['n']:,}",
                    f"{c['share']:.2%}",
                    *(f"{counts.get(c['name'], 0):,}" for counts in per_split),
                )
                for c in found["classes"]
            ],
        )
    ]
    if found["attacks"]:
        attacks = page.table(
            "Rows of each attack type",
            ["attack type", "class", "rows", "share"],
            [
                (a["name"], a["family"], f"{a['n']:,}", f"{a['share']:.3%}")
                for a in found["attacks"]
            ],
            text=(0, 1),
        )
        tables.append(page.details("Attack types as a table", attacks))
    return tables


def _rows(found: Found) -> list[page.Html]:
    copies, conflicts = found["duplicates"], found["conflicts"]
    parts = [
        page.paragraph(
            f"{copies['duplicate_rows']:,} rows ({copies['duplicate_share']:.2%}) "
            f"repeat the features of an earlier row; the largest group has "
            f"{copies['largest_group']:,}. {conflicts['vectors']:,} feature vectors "
            f"({conflicts['rows']:,} rows) carry more than one class."
        )
    ]
    if found["splits"]:
        parts.append(
            page.table(
                "Shared with other splits",
                ["split", "rows", "shared rows", "share", "same class", "other class",
                 "attack types not met here"],
                [
                    (
                        s["name"], f"{s['n_rows']:,}", f"{s['shared_rows']:,}",
                        f"{s['shared_share']:.2%}", f"{s['shared_same_class']:,}",
                        f"{s['shared_other_class']:,}",
                        _unseen(s),
                    )
                    for s in found["splits"]
                ],
                note="A shared row has exactly the features of a row of this split.",
                text=(0, 6),
            )
        )  # fmt: skip
    return parts


def _unseen(split: Found) -> str:
    found = [f"{a['name']} ({a['n']:,})" for a in split["unseen_attacks"]]
    return ", ".join(found) or "none"


def _column_table(found: Found) -> page.Html:
    def figure(column: Found, name: str) -> str:
        value = None if column["numeric"] is None else column["numeric"][name]
        return _number(value)

    def told(column: Found) -> str:
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
        "tells of label": [told(c) for c in found["columns"]],
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
    words = [k for k, name in enumerate(cells) if name in {"column", "kind", "unit"}]
    rows = zip(*cells.values(), strict=True)
    return page.table("Every column", list(cells), rows, note=note, text=words)


def _median(column: Found) -> str:
    if column["numeric"] is None or "0.5" not in column["numeric"]["quantiles"]:
        return _number(None)
    return _number(column["numeric"]["quantiles"]["0.5"])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:,.0f}" if whole else f"{value:,.6g}"
