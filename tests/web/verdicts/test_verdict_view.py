"""A verdict is told in plain words, with why, and never surer than it is."""

import dataclasses
import json
import math

import numpy as np
import pytest
import vl_convert

from evenflow import datasets
from evenflow.bands import Band
from evenflow.errors import DataError
from evenflow.judge.charts import theme
from evenflow.runtime.detect import Verdict, sigmoid
from evenflow.runtime.explain import explain
from evenflow.web.record_form.examples import examples
from evenflow.web.record_form.form import RecordForm
from evenflow.web.verdicts.view import (
    SYNTHETIC,
    VerdictView,
    explain_record,
    of_verdict,
)
from evenflow.web.verdicts.wording import percent

NSL = datasets.get("nsl_kdd").schema
assert NSL is not None


def verdict(label, odds, threshold=0.0, attacks=None, **classes):
    """A verdict of those log odds; what is left of the attack's share is its own.

    Of 1,000 test rows scored like it, ``attacks`` were attacks.
    """
    p = sigmoid(odds)
    shares = dict.fromkeys(NSL.classes, 0.0) | {"benign": 1 - p} | classes
    attack = label if label != "benign" else "dos"
    shares[attack] = p - sum(classes.values())
    return Verdict(
        line=1,
        label=label,
        is_attack=odds > threshold,
        probability=p,
        threshold=sigmoid(threshold),
        classes=shares,
        band=None
        if attacks is None
        else Band(
            low=0.0 if odds > threshold else None,
            high=None if odds > threshold else 0.0,
            rows=1_000,
            attacks=attacks,
        ),
    )


@pytest.fixture(scope="module")
def views(bundle):
    """The explained view of the first example of each class."""
    return {
        e.label: explain_record(bundle, e.record) for e in examples(bundle, per_class=1)
    }


# --- in words ---


@pytest.mark.parametrize(
    ("found", "tone", "headline"),
    [
        (verdict("dos", 5), "attack", "This looks like a denial-of-service attack"),
        (verdict("probe", 5), "attack", "This looks like a scan or probe"),
        (verdict("benign", -5, attacks=0), "benign",
         "Nothing suspicious: looks like benign traffic"),
        (verdict("benign", -5, attacks=50), "benign", "Probably benign traffic"),
        (verdict("benign", -5, attacks=200), "unsure",
         "No alert, but many test rows scored like this were attacks"),
        (verdict("benign", -5, attacks=570), "unsure",
         "No alert, though most test rows scored like this were attacks"),
        (verdict("benign", -5), "benign",
         "No alert: more like benign traffic than like an attack"),
        (verdict("dos", 5, attacks=200), "attack",
         "Suspicious: may be a denial-of-service attack"),
        (verdict("benign", -0.5), "unsure",
         "No alert, but close to the alert threshold"),
        (verdict("dos", 0.5), "unsure",
         "Perhaps a denial-of-service attack: just above the alert threshold"),
        (verdict("dos", -2, threshold=-5), "attack",
         "Suspicious: may be a denial-of-service attack"),
        (verdict("benign", 2, threshold=5), "unsure",
         "No alert, though an attack is likelier than not"),
        (verdict("dos", 5, probe=0.4), "attack",
         "This looks like a denial-of-service attack, or a scan or probe"),
        (verdict("dos", 5, probe=0.3), "attack",
         "This looks like a denial-of-service attack"),
    ],
)  # fmt: skip
def test_the_headline_is_as_sure_as_the_verdict(found, tone, headline):
    view = of_verdict(None, found)
    assert (view.tone, view.headline) == (tone, headline)


def test_the_margin_says_where_the_threshold_is():
    high = of_verdict(None, verdict("dos", 3.0, threshold=-2.0)).margin
    assert high == (
        "The probability of an attack is 95.3 %; an alert opens above 11.9 %. "
        "Its odds are 148 times higher than the threshold's."
    )
    calm = of_verdict(None, verdict("benign", -4.0, threshold=-2.0)).margin
    assert "7 times lower than the threshold's." in calm
    close = of_verdict(None, verdict("benign", -2.2, threshold=-2.0)).margin
    assert "close to the threshold" in close
    low = of_verdict(None, verdict("dos", -1.0, threshold=-5.0)).margin
    assert low.endswith("The threshold is low, so that fewer attacks are missed.")


