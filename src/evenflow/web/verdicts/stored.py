"""Verdicts stored before, as pages show them: the verdict, why, the model, the record.

The explanation is the one that was shown then, if it was stored; else it is computed
now by the model that scored the record, if that is still there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.schema import BENIGN
from evenflow.web.frame.context import web
from evenflow.web.record_form.form import RecordForm
from evenflow.web.store.tables import Alert, Record
from evenflow.web.verdicts.view import VerdictView, explain_record, of_verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredVerdict:
    """All that a page shows of a verdict stored before."""

    view: VerdictView
    model: str
    """Name of the model that scored the record."""
    bundle: Bundle | None
    """The model, if it is still there."""
    groups: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]
    """Groups of label, name and value: the record as it was given."""
    why_not: str
    """Why there is no explanation, or empty."""


def of_row(
    row: Record | Alert, stored: Mapping[str, Any] | None = None
) -> StoredVerdict:
    """Return what is shown of a record or alert, of the view that was stored if any."""
    verdict = Verdict(
        line=1,
        label=row.label,
        is_attack=row.is_attack if isinstance(row, Record) else row.label != BENIGN,
        probability=row.probability,
        threshold=row.threshold,
        classes={},
    )
    return shown(row.bundle, row.values, verdict, stored)


def shown(
    model: str,
    values: Mapping[str, Any],
    verdict: Verdict,
    stored: Mapping[str, Any] | None = None,
) -> StoredVerdict:
    """Return what is shown of a verdict that the model of that name gave before.

    ``values`` are the record by column name, ``stored`` is the view as it was stored.
    """
    bundle = web.detectors.find(model)
    view, why_not = None, ""
    if stored and "evidence" in stored:
        view = VerdictView.from_dict(stored)
    if view is None or not view.is_explained:
        found, why_not = _explained(model, values, bundle)
        view = found or view or of_verdict(bundle, verdict)
    return StoredVerdict(
        view=view,
        model=model,
        bundle=bundle,
        groups=_groups(values, bundle),
        why_not=why_not,
    )


def _explained(
    model: str, values: Mapping[str, Any], bundle: Bundle | None
) -> tuple[VerdictView | None, str]:
    if bundle is None:
        return None, (
            f"The model {model} that scored this record was deleted, so its verdict "
            "cannot be explained."
        )
    try:
        return explain_record(bundle, values), ""
    except DataError as error:
        return None, f"The record cannot be explained: {error}"


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
        is_whole = value.is_integer() and abs(value) < 1e15
        return f"{int(value):,}" if is_whole else f"{value:.6g}"
    return str(value)[:500]
