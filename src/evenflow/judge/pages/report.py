"""A report as text, Markdown, LaTeX, a page and a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evenflow import files
from evenflow.errors import DataError
from evenflow.judge.charts import report as charts
from evenflow.judge.charts.base import Picture, to_pngs
from evenflow.judge.pages import page
from evenflow.judge.report import Report
from evenflow.judge.tables import grid as grids
from evenflow.judge.tables import report as tables
from evenflow.judge.tables.grid import Grid


def text(report: Report) -> str:
    """Return the report for a terminal, in plain characters."""
    parts = [_heading(report), *(f"! {mark}" for mark in tables.marks(report)), ""]
    for grid in tables.grids(report):
        parts += [grid.title, *_aligned(grid), *([grid.note] if grid.note else []), ""]
    parts += [f"- {line}" for line in tables.remarks(report)]
    return "\n".join(parts) + "\n"


def _aligned(grid: Grid) -> list[str]:
    lines = [grid.head, *grid.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    form = "  ".join(f"{{:{'>' if k else '<'}{w}}}" for k, w in enumerate(widths))
    set_ = [form.format(*line).rstrip() for line in lines]
    return [set_[0], "-" * len(set_[0]), *set_[1:]]


def markdown(report: Report) -> str:
    """Return the report as Markdown; markup in names is shown, not obeyed."""
    parts = [f"# {_heading(report)}", ""]
    parts += [f"> **{mark}**\n" for mark in tables.marks(report)]
    parts += [grids.markdown(grid) for grid in tables.grids(report)]
    parts += ["## Limits", ""]
    parts += [f"- {line}" for line in tables.remarks(report)]
    return "\n".join(parts).replace("<", "&lt;") + "\n"


def latex(report: Report) -> str:
    """Return the report's tables as LaTeX for the booktabs package."""
    found = tables.grids(report)
    marks = [mark.partition(":")[0].upper() for mark in tables.marks(report)]
    if marks:  # a table travels alone: the warning goes with every caption
        found = [replace(g, title=f"{', '.join(marks)}: {g.title}") for g in found]
    return "\n".join(grids.latex(grid) for grid in found)


def html(report: Report) -> str:
    """Return the report as a page in one file."""
    return page.render(
        "report.html",
        title=_heading(report),
        marks=tables.marks(report),
        report=report,
        tables=tables,
        charts=page.figures(pictures(report)),
    )


def _heading(report: Report) -> str:
    recipe = (report.training or {}).get("recipe")
    if not recipe:
        return f"A model evaluated on {report.dataset}"
    name = f"{recipe['model']['name']}, balancing: {recipe['balance']['name']}"
    return f"{name}, evaluated on {report.dataset}"


def pictures(report: Report) -> list[Picture]:
    """Return every chart of a report: file name, chart, and what it shows in words."""
    return [*_pictures(report), *_training_pictures(report.training or {})]


def _pictures(report: Report) -> Iterator[Picture]:
    line, binary = charts.subtitle(report), report.binary
    counts = (report.confusion["labels"], report.confusion["matrix"])
    words = "Confusion matrix; the same counts are in the table 'Confusion matrix'."
    yield "confusion_matrix", charts.confusion_matrix(*counts, subtitle=line), words
    for kind, name, sides, words, area in (
        ("roc", "roc", ("false_alarm_rate", "detection_rate"), "ROC curve; area",
         "roc_auc"),
        ("pr", "precision_recall", ("detection_rate", "precision"),
         "Precision-recall curve; average precision", "pr_auc"),
    ):  # fmt: skip
        curve = report.curves[kind]
        if any(map(any, curve.values())):
            x, y = (binary[side] for side in sides)
            here = {} if x is None or y is None else {"model": (x, y)}
            chart = charts.curves(kind, {"model": curve}, here=here, subtitle=line)
            yield name, chart, f"{words} {tables.plain(binary[area])}."
    for figure in ("recall", "precision", "f1"):
        words = f"Bars: {figure} of each class; the same figures are in a table."
        yield figure, charts.per_class(report, figure), words
    if report.attacks:
        words = (
            "Bars: share of each attack type that was flagged; types marked with a "
            "dagger were not among the training rows."
        )
        yield "attack_types", charts.attack_detection(report), words
    if report.calibration["bins"]:
        error = tables.plain(report.calibration["ece"])
        words = "Predicted probability against observed share; expected calibration"
        yield "reliability", charts.reliability(report), f"{words} error {error}."


def _training_pictures(training: Mapping[str, Any]) -> Iterator[Picture]:
    recipe = training.get("recipe") or {}
    parts = (part for part in ("model", "balance") if part in recipe)
    words = " ".join(f"{part} {recipe[part]['name']}" for part in parts)
    if counts := training.get("class_counts"):
        chart = charts.balancing(counts["before"], counts["after"], words)
        alt = "Bars: training rows of each class before and after balancing."
        yield "balancing", chart, alt
    if history := training.get("history"):
        loss, f1 = charts.training_curves(history, subtitle=words)
        yield "training_loss", loss, "Loss of training and validation rows by epoch."
        yield "training_macro_f1", f1, "Macro F1 of the validation rows by epoch."


def png(report: Report, folder: Path, scale: float = 2) -> list[Path]:
    """Draw every chart into ``folder``, made if missing; return the paths.

    Raises
    ------
    StorageError
        A picture cannot be written.
    """
    return to_pngs(pictures(report), folder, scale)


FORMATS: dict[str, Callable[[Report], str]] = {
    ".html": html,
    ".md": markdown,
    ".tex": latex,
    ".txt": text,
}


def write(report: Report, path: Path) -> None:
    """Write the report in the format of the file's ending, whole or not at all.

    Raises
    ------
    DataError
        No format has that ending.
    StorageError
        The file cannot be written.
    """
    if path.suffix == ".json":
        files.write_json(path, report.to_dict())
        return
    if path.suffix not in FORMATS:
        raise DataError(
            f"{path.name}: no report format ends in {path.suffix!r}; expected one of "
            f"{', '.join(['.json', *FORMATS])}. Rename the file"
        )
    files.write_text(path, FORMATS[path.suffix](report))
