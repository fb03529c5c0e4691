"""Write a comparison down: JSON, Markdown, LaTeX, pictures and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evenflow import files
from evenflow.judge.charts import comparison as comparison_charts
from evenflow.judge.charts.base import Chart, Picture, to_pngs
from evenflow.judge.charts.comparison import System
from evenflow.judge.comparison import Comparison, Row
from evenflow.judge.pages import page
from evenflow.judge.published import IMPOSSIBLE, NOT_STATED
from evenflow.judge.tables.comparison import (
    grids,
    mean,
    measured,
    protocol,
    published,
    unfinished,
)
from evenflow.judge.tables.grid import latex, markdown
from evenflow.schema import synthetic_warning

FIGURES = {
    "accuracy": ("accuracy", "accuracy", "acc."),
    "detection_rate": ("recall", "recall of attacks", "recall"),
    "f1": ("f1", "F1 of attacks", "F1"),
    "specificity": ("specificity", "specificity", "spec."),
}
"""Our figure -> the printed column, its name in the legend, and the column's head."""


def write_tables(comparison: Comparison, folder: Path) -> list[Path]:
    """Write JSON, Markdown and LaTeX and return the paths."""
    tables = grids(comparison)
    paths = [folder / f"comparison.{kind}" for kind in ("json", "md", "tex")]
    files.write_json(paths[0], comparison.to_dict())
    text = "\n".join(map(markdown, tables))
    files.write_text(paths[1], f"# Comparison\n\n{text}")
    files.write_text(paths[2], "\n".join(map(latex, tables)))
    return paths