@pytest.mark.parametrize("label", ["benign", "dos"])
def test_clear_is_said_only_where_the_test_rows_are(label):
    odds, exceptions = (-9, 0) if label == "benign" else (9, 1_000)
    for attacks, is_clear in ((exceptions, True), (500, False), (None, False)):
        view = of_verdict(None, verdict(label, odds, attacks=attacks))
        assert ("clear" in view.margin) == is_clear
        assert "Nothing suspicious" not in view.headline or is_clear


def test_a_verdict_says_how_often_test_rows_scored_like_it_were_attacks(bundle, views):
    for view in views.values():
        assert view.verdict.band.text in view.evidence
        assert "The model was tested on 500 rows of 'synthetic'" in view.evidence
    report = {k: v for k, v in bundle.report.items() if k != "bands"}
    old = dataclasses.replace(bundle, report=report, bands=None)
    told = explain_record(old, examples(old, per_class=1)[0].record)
    assert told.evidence.startswith("No table of test rows came with this model")
    assert "clear" not in told.margin


@pytest.mark.parametrize("odds", [-1e9, -745.0, -37.0, 37.0, 745.0, 1e9])
def test_a_verdict_beyond_doubt_has_words_too(odds):
    view = of_verdict(None, verdict("dos" if odds > 0 else "benign", odds))
    assert "more than a million times" in view.margin
    assert view.tone == ("attack" if odds > 0 else "benign")
    assert json.dumps(view.to_dict(), allow_nan=False)


def test_no_probability_is_rounded_to_certainty():
    for p in np.concatenate([np.logspace(-20, 0, 300), 1 - np.logspace(-20, 0, 300)]):
        text = percent(float(p))
        assert "100 %" not in text
        assert not text.startswith("0 ")
        assert "e" not in text.replace("over", "").replace("under", "")


def test_the_classes_stand_likeliest_first(views):
    for label, view in views.items():
        shares = [share.probability for share in view.classes]
        assert shares == sorted(shares, reverse=True)
        assert math.isclose(sum(shares), 1.0, rel_tol=1e-9)
        assert {share.label for share in view.classes} == set(NSL.classes)
        assert view.verdict.label == label
        assert view.knowledge.label == label


def test_a_model_of_made_up_rows_says_so_first(views):
    for view in views.values():
        assert view.is_synthetic
        assert view.notes[0] == SYNTHETIC
    real = of_verdict(None, verdict("dos", 5))
    assert not real.is_synthetic
    assert real.notes == ()


# --- why ---


def test_the_explanation_is_the_runtimes(bundle, views):
    form = RecordForm.of(bundle)
    for e in examples(bundle, per_class=1):
        expected = explain(bundle, bundle.golden, e.row)
        view = views[e.label]
        found = [(p.column, p.contribution, p.label) for p in view.contributions]
        assert found == [
            (c.column, c.contribution, form.label(c.column))
            for c in expected.contributions
        ]
        assert view.counterfactual == tuple(map(form.label, expected.counterfactual))
        probability = pytest.approx(e.verdict.probability, rel=1e-4)
        assert view.verdict.probability == probability


def test_contributions_are_told_in_words_with_units_the_strongest_first(views):
    attack = views["u2r"]
    assert 1 <= len(attack.top) <= 5
    strength = [abs(p.contribution) for p in attack.contributions]
    assert strength == sorted(strength, reverse=True)
    shell = next(p for p in attack.contributions if p.column == "root_shell")
    assert shell.sentence == (
        "Root shell obtained (root_shell): yes, where similar benign traffic has no. "
        "This speaks for an attack."
    )
    size = next(p for p in attack.contributions if p.column == "src_bytes")
    assert size.value.endswith(" bytes")
    assert attack.counterfactual_text.startswith("With benign values in ")
    assert attack.counterfactual_text.endswith(" it would be called benign.")


def test_values_of_a_category_are_told_with_what_they_mean(views):
    flags = [p for v in views.values() for p in v.contributions if p.column == "flag"]
    assert flags
    assert all("(" in p.value and "(" in p.normal for p in flags)


def test_of_many_turning_columns_a_few_are_named(bundle):
    view = of_verdict(None, verdict("dos", 5))
    assert view.counterfactual_text == ""
    one = dataclasses.replace(view, counterfactual=("A",))
    told = "With benign values in \u201cA\u201d it would"
    assert one.counterfactual_text.startswith(told)
    many = dataclasses.replace(view, counterfactual=tuple("ABCDEFG"))
    assert "7 columns together, among them \u201cA\u201d" in many.counterfactual_text
    assert "\u201cE\u201d" not in many.counterfactual_text


