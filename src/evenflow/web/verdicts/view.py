"""A verdict with its explanation in plain words: what is stored, shown and sent.

It is made of the verdict and the explanation of the runtime, and read back from the
JSON values that were stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, computed_field

from evenflow import bands
from evenflow.bands import Band
from evenflow.conform import match_columns
from evenflow.errors import BundleError, DataError
from evenflow.judge.charts import class_colors
from evenflow.knowledge import Knowledge, about, class_title
from evenflow.knowledge.columns import family, titles
from evenflow.knowledge.columns import value as meaning_of
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.runtime.explain import explain
from evenflow.runtime.explanation import (
    Explanation,
    n_mentioned,
    with_unit,
)
from evenflow.schema import Column, Schema, Table
from evenflow.web.charts.daily import class_shares
from evenflow.web.charts.verdict import contributions_alt, contributions_chart
from evenflow.web.record_form.fields import Value, is_yes_no, read
from evenflow.web.verdicts.wording import Tone, headline, margin, tone

NAMED = 4
"""Maximum number of counterfactual columns that are named."""
SAME = ("tone", "headline", "margin", "evidence", "is_synthetic")
"""Fields of a view that its JSON values have as they are."""
NO_ROWS = "This model has no benign reference rows, so the verdict cannot be explained."
SYNTHETIC = (
    "This model was trained on synthetic rows: its verdicts show how evenflow works "
    "and do not apply to real traffic."
)


class ClassShare(BaseModel):
    """The probability of one class."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(serialization_alias="class")
    name: str
    """In plain words."""
    probability: float


class ShownContribution(BaseModel):
    """The contribution of one column, compared with similar benign traffic."""

    model_config = ConfigDict(frozen=True)

    column: str
    label: str
    """The column in plain words, with its name."""
    value: str
    """Value of the record, with its unit."""
    normal: str
    """Value of the nearest benign record, with its unit."""
    contribution: float
    """Share of the difference in log odds; above 0 is towards attack."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """Return the contribution in plain words."""
        side = "an attack" if self.contribution > 0 else "benign traffic"
        return (
            f"{self.label}: {self.value}, where similar benign traffic has "
            f"{self.normal}. This speaks for {side}."
        )


@dataclass(frozen=True, kw_only=True)
class VerdictView:
    """All that is shown of one verdict."""

    verdict: Verdict
    tone: Tone
    """``unsure`` within a factor of the threshold, on either side."""
    headline: str
    margin: str
    """How far the verdict is from the threshold, in words."""
    evidence: str
    """How often test rows scored like this were attacks, in words; or that it is not
    known."""
    is_synthetic: bool
    notes: tuple[str, ...]
    """Warnings about this verdict: synthetic rows, nothing to compare."""
    contributions: tuple[ShownContribution, ...] = ()
    """Every column that differs from benign traffic, the strongest first; empty if the
    verdict is not explained."""
    counterfactual: tuple[str, ...] = ()
    """Labels of the counterfactual columns: with benign values the verdict changes."""
    is_explained: bool = False

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """Every class, the likeliest first."""
        shares = sorted(self.verdict.classes.items(), key=lambda pair: -pair[1])
        return tuple(
            ClassShare(label=label, name=about(label).name, probability=p)
            for label, p in shares
        )

    @property
    def knowledge(self) -> Knowledge:
        """Knowledge about the class decided."""
        return about(self.verdict.label)

    @property
    def top(self) -> tuple[ShownContribution, ...]:
        """The contributions worth a sentence."""
        n = n_mentioned([c.contribution for c in self.contributions])
        return self.contributions[:n]

    @property
    def chart(self) -> dict[str, Any] | None:
        """The contributions as a Vega-Lite specification without colours of its own."""
        return contributions_chart(self.contributions)

    @property
    def chart_alt(self) -> str:
        """The text alternative of the chart."""
        return contributions_alt(self.contributions)

    @property
    def classes_chart(self) -> dict[str, Any] | None:
        """The probability of each class, as a Vega-Lite specification."""
        if not self.classes:
            return None
        shares = [(share.name, share.probability) for share in self.classes]
        colors = class_colors.scale(self.verdict.classes, class_title)
        return class_shares(shares, self.knowledge.name, colors)

    @property
    def counterfactual_text(self) -> str:
        """The counterfactual in words, or empty."""
        if not self.counterfactual:
            return ""
        n = len(self.counterfactual)
        names = _joined([f"\u201c{name}\u201d" for name in self.counterfactual[:NAMED]])
        if n > NAMED:
            names = f"{n} columns together, among them {names},"
        return f"With benign values in {names} it would be called benign."

    def to_dict(self) -> dict[str, Any]:
        """Return the view as plain JSON values."""
        band = self.verdict.band
        value: dict[str, Any] = {
            "verdict": self.verdict.label,
            "is_attack": self.verdict.is_attack,
            "attack_probability": self.verdict.probability,
            "threshold": self.verdict.threshold,
            "test_rows": None if band is None else band.to_dict(),
            "classes": [share.model_dump(by_alias=True) for share in self.classes],
            "notes": list(self.notes),
        } | {name: getattr(self, name) for name in SAME}
        if self.is_explained:
            value["explanation"] = {
                "contributions": [c.model_dump() for c in self.contributions],
                "counterfactual": list(self.counterfactual),
                "text": self.counterfactual_text,
            }
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the view that :meth:`to_dict` made these values of."""
        why, rows = value.get("explanation"), value["test_rows"]
        found = why or {"contributions": (), "counterfactual": ()}
        return cls(
            verdict=Verdict(
                line=1,
                label=value["verdict"],
                is_attack=value["is_attack"],
                probability=value["attack_probability"],
                threshold=value["threshold"],
                classes={c["class"]: c["probability"] for c in value["classes"]},
                band=None if rows is None else Band.from_dict(rows),
            ),
            notes=tuple(value["notes"]),
            contributions=tuple(
                map(ShownContribution.model_validate, found["contributions"])
            ),
            counterfactual=tuple(found["counterfactual"]),
            is_explained=why is not None,
            **{name: value[name] for name in SAME},
        )


