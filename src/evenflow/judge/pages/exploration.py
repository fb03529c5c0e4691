"""An exploration as a page in one file, with charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evenflow import files
from evenflow.judge.charts import exploration as explore_charts
from evenflow.judge.charts import report as charts
from evenflow.judge.charts.base import Picture, to_pngs
from evenflow.judge.pages import page
from evenflow.judge.tables import exploration as tables
from evenflow.prepare.explore import Exploration
from evenflow.schema import synthetic_warning

Found = Mapping[str, Any]
BAD = frozenset(
    {
        "label_as_feature", "identifiers", "single_columns", "balanced",
        "gives_away_label", "shared_rows", "one_class", "no_labels",
    }
)  # fmt: skip
"""Warnings that can invalidate every figure."""


def write(exploration: Exploration, path: Path) -> None:
    """Write the page, whole or not at all."""
    files.write_text(path, html(exploration))


def png(exploration: Exploration, folder: Path, scale: float = 2) -> list[Path]:
    """Draw every chart into ``folder``, made if missing; return the paths."""
    return to_pngs(pictures(exploration), folder, scale)


def pictures(exploration: Exploration) -> list[Picture]:
    """Return every chart: file name, chart, and what it shows in words."""
    found = exploration.to_dict()
    kinds = (class_pictures, association_pictures, column_pictures)
    return [picture for kind in kinds for picture in kind(found)]


def html(exploration: Exploration) -> str:
    """Return the page."""
    found = exploration.to_dict()
    overview = found["overview"]
    classes, columns, associations = (
        list(page.figures(pictures(found)).values())
        for pictures in (class_pictures, column_pictures, association_pictures)
    )
    return page.render(
        "exploration.html",
        title=f"Contents of {overview['name']} ({overview['split']})",
        marks=[synthetic_warning()] if overview["is_synthetic"] else [],
        found=found,
        tables=tables,
        headlines=tiles(found),
        bad=BAD,
        classes=classes,
        columns=columns,
        associations=associations,
    )


def _subtitle(found: Found) -> str:
    overview = found["overview"]
    mark = "SYNTHETIC ROWS · " if overview["is_synthetic"] else ""
    return f"{mark}{overview['name']}, {overview['split']}, {overview['n_rows']:,} rows"


def tiles(found: Found) -> list[tuple[str, str, str]]:
    """Return the headline figures: name, value, and a line below."""
    overview, copies = found["overview"], found["duplicates"]
    numbers, words = overview["n_numeric"], overview["n_category"]
    shown = [
        ("rows", f"{overview['n_rows']:,}", f"{copies['distinct_rows']:,} distinct"),
        ("columns", str(numbers + words), f"{numbers} numbers, {words} categories"),
    ]
    if found["classes"]:
        ratio, types = overview["imbalance_ratio"], overview["n_attack_types"]
        ratio = "-" if ratio is None else f"{ratio:,.0f} : 1"
        shown += [
            ("classes", str(overview["n_classes"]), f"{types} attack types"),
            ("largest : smallest class", ratio, ""),
        ]
    rows = f"{found['conflicts']['rows']:,}"
    shown.append(("contradictory rows", rows, "equal features, other class"))
    return shown


def class_pictures(found: Found) -> Iterator[Picture]:
    """Yield the charts of classes and attack types."""
    if not found["classes"]:
        return
    line = _subtitle(found)
    counts = {c["name"]: c["n"] for c in found["classes"]}
    words = "Bars: rows of each class on a logarithmic scale; also in a table."
    yield "classes", charts.class_counts(counts, subtitle=line), words
    if found["splits"]:
        shares = {found["overview"]["split"]: counts}
        for split in found["splits"]:
            shares[split["name"]] = {c["name"]: c["n"] for c in split["classes"]}
        words = "Bars: rows of each class in each split, logarithmic; also in a table."
        yield "splits", explore_charts.splits(shares, subtitle=line), words
    if found["attacks"]:
        chart = charts.class_counts(
            {a["name"]: a["n"] for a in found["attacks"]},
            title="Rows of each attack type",
            subtitle=line,
            groups={a["name"]: a["family"] for a in found["attacks"]},
            limit=60,
        )
        words = "Bars: rows of each attack type, logarithmic; also in a table."
        yield "attack_types", chart, words


def association_pictures(found: Found) -> Iterator[Picture]:
    """Yield the charts of what goes together."""
    line = _subtitle(found)
    if any(c["mutual_information_share"] is not None for c in found["columns"]):
        chart = explore_charts.information(found["columns"], subtitle=line)
        words = "Bars: information of each column about the label"
        yield "information", chart, f"{words}; also in the column table."
    names = found["correlation"]["columns"]
    if len(names) > 1:
        for kind, words in (("pearson", "Pearson"), ("spearman", "Spearman, by rank")):
            title, matrix = f"Columns that go together ({words})", found["correlation"]
            chart = explore_charts.correlation(
                names, matrix[kind], title=title, subtitle=line
            )
            alt = f"Heat map: {words} correlation of every pair of numeric columns."
            yield f"correlation_{kind}", chart, alt


def column_pictures(found: Found) -> Iterator[Picture]:
    """Yield how each column spreads in each class."""
    named = tables.titles_of(found["columns"])
    for number, column in enumerate(found["columns"], start=1):
        if any(any(counts) for counts in column["distribution"]["counts"].values()):
            chart = explore_charts.distribution(column, named[column["name"]])
            words = f"Distribution of {column['name']} in each class."
            yield f"column_{number:03d}", chart, words
