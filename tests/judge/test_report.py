"""What a report promises: one judging, every figure, nothing hidden."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as sk

from evenflow import metrics
from evenflow.decision import Scores
from evenflow.errors import DataError, LeakError
from evenflow.judge.report import Report, judge

from .. import judging  # noqa: TID252 (tests are not a package)

NAMED_IN_THE_CONTRACT = {
    "binary": {"accuracy", "precision", "f1", "detection_rate", "false_alarm_rate",
               "specificity", "balanced_accuracy", "mcc", "roc_auc", "pr_auc",
               "unseen_detection_rate", "threshold", "false_alarm_budget"},
    "multiclass": {"accuracy", "weighted_f1", "macro_f1", "weighted_precision",
                   "macro_precision", "weighted_recall", "macro_recall",
                   "balanced_accuracy", "mcc", "recall", "precision", "f1",
                   "specificity", "false_alarm_rate", "support"},
}  # fmt: skip


HOW = {"temperature": 1.3, "threshold": 0.4, "false_alarm_budget": 0.05}


def judged(table, **more):
    given = {"unseen_attacks": ("perl",), "bootstrap": 100} | more
    return judging.judged(table, HOW, **given)


@pytest.fixture(scope="module")
def report(small_table):
    return judged(small_table)


def test_every_figure_of_the_contract_is_there(report):
    for part, names in NAMED_IN_THE_CONTRACT.items():
        assert names <= set(getattr(report, part))
    assert (report.protocol, report.taxonomy) == ("official", "small")
    assert set(report.multiclass["recall"]) == set(report.confusion["labels"])


def test_a_report_survives_json_and_holds_no_nan(report):
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert Report.from_dict(json.loads(text)) == report


def test_a_report_lacking_a_part_is_refused(report):
    value = report.to_dict()
    del value["binary"]
    with pytest.raises(DataError, match=r"lacks binary.*evaluate --json"):
        Report.from_dict(value)


def test_figures_agree_with_scikit_learn_on_the_same_scores(small_table, report):
    _, scores = judging.scored(small_table, **HOW)
    y, truth = small_table.labels, small_table.labels > 0
    expected = {
        "accuracy": sk.accuracy_score(truth, scores.is_attack),
        "f1": sk.f1_score(truth, scores.is_attack),
        "detection_rate": sk.recall_score(truth, scores.is_attack),
        "roc_auc": sk.roc_auc_score(truth, scores.attack),
        "pr_auc": sk.average_precision_score(truth, scores.attack),
    }
    for name, value in expected.items():
        assert report.binary[name] == pytest.approx(value, rel=0, abs=1e-12), name
    several = sk.f1_score(y, scores.code, average="macro")
    assert report.multiclass["macro_f1"] == pytest.approx(several, abs=1e-12)
    plain = sk.f1_score(y, scores.argmax, average="macro")
    found = report.argmax["multiclass"]["macro_f1"]
    assert found == pytest.approx(plain, abs=1e-12)
    matrix = sk.confusion_matrix(y, scores.code, labels=range(5))
    assert report.confusion["matrix"] == matrix.tolist()


def test_the_threshold_stands_as_a_probability(report):
    assert report.binary["threshold"] == pytest.approx(1 / (1 + np.exp(-0.4)))
    assert report.binary["false_alarm_budget"] == 0.05


def test_moving_the_threshold_moves_the_decided_figures_and_not_the_argmax(small_table):
    low, high = (
        judging.judged(small_table, HOW | {"threshold": threshold}, bootstrap=0)
        for threshold in (-2.0, 2.0)
    )
    assert low.binary["detection_rate"] > high.binary["detection_rate"]
    assert low.binary["false_alarm_rate"] > high.binary["false_alarm_rate"]
    assert low.argmax == high.argmax
    assert low.binary["roc_auc"] == high.binary["roc_auc"]


def test_unseen_attacks_are_judged_alone(small_table, report):
    _, scores = judging.scored(small_table, **HOW)
    perl = (small_table.attack == "perl").to_numpy()
    assert report.binary["unseen_detection_rate"] == scores.is_attack[perl].mean()
    found = {a["type"]: a for a in report.attacks}
    assert found["perl"]["is_unseen"]
    assert not found["neptune"]["is_unseen"]
    assert (found["perl"]["family"], found["perl"]["n"]) == ("u2r", 4)
    assert sum(a["n"] for a in report.attacks) == (small_table.labels > 0).sum()
    assert "benign" not in found


def test_without_unseen_attacks_that_figure_is_null(small_table):
    report = judged(small_table, unseen_attacks=())
    assert report.binary["unseen_detection_rate"] is None
    assert report.intervals["binary"]["unseen_detection_rate"] is None


def test_every_headline_figure_lies_in_its_interval(report):
    for part in ("binary", "multiclass"):
        for name, edges in report.intervals[part].items():
            value = getattr(report, part)[name]
            if not isinstance(value, dict):
                value, edges = {name: value}, {name: edges}
            for figure, edge in ((value[c], edges[c]) for c in value):
                assert edge["low"] <= figure <= edge["high"], name
                assert edge["method"] in report.intervals["methods"]


def test_shares_of_rows_get_wilson_intervals(report):
    n = report.multiclass["support"]["u2r"]
    hits = round(report.multiclass["recall"]["u2r"] * n)
    edges = report.intervals["multiclass"]["recall"]["u2r"]
    assert (edges["low"], edges["high"]) == metrics.wilson(hits, n)
    assert edges["method"] == "wilson"
    assert report.intervals["binary"]["f1"]["method"] == "bootstrap"


def test_the_same_seed_gives_the_same_report(small_table, report):
    assert judged(small_table) == report
    assert judged(small_table, seed=1).intervals != report.intervals


def test_very_many_rows_get_fewer_resamples_for_areas_and_say_so(
    small_table, monkeypatch
):
    monkeypatch.setattr("evenflow.judge.report.MANY_DRAWS", 250 * len(small_table))
    found = judged(small_table, bootstrap=300).intervals
    assert "250 of them for the areas" in found["methods"]["bootstrap"]
    assert found["binary"]["roc_auc"]["low"] < found["binary"]["roc_auc"]["high"]


def test_no_resamples_leave_wilson_intervals_alone(small_table):
    found = judged(small_table, bootstrap=0).intervals
    assert "f1" not in found["binary"]
    assert found["binary"]["detection_rate"]["method"] == "wilson"


@pytest.mark.parametrize(("kept", "null"), [
    (0, ("detection_rate", "precision", "f1", "roc_auc", "pr_auc",
         "balanced_accuracy", "mcc")),
    (1, ("false_alarm_rate", "specificity", "precision", "f1", "roc_auc", "pr_auc",
         "balanced_accuracy", "mcc")),
])  # fmt: skip
def test_one_class_alone_gives_nulls_and_says_so(small_table, kept, null):
    table = small_table.take(np.flatnonzero(small_table.labels == kept))
    report = judged(table, unseen_attacks=())
    assert [report.binary[name] for name in null] == [None] * len(null)
    assert [report.argmax["binary"][name] for name in null] == [None] * len(null)
    assert not any(report.intervals["binary"].get(name) for name in null)
    assert report.curves["pr"]["recall"] == []
    assert any("undefined" in note for note in report.notes)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.alerts["alerts_per_day"] is None
    assert "not known" in report.alerts["statement"]


def test_a_single_row_can_be_judged(small_table):
    report = judged(small_table.take([0]), unseen_attacks=())
    assert report.n_rows == 1
    assert report.binary["accuracy"] in {0.0, 1.0}


def test_curves_are_thin_enough_for_a_page(report):
    for curve in report.curves.values():
        for values in curve.values():
            assert 2 <= len(values) <= 200


def test_rare_classes_are_named_in_the_notes(report):
    assert any("u2r (14)" in note for note in report.notes)


def test_synthetic_rows_are_marked(small_table):
    schema = dataclasses.replace(small_table.schema, is_synthetic=True)
    report = judged(dataclasses.replace(small_table, schema=schema))
    assert report.is_synthetic
    assert "made by a program" in report.notes[0]


def test_alerts_state_their_assumptions(small_table):
    report = judged(small_table, flows_per_day=50_000, base_rate=0.02)
    far, rate = report.binary["false_alarm_rate"], report.binary["detection_rate"]
    expected = rate * 0.02 / (rate * 0.02 + far * 0.98)
    assert report.alerts["precision"] == pytest.approx(expected)
    for words in ("50,000 connections a day, 2.00% of them attacks", "assumed"):
        assert words in report.alerts["statement"]


UNFIT = {
    "no labels": lambda t, s: (dataclasses.replace(t, y=None, attack=None), s),
    "scores for 10 rows": lambda t, s: (t.take(range(10)), s),
    "no rows": lambda t, s: (
        t.take([]), Scores(**{n: getattr(s, n)[:0] for n in Scores.__slots__})
    ),
    "not numbers": lambda t, s: (
        t, dataclasses.replace(s, proba=np.full_like(s.proba, np.nan))
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", UNFIT)
def test_rows_and_scores_that_cannot_be_judged_are_refused(small_table, message):
    decision, scores = judging.scored(small_table, **HOW)
    table, scores = UNFIT[message](small_table, scores)
    with pytest.raises(DataError, match=message):
        judge(table, scores, protocol=judging.OFFICIAL, decision=decision)


def test_labels_without_attack_types_are_judged_by_class(small_table):
    report = judged(dataclasses.replace(small_table, attack=None), unseen_attacks=())
    assert [a["type"] for a in report.attacks] == ["dos", "probe", "r2l", "u2r"]


def test_a_feature_that_is_the_label_stops_the_judging(small_table):
    first, *others = small_table.schema.columns
    columns = (dataclasses.replace(first, name="difficulty"), *others)
    schema = dataclasses.replace(small_table.schema, columns=columns)
    frame = small_table.frame.rename({first.name: "difficulty"})
    with pytest.raises(LeakError, match="difficulty"):
        judged(dataclasses.replace(small_table, schema=schema, frame=frame))


def test_an_attack_type_of_the_benign_class_is_not_an_attack(small_table):
    named = pl.Series("attack", ["benign"] * len(small_table))
    table = dataclasses.replace(small_table, attack=named)
    report = judged(table, unseen_attacks=("benign",))
    benign = small_table.labels == 0
    assert report.attacks[0]["n"] == (~benign).sum()
