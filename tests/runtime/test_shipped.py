"""The detector that comes with evenflow: whole, up to date, as good as it says."""

import re
from pathlib import Path

import numpy as np
import pytest

import evenflow
from evenflow import datasets
from evenflow.inference.trees import TreeSession
from evenflow.prepare.leaks import digest, fingerprint
from evenflow.recipe import Recipe
from evenflow.runtime import shipped
from evenflow.runtime.stream import score_file
from evenflow.runtime.verify import verify
from evenflow.traffic.contracts import for_columns

ROOT = Path(__file__).resolve().parents[2]
REBUILT = "run: make detector"


@pytest.fixture(scope="module")
def detector():
    return evenflow.load_bundle(shipped.NAME)


@pytest.mark.slow
def test_its_golden_rows_score_as_where_it_was_trained():
    assert "golden rows scored again" in verify(shipped.FOLDER)[-1]


def test_verdicts_are_the_same_whether_its_trees_are_compiled(
    detector, tmp_path, monkeypatch
):
    pytest.importorskip("numba")
    source = tmp_path / "rows.csv"
    detector.golden.frame.write_csv(source)
    found = []
    for after in (2**62, 0):
        monkeypatch.setattr("evenflow.runtime.stream.COMPILE_AFTER", after - 1)
        out = tmp_path / f"{after}.csv"
        score_file(detector, source, out)
        found.append(out.read_bytes())
    assert isinstance(detector.compiled.session, TreeSession)
    assert detector.compiled.compiled is detector.compiled
    assert found[0] == found[1]


def test_it_was_trained_from_the_recipe_that_make_detector_names(detector):
    made = re.search(
        rf"train (\S+) -o src/evenflow/bundles/{shipped.NAME} ",
        (ROOT / "Makefile").read_text(),
    )
    recipe = Recipe.load(made[1])
    assert detector.report["training"]["recipe_sha256"] == recipe.sha256, REBUILT
    assert Recipe.from_dict(detector.recipe).sha256 == recipe.sha256


@pytest.mark.slow
def test_it_was_trained_and_evaluated_on_the_data_set_that_comes_with_evenflow(
    detector,
):
    train, test = (datasets.load("lab", part) for part in ("train", "test"))
    read = train.keeping(detector.schema.names)
    np.testing.assert_array_equal(detector.fingerprint, fingerprint(read), REBUILT)
    held_out = digest(test.keeping(detector.schema.names))
    assert detector.report["training"]["held_out_sha256"] == held_out, REBUILT
    assert not detector.schema.is_synthetic


@pytest.mark.slow
def test_it_detects_and_raises_false_alarms_as_its_report_says(detector):
    test = datasets.load("lab", "test")
    is_attack = detector.decide(test.keeping(detector.schema.names)).is_attack
    binary = detector.report["binary"]
    assert is_attack[test.labels > 0].mean() == pytest.approx(binary["detection_rate"])
    assert is_attack[test.labels == 0].mean() == pytest.approx(
        binary["false_alarm_rate"]
    )
    found = f"detects {100 * binary['detection_rate']:.1f} % of the attacks"
    assert found in shipped.limits(detector.report)


def test_it_reads_the_columns_that_live_traffic_gives(detector):
    assert for_columns(detector.schema.names).name == "flow"


def test_it_is_small_enough_to_ship():
    assert sum(p.stat().st_size for p in shipped.FOLDER.iterdir()) < 4 * 2**20


def test_its_name_means_a_folder_of_that_name_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.find(Path(shipped.NAME)) == shipped.FOLDER
    (tmp_path / shipped.NAME).mkdir()
    assert shipped.find(Path(shipped.NAME)) == Path(shipped.NAME)
    assert shipped.find(Path("other")) == Path("other")
