"""An attack that no known class describes is of an unknown kind, everywhere alike."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow.decision import Decision
from evenflow.errors import DataError, RecipeError
from evenflow.judge.kinds import kinds
from evenflow.judge.pages.card import model_card
from evenflow.judge.pages.report import text
from evenflow.knowledge import about
from evenflow.learn.unknown import with_unknown
from evenflow.runtime.attacks import COLUMNS, Attacks
from evenflow.runtime.events import Model
from evenflow.runtime.stream import score_file
from evenflow.schema import UNKNOWN_ATTACK
from evenflow.web.uploads.results import Results
from evenflow.web.verdicts.wording import headline

CLASSES = ("benign", "scan", "flood", "worm")
PLAIN = Decision(
    temperature=1.0, bias=np.zeros(4), threshold=0.0, false_alarm_budget=0.05
)


def calibration_rows(sizes=(400, 2000, 300, 8), seed=0):
    """Return log-probabilities of rows, surer of a scan than of others, and codes."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(4), sizes)
    z = rng.normal(0, 1, (len(y), 4))
    z[np.arange(len(y)), y] += np.array([8.0, 8.0, 4.0, 4.0])[y]
    return z, y


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.3])
def test_each_known_class_keeps_the_budget_by_a_level_of_its_own(budget):
    z, y = calibration_rows()
    decision = with_unknown(PLAIN, z, y, CLASSES, budget=budget)
    scores = decision.apply(z)
    for code in (1, 2, 3):
        right = (y == code) & (scores.code == code)
        share = scores.is_unknown[right].mean()
        assert budget - 1 / right.sum() <= share <= budget
    assert not scores.is_unknown[~scores.is_attack].any()
    assert decision.unknown_below[0] > decision.unknown_below[1]


def test_an_attack_between_two_classes_is_of_an_unknown_kind():
    decision = with_unknown(PLAIN, *calibration_rows(), CLASSES, budget=0.05)
    rows = np.array([[0.0, 9, 9, 0], [0, 9, 0, 0], [9, 1, 1, 0]])
    scores = decision.apply(rows)
    found = np.array(decision.verdicts(CLASSES))[scores.verdict]
    assert found.tolist() == [UNKNOWN_ATTACK, "scan", "benign"]
    assert scores.code.tolist() == [1, 1, 0]
    again = Decision.from_dict(json.loads(json.dumps(decision.to_dict())))
    np.testing.assert_array_equal(again.apply(rows).verdict, scores.verdict)


def test_a_class_without_calibration_rows_has_the_level_of_all():
    z, y = calibration_rows((400, 2000, 300, 0))
    levels = with_unknown(PLAIN, z, y, CLASSES, budget=0.05).unknown_below
    assert levels[1] < levels[2] < levels[0]


@pytest.mark.parametrize(
    ("classes", "shift", "found"),
    [
        (("benign", "attack"), 0, "the only class of attack"),
        (("benign", "scan", UNKNOWN_ATTACK, "worm"), 0, "a class named"),
        (CLASSES, 99, "no calibration row of an attack is detected"),
    ],
)
def test_what_cannot_be_learnt_is_refused(classes, shift, found):
    z, y = calibration_rows()
    z[:, 0] += shift
    with pytest.raises(DataError, match=f"{found}.*decide.unknown_budget"):
        with_unknown(PLAIN, z, y, classes, budget=0.05)


def test_a_binary_target_names_no_kinds_and_the_digest_knows_only_what_is_set():
    plain = evenflow.Recipe.load("synthetic/lightgbm-none")
    recipe = plain.with_(decide__unknown_budget=0.05)
    assert recipe.sha256 != plain.sha256
    assert "unknown_budget" not in plain.to_dict()["decide"]
    grouped = recipe.with_(decide__group="training")
    assert evenflow.Recipe.from_dict(grouped.to_dict()).decide == grouped.decide
    with pytest.raises(RecipeError, match="target is 'binary'"):
        recipe.with_(target="binary")


