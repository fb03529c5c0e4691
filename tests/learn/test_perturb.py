"""Inputs of a network are perturbed while it trains, and at no other time."""

import numpy as np
import pytest
import torch

import evenflow
from evenflow.errors import DataError
from evenflow.inference import log_proba, open_session
from evenflow.learn.perturb import Perturb


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
    made = evenflow.train(noisy, tmp_path / "b", deterministic=True)
    bundle = evenflow.load_bundle(tmp_path / "b")
    rows = bundle.preprocessor.transform(bundle.golden)
    session = open_session(made.trained.model)
    twice = [log_proba(session, rows, len(bundle.schema.classes)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def test_noise_needs_columns_with_names(rows):
    with pytest.raises(DataError, match="array without a layout"):
        rows.fit("dnn", epochs=1, input_noise=0.1)
