"""Judge rows once and write down everything a reader needs to believe the figures.

A :class:`Report` is plain JSON values under fixed names. Figures stand twice: at the
threshold a sensor would use, and at the plain argmax, because papers report that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow import __version__, metrics
from evenflow.bands import Bands
from evenflow.decision import Decision, Scores
from evenflow.errors import DataError
from evenflow.judge import leaks
from evenflow.judge.kinds import kinds
from evenflow.metrics import LEVEL, Counts, Ranking, calibration
from evenflow.prepare.leaks import Shared
from evenflow.prepare.split import Protocol
from evenflow.schema import BENIGN, Table, synthetic_warning

BINARY = (*metrics.BINARY, "roc_auc", "pr_auc", "unseen_detection_rate")
"""Figures of attack against benign in a report."""
FLOWS_PER_DAY = 1_000_000
"""Connections a day assumed for the alerts; a busy site of some thousand hosts."""
BASE_RATE = 0.001
"""Share of connections assumed to be attacks for the alerts: one in a thousand."""
CURVE_POINTS = 200
TWO_SIDED = ("precision", "f1", "pr_auc")
"""Figures that weigh attacks against benign rows, undefined without both."""
MANY_DRAWS = 100_000_000
"""Rows drawn for the intervals of areas at most: seconds, not minutes."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of a model on held-out rows, as JSON values."""

    evenflow_version: str
    dataset: str
    is_synthetic: bool
    taxonomy: str
    """Which attack-to-family map the classes follow."""
    protocol: str
    """Name of the protocol, for example ``official``."""
    protocol_description: str
    is_optimistic: bool
    n_rows: int
    class_counts: dict[str, int]
    binary: dict[str, float | None]
    """Attack against benign at the threshold; areas do not depend on it."""
    multiclass: dict[str, Any]
    """All classes, decided behind the threshold."""
    argmax: dict[str, dict[str, Any]]
    """``binary`` and ``multiclass`` again, each row given its likeliest class."""
    intervals: dict[str, Any]
    """``level``, ``methods``, and figure -> ``{low, high, method}`` under ``binary``
    and ``multiclass``, named as there."""
    attacks: list[dict[str, Any]]
    """Detection of each attack type: ``type, family, n, detected, rate, low, high,
    is_unseen``, most rows first."""
    confusion: dict[str, Any]
    """``labels`` and ``matrix``: rows are true classes, columns decided ones."""
    curves: dict[str, dict[str, list[float]]]
    """``roc {false_alarm_rate, detection_rate}``, ``pr {recall, precision}``."""
    alerts: dict[str, Any]
    calibration: dict[str, Any]
    leaks: list[dict[str, str]]
    """``{check, status, text}``: what could make the figures optimistic."""
    notes: list[str] = field(default_factory=list)
    training: dict[str, Any] | None = None
    kinds: dict[str, Any] | None = None
    """Naming the kind of an attack, see :func:`evenflow.judge.kinds.kinds`."""
    bands: list[dict[str, Any]] | None = None
    """Share of attacks by score, see :class:`evenflow.bands.Bands`; or None."""

    def __repr__(self) -> str:
        from evenflow.judge.pages import notebook

        return notebook.line(self)

    def _repr_html_(self) -> str:
        from evenflow.judge.pages import notebook

        return notebook.report(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the report that :meth:`to_dict` described.

        Raises
        ------
        DataError
            A part of a report is missing.
        """
        known = {f.name for f in fields(cls)}
        lacking = sorted(known - set(value) - {"notes", "training", "kinds", "bands"})
        if lacking:
            raise DataError(
                f"this is not a report: it lacks {', '.join(lacking)}. Expected the "
                "JSON that 'evenflow evaluate --json' writes; write it again"
            )
        return cls(**{name: value[name] for name in known if name in value})


def judge(
    table: Table,
    scores: Scores,
    *,
    protocol: Protocol,
    unseen_attacks: Sequence[str] = (),
    decision: Decision,
    training: Mapping[str, Any] | None = None,
    shared: Shared | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    flows_per_day: float = FLOWS_PER_DAY,
    base_rate: float = BASE_RATE,
) -> Report:
    """Judge scored rows.

    Parameters
    ----------
    table : Table
        The rows, with labels.
    scores : Scores
        What the model said of them, in the same order.
    protocol : Protocol
        How the rows were chosen.
    unseen_attacks : sequence of str
        Attack types of which the model saw no training row.
    decision : Decision
        What turned the model's output into ``scores``.
    training : mapping, optional
        Record of the training, kept in the report.
    shared : Shared, optional
        How many of the rows have a copy among the training rows.
    bootstrap : int
        Resamples behind each bootstrap interval; 0 leaves those intervals out.
    seed : int
        Of the resampling.
    flows_per_day, base_rate : float
        Connections a day and share of attacks among them, for the alerts.

    Raises
    ------
    DataError
        There are no rows, no labels, or not one score for each row.
    LeakError
        The figures would rest on leaked rows or labels.
    """
    _check(table, scores)
    classes, y = table.schema.classes, table.labels
    is_true = y > 0
    names = _attack_names(table)
    unseen = np.isin(names, list(unseen_attacks)) & is_true
    ranking = Ranking.of(is_true, scores.attack)
    roc_auc, pr_auc = map(metrics.defined, ranking.areas())
    areas = {"roc_auc": roc_auc, "pr_auc": pr_auc}
    # 0 on a day without attacks or 1 on a day of attacks says nothing of the detector
    undefined = {} if 0 < is_true.sum() < len(y) else dict.fromkeys(TWO_SIDED)

    def figures(code: NDArray[np.int64]) -> tuple[Counts, dict[str, Any]]:
        matrix = metrics.confusion_matrix(y, code, len(classes))
        found = int((code[unseen] > 0).sum()), int(unseen.sum())
        return matrix, {
            "binary": metrics.binary_figures(matrix)
            | areas
            | {"unseen_detection_rate": found[0] / found[1] if found[1] else None}
            | undefined,
            "multiclass": metrics.multiclass_figures(matrix, classes),
        }

    matrix, decided = figures(scores.code)
    settings = {
        "threshold": decision.to_dict()["threshold_probability"],
        "false_alarm_budget": decision.false_alarm_budget,
    }
    binary = decided["binary"]
    roc, pr = ranking.roc(CURVE_POINTS), ranking.precision_recall(CURVE_POINTS)
    if undefined:
        pr = np.empty(0), np.empty(0)
    intervals = _intervals(
        matrix, ranking, scores.is_attack[unseen], classes, bootstrap, seed
    )
    intervals["binary"] |= undefined
    attacks = _attacks(table, names, scores, unseen_attacks)
    bands = Bands.of(scores, decision.threshold, is_true)
    return Report(
        evenflow_version=__version__,
        dataset=table.schema.name,
        is_synthetic=table.schema.is_synthetic,
        taxonomy=table.schema.taxonomy,
        protocol=protocol.name,
        protocol_description=protocol.description,
        is_optimistic=protocol.is_optimistic,
        n_rows=len(table),
        class_counts=table.counts(),
        binary=binary | settings,
        multiclass=decided["multiclass"],
        argmax=figures(scores.argmax)[1],
        intervals=intervals,
        attacks=attacks,
        confusion={"labels": list(classes), "matrix": matrix.tolist()},
        curves={
            "roc": {
                "false_alarm_rate": roc[0].tolist(),
                "detection_rate": roc[1].tolist(),
            },
            "pr": {"recall": pr[0].tolist(), "precision": pr[1].tolist()},
        },
        alerts=_alerts(binary, flows_per_day, base_rate),
        calibration=calibration(is_true, 1 - np.asarray(scores.proba)[:, 0]),
        leaks=leaks.examine(table, protocol, training, shared),
        notes=_notes(table, attacks),
        training=None if training is None else dict(training),
        kinds=kinds(y, scores, decision, unseen, names),
        bands=None if bands is None else bands.to_dict(),
    )  # fmt: skip


def _check(table: Table, scores: Scores) -> None:
    if table.y is None:
        raise DataError(
            "these rows carry no labels, so nothing can be evaluated; expected a label "
            "column. Score them instead"
        )
    if not len(table):
        raise DataError("there are no rows to evaluate; expected one or more")
    if len(scores) != len(table):
        raise DataError(
            f"{len(scores)} scores for {len(table)} rows; expected one for each row. "
            "Score the same table that is evaluated"
        )
    if not (np.isfinite(scores.proba).all() and not np.isnan(scores.attack).any()):
        raise DataError(
            "the model gave scores that are not numbers; expected probabilities. "
            "Train it again, with a smaller learning rate"
        )


def _attack_names(table: Table) -> NDArray[Any]:
    if table.attack is None:
        return np.array(table.schema.classes)[table.labels]
    return table.attack.cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def _attacks(
    table: Table, names: NDArray[Any], scores: Scores, unseen: Sequence[str]
) -> list[dict[str, Any]]:
    is_true = table.labels > 0
    found = metrics.detection_by_type(names[is_true], scores.is_attack[is_true])
    family = dict(
        zip(names[is_true].tolist(), table.labels[is_true].tolist(), strict=True)
    )
    return [
        one
        | {
            "family": table.schema.classes[family[one["type"]]],
            "is_unseen": one["type"] in set(unseen),
        }
        for one in found
    ]  # fmt: skip


def _intervals(
    matrix: Counts,
    ranking: Ranking,
    unseen_found: NDArray[np.bool_],
    classes: Sequence[str],
    n_resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Return Wilson's interval for each share of rows, bootstrap for the rest."""
    rng = np.random.default_rng(seed)
    n_areas = min(n_resamples, max(100, MANY_DRAWS // max(1, int(matrix.sum()))))
    binary: dict[str, Any] = {}
    multiclass: dict[str, Any] = {}
    if n_resamples:
        drawn = metrics.resample(matrix, n_resamples, rng)
        arrays = metrics.binary_arrays(drawn)
        binary = {name: _bootstrap(arrays[name]) for name in metrics.BINARY}
        areas = ranking.bootstrap(n_areas, rng)
        binary |= {"roc_auc": _bootstrap(areas[0]), "pr_auc": _bootstrap(areas[1])}
        arrays = metrics.multiclass_arrays(drawn)
        multiclass = {name: _bootstrap(arrays[name]) for name in metrics.MULTICLASS}
        for name in metrics.PER_CLASS:
            multiclass[name] = {
                c: _bootstrap(arrays[name][:, i]) for i, c in enumerate(classes)
            }
    benign, attacks = matrix[0], matrix[1:]
    found, n = int(attacks[:, 1:].sum()), int(attacks.sum())
    alarms, n_benign = int(benign[1:].sum()), int(benign.sum())
    binary |= {
        "detection_rate": _wilson(found, n),
        "false_alarm_rate": _wilson(alarms, n_benign),
        "specificity": _wilson(n_benign - alarms, n_benign),
        "unseen_detection_rate": _wilson(int(unseen_found.sum()), len(unseen_found)),
    }
    multiclass["recall"] = {
        c: _wilson(int(matrix[i, i]), int(matrix[i].sum()))
        for i, c in enumerate(classes)
    }
    resamples = (
        f"percentiles of {n_resamples:,} resamples of the test rows, drawn within each "
        "class"
    )
    if n_areas != n_resamples:
        resamples += f"; {n_areas:,} of them for the areas under curves"
    return {
        "level": LEVEL,
        "n_resamples": n_resamples,
        "methods": {
            "wilson": "Wilson's score interval of a share of rows",
            "bootstrap": resamples,
        },
        "binary": binary,
        "multiclass": multiclass,
    }


def _bootstrap(values: NDArray[Any]) -> dict[str, Any] | None:
    return _edges(metrics.interval(values), "bootstrap")


def _wilson(hits: int, n: int) -> dict[str, Any] | None:
    return _edges(metrics.wilson(hits, n), "wilson")


def _edges(found: metrics.Interval | None, method: str) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"low": found[0], "high": found[1], "method": method}


def _alerts(
    binary: Mapping[str, float | None], flows_per_day: float, base_rate: float
) -> dict[str, Any]:
    day = metrics.alerts(
        binary["detection_rate"],
        binary["false_alarm_rate"],
        flows_per_day=flows_per_day,
        base_rate=base_rate,
    )
    assumed = f"{flows_per_day:,.0f} connections a day, {base_rate:.2%} of them attacks"
    known = "not known, because there are no benign rows or no attack rows."
    if day["alerts_per_day"] is not None:
        share = day["precision"]
        assumed += " (both assumed)"
        known = (
            f"{day['alerts_per_day']:,.0f} alerts a day, "
            f"{day['false_alerts_per_day']:,.0f} of them false"
            + ("" if share is None else f"; {share:.1%} of the alerts are attacks")
            + f"; {day['missed_per_day']:,.0f} attacks a day are missed."
        )
    return day | {"statement": f"At {assumed}: {known}"}


def _notes(table: Table, attacks: Sequence[Mapping[str, Any]]) -> list[str]:
    counts = table.counts()
    notes = []
    if table.schema.is_synthetic:
        notes.append(synthetic_warning())
    if not counts[BENIGN]:
        notes.append(
            "There are no benign test rows: false alarms, specificity, precision, F1 "
            "and the areas under curves are undefined."
        )
    if counts[BENIGN] == len(table):
        notes.append(
            "There are no attack test rows: detection, precision, F1 and the areas "
            "under curves are undefined."
        )
    if absent := [name for name, n in counts.items() if not n and name != BENIGN]:
        notes.append(
            f"No test row is of class {', '.join(absent)}: its recall is undefined "
            "and left out of macro recall."
        )
    if few := [f"{name} ({n})" for name, n in counts.items() if 0 < n < 30]:
        notes.append(
            f"Few rows of {', '.join(few)}: read the interval, not the figure."
        )
    unseen = [a for a in attacks if a["is_unseen"]]
    if unseen:
        listed = [f"{a['type']} ({a['detected']} of {a['n']} found)" for a in unseen]
        more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
        notes.append(f"Attack types not in training: {', '.join(listed[:20])}{more}.")
    elif attacks:
        notes.append("All attack types of the test rows are in training.")
    return notes
