"""Set models side by side: the paper's figures, with what may be said of differences.

Figures of other rows or another protocol stand beside each other, because people put
them there anyway; a difference between them is never worked out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evenflow.judge.charts import comparison as comparison_charts
from evenflow.judge.charts import report as charts
from evenflow.judge.comparison import Comparison
from evenflow.judge.pages import comparison as comparison_page
from evenflow.judge.published import IMPOSSIBLE
from evenflow.judge.report import BINARY
from evenflow.judge.tables import report as figures
from evenflow.judge.tables.comparison import printed_comparison, systems
from evenflow.judge.tables.grid import DASH, Grid
from evenflow.learn.models import TREES
from evenflow.web.charts.reports import Picture, one
from evenflow.web.models.catalog import Listed, Read, part

MAX_MODELS = 6
"""Models that stand side by side at most."""
MULTICLASS = (
    "accuracy", "macro_f1", "weighted_f1", "macro_recall", "macro_precision",
)  # fmt: skip
NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One figure of one model."""

    value: str
    interval: str
    difference: str = ""
    """To the first model's; empty for the first itself."""
    word: str = ""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One model of the comparison."""

    name: str
    label: str
    """Short enough for a chart on a phone."""
    report: Any
    is_baseline: bool
    """Whether it was set beside without being asked for."""


Line = tuple[str, list[Cell]]
"""One figure of all models, with its name."""


def baseline(chosen: Sequence[Read], found: Sequence[Listed]) -> str | None:
    """Return the tree baseline with the same test rows; None if there is one."""
    first = chosen[0].report
    if any(part(r.recipe, "model") in TREES for r in chosen):
        return None
    alike = {
        one.model: one.name
        for one in reversed(found)  # the newest of a kind last, so that it stays
        if not one.reason
        and one.model in TREES
        and (one.dataset, one.protocol) == (first.dataset, first.protocol)
        and (one.taxonomy, one.n_rows) == (first.taxonomy, first.n_rows)
    }
    return next((alike[model] for model in TREES if model in alike), None)


@lru_cache(maxsize=8)
def compare(chosen: tuple[Read, ...], beside: Read | None = None) -> dict[str, Any]:
    """Return models side by side, differences to the first one, as the page has them.

    Of ``recipes`` a row is a key in which they differ, with a cell for each model.
    """
    reads = (*chosen, *([beside] if beside else ()))
    labels = _labels(reads)
    sides = tuple(
        Side(
            name=read.name,
            label=labels[k],
            report=read.report,
            is_baseline=read is beside,
        )
        for k, read in enumerate(reads)
    )
    fair = tuple(is_comparable(sides[0].report, side.report) for side in sides)
    keys, rows = _recipes(reads)

    return {
        "sides": sides,
        "warnings": _warnings([side.report for side in sides]),
        "binary": [_line(sides, fair, "binary", name) for name in BINARY],
        "multiclass": [_line(sides, fair, "multiclass", name) for name in MULTICLASS],
        "argmax": [
            *(_plain(sides, "binary", name) for name in BINARY[:6]),
            *(_plain(sides, "multiclass", name) for name in MULTICLASS[:3]),
        ],
        "pictures": _pictures(sides),
        "recipe_head": keys,
        "recipes": rows,
        "published": _published(sides),
    }


def _labels(reads: Sequence[Read]) -> list[str]:
    """Return model and balancing of each, the end of its name where two are alike."""
    plain = [
        "-".join(filter(None, (part(r.recipe, "model"), part(r.recipe, "balance"))))
        for r in reads
    ]
    return [
        label[:28] if label and plain.count(label) == 1 else f"{label}…{read.name[-6:]}"
        for label, read in zip(plain, reads, strict=True)
    ]


def is_comparable(one: Any, other: Any) -> bool:
    """Return whether two reports evaluate the same rows and classes by one protocol."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("dataset", "protocol", "taxonomy", "n_rows", "class_counts")
    )


def _warnings(reports: Sequence[Any]) -> list[str]:
    found = []
    for attribute, words in (
        ("protocol", "under different protocols"),
        ("dataset", "on different data sets"),
    ):
        named = dict.fromkeys(str(getattr(r, attribute)) for r in reports)
        if len(named) > 1:
            found.append(
                f"These models were evaluated {words}: {', '.join(named)}. Their "
                "figures do not compare, so no difference is shown."
            )
    first = reports[0]
    if not found and any(not is_comparable(first, r) for r in reports[1:]):
        found.append(
            "These models were evaluated on different rows or classes of the same data "
            "set. No difference to the first one is shown where these differ."
        )
    return found


def _line(sides: Sequence[Side], fair: Sequence[bool], part: str, name: str) -> Line:
    first = sides[0].report
    cells = [_cell(first, part, name)]
    for side, is_fair in zip(sides[1:], fair[1:], strict=True):
        cells.append(_cell(side.report, part, name, first if is_fair else None, True))
    return figures.NAMES[name], cells


