"""Write a comparison down: JSON, Markdown, LaTeX, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evenflow import files
from evenflow.judge import charts, page
from evenflow.judge.comparison import Comparison, Row
from evenflow.judge.grids import grids, latex, markdown, protocol

FIGURES = {
    "accuracy": ("accuracy", "Accuracy"),
    "detection_rate": ("recall", "Attacks detected (recall)"),
    "f1": ("f1", "F1 of attack against benign"),
    "specificity": ("specificity", "Specificity"),
}
"""Our figure -> the printed column and the chart's title."""

Picture = tuple[str, Any, str]


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
    paths = [folder / "comparison.html"]
    files.write_text(paths[0], html(comparison))
    for name, chart, _ in pictures(comparison):
        paths.append(folder / f"{name}.png")
        charts.to_png(chart, paths[-1])
    return paths


def html(comparison: Comparison) -> str:
    """Return the comparison as a page in one file."""
    drawn = {name: page.figure(chart, alt) for name, chart, alt in pictures(comparison)}
    ours: list[page.Html] = []
    theirs: list[page.Html] = []
    for grid in grids(comparison):
        is_ours = grid.head[0] == "recipe"
        words = {k for k, name in enumerate(grid.head) if name in WORDS}
        table = page.table(
            grid.title, grid.head, grid.rows, note=grid.note, text={0, *words}
        )
        (ours if is_ours else theirs).append(table)
    beside = [drawn.pop(name) for name in list(drawn) if name.startswith("compare")]
    return page.document(
        "Comparison",
        page.section("Side by side", page.grid(*beside)),
        page.section("Measured here", page.grid(*drawn.values()), *ours),
        page.section("Published", *theirs),
        subtitle=page.paragraph(
            "Our figures are means over seeds on rows that trained nothing; published "
            "figures stand under their own protocols, which are named beside them."
        ),
        marks=marks(comparison.rows),
    )


WORDS = frozenset(
    {"protocol", "protocol here", "judged on", "figure", "tag", "doi", "note", "mark",
     "error"}
)  # fmt: skip
"""Columns of words; the others are figures."""


def marks(rows: Sequence[Row]) -> list[str]:
    """Return what no reader may miss."""
    found = []
    if names := sorted({row.protocol for row in rows if row.is_optimistic}):
        found.append(
            f"Optimistic: the protocol {', '.join(names)} puts rows of one capture on "
            "both sides; its figures say little about new traffic"
        )
    if names := sorted({row.dataset for row in rows if row.is_synthetic}):
        found.append(
            f"Synthetic data: a program made the rows of {', '.join(names)}; figures "
            "on them say nothing of real traffic"
        )
    return found


def pictures(comparison: Comparison) -> list[Picture]:
    """Return each chart: file name, chart, and what it shows in words."""
    if not comparison.rows:
        return []
    return [
        _all_in_one(comparison),
        *(_one_figure(comparison, name) for name in FIGURES),
        *_survey(comparison),
        *_recalls(comparison),
    ]


def _all_in_one(comparison: Comparison) -> Picture:
    """Return the classic graph: four bars a system, ours and the printed ones."""
    labels = {ours: words for ours, (_, words) in FIGURES.items()}
    records: list[dict[str, Any]] = [
        {
            "name": _short(row, comparison.rows),
            "value": row.binary[name]["mean"],
            "group": labels[name],
        }
        for row in comparison.rows
        for name in FIGURES
    ]
    records += [
        {
            "name": ("! " if printed["mark"] else "") + printed["method"],
            "value": printed[column] / 100,
            "group": words,
        }
        for printed in comparison.published["printed_comparison"]
        for column, words in FIGURES.values()
    ]
    chart = charts.bars(
        records,
        title="Accuracy, recall, F1 and specificity",
        subtitle="measured here, then as printed (data set and split not stated; "
        "! cannot be right as printed)",
        axis="share",
        group="figure",
    )
    return "compare", chart, "Bars of four figures for each system; also in tables."


