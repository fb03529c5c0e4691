"""The card that travels with a model: what it is for, what it did, where it fails.

References
----------
.. [1] M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
   doi:10.1145/3287560.3287596
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow import datasets
from evenflow.datasets import Dataset
from evenflow.judge.report import BINARY, Report
from evenflow.judge.tables import grid as grids
from evenflow.judge.tables import report as figures


def model_card(report: Report, source: Dataset | None = None) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    report : Report
        With the record of the training.
    source : Dataset, optional
        Where the training rows come from; the recipe's data set without it.
    """
    training = report.training or {}
    recipe = training.get("recipe") or {}
    source = source or _source(recipe)
    parts = [
        f"# {_title(report, recipe)}",
        *(f"> **{mark}**" for mark in figures.marks(report)),
        _what(report, training, recipe),
        _use(report),
        _data(report, training, source),
        "## Figures\n\n" + _figures(report),
        grids.markdown(figures.classes(report)),
        grids.markdown(unknown) if (unknown := figures.unknown_kinds(report)) else "",
        _limits(report, training),
        _how(training, recipe),
    ]
    text = "\n\n".join(part.strip() for part in parts if part) + "\n"
    return text.replace("<", "&lt;")  # a name may hold markup: it is shown, not obeyed


def _source(recipe: Mapping[str, Any]) -> Dataset | None:
    name = recipe.get("dataset", {}).get("name")
    return datasets.get(name) if name in datasets.names() else None


def _title(report: Report, recipe: Mapping[str, Any]) -> str:
    if not recipe:
        return f"Model card: a model for {report.dataset}"
    model, balance = recipe["model"]["name"], recipe["balance"]["name"]
    return f"Model card: {model} with balancing {balance}, {report.dataset}"


def _what(
    report: Report, training: Mapping[str, Any], recipe: Mapping[str, Any]
) -> str:
    # the judged rows may hold classes that the model does not know
    counts = training.get("class_counts") or {}
    classes = ", ".join(counts.get("before") or report.confusion["labels"])
    size = training.get("n_parameters")
    words = [
        "A network intrusion detector. It reads one record of a connection and says "
        f"whether it is benign or an attack, and of which class: {classes}."
    ]
    if recipe:
        words.append(f"Model: {recipe['model']['name']}")
        words[-1] += f", {size:,} parameters." if size else "."
    words.append(f"Made with evenflow {report.evenflow_version}.")
    return " ".join(words)


def _use(report: Report) -> str:
    return f"""## Intended use

- To rank and flag connections described by the columns of {report.dataset}, beside
  other sensors, with a person or a second check behind every alert.
- To compare models under the protocol named below.

Not intended: blocking traffic on its own; records whose columns are computed in another
way than those of {report.dataset}; judging people."""


def _data(report: Report, training: Mapping[str, Any], source: Dataset | None) -> str:
    lines = [
        "## Data",
        "",
        f"- Data set: {report.dataset}" + (f" ({source.title})" if source else ""),
        f"- Protocol: {report.protocol}: {report.protocol_description}",
        f"- Classes: {report.taxonomy or 'taxonomy not stated'}",
    ]
    if source:
        facts = {
            "Source": source.url,
            "Terms of use": source.terms,
            "Citation": source.citation,
        }
        lines += [f"- {name}: {text}" for name, text in facts.items() if text]
        lines += [f"- Known fault: {caveat}" for caveat in source.caveats]
    if training.get("class_counts"):
        lines += ["", grids.markdown(figures.training(training)[0]).strip()]
    return "\n".join(lines)


def _figures(report: Report) -> str:
    shown = [(name, "binary", "") for name in BINARY]
    several = ("accuracy", "macro_f1", "weighted_f1")
    shown += [(name, "multiclass", ", all classes") for name in several]
    lines = "\n".join(
        f"| {figures.NAMES[name]}{words} | {_value(report, part, name)} |"
        for name, part, words in shown
    )
    level = f"{report.intervals['level']:.0%}"
    return f"""On {report.n_rows:,} test rows, at the threshold, {level} intervals.

| figure | value |
| --- | --- |
{lines}

{report.alerts["statement"]}"""


def _value(report: Report, part: str, name: str) -> str:
    value = getattr(report, part)[name]
    if value is None:
        return "undefined on these rows"
    shown = figures.figure(name, value)
    edges = figures.between(report.intervals[part].get(name), name)
    return shown if edges == grids.DASH else f"{shown} ({edges})"


def _limits(report: Report, training: Mapping[str, Any]) -> str:
    lines = [leak["text"] for leak in report.leaks if leak["status"] != "pass"]
    lines += report.notes
    missed = [a for a in report.attacks if a["n"] >= 10 and a["rate"] < 0.5]
    if missed:
        rates = (f"{a['type']} ({figures.percent(a['rate'], 0)})" for a in missed)
        listed = ", ".join(rates)
        lines.append(f"Attack types of which fewer than half were found: {listed}.")
    lines.append(
        "The threshold was set on training rows; on other traffic the false alarm rate "
        "drifts. Set it again on benign rows of your own network."
    )
    lines += training.get("notes", ())
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _how(training: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    if not recipe:
        return ""
    facts = {k: v for k, v in training.items() if k != "class_counts"}
    tables = figures.training(facts)
    return "## How it was made\n\n" + "\n".join(grids.markdown(g) for g in tables)