def test_the_report_counts_who_is_called_unknown_and_how_far_names_can_be_trusted():
    z, y = calibration_rows(seed=1)
    decision = with_unknown(PLAIN, *calibration_rows(), CLASSES, budget=0.05)
    scores = decision.apply(z)
    found = kinds(y, scores, decision, y == 3, np.array(CLASSES)[y])
    hits = scores.is_attack
    for name, rows in {"known": (y == 1) | (y == 2), "unseen": y == 3}.items():
        assert found["unknown"][name]["n"] == (rows & hits).sum()
        assert found["unknown"][name]["unknown"] == scores.is_unknown[rows].sum()
    assert found["types"]["worm"] == found["unknown"]["unseen"]["unknown"]
    named = hits & ~scores.is_unknown
    assert sum(b["n"] for b in found["calibration"]["bins"]) == named.sum()
    assert found["right"]["named"]["right"] == (named & (scores.code == y)).sum()
    assert kinds(y > 0, Decision.neutral(2).apply(z[:, :2]), PLAIN, y == 3, y) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report and a bundle of two kinds of attack that two columns tell apart."""
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)
    kind = np.array(["benign", "scan", "flood"])[np.repeat([0, 1, 2], [900, 300, 300])]
    rows = {
        "ports": rng.normal(0, 1, 1500) + 6 * (kind == "scan"),
        "pkts": rng.normal(0, 1, 1500) + 6 * (kind == "flood"),
        "label": kind,
    }
    pl.DataFrame(rows).write_csv(folder / "t.csv")
    recipe = {
        "dataset": {"name": "table_file", "path": str(folder / "t.csv")},
        "model": "logistic_regression",
        "split": "stratified",
        "decide": {"unknown_budget": 0.05},
    }
    report = evenflow.train(evenflow.Recipe.from_dict(recipe), folder / "b").report
    return report, evenflow.load_bundle(folder / "b")


def test_every_way_to_score_gives_the_same_verdict(made, tmp_path):
    _, bundle = made
    rows = pl.DataFrame({"ports": [0.0, 6, 0, 6], "pkts": [0.0, 0, 6, 6]})
    expected = ["benign", "scan", "flood", UNKNOWN_ATTACK]
    assert bundle.predict(rows).tolist() == expected
    records = rows.rows(named=True)
    assert [bundle.decide_record(one).label for one in records] == expected
    rows.write_csv(tmp_path / "rows.csv")
    summary = score_file(
        bundle, tmp_path / "rows.csv", tmp_path / "out.parquet", keep_columns=True
    )
    assert summary.counts == dict.fromkeys(expected, 1)
    assert pl.read_parquet(tmp_path / "out.parquet")["verdict"].to_list() == expected
    results = Results(tmp_path / "out.parquet", list(summary.counts))
    assert (results.given, len(results.classes)) == (("ports", "pkts"), 3)
    connections = pl.DataFrame({name: [None] * 4 for name in COLUMNS})
    attacks = Attacks.of(
        bundle, Model.of(bundle), connections, np.arange(4), bundle.decide(rows)
    )
    assert attacks.labels == expected[1:]


def test_the_report_of_a_bundle_says_what_its_levels_do(made):
    report, _ = made
    assert report.kinds["unknown"]["known"]["share"] < 0.2
    assert "Attacks of an unknown kind" in text(report)
    assert "that of the named class" in text(report)
    assert "Attacks of an unknown kind" in model_card(report)


def test_a_person_reads_which_known_kind_is_nearest(made):
    _, bundle = made
    verdict = bundle.decide_record({"ports": 6.3, "pkts": 6.0})
    known = about(verdict.label)
    nearest = max(("scan", "flood"), key=lambda label: verdict.classes[label])
    assert headline(verdict, known, 1e9) == (
        "This looks like an attack of an unknown kind, most like "
        f"{about(nearest).phrase}"
    )
    assert known.is_known
    flood = dataclasses.replace(verdict, label="flood")
    assert "unknown" not in headline(flood, about("flood"), 1e9)