def _cell(
    report: Any, part: str, name: str, first: Any = None, is_other: bool = False
) -> Cell:
    value = getattr(report, part)[name]
    edges = report.intervals[part].get(name)
    difference = word = ""
    if is_other:
        difference, word = DASH, NOT_COMPARABLE
    if first is not None:
        before = getattr(first, part)[name]
        word = _overlap(edges, first.intervals[part].get(name))
        if value is None or before is None:
            word = "undefined"
        else:
            by = value - before
            is_plain = name in figures.PLAIN
            difference = f"{by:+.4f}" if is_plain else f"{100 * by:+.2f}"
    return Cell(
        value=figures.figure(name, value),
        interval=figures.between(edges, name),
        difference=difference,
        word=word,
    )


def _overlap(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if one is None or other is None:
        return "no interval"
    apart = one["low"] > other["high"] or other["low"] > one["high"]
    return "intervals apart" if apart else "intervals overlap"


def _plain(sides: Sequence[Side], part: str, name: str) -> Line:
    prefix = "all classes: " if part == "multiclass" else ""
    values = (side.report.argmax[part][name] for side in sides)
    cells = [Cell(value=figures.figure(name, v), interval="") for v in values]
    return prefix + figures.NAMES[name], cells


def _pictures(sides: Sequence[Side]) -> dict[str, Picture]:
    published = Comparison(rows=()).published
    wanted = comparison_page.FIGURES
    heads = [head for *_, head in wanted.values()]
    chart = comparison_charts.dots(
        _ours(sides, wanted) | comparison_page.printed(published),
        heads,
        title="Accuracy, recall, F1 and specificity, in per cent",
        subtitle="attack against benign at the threshold; filled: measured here; "
        f"hollow: as printed · † {IMPOSSIBLE}: accuracy outside recall and "
        "specificity",
    )
    found = {"dots": one("dots", chart, "Four figures of each model.")}
    dataset = sides[0].report.dataset
    if theirs := comparison_page.surveyed(dataset, published):
        mine = [side for side in sides if side.report.dataset == dataset]
        accuracy = {"accuracy": wanted["accuracy"]}
        chart = comparison_page.survey(_ours(mine, accuracy) | theirs, dataset)
        found["survey"] = one(
            "survey", chart, f"Dots: accuracy here and published on {dataset}."
        )
    recalls = comparison_charts.recalls(
        {side.label: side.report.multiclass["recall"] for side in sides},
        title="Share of each class's rows that were recognised (recall), in per cent",
        subtitle="at the threshold",
    )
    found["recalls"] = one("recalls", recalls, "Recall of each class of each model.")
    curves = {s.label: s.report.curves["roc"] for s in sides}
    curves = {label: roc for label, roc in curves.items() if roc["detection_rate"]}
    if curves:
        here = {
            s.label: (far, rate)
            for s in sides
            if (far := s.report.binary["false_alarm_rate"]) is not None
            and (rate := s.report.binary["detection_rate"]) is not None
            and s.label in curves
        }
        roc = charts.curves("roc", curves, here=here, subtitle="dots: at the threshold")
        found["roc"] = one("roc", roc, "ROC curves; their areas are in the table.")
    return found


def _ours(
    sides: Sequence[Side], wanted: Mapping[str, tuple[str, str, str]]
) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for side in sides:
        report = side.report
        mark = ", optimistic" if report.is_optimistic else ""
        heading = f"Measured here: {report.dataset}, {report.protocol}{mark}"
        values = {name: report.binary[name] for name in wanted}
        row = {
            "name": side.label,
            "is_published": False,
            "cells": [
                figures.percent(v, 1).removesuffix(" %") for v in values.values()
            ],
            "figures": {wanted[name][1]: (v, None) for name, v in values.items()},
        }
        groups.setdefault(heading, []).append(row)
    return groups


def _published(sides: Sequence[Side]) -> list[Grid]:
    """Return published figures, without the systems tested on other data."""
    theirs = Comparison(rows=()).published
    datasets = {side.report.dataset for side in sides}
    found = [systems(theirs, datasets), printed_comparison(theirs)]
    return [grid for grid in found if grid.rows]


def _recipes(
    reads: Sequence[Read],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    flat = [dict(_flat(read.recipe)) for read in reads]
    keys = dict.fromkeys(key for found in flat for key in found)
    rows = [
        (key, *(found.get(key, DASH) for found in flat))
        for key in keys
        if key not in ("title", "reference")
        and len({found.get(key) for found in flat}) > 1
    ]
    return ("key", *(read.name for read in reads)), tuple(rows)


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", str(inner)
