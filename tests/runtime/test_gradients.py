"""Integrated gradients are those of autograd, and refused where there are none."""

import numpy as np
import pytest
import torch

import evenflow
from evenflow.errors import DataError
from evenflow.runtime.explain import explain
from evenflow.runtime.gradients import integrated

GROUPS = [np.array([0]), np.array([1, 2, 3]), np.array([4, 5])]


@pytest.fixture
def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    )


def by_autograd(network, X, base, n=2_000):
    """Return the integrated gradient of each feature, by PyTorch."""
    along = torch.linspace(0.5 / n, 1 - 0.5 / n, n)[:, None]
    points = (torch.tensor(base) + along * torch.tensor(X - base)).requires_grad_()
    network(points).sum().backward()
    return points.grad.mean(dim=0).numpy() * (X - base)


def test_contributions_are_those_of_autograd_added_up_by_column(network):
    rng = np.random.default_rng(0)
    X, base = rng.normal(size=(2, 6)).astype(np.float32)

    def odds(rows):
        with torch.no_grad():
            return network(torch.tensor(rows)).numpy()[:, 0].astype(np.float64)

    wanted = by_autograd(network, X, base)
    np.testing.assert_allclose(
        integrated(odds, X, base, GROUPS),
        [wanted[where].sum() for where in GROUPS],
        atol=0.01,
    )


def test_a_model_that_changes_in_jumps_is_refused():
    X, base = np.ones(6, np.float32), np.zeros(6, np.float32)
    with pytest.raises(DataError, match="The scores jump: use .*'occlusion'"):
        integrated(lambda rows: 4.0 * (rows[:, 0] > 0.3), X, base, GROUPS)


def test_a_model_of_trees_is_refused_whatever_its_gradients_add_up_to(tmp_path):
    evenflow.train(
        evenflow.Recipe.load(
            "synthetic/random_forest-none",
            dataset__n_rows=1500,
            model__n_estimators=5,
        ),
        tmp_path / "b",
    )
    bundle = evenflow.load_bundle(tmp_path / "b")
    with pytest.raises(DataError, match="without trees"):
        explain(bundle, bundle.golden, 0, method="integrated_gradients")


def test_the_contributions_of_a_bundle_add_up_to_its_log_odds(bundle, small_table):
    attack = int(small_table.labels.argmax())
    found = explain(bundle, small_table, attack, method="integrated_gradients")
    total = sum(c.contribution for c in found.contributions)
    assert total > 1
    assert found.base + total == pytest.approx(found.log_odds, rel=0.05)
    others = explain(bundle, small_table, attack).contributions
    assert {c.column for c in found.contributions} == {c.column for c in others}