def _one_figure(comparison: Comparison, name: str) -> Picture:
    column, title = FIGURES[name]
    records: list[dict[str, Any]] = [
        {
            "name": row.label,
            "value": row.binary[name]["mean"],
            "low": _edge(row.binary[name], -1),
            "high": _edge(row.binary[name], 1),
            "is_published": False,
            "words": f"{_percent(row.binary[name]['mean'])} {protocol(row)}",
        }
        for row in comparison.rows
    ]
    records += [
        {
            "name": printed["method"],
            "value": printed[column] / 100,
            "is_published": True,
            "words": f"{printed[column]:g} % as printed"
            + (", cannot be right" if printed["mark"] else ""),
        }
        for printed in comparison.published["printed_comparison"]
    ]
    chart = charts.comparison(
        records,
        title=title,
        subtitle="at the threshold, mean over seeds; lines: one standard deviation "
        "each way. Printed: data set and split not stated",
        axis="share",
    )
    return f"compare_{column}", chart, f"Bars: {title} here and as printed."


def _survey(comparison: Comparison) -> list[Picture]:
    """Return published accuracies on the data set at hand, protocol and tag by each."""
    found = []
    for dataset in dict.fromkeys(row.dataset for row in comparison.rows):
        theirs = [
            {
                "name": f"{system['name']}, {system['year']}",
                "value": figure["value"] / 100,
                "is_published": True,
                "words": f"{figure['value']:g} % {figure['test']} [{figure['tag']}]",
            }
            for system in comparison.published["systems"]
            for figure in system["figures"]
            if figure["dataset"] == dataset
            and figure["metric"] == "accuracy"
            and "-21" not in figure["test"]
        ]
        if not theirs:
            continue
        ours = [
            {
                "name": row.label,
                "value": row.binary["accuracy"]["mean"],
                "is_published": False,
                "words": f"{_percent(row.binary['accuracy']['mean'])} {protocol(row)}",
            }
            for row in comparison.rows
            if row.dataset == dataset
        ]
        chart = charts.comparison(
            [*ours, *theirs],
            title=f"Accuracy beside the published systems ({dataset})",
            subtitle="tags: V read in a published text, I inferred, M from memory; "
            "figures under different protocols cannot be compared",
            axis="accuracy",
        )
        words = f"Bars: accuracy here and published on {dataset}; also in a table."
        found.append((f"compare_survey_{dataset}", chart, words))
    return found


def _recalls(comparison: Comparison) -> list[Picture]:
    found = []
    for number, classes in enumerate(
        dict.fromkeys(tuple(row.recall) for row in comparison.rows), start=1
    ):
        mine = [row for row in comparison.rows if tuple(row.recall) == classes]
        records = [
            {
                "name": name,
                "value": row.recall[name]["mean"],
                "low": (row.recall[name]["wilson"] or [None])[0],
                "high": (row.recall[name]["wilson"] or [None])[-1],
                "n": row.recall[name]["rows"],
                "group": row.label,
            }
            for name in classes
            for row in mine
        ]
        chart = charts.bars(
            records,
            title="Share of each class's rows that were recognised (recall)",
            subtitle=f"{mine[0].dataset}; mean over seeds, lines: 95 % intervals",
            axis="recall",
            group="recipe",
        )
        words = "Bars: recall of each class for each recipe; also in a table."
        found.append((f"recall_{number}", chart, words))
    return found


def _short(row: Row, rows: Sequence[Row]) -> str:
    """Return a label that fits beside a bar: the data set is said where they differ."""
    if len({other.dataset for other in rows}) > 1:
        return row.label
    name = row.label.removeprefix(f"{row.dataset}/")
    return f"{name}, optimistic" if row.is_optimistic else name


def _edge(over: dict[str, Any], side: int) -> float | None:
    if over["std"] is None:
        return None
    edge: float = over["mean"] + side * over["std"]
    return edge


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
