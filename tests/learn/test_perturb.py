"""Inputs of a network are perturbed while it trains, and at no other time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import evenflow
from evenflow.errors import EvenflowError, RecipeError
from evenflow.inference import log_proba, open_session
from evenflow.learn.fitting import Rows
from evenflow.learn.network import not_perturbed
from evenflow.learn.perturb import Perturb
from evenflow.stages import Training


@pytest.fixture
def x(layout):
    """Rows in which each block names its first category."""
    x = torch.zeros(4000, layout.n_features)
    for start, _ in layout.blocks:
        x[:, start] = 1.0
    return x


def test_numbers_get_noise_and_categories_become_unseen(layout, x):
    torch.manual_seed(0)
    found = Perturb(layout, noise=0.5, hidden=0.25)(x)
    n = layout.n_numeric
    assert (found[:, :n] - x[:, :n]).std().item() == pytest.approx(0.5, rel=0.02)
    assert torch.equal(found[:, n : layout.blocks[0][0]], x[:, n : layout.blocks[0][0]])
    for start, stop in layout.blocks:
        assert (found[:, start:stop].sum(dim=1) == 1).all(), "one category each"
        hidden = found[:, stop - 1].mean().item()
        assert hidden == pytest.approx(0.25, abs=0.03)
    assert x.sum() == len(x) * len(layout.blocks), "the rows given are as they were"


def test_a_trained_network_reads_rows_as_they_are(layout, x):
    assert Perturb(layout, noise=0.5, hidden=0.25).eval()(x) is x


def test_a_network_trained_with_noise_is_served_without(tmp_path):
    changes = {"training__epochs": 1, "dataset__n_rows": 1500}
    plain = evenflow.Recipe.load("synthetic/dnn-none", **changes)
    noisy = plain.with_(training__input_noise=0.3, training__hidden_categories=0.3)
    assert noisy.sha256 != plain.sha256
    models = {}
    for recipe in (plain, noisy):
        made = evenflow.train(recipe, tmp_path / recipe.sha256, deterministic=True)
        bundle = evenflow.load_bundle(tmp_path / recipe.sha256)
        rows = bundle.preprocessor.transform(bundle.golden)
        session = open_session(made.trained.model)
        found = log_proba(session, rows, len(bundle.schema.classes))
        np.testing.assert_array_equal(found, log_proba(session, rows, found.shape[1]))
        models[recipe.sha256] = found
    plain_scores, noisy_scores = models.values()
    assert np.abs(plain_scores - noisy_scores).max() > 0.01, "noise changed the weights"


def test_a_note_says_where_there_was_no_noise(rows, layout):
    def notes(given, **training):
        return " ".join(rows.fit("dnn", epochs=1, layout=given, **training).notes)

    assert "trained without noise" in notes(None, input_noise=0.1)
    assert "without noise" not in notes(layout, input_noise=0.1)
    numbers = layout.keeping([n for n, at in layout.groups.items() if len(at) == 1])
    assert not numbers.blocks
    assert not_perturbed(
        Rows(X=rows.X, y=rows.y, classes=("a",) * 5, layout=numbers),
        Training(hidden_categories=0.5),
    ) == ["no categories were hidden: there is no column of categories"]


def test_a_layout_with_other_columns_has_another_checkpoint(rows, layout, tmp_path):
    fewer = replace(layout, n_numeric=layout.n_numeric - 1)
    for given in (layout, fewer):
        rows.fit("dnn", epochs=1, input_noise=0.1, layout=given, workdir=tmp_path)
    with pytest.raises(EvenflowError, match="checkpoint"):
        rows.fit(
            "dnn", epochs=1, input_noise=0.1, layout=layout, workdir=tmp_path,
            resume=True,
        )  # fmt: skip


def test_noise_for_a_model_that_is_no_network_is_refused():
    with pytest.raises(RecipeError, match="'lightgbm' trains none"):
        evenflow.Recipe.load("nsl_kdd/lightgbm-none", training__input_noise=0.1)
