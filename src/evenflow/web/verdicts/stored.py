"""What is shown of a record or an alert kept before: its verdict, why, what to do.

The explanation is the one that was shown then, if it was kept; else it is computed
now by the model that judged the record, if that is still there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenflow.errors import BundleError, DataError
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.web.charts.verdict import pushes_alt, pushes_chart
from evenflow.web.frame.context import web
from evenflow.web.knowledge import Knowledge, about
from evenflow.web.record_form import RecordForm
from evenflow.web.store.tables import Alert, Record
from evenflow.web.verdicts import wording
from evenflow.web.verdicts.view import SHOWN, SLIGHT, VerdictView, explain_record

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The model that judged a record, as far as it is still there."""

    name: str
    is_there: bool
    is_synthetic: bool = False
    protocol: str = ""
    """How it was judged: ``official``."""
    protocol_text: str = ""
    is_optimistic: bool = False
    figures: tuple[tuple[str, float], ...] = ()
    """A few of its figures on rows it had not seen, [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """All that a page shows of one kept record."""

    view: Mapping[str, Any]
    """As :meth:`~evenflow.web.verdicts.view.VerdictView.to_dict` makes it."""
    knowledge: Knowledge
    model: Model
    pushes: Sequence[Mapping[str, Any]]
    """Every column that differs from normal, the strongest first."""
    n_told: int
    """How many of them are worth a sentence."""
    chart: Mapping[str, Any] | None
    chart_alt: str
    groups: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]
    """Groups of label, name and value: the record as it was given."""
    why_not: str
    """Why there is no explanation, or empty."""

    @property
    def told(self) -> Sequence[Mapping[str, Any]]:
        """The pushes worth a sentence."""
        return self.pushes[: self.n_told]


def kept_view(view: VerdictView) -> dict[str, Any]:
    """Return what is kept of a verdict's view; what is known of classes is not."""
    return {k: v for k, v in view.to_dict().items() if k != "about"}


def tell(row: Record | Alert, stored: Mapping[str, Any] | None = None) -> Told:
    """Return what is shown of a record or alert.

    Parameters
    ----------
    row : Record or Alert
    stored : mapping, optional
        The explanation that was kept with the record.
    """
    bundle = _bundle(row.bundle)
    view: Mapping[str, Any] = stored or {}
    why_not = ""
    if "explanation" not in view:
        found, why_not = _explained(row, bundle)
        view = found or (view if "headline" in view else _bare(row))
    explanation = view.get("explanation", {})
    pushes = explanation.get("pushes", [])
    least = SLIGHT * max((abs(p["push"]) for p in pushes), default=0.0)
    bars = [(p["label"], p["value"], p["normal"], p["push"]) for p in pushes]
    return Told(
        view=view,
        knowledge=about(row.label),
        model=_model(row.bundle, bundle),
        pushes=pushes,
        n_told=min(SHOWN, sum(abs(p["push"]) > least for p in pushes)),
        chart=pushes_chart(bars),
        chart_alt=pushes_alt([(label, push) for label, _, _, push in bars]),
        groups=_groups(row.values, bundle),
        why_not=why_not,
    )


def _bundle(name: str) -> Bundle | None:
    try:
        return web.detectors.load(name)
    except DataError:
        return None
    except BundleError:
        logger.exception("the model %s cannot be loaded", name)
        return None


def _explained(
    row: Record | Alert, bundle: Bundle | None
) -> tuple[dict[str, Any] | None, str]:
    if bundle is None:
        return None, (
            f"The model {row.bundle} that scored this record was deleted, so its "
            "verdict cannot be explained."
        )
    try:
        return explain_record(bundle, row.values).to_dict(), ""
    except DataError as error:
        return None, f"The record cannot be explained: {error}"


def _bare(row: Record | Alert) -> dict[str, Any]:
    """Return what can be said from the row alone."""
    is_attack = row.is_attack if isinstance(row, Record) else row.label != "benign"
    verdict = Verdict(
        line=1,
        label=row.label,
        is_attack=is_attack,
        probability=row.probability,
        threshold=row.threshold,
        classes={},
    )
    odds = (math.log(p / (1 - p)) for p in (_inside(row.probability),
                                            _inside(row.threshold)))  # fmt: skip
    times = math.exp(min(abs(next(odds) - next(odds)), math.log(1e6)))
    return {
        "verdict": row.label,
        "is_attack": is_attack,
        "tone": wording.tone(verdict, times),
        "headline": wording.headline(verdict, about(row.label), times),
        "attack_probability": row.probability,
        "threshold": row.threshold,
        "margin": wording.margin(verdict, times),
        "classes": [],
        "notes": [],
    }


def _inside(p: float) -> float:
    return min(max(p, 1e-12), 1 - 1e-12)


def _model(name: str, bundle: Bundle | None) -> Model:
    if bundle is None:
        return Model(name=name, is_there=False)
    report = bundle.report
    binary = report.get("binary", {})
    figures = (
        ("detection rate", binary.get("detection_rate")),
        ("false alarm rate", binary.get("false_alarm_rate")),
    )
    return Model(
        name=name,
        is_there=True,
        is_synthetic=bundle.schema.is_synthetic,
        protocol=str(report.get("protocol", "")),
        protocol_text=str(report.get("protocol_description", "")),
        is_optimistic=bool(report.get("is_optimistic", False)),
        figures=tuple((n, float(x)) for n, x in figures if isinstance(x, int | float)),
    )


def _groups(
    values: Mapping[str, Any], bundle: Bundle | None
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return the values as they were given, in the groups of the form."""
    left = {str(name): _shown(value) for name, value in values.items()}
    groups = []
    for group in () if bundle is None else RecordForm.of(bundle).groups:
        rows = [
            (f.label, f.name, f"{left.pop(f.name)} {f.unit}".strip())
            for f in group.fields
            if f.name in left
        ]
        groups.append((group.title, rows))
    if left:
        title = "Other columns" if groups else "Columns"
        groups.append((title, [(name, name, value) for name, value in left.items()]))
    return [(title, rows) for title, rows in groups if rows]


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, float):
        return (
            f"{int(value):,}"
            if value.is_integer() and abs(value) < 1e15
            else (f"{value:.6g}")
        )
    return str(value)[:500]
