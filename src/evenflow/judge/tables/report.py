"""A report's tables and sentences, each made once for every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow import metrics
from evenflow.judge.report import Report
from evenflow.judge.tables.bands import bands as bands
from evenflow.judge.tables.grid import DASH, Grid, numbers, text
from evenflow.schema import synthetic_warning

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "detection_rate": "detection rate (recall of attacks)",
    "unseen_detection_rate": "detection of attack types not in training",
    "false_alarm_rate": "false alarm rate",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "roc_auc": "area under ROC",
    "pr_auc": "average precision (area under PR)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
}
PLAIN = {"mcc", "roc_auc", "pr_auc"}
"""Figures that are not shares of rows: four decimals instead of per cent."""
BASE_RATES = (0.1, 0.01, 0.001, 0.0001)
UNDEFINED = "undefined"
"""Shown for a figure whose denominator is zero on the test rows."""


def percent(value: float | None, digits: int = 2) -> str:
    """Return a share as per cent, or that it is undefined."""
    return UNDEFINED if value is None else f"{100 * value:.{digits}f} %"


def plain(value: float | None) -> str:
    """Return a figure with four decimals, or that it is undefined."""
    return UNDEFINED if value is None else f"{value:.4f}"


def figure(name: str, value: float | None, digits: int = 2) -> str:
    """Return a figure of that name as it is usually written."""
    return plain(value) if name in PLAIN else percent(value, digits)


def between(edges: Mapping[str, Any] | None, name: str = "") -> str:
    """Return the interval of a figure of that name; a dash where there is none."""
    if edges is None:
        return DASH
    if name in PLAIN:
        return f"{edges['low']:.4f} to {edges['high']:.4f}"
    return f"{100 * edges['low']:.2f} to {100 * edges['high']:.2f}"


def marks(report: Report) -> list[str]:
    """Return what no reader may miss: synthetic rows, an optimistic protocol, leaks."""
    found = []
    if report.is_synthetic:
        found.append(synthetic_warning())
    if report.is_optimistic:
        found.append(
            f"Optimistic protocol: {report.protocol_description}. Training and test "
            "rows come from one capture; expect worse figures on new traffic."
        )
    found += [
        f"{leak['check'].capitalize()}: {leak['text']}"
        for leak in report.leaks
        if leak["status"] == "warn" and leak["check"] != "protocol"
    ]
    return found


def headlines(report: Report) -> list[tuple[str, str, str]]:
    """Return name, value and interval of the figures that matter most."""
    wanted = (
        ("attacks found", "binary", "detection_rate"),
        ("of types not in training", "binary", "unseen_detection_rate"),
        ("false alarms", "binary", "false_alarm_rate"),
        ("accuracy", "binary", "accuracy"),
        ("area under ROC", "binary", "roc_auc"),
        ("macro F1", "multiclass", "macro_f1"),
        ("weighted F1", "multiclass", "weighted_f1"),
    )
    found = []
    for name, part, key in wanted:
        value = getattr(report, part)[key]
        edges = between(report.intervals[part].get(key), key)
        if value is None:
            found.append((name, DASH, "undefined here"))
        else:
            found.append((name, figure(key, value, 1), "" if edges == DASH else edges))
        if key == "accuracy":
            plainly = percent(report.argmax[part][key], 1)
            found.append(("accuracy at argmax", plainly, ""))
    return found


def operating_points(report: Report) -> str:
    """Return what the two operating points of a report are."""
    return (
        f"The threshold lets at most {percent(report.binary['false_alarm_budget'])} of "
        "the benign calibration rows raise an alarm (decide.false_alarm_budget) to "
        "detect more attacks, and spends this budget even where fewer false alarms "
        "would do. Argmax takes the likeliest class of each row. Below each figure at "
        f"the threshold is its {report.intervals['level']:.0%} interval."
    )


def grids(report: Report) -> list[Grid]:
    """Return every table of a report, in reading order."""
    found = [binary(report), multiclass(report), classes(report), confusion(report)]
    if report.attacks:
        found.append(attacks(report))
    if unknown := unknown_kinds(report):
        found.append(unknown)
    if sureness := bands(report):
        found.append(sureness)
    found.append(base_rates(report))
    return [*found, *training(report.training or {})]


def binary(report: Report) -> Grid:
    """Return attack against benign, at the threshold and at the plain argmax."""
    threshold, budget = report.binary["threshold"], report.binary["false_alarm_budget"]
    names = ("detection_rate", "unseen_detection_rate", "false_alarm_rate", "accuracy",
             "precision", "f1", "specificity", "balanced_accuracy", "mcc", "roc_auc",
             "pr_auc")  # fmt: skip
    note = (
        f"Threshold {plain(threshold)} on the probability of attack, set on training "
        f"rows for a false-alarm budget of {percent(budget)}. Intervals: bootstrap, "
        "for shares of rows Wilson."
    )
    return _both(report, "binary", names, "Attack against benign", note)


def multiclass(report: Report) -> Grid:
    """Return the figures over all classes."""
    note = "Macro: mean over classes; weighted: by their rows. Intervals: bootstrap."
    return _both(report, "multiclass", metrics.MULTICLASS, "All classes", note)


def _both(
    report: Report, part: str, names: tuple[str, ...], title: str, note: str
) -> Grid:
    figures, plainly = getattr(report, part), report.argmax[part]
    edges = report.intervals[part]
    return Grid(
        title=title,
        note=f"{_where(report)}. {note}",
        columns=(
            *text("figure"),
            *numbers("at the threshold", _level(report), "at the plain argmax"),
        ),
        rows=tuple(
            (
                NAMES[name],
                figure(name, figures[name]),
                between(edges.get(name), name),
                figure(name, plainly[name]),
            )
            for name in names
        ),
    )


def classes(report: Report) -> Grid:
    """Return the figures of each class against the rest."""
    figures, edges = report.multiclass, report.intervals["multiclass"]["recall"]
    return Grid(
        title="Each class",
        note=f"{_where(report)}. Taxonomy: {report.taxonomy or 'not stated'}. "
        "Intervals: Wilson.",
        columns=(
            *text("class"),
            *numbers("rows", "recall", f"recall, {_level(report)}", "precision", "F1",
                     "specificity", "false alarms"),
        ),
        rows=tuple(
            (
                name, f"{n:,}", percent(figures["recall"][name]), between(edges[name]),
                *(percent(figures[f][name]) for f in metrics.PER_CLASS[1:]),
            )
            for name, n in figures["support"].items()
        ),
    )  # fmt: skip


def confusion(report: Report) -> Grid:
    """Return the confusion matrix."""
    labels = report.confusion["labels"]
    return Grid(
        title="Confusion matrix",
        note=f"{_where(report)}. Rows are true classes, columns decided ones.",
        columns=(*text("true class"), *numbers(*labels)),
        rows=tuple(
            (label, *(f"{n:,}" for n in row))
            for label, row in zip(labels, report.confusion["matrix"], strict=True)
        ),
    )


def attacks(report: Report) -> Grid:
    """Return the detection of each attack type."""
    unknown = (report.kinds or {}).get("types")
    return Grid(
        title="Each attack type",
        note=f"{_where(report)}. Intervals: Wilson.",
        columns=(
            *text("attack type", "class", "in training"),
            *numbers("rows", "found", "share", _level(report)),
            *numbers(*["of an unknown kind"] * (unknown is not None)),
        ),
        rows=tuple(
            (
                a["type"], a["family"], "no" if a["is_unseen"] else "yes",
                f"{a['n']:,}", f"{a['detected']:,}", percent(a["rate"]), between(a),
                *(() if unknown is None else (f"{unknown[a['type']]:,}",)),
            )
            for a in report.attacks
        ),
    )  # fmt: skip


def unknown_kinds(report: Report) -> Grid | None:
    """Return who is called an attack of an unknown kind; None where nobody can be."""
    kinds = report.kinds or {}
    if "unknown" not in kinds:
        return None
    names = {
        "known": "attacks of types in training",
        "unseen": "attacks of types not in training",
        "benign": "benign rows (false alarms)",
    }
    right = [
        f"{percent(one['share'], 1)} of the {one['n']:,} {words}"
        for one, words in (
            (kinds["right"]["named"], "attacks whose class was named"),
            (kinds["right"]["unknown"], "others, by their likeliest class"),
        )
    ]
    return Grid(
        title="Attacks of an unknown kind",
        note=f"{_where(report)}. Rows called attacks; the levels let "
        f"{percent(kinds['unknown_budget'], 1)} of the rightly named calibration rows "
        f"of each class be unknown (decide.unknown_budget). Named rightly: "
        f"{' and '.join(right)}. Intervals: Wilson.",
        columns=(
            *text("called attacks"),
            *numbers("rows", "of an unknown kind", "share", _level(report)),
        ),
        rows=tuple(
            (
                names[key], f"{one['n']:,}", f"{one['unknown']:,}",
                percent(one["share"]), DASH if one["low"] is None else between(one),
            )
            for key, one in kinds["unknown"].items()
        ),
    )  # fmt: skip


def base_rates(report: Report) -> Grid:
    """Return alerts a day for several shares of attacks among the connections."""
    rate, alarm = report.binary["detection_rate"], report.binary["false_alarm_rate"]
    flows = report.alerts["flows_per_day"]
    rows = []
    for base in sorted({*BASE_RATES, report.alerts["base_rate"]}, reverse=True):
        day = metrics.alerts(rate, alarm, flows_per_day=flows, base_rate=base)
        names = ("alerts_per_day", "false_alerts_per_day", "missed_per_day")
        shown = [DASH if day[k] is None else f"{day[k]:,.0f}" for k in names]
        share = f"{base:.4%}".replace("00%", "%")
        rows.append((share, *shown, percent(day["precision"])))
    return Grid(
        title="Alerts a day",
        note=f"For {flows:,.0f} connections a day (assumed), by the share of them that "
        "are attacks. Precision there is the share of alerts that are attacks.",
        columns=(
            *text("attacks among connections"),
            *numbers("alerts", "false", "missed", "precision"),
        ),
        rows=tuple(rows),
    )  # fmt: skip


def training(record: Mapping[str, Any]) -> list[Grid]:
    """Return what happened in training: class counts, then facts."""
    found = []
    if counts := record.get("class_counts"):
        before, after = counts["before"], counts["after"]
        found.append(
            Grid(
                title="Rows that fitted the model",
                note="Before and after balancing; training rows only.",
                columns=(*text("class"), *numbers("before", "after")),
                rows=tuple(
                    (name, f"{before.get(name, 0):,}", f"{after.get(name, 0):,}")
                    for name in dict.fromkeys([*before, *after])
                ),
            )
        )
    if facts := _facts(record):
        columns = text("fact", "value")
        found.append(Grid(title="Training", columns=columns, rows=tuple(facts)))
    return found


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    recipe = record.get("recipe") or {}
    facts = [
        (part, _listed(value) if isinstance(value, Mapping) else str(value))
        for part, value in recipe.items()
        if value not in ("", None)
    ]
    if "recipe_sha256" in record:
        facts.append(("recipe SHA-256", record["recipe_sha256"]))
    rows = record.get("rows") or {}
    facts += [(f"rows: {name}", f"{n:,}") for name, n in rows.items()]
    seconds = record.get("seconds") or {}
    facts += [(f"seconds: {name}", f"{s:,.1f}") for name, s in seconds.items()]
    for key, name in (
        ("n_features", "features"),
        ("n_parameters", "parameters"),
        ("model_bytes", "model size in bytes"),
        ("score_rows_per_s", "rows scored a second"),
    ):
        if record.get(key) is not None:
            facts.append((name, f"{record[key]:,.0f}"))
    if machine := record.get("machine"):
        words = {
            k: " ".join(v) if isinstance(v, list) else v for k, v in machine.items()
        }
        facts.append(("machine", _listed(words)))
    return facts


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in values.items())


def remarks(report: Report) -> list[str]:
    """Return the sentences that belong to the figures: alerts, leaks, notes."""
    return [
        report.alerts["statement"],
        *(f"{leak['status']}: {leak['text']}" for leak in report.leaks),
        *report.notes,
        calibration(report),
        *(report.training or {}).get("notes", ()),
    ]


def calibration(report: Report) -> str:
    """Return how far probabilities can be taken at their word, in a sentence."""
    words = [_calibrated("the probability of attack", report.calibration)]
    if report.kinds is not None:
        words.append(
            _calibrated("that of the named class", report.kinds["calibration"])
        )
    return f"{'; '.join(words)} (0 is best)."


def _calibrated(what: str, found: Mapping[str, Any]) -> str:
    return (
        f"Expected calibration error of {what} {plain(found['ece'])}, Brier score "
        f"{plain(found['brier'])}"
    )


def rows_of(report: Report) -> str:
    """Return which rows a report evaluates: data set, protocol, their number."""
    return f"{report.dataset}, protocol {report.protocol}, {report.n_rows:,} rows"


def _where(report: Report) -> str:
    marked = ["SYNTHETIC"] * report.is_synthetic + ["OPTIMISTIC"] * report.is_optimistic
    return "; ".join([*marked, rows_of(report)])


def _level(report: Report) -> str:
    return f"{report.intervals['level']:.0%} interval"