def explain_record(bundle: Bundle, record: Mapping[str, object]) -> VerdictView:
    """Return the verdict on one record, and why.

    The record holds raw values by column name, as numbers or text; more keys are
    ignored.

    Raises
    ------
    DataError
        A column is missing, a value is not a number or impossible, or the record has
        no finite score.
    """
    plain = _plain(bundle.schema, record)
    verdict = bundle.decide_record(plain)
    unusual = bundle.usual.sentences(plain)
    try:
        found = explain(bundle, _table(bundle.schema, plain), 0)
    except BundleError:  # the verdict stands
        return of_verdict(bundle, verdict, notes=(*unusual, NO_ROWS))
    return of_verdict(bundle, found.verdict, explanation=found, notes=unusual)


def decide(bundle: Bundle, record: Mapping[str, object]) -> Verdict:
    """Return the verdict on one record without an explanation.

    Raises
    ------
    DataError
        As :func:`explain_record`.
    """
    return bundle.decide_record(_plain(bundle.schema, record))


def of_verdict(
    bundle: Bundle | None,
    verdict: Verdict,
    *,
    explanation: Explanation | None = None,
    notes: tuple[str, ...] = (),
) -> VerdictView:
    """Return what is shown of a verdict, with its explanation if any.

    Without a bundle the one that decided was deleted.
    """
    odds = _odds(verdict.probability)
    if explanation is not None:  # exact where the probability is rounded to 1
        odds = explanation.log_odds
    times = math.exp(min(abs(odds - _odds(verdict.threshold)), math.log(1e6)))
    is_synthetic = bundle is not None and bundle.schema.is_synthetic
    view = VerdictView(
        verdict=verdict,
        tone=tone(verdict, times),
        headline=headline(verdict, about(verdict.label), times),
        margin=margin(verdict, times),
        evidence=_evidence(bundle, verdict),
        is_synthetic=is_synthetic,
        notes=((SYNTHETIC,) if is_synthetic else ()) + notes,
    )
    if explanation is None or bundle is None:
        return view
    schema = bundle.schema
    key, labels = family(schema.names), titles(schema.columns)
    contributions = tuple(
        ShownContribution(
            column=c.column,
            label=labels[c.column],
            value=_with_meaning(schema.column(c.column), c.value, key),
            normal=_with_meaning(schema.column(c.column), c.normal_value, key),
            contribution=c.contribution,
        )
        for c in explanation.contributions
    )
    more: tuple[str, ...] = ()
    if not contributions:
        more += ("The record equals a benign record of the training rows.",)
    if not explanation.is_base_normal:
        more += (
            "The model classifies none of the benign reference records as benign; this "
            "record is compared with the least suspicious one.",
        )
    return replace(
        view,
        notes=view.notes + more,
        is_explained=True,
        contributions=contributions,
        counterfactual=tuple(labels[name] for name in explanation.counterfactual),
    )


def _evidence(bundle: Bundle | None, verdict: Verdict) -> str:
    """Return how often test rows scored like this were attacks, and which rows."""
    if bundle is None:
        return ""
    which = bands.about(bundle.report)
    return which if verdict.band is None else f"{verdict.band.text} {which}"


def _with_meaning(column: Column, value: Value, key: str | None) -> str:
    """Return a value as a person writes it, with its unit or what it means."""
    if is_yes_no(column) and value in (0, 1):
        return "yes" if value else "no"
    if isinstance(value, str):
        meaning = meaning_of(key, column.name, value)
        return f"{value} ({meaning})" if meaning else value
    return with_unit(value, column.unit)


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
        if c.kind != "numeric"
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