def test_a_row_like_any_normal_one_has_nothing_to_explain(bundle):
    scores = bundle.decide(bundle.reference)
    calm = int(np.flatnonzero(~scores.is_attack)[0])
    view = explain_record(bundle, bundle.reference.frame.row(calm, named=True))
    assert view.is_explained
    assert view.contributions == view.top == view.counterfactual == ()
    assert view.chart is None
    assert view.chart_alt == ""
    assert any("equals a benign record" in note for note in view.notes)


def test_without_normal_rows_the_verdict_stands_alone(bundle):
    none = dataclasses.replace(bundle, reference=bundle.reference.take([]))
    example = examples(bundle, per_class=1)[1]
    view = explain_record(none, example.record)
    assert view.verdict.label == example.verdict.label
    assert not view.is_explained
    assert "explanation" not in view.to_dict()
    assert any("cannot be explained" in note for note in view.notes)


def test_no_normal_row_called_benign_is_said(bundle):
    low = dataclasses.replace(bundle.decision, threshold=-1e9)
    shy = dataclasses.replace(bundle, decision=low)
    view = explain_record(shy, examples(bundle, per_class=1)[1].record)
    assert any("least suspicious" in note for note in view.notes)


# --- the chart ---


def test_the_chart_has_no_colours_of_its_own_and_is_drawn(views):
    view = views["dos"]
    chart = view.chart
    assert chart is not None
    text = json.dumps(chart, allow_nan=False)
    assert "#" not in text
    assert '"color"' not in text
    assert chart["width"] == "container"
    assert "title" not in chart, "the page's own heading names it"
    bars = chart["data"]["values"]
    shown = [p.contribution for p in view.contributions[:12]]
    assert [b["contribution"] for b in bars] == shown
    assert len({b["bar"] for b in bars}) == len(bars)
    drawn = {**chart, "width": 400, "config": theme.config()}
    svg = vl_convert.vegalite_to_svg(json.dumps(drawn))
    for colour in (theme.BLUE, theme.VERMILION):
        assert colour.lower() in svg.lower(), "each side has a colour of the theme"
    for bar in bars[:2]:
        assert bar["bar"] in svg


def test_the_chart_is_told_to_who_cannot_see_it(views):
    view = views["dos"]
    first = next(p for p in view.contributions if p.contribution > 0)
    assert "towards attack, most of all " + first.label in view.chart_alt


# --- records ---


def test_fast_and_explained_say_the_same(bundle, rows):
    frame = rows["test"].frame
    for i in range(0, 500, 25):
        record = frame.row(i, named=True)
        verdict, full = bundle.decide_record(record), explain_record(bundle, record)
        fast = of_verdict(bundle, verdict)
        assert fast.verdict.label == full.verdict.label
        assert fast.headline == full.headline
        probability = pytest.approx(full.verdict.probability, rel=1e-4)
        assert fast.verdict.probability == probability
        assert not fast.is_explained
        assert fast.chart is None


def test_a_record_may_be_text_and_lack_values(bundle):
    record = examples(bundle, per_class=1)[2].record
    as_text = {n: str(v) for n, v in record.items()} | {"more": "x"}
    text, typed = (explain_record(bundle, given) for given in (as_text, record))
    assert text.contributions == typed.contributions
    gap = {**record, "count": None, "service": ""}
    view = explain_record(bundle, gap)
    assert view.verdict.label == bundle.decide_record(gap).label
    missing = [p for p in view.contributions if p.column in ("count", "service")]
    assert all(p.value == "missing" for p in missing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "many"}, "column count: found 'many', expected a number from 0"),
        ({"serror_rate": 1.5}, "column serror_rate: found 1.5, expected .* 0 to 1"),
        ({"service": ["http"]}, "column service: found .*, expected a word"),
        ({"hot": {"a": 1}}, "column hot: found .*, expected a number"),
    ],
)  # fmt: skip
def test_a_bad_record_is_refused_with_its_column(bundle, change, message):
    record = dict(examples(bundle, per_class=1)[0].record) | change
    with pytest.raises(DataError, match=message):
        explain_record(bundle, record)
    del record["count"], record["flag"]
    with pytest.raises(DataError, match="2 columns are missing: flag .*, count"):
        explain_record(bundle, record)


def test_the_view_is_plain_json(views):
    for view in views.values():
        value = view.to_dict()
        assert json.loads(json.dumps(value, allow_nan=False)) == value
        assert VerdictView.from_dict(json.loads(json.dumps(value))) == view
        assert value["explanation"]["text"] == view.counterfactual_text
