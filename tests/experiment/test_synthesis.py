"""Synthetic rows are measured by training rows alone, and bad ones look bad."""

import json

import numpy as np
import pytest

from evenflow import datasets
from evenflow.errors import DataError
from evenflow.experiment import synthesis as module
from evenflow.experiment.synthesis import synthesis
from evenflow.prepare.balance import Sampler
from evenflow.prepare.features import Preprocessor
from evenflow.recipe import Recipe

SMALL = {"dataset": {"name": "synthetic", "n_rows": 3000}}


def recipe(balance, **changes):
    loaded = Recipe.load(f"synthetic/dnn-{balance}", **SMALL, **changes)
    if "max_rows_per_class" in loaded.balance.params:
        loaded = loaded.with_(balance__max_rows_per_class=500)
    return loaded


@pytest.fixture
def judged(monkeypatch):
    """Return a function that judges new rows of the largest class of attacks.

    They are made by a function of the rows of that class and the benign ones.
    """

    def judged(make):
        class Own(Sampler):
            kind = "over"

            def __init__(self):
                pass

            def _resample(self, X, y, layout, on_event):
                code = np.bincount(y)[1:].argmax() + 1
                new = make(X[y == code], X[y == 0])
                return np.concatenate([X, new]), np.append(y, [code] * len(new))

        monkeypatch.setattr(module.balance, "make", lambda *_: Own())
        return synthesis(recipe("ros"), folders=[], most=200)

    return judged


def test_copies_are_possible_and_not_new(judged):
    (found,) = judged(lambda mine, _: np.repeat(mine, 4, axis=0)).classes
    assert (found["possible"], found["copies"]) == (1, 1)
    assert found["nearest_new"] == 0 < found["nearest_real"]
    assert found["distinct"] <= 0.25
    assert found["coverage"] > 0.9
    assert found["statistics"]["ks"] == pytest.approx(0, abs=1e-9)
    assert found["n_new"] == 4 * found["n_real"]


def test_impossible_rows_are_counted_by_what_is_wrong(judged):
    def broken(mine, _):
        new = np.repeat(mine[:1], 3, axis=0)
        new[0, -1] = 0.5  # half a category
        new[1, :3] += 9  # beyond every training row
        return new

    (found,) = judged(broken).classes
    assert found["possible"] == pytest.approx(1 / 3)
    assert found["faults"]["one_hot"] == 1
    assert found["faults"]["range"] == 1


def test_rows_of_another_class_are_foreign_and_of_no_use(judged):
    found = judged(lambda _, benign: benign[:300])
    (one,) = found.classes
    assert one["foreign"] > 0.9
    assert found.useful["tstr"] < 0.2 < found.useful["trtr"]
    assert found.useful["trts"] < 0.2


def test_one_row_over_and_over_is_not_diverse(judged):
    (found,) = judged(lambda mine, _: np.repeat(mine[:1], 50, axis=0)).classes
    assert found["distinct"] == pytest.approx(1 / 50)
    assert found["spread_new"] == pytest.approx(0, abs=1e-5)
    assert found["coverage"] < 0.7


def test_a_combination_of_categories_that_no_row_has_is_counted(judged):
    def strange(mine, _):
        new = np.repeat(mine[:1], 2, axis=0)
        new[0, -1], new[0, -2] = 1.0, 1.0
        return new

    (found,) = judged(strange).classes
    assert found["unseen_combinations"] == 1


@pytest.mark.parametrize("name", ["smote", "smote_enn", "hybrid"])
def test_only_new_rows_are_judged(name):
    found = synthesis(recipe(name), folders=[], most=200)
    assert found.sampler == name
    assert all(one["n_new"] > 0 and one["possible"] == 1 for one in found.classes)
    assert "benign" not in [one["name"] for one in found.classes]
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", ["none", "rus", "class_weights", "knn_under"])
def test_a_sampler_that_makes_no_row_is_refused(name):
    with pytest.raises(DataError, match=f"{name}' makes no new row .* such as smote"):
        synthesis(recipe(name), folders=[], most=200)


def test_no_row_of_the_test_part_is_read(monkeypatch):
    seen = []
    fit, transform = Preprocessor.fit, Preprocessor.transform
    fitted = staticmethod(lambda t, **how: seen.append(t) or fit(t, **how))
    monkeypatch.setattr(Preprocessor, "fit", fitted)
    monkeypatch.setattr(
        Preprocessor, "transform", lambda self, t: seen.append(t) or transform(self, t)
    )
    synthesis(recipe("smote"), folders=[], most=200)
    rows = {row for t in seen for row in t.frame.rows()}
    train, test = (
        set(datasets.load("synthetic", split, n_rows=3000).frame.rows())
        for split in ("train", "test")
    )
    assert rows <= train
    assert not rows >= test


def test_the_command_shows_what_the_function_finds(run):
    words = ["synthesis", "synthetic/dnn-smote", "-s", "dataset.n_rows=3000",
             "-s", "balance.max_rows_per_class=500", "--rows", "100"]  # fmt: skip
    (value,) = json.loads(run(*words, "--json").stdout)
    wanted = synthesis(recipe("smote"), folders=[], most=100).to_dict()
    assert value | {"seconds": 0} == json.loads(json.dumps(wanted)) | {"seconds": 0}
    text = run(*words).stdout
    for heading in ("Possible, new, diverse", "Five statistics", "TSTR"):
        assert heading in text
    assert f"{wanted['useful']['tstr']:.3f}" in text
