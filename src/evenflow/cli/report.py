"""A report on a terminal: the figures that matter, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from evenflow.cli.text import columns, pairs, percent, plain

BINARY = {
    "accuracy": "accuracy",
    "detection_rate": "attacks detected",
    "unseen_detection_rate": "of types not in training",
    "false_alarm_rate": "false alarms",
    "precision": "precision",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
}
MULTICLASS = {
    "accuracy": "class accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
}


def summary(report: Mapping[str, Any]) -> str:
    """Return the report as plain text, protocol first."""
    found = {
        status: [
            plain(leak["text"])
            for leak in report["leaks"]
            if leak["status"] == status and leak["check"] != "protocol"
        ]
        for status in ("warn", "note")
    }
    warnings = [click.style(f"warning: {text}", fg="yellow") for text in found["warn"]]
    parts = [_head(report), "\n".join(warnings), _figures(report), _classes(report)]
    parts += [_bands(report), _balancing(report.get("training") or {})]
    parts += [report["alerts"]["statement"]]
    notes = (*map(plain, report["notes"]), *found["note"])
    parts.append("\n".join(f"note: {text}" for text in notes))
    return "\n\n".join(part for part in parts if part)


def _head(report: Mapping[str, Any]) -> str:
    protocol = f"{report['protocol']}: {report['protocol_description']}"
    facts = {
        "data set": report["dataset"]
        + (" (SYNTHETIC)" if report["is_synthetic"] else ""),
        "protocol": protocol,
        "taxonomy": report["taxonomy"] or "not stated",
        "rows evaluated": f"{report['n_rows']:,}",
    }
    if report["is_optimistic"]:
        facts["OPTIMISTIC"] = (
            "training and test rows come from one capture; this says little about new "
            "traffic"
        )
    return pairs(facts)


def _figures(report: Mapping[str, Any]) -> str:
    rows = []
    for part, names in (("binary", BINARY), ("multiclass", MULTICLASS)):
        for name, label in names.items():
            value = report[part][name]
            if value is None and name == "unseen_detection_rate":
                continue  # the notes say that every type was trained on
            edges = report["intervals"][part].get(name)
            plainly = report["argmax"][part][name]
            rows.append((label, _figure(value), interval(edges), _figure(plainly)))
    head = ("per cent", "at the threshold", "95 % interval", "at argmax")
    return f"{operating_points(report)}\n\n{columns(head, rows, right=(1, 2, 3))}"


def operating_points(report: Mapping[str, Any]) -> str:
    """Return the accuracy at both operating points, and how they differ."""
    budget = report["binary"]["false_alarm_budget"]
    return (
        f"accuracy {percent(report['binary']['accuracy'])} % at the threshold, "
        f"{percent(report['argmax']['binary']['accuracy'])} % at argmax\n"
        f"The threshold lets at most {percent(budget, 1)} % of the benign calibration "
        "rows raise an alarm\n(decide.false_alarm_budget) to detect more attacks, and "
        "spends this budget even where fewer\nfalse alarms would do. Argmax takes the "
        "likeliest class of each row."
    )


def _bands(report: Mapping[str, Any]) -> str:
    """Return the share of attacks among test rows of each score."""
    if not report.get("bands"):
        return ""
    from evenflow.bands import Bands  # NumPy is slow to import

    rows = [
        (
            band.name,
            "attack" if band.is_attack else "benign",
            f"{band.rows:,}",
            _figure(band.share),
            interval(edges if band.rows else None),
        )
        for band, edges in zip(
            Bands.from_dict(report["bands"]).bands, report["bands"], strict=True
        )
    ]
    head = (
        "odds and the threshold's",
        "verdict",
        "rows",
        "attacks, %",
        "95 % interval",
    )
    return columns(head, rows, right=(2, 3, 4))


def _classes(report: Mapping[str, Any]) -> str:
    figures = report["multiclass"]
    edges = report["intervals"]["multiclass"]["recall"]
    rows = [
        (
            name,
            f"{n:,}",
            percent(figures["recall"][name]),
            interval(edges[name]),
            percent(figures["precision"][name]),
            percent(figures["f1"][name]),
        )
        for name, n in report["class_counts"].items()
    ]
    head = ("class", "rows", "recall", "95 % interval", "precision", "F1")
    return columns(head, rows, right=(1, 2, 3, 4, 5))


def _balancing(training: Mapping[str, Any]) -> str:
    counts = training.get("class_counts")
    if not counts or counts["before"] == counts["after"]:
        return ""
    rows = [
        (name, f"{before:,}", f"{counts['after'][name]:,}")
        for name, before in counts["before"].items()
    ]
    head = ("training rows", "before balancing", "after")
    return columns(head, rows, right=(1, 2))


def _figure(value: float | None) -> str:
    return "undefined" if value is None else percent(value)


def interval(edges: Mapping[str, float] | None) -> str:
    """Return ``low - high`` in per cent; a dash where there is none."""
    if edges is None:
        return "-"
    return f"{percent(edges['low'])} - {percent(edges['high'])}"
