"""A verdict and why, as a page shows it and the API says it: in plain words first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from evenflow.conform import match_columns
from evenflow.errors import BundleError, DataError
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.runtime.explain import explain
from evenflow.runtime.explanation import Contribution, Explanation
from evenflow.schema import Column, Schema, Table
from evenflow.web.charts.verdict import pushes_alt, pushes_chart, said
from evenflow.web.knowledge import Knowledge, about
from evenflow.web.record_form import groups, words
from evenflow.web.record_form.fields import Value, is_yes_no, read
from evenflow.web.verdicts.wording import Tone, headline, margin, tone

SHOWN = 5
"""Pushes told in sentences."""
SLIGHT = 0.05
"""Pushes below this share of the strongest are not worth a sentence."""
NAMED = 4
"""Columns that are named as turning a verdict, if no more do."""

SYNTHETIC = (
    "This model was trained on made-up rows: its verdicts show how evenflow works and "
    "say nothing about real traffic."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassShare:
    """How likely one class is."""

    label: str
    name: str
    """In plain words."""
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"class": self.label, "name": self.name, "probability": self.probability}


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What one column did to the verdict, against similar normal traffic."""

    column: str
    label: str
    """The column in plain words."""
    value: str
    """What the record has, with its unit."""
    normal: str
    """What the nearest normal record has, with its unit."""
    push: float
    """Share of the difference in log odds; above 0 is towards attack."""
    description: str

    @property
    def sentence(self) -> str:
        """The push in plain words."""
        side = "an attack" if self.push > 0 else "normal traffic"
        return (
            f"{self.label}: {self.value}, where similar normal traffic has "
            f"{self.normal}. This speaks for {side}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the push as plain JSON values."""
        return {
            "column": self.column,
            "label": self.label,
            "value": self.value,
            "normal": self.normal,
            "push": self.push,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictView:
    """All that is shown of one verdict."""

    label: str
    """Class decided."""
    is_attack: bool
    tone: Tone
    """``unsure`` within a factor of the threshold, on either side."""
    headline: str
    probability: float
    """Of an attack, [0, 1]."""
    threshold: float
    """Probability above which a record is called an attack."""
    margin: str
    """How far the verdict is from the threshold, in words."""
    classes: tuple[ClassShare, ...]
    """Every class, the likeliest first."""
    kind: Literal["known", "unknown"] | None
    """Whether the attack is of a family seen in training; None where the bundle does
    not tell, and then nothing is shown."""
    knowledge: Knowledge
    is_synthetic: bool
    notes: tuple[str, ...]
    """What a reader must know of this verdict: made-up rows, nothing to compare."""
    pushes: tuple[Push, ...] = ()
    """Every column that differs from normal, the strongest first; empty if the
    verdict is not explained."""
    n_told: int = 0
    """How many of the pushes, from the first, are worth a sentence."""
    turning: tuple[str, ...] = ()
    """Labels of the columns that, made normal together, turn the verdict."""
    is_explained: bool = False
    chart: dict[str, Any] | None = None
    """The pushes as a Vega-Lite specification without colours of its own."""
    chart_alt: str = ""

    @property
    def told(self) -> tuple[Push, ...]:
        """The pushes worth a sentence."""
        return self.pushes[: self.n_told]

    @property
    def turning_text(self) -> str:
        """What would have turned the verdict, or empty."""
        if not self.turning:
            return ""
        n = len(self.turning)
        names = _joined([f"\u201c{name}\u201d" for name in self.turning[:NAMED]])
        if n > NAMED:
            names = f"{n} columns together, among them {names},"
        return f"With normal values in {names} it would pass as normal traffic."

    def to_dict(self) -> dict[str, Any]:
        """Return the view as plain JSON values."""
        value: dict[str, Any] = {
            "verdict": self.label,
            "is_attack": self.is_attack,
            "tone": self.tone,
            "headline": self.headline,
            "attack_probability": self.probability,
            "threshold": self.threshold,
            "margin": self.margin,
            "classes": [share.to_dict() for share in self.classes],
            "is_synthetic": self.is_synthetic,
            "notes": list(self.notes),
            "about": self.knowledge.to_dict(),
        }
        if self.kind is not None:
            value["kind"] = self.kind
        if self.is_explained:
            value["explanation"] = {
                "pushes": [push.to_dict() for push in self.pushes],
                "turning": list(self.turning),
                "text": self.turning_text,
            }
        return value


def explain_record(bundle: Bundle, record: Mapping[str, object]) -> VerdictView:
    """Return the verdict on one record, and why.

    Parameters
    ----------
    bundle : Bundle
    record : mapping
        Raw values by column name, as numbers or text; more keys are ignored.

    Raises
    ------
    DataError
        A column is missing, a value is no number or impossible, or the record has
        no finite score.
    """
    plain = _plain(bundle.schema, record)
    verdict = bundle.decide_record(plain)
    try:
        found = explain(bundle, _table(bundle.schema, plain), 0)
    except BundleError:  # no reference rows to compare with: the verdict stands
        note = "This model keeps no normal rows, so the verdict cannot be explained."
        return of_verdict(bundle.schema, verdict, notes=(note,))
    return of_verdict(bundle.schema, found.verdict, explanation=found)


def of_verdict(
    schema: Schema,
    verdict: Verdict,
    *,
    explanation: Explanation | None = None,
    notes: tuple[str, ...] = (),
) -> VerdictView:
    """Return what is shown of a verdict made before, with its explanation if any."""
    known = about(verdict.label)
    shares = sorted(verdict.classes.items(), key=lambda pair: -pair[1])
    odds = _odds(verdict.probability)
    if explanation is not None:  # exact where the probability is rounded to 1
        odds = explanation.log_odds
    times = math.exp(min(abs(odds - _odds(verdict.threshold)), math.log(1e6)))
    said_first = (SYNTHETIC,) if schema.is_synthetic else ()
    view: dict[str, Any] = {
        "label": verdict.label,
        "is_attack": verdict.is_attack,
        "tone": tone(verdict, times),
        "headline": headline(verdict, known, times),
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "margin": margin(verdict, times),
        "classes": tuple(
            ClassShare(label=label, name=about(label).name, probability=p)
            for label, p in shares
        ),
        "kind": None,
        "knowledge": known,
        "is_synthetic": schema.is_synthetic,
        "notes": said_first + notes,
    }
    if explanation is None:
        return VerdictView(**view)
    is_kdd = groups.is_kdd(schema.columns)
    labels = words.labels(schema.columns, is_kdd=is_kdd)
    pushes = tuple(
        _push(c, schema.column(c.column), labels[c.column], is_kdd)
        for c in explanation.contributions
    )
    least = SLIGHT * max((abs(p.push) for p in pushes), default=0.0)
    if not pushes:
        view["notes"] += ("It equals a normal record of the training rows.",)
    if not explanation.is_base_normal:
        view["notes"] += (
            "The model calls no normal row at hand benign; this record is compared "
            "with the least suspicious one.",
        )
    return VerdictView(
        **view,
        is_explained=True,
        pushes=pushes,
        n_told=min(SHOWN, sum(abs(p.push) > least for p in pushes)),
        turning=tuple(labels[name] for name in explanation.turning),
        chart=pushes_chart([(p.label, p.value, p.normal, p.push) for p in pushes]),
        chart_alt=pushes_alt([(p.label, p.push) for p in pushes]),
    )


def _push(found: Contribution, column: Column, label: str, is_kdd: bool) -> Push:
    value, normal = (
        _said(column, v, is_kdd) for v in (found.value, found.normal_value)
    )
    return Push(
        column=found.column,
        label=label,
        value=value,
        normal=normal,
        push=found.push,
        description=found.description,
    )


def _said(column: Column, value: Value, is_kdd: bool) -> str:
    """Return a value as a person writes it, with its unit or what it means."""
    if is_yes_no(column) and value in (0, 1):
        return "yes" if value else "no"
    if isinstance(value, str):
        meaning = words.value(column.name, value, is_kdd=is_kdd)
        return f"{value} ({meaning})" if meaning else value
    return said(value, column.unit)


def _plain(schema: Schema, record: Mapping[str, object]) -> dict[str, Value]:
    """Return a record's values as the contract reads them.

    Raises
    ------
    DataError
        A column is missing, or a value is not a number or impossible.
    """
    names = match_columns(schema, list(record))
    plain = {}
    for column in schema.columns:
        try:
            plain[column.name] = read(column, record[names[column.name]])
        except DataError as error:
            text = str(error)
            text = f"column {column.name}: {text[:1].lower()}{text[1:]}"
            raise DataError(text) from None
    return plain


def _table(schema: Schema, record: Mapping[str, Value]) -> Table:
    """Return a record as a table of one row."""
    parts = [
        pl.Series(c.name, [record[c.name]], dtype=pl.String)
        if c.kind == "category"
        else pl.Series(c.name, [record[c.name]], dtype=pl.Float64).fill_null(math.nan)
        for c in schema.columns
    ]
    return Table(schema=schema, frame=pl.DataFrame(parts))


def _odds(p: float) -> float:
    """Return the log odds of a probability, finite at 0 and 1 too."""
    return math.log(max(p, 1e-300)) - math.log(max(1 - p, 1e-16))


def _joined(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
