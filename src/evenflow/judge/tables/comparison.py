"""Tables of a comparison, each made once for every format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from evenflow.judge.comparison import Comparison, Row
from evenflow.judge.published import NOT_STATED, TAGS
from evenflow.judge.tables.grid import DASH, Grid, numbers, text

OPTIMISTIC = "optimistic"
BOTH = {
    "accuracy": "accuracy", "detection_rate": "detection", "f1": "F1",
    "specificity": "specificity", "false_alarm_rate": "false alarms",
}  # fmt: skip
"""Figures of attack against benign, at the threshold and at argmax, and their heads."""


def grids(comparison: Comparison) -> list[Grid]:
    """Return every table of a comparison, ours before the published ones."""
    return [*measured(comparison), *published(comparison), *unfinished(comparison)]


def measured(comparison: Comparison) -> list[Grid]:
    """Return the tables of figures measured here."""
    rows = comparison.rows
    if not rows:
        return []
    decided = _figures(
        [(row, row.binary, row.multiclass) for row in rows],
        BOTH | {"roc_auc": "ROC-AUC", "unseen_detection_rate": "unseen types"},
        "Attack or benign, and which class, at the threshold",
        "Per cent. Mean over the runs, +/- their standard deviation. The threshold was "
        "set on training rows at the recipe's false-alarm budget, the same for every "
        "row. ",
    )
    at_argmax = _figures(
        [(row, row.argmax["binary"], row.argmax["multiclass"]) for row in rows],
        BOTH,
        "The same at the plain argmax",
        "Per cent. Each row gets its likeliest class, without a threshold: what most "
        "publications report. ",
    )
    return [decided, at_argmax, *_recalls(rows), _costs(rows)]


def published(comparison: Comparison) -> list[Grid]:
    """Return the tables of published figures."""
    theirs = comparison.published
    found = [
        systems(theirs),
        printed_comparison(theirs),
        _printed_performance(theirs, comparison.rows),
    ]
    return [grid for grid in found if grid.rows]


def unfinished(comparison: Comparison) -> list[Grid]:
    """Return the table of cells that failed, if any did."""
    if not comparison.failed:
        return []
    return [
        Grid(
            title="Not finished",
            note="These cells failed; run the same command again to retry them.",
            columns=(*text("recipe"), *numbers("seed"), *text("error")),
            rows=tuple((f.name, str(f.seed), f.error) for f in comparison.failed),
        )
    ]


def _figures(
    found: Sequence[tuple[Row, dict[str, Any], dict[str, Any]]],
    heads: dict[str, str],
    title: str,
    note: str,
) -> Grid:
    """Return rows with their figures of attack against benign and of all classes."""
    several = ("accuracy", "macro_f1", "weighted_f1")
    return Grid(
        title=title,
        note=note + _optimism([row for row, *_ in found]),
        columns=(
            *text("recipe", "protocol"),
            *numbers("runs", *heads.values(), "class accuracy", "macro F1",
                     "weighted F1"),
        ),
        rows=tuple(
            (
                _label(row), protocol(row), runs(row),
                *(mean(binary[f]) for f in heads), *(mean(multi[f]) for f in several),
            )
            for row, binary, multi in found
        ),
    )  # fmt: skip


def _recalls(rows: Sequence[Row]) -> list[Grid]:
    """Return a table of recalls for each set of classes that occurs."""
    found = []
    for classes in dict.fromkeys(tuple(row.recall) for row in rows):
        mine = [row for row in rows if tuple(row.recall) == classes]
        counts = mine[0].recall
        found.append(
            Grid(
                title=f"Recall of each class ({mine[0].dataset})",
                note="Per cent at the threshold, with Wilson's 95 % interval of the "
                f"mean on the test rows. Taxonomy: {mine[0].taxonomy or NOT_STATED}.",
                columns=(
                    *text("recipe", "protocol"),
                    *numbers(*(f"{c} ({counts[c]['rows']:,} rows)" for c in classes)),
                ),
                rows=tuple(
                    (
                        _label(row),
                        protocol(row),
                        *(_with_interval(row.recall[name]) for name in classes),
                    )
                    for row in mine
                ),
            )
        )
    return found


def _costs(rows: Sequence[Row]) -> Grid:
    return Grid(
        title="What it costs",
        note="Training from raw rows to a decided model, balancing included; scoring "
        "in the training process. Measured where the comparison ran.",
        columns=(
            *text("recipe"),
            *numbers("rows fitted", "train s", "score rows/s", "model kB",
                     "parameters"),
        ),
        rows=tuple(
            (
                _label(row),
                plain(row.rows_fitted),
                plain(row.train_s, digits=1),
                plain(row.score_rows_per_s),
                plain(row.model_bytes, scale=1e-3),
                plain(row.n_parameters),
            )
            for row in rows
        ),
    )  # fmt: skip


def systems(published: dict[str, Any], datasets: Collection[str] = ()) -> Grid:
    """Return the published systems; given data sets, those evaluated on one of them."""
    rows = []
    for system in published["systems"]:
        figures = [
            (
                f"{figure['dataset']}, {figure['test']}",
                figure["metric"].replace("_", " "), f"{figure['value']:.2f}",
                figure["tag"],
            )
            for figure in system["figures"]
            if not datasets or figure["dataset"] in datasets
        ]  # fmt: skip
        if not figures and datasets:
            continue
        name = f"{system['name']}, {system['year']}"
        about = (name, system["protocol"], system["reference"], system["note"])
        for figure in figures or [("", "", DASH, "")]:
            first, stated, doi, note = about
            rows.append((first, stated, *figure, doi, note))
            about = ("", "", "", "")  # once, before the first figure
    tags = "; ".join(f"{tag}: {words}" for tag, words in TAGS.items())
    return Grid(
        title="Published systems",
        note=f"Per cent, as published, each under its own protocol. {tags}. Figures "
        "under different protocols cannot be compared.",
        columns=(
            *text("system", "protocol", "test rows", "figure"),
            *numbers("value"),
            *text("tag", "doi", "note"),
        ),
        rows=tuple(rows),
    )  # fmt: skip


def printed_comparison(published: dict[str, Any]) -> Grid:
    """Return the printed comparison of methods."""
    return Grid(
        title="A printed comparison of methods",
        note="Per cent, as printed; data set and split not stated. Accuracy is a "
        "weighted mean of recall and specificity, so a row where it lies outside "
        "them cannot be right as printed.",
        columns=(
            *text("method"),
            *numbers("accuracy", "recall", "F1", "specificity"),
            *text("mark"),
        ),
        rows=tuple(
            (
                row["method"], f"{row['accuracy']:g}", f"{row['recall']:g}",
                f"{row['f1']:g}", f"{row['specificity']:g}", row["mark"],
            )
            for row in published["printed_comparison"]
        ),
    )  # fmt: skip


def _printed_performance(published: dict[str, Any], rows: Sequence[Row]) -> Grid:
    """Return the printed table whole, ours beside it cell by cell."""
    figures = ("accuracy", "weighted_f1", "weighted_recall", "weighted_precision")
    lines = []
    for printed in published["printed_performance"]:
        pair = (printed["model"], printed["balance"])
        mine = [row for row in rows if (row.model, row.balance) == pair]
        theirs = tuple(
            f"{printed[name]:.1f}" for name in ("accuracy", "f1", "recall", "precision")
        )
        lines += [
            (
                printed["method"],
                *theirs,
                protocol(row),
                *(mean(row.argmax["multiclass"][name]) for name in figures),
            )
            for row in mine
        ] or [(printed["method"], *theirs, *[DASH] * 5)]
    return Grid(
        title="A printed table of performance, and the same cells here",
        note="Per cent. Printed: data set and split not stated. Here: the same model "
        "and sampler, all classes at the plain argmax, weighted by class. "
        + _optimism(rows),
        columns=(
            *text("model"),
            *numbers("accuracy, printed", "F1, printed", "recall, printed",
                     "precision, printed"),
            *text("protocol here"),
            *numbers("accuracy", "F1", "recall", "precision"),
        ),
        rows=tuple(lines),
    )  # fmt: skip


def _label(row: Row) -> str:
    marks = ["no balancing, threshold moved"] if row.balance == "none" else []
    marks += ["synthetic data"] if row.is_synthetic else []
    return f"{row.label} ({'; '.join(marks)})" if marks else row.label


def runs(row: Row) -> str:
    """Return how many trainings a row is the mean of: seeds, and folds of each."""
    seeds = str(len(row.seeds))
    return seeds if row.folds == 1 else f"{seeds} x {row.folds} folds"


def protocol(row: Row) -> str:
    """Return the protocol's name, marked if it is optimistic."""
    return f"{row.protocol}, {OPTIMISTIC}" if row.is_optimistic else row.protocol


def _optimism(rows: Sequence[Row]) -> str:
    warning = (
        "Optimistic: rows of one capture on both sides; such a figure says little "
        "about new traffic."
    )
    return warning if any(row.is_optimistic for row in rows) else ""


def mean(over: dict[str, Any], digits: int = 2) -> str:
    """Return ``mean +/- spread`` in per cent; a dash where it is undefined."""
    if over["mean"] is None:
        return DASH
    text = f"{100 * over['mean']:.{digits}f}"
    return text if over["std"] is None else f"{text} +/- {100 * over['std']:.{digits}f}"


def _with_interval(recall: dict[str, Any]) -> str:
    if recall["wilson"] is None:
        return DASH
    low, high = recall["wilson"]
    return f"{mean(recall, 1)} [{100 * low:.1f}, {100 * high:.1f}]"


def plain(over: dict[str, Any], *, scale: float = 1.0, digits: int = 0) -> str:
    """Return the mean as a plain number; a dash where it is undefined."""
    if over["mean"] is None:
        return DASH
    return f"{scale * over['mean']:,.{digits}f}"