def write_pages(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the page and the pictures and return the paths."""
    path = folder / "comparison.html"
    files.write_text(path, html(comparison))
    return [path, *to_pngs(pictures(comparison), folder)]


def html(comparison: Comparison) -> str:
    """Return the comparison as a page in one file."""
    charts = page.figures(pictures(comparison))
    return page.render(
        "comparison.html",
        title="Comparison",
        marks=marks(comparison.rows),
        side_by_side=[c for name, c in charts.items() if name.startswith("compare")],
        others=[c for name, c in charts.items() if not name.startswith("compare")],
        measured=[*measured(comparison), *unfinished(comparison)],
        published=published(comparison),
    )


def marks(rows: Sequence[Row]) -> list[str]:
    """Return what no reader may miss."""
    found = []
    if names := sorted({row.protocol for row in rows if row.is_optimistic}):
        found.append(
            f"Optimistic: the protocol {', '.join(names)} draws training and test rows "
            "from one capture; its figures say little about new traffic"
        )
    if names := sorted({row.dataset for row in rows if row.is_synthetic}):
        found.append(synthetic_warning(f"those of {', '.join(names)}"))
    return found


def pictures(comparison: Comparison) -> list[Picture]:
    """Return each chart: file name, chart, and what it shows in words."""
    if not comparison.rows:
        return []
    rows = sorted(comparison.rows, key=_accuracy, reverse=True)
    return [
        _side_by_side(rows, comparison.published),
        *_survey(rows, comparison.published),
        *_recalls(rows),
    ]


def _side_by_side(rows: Sequence[Row], published: Mapping[str, Any]) -> Picture:
    """Return the classic graph: four figures a system, ours and the printed ones."""
    groups = _ours(rows, FIGURES)
    groups |= printed(published)
    dagger = any(printed["mark"] for printed in published["printed_comparison"])
    chart = comparison_charts.dots(
        groups,
        [head for *_, head in FIGURES.values()],
        title="Accuracy, recall, F1 and specificity, in per cent",
        subtitle="attack against benign at the threshold, best accuracy first; filled: "
        "measured here, mean over seeds, lines: one standard deviation each way; "
        "hollow: as printed"
        + (f" · † {IMPOSSIBLE}: accuracy outside recall and specificity" * dagger),
    )
    return "compare", chart, "Dots of four figures for each system; also in tables."


def printed(published: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the printed comparison as systems under one heading."""
    heads = [(column, words) for column, words, _ in FIGURES.values()]
    systems = [
        {
            "name": row["method"] + (" †" if row["mark"] else ""),
            "is_published": True,
            "cells": [f"{row[column]:g}" for column, _ in heads],
            "figures": {words: (row[column] / 100, None) for column, words in heads},
        }
        for row in published["printed_comparison"]
    ]
    return {"As printed; data set and split not stated": systems}


def _survey(rows: Sequence[Row], published: Mapping[str, Any]) -> list[Picture]:
    """Return accuracies published on the data set, by test rows."""
    found = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        if not (theirs := surveyed(dataset, published)):
            continue
        ours = [row for row in rows if row.dataset == dataset]
        mine = _ours(ours, {"accuracy": FIGURES["accuracy"]})
        chart = survey(mine | theirs, dataset)
        words = f"Dots: accuracy here and published on {dataset}; also in a table."
        found.append((f"compare_survey_{dataset}", chart, words))
    return found


def survey(groups: Mapping[str, Sequence[System]], dataset: str) -> Chart:
    """Return accuracies on a data set, ours and the published ones."""
    return comparison_charts.dots(
        groups,
        ["acc.", "tag"],
        title=f"Accuracy beside the published systems ({dataset}), in per cent",
        subtitle="filled: measured here; hollow: as published. Tags: V read in a "
        "published text, I follows from one. Figures under different "
        "protocols cannot be compared",
    )


def surveyed(
    dataset: str, published: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Return systems whose accuracy on a data set is published, by what judged them."""
    theirs: dict[str, list[dict[str, Any]]] = {}
    figures = [
        (system["name"], figure)
        for system in published["systems"]
        for figure in system["figures"]
        if figure["dataset"] == dataset
        and figure["metric"] == "accuracy"
        and "-21" not in figure["test"]
    ]
    figures.sort(key=lambda pair: (pair[1]["test"] == NOT_STATED, -pair[1]["value"]))
    for name, figure in figures:
        test, _, which = figure["test"].partition(", ")
        theirs.setdefault(f"Published, test rows: {test}", []).append(
            {
                "name": f"{name}, {which}" if which else name,
                "is_published": True,
                "cells": [f"{figure['value']:g}", figure["tag"]],
                "figures": {"accuracy": (figure["value"] / 100, None)},
            }
        )
    return theirs


def _ours(
    rows: Sequence[Row], figures: Mapping[str, tuple[str, str, str]]
) -> dict[str, list[dict[str, Any]]]:
    """Return our systems under their data set and protocol."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"Measured here: {row.dataset}, {protocol(row)}", []).append(
            {
                "name": row.label.removeprefix(f"{row.dataset}/"),
                "is_published": False,
                "cells": [mean({**row.binary[f], "std": None}, 1) for f in figures],
                "figures": {
                    words: (row.binary[f]["mean"], row.binary[f]["std"])
                    for f, (_, words, _) in figures.items()
                },
            }
        )
    return groups


def _recalls(rows: Sequence[Row]) -> list[Picture]:
    """Return one table of colours for each data set and set of classes."""
    kinds: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        kinds.setdefault((row.dataset, row.protocol, *row.recall), []).append(row)
    found = []
    for number, mine in enumerate(kinds.values(), start=1):
        first = mine[0]
        judged = ", ".join(f"{c} {r['rows']:,}" for c, r in first.recall.items())
        chart = comparison_charts.recalls(
            {
                row.label.removeprefix(f"{row.dataset}/"): {
                    name: recall["mean"] for name, recall in row.recall.items()
                }
                for row in mine
            },
            title="Share of each class's rows that were recognised (recall), in per "
            "cent",
            subtitle=f"{first.dataset}, {protocol(first)}; mean over seeds; test rows: "
            f"{judged}; intervals in the table",
        )
        words = "Recall of each class for each recipe; also in a table."
        found.append((f"recall_{number}", chart, words))
    return found


def _accuracy(row: Row) -> float:
    value = row.binary["accuracy"]["mean"]
    return -1.0 if value is None else float(value)
