"""Losses are what their papers say."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from evenflow import registry
from evenflow.decision import logsumexp
from evenflow.errors import RecipeError
from evenflow.learn.calibration import fit_decision
from evenflow.learn.losses import at_epoch
from evenflow.learn.losses.class_balanced import effective_weights
from evenflow.learn.losses.cost_sensitive import Config, costs
from evenflow.learn.training import train
from evenflow.recipe import Recipe
from evenflow.testing import check_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-4.0, 4.0, 0.0]])
Y = torch.tensor([0, 2, 1])
WEIGHT = torch.tensor([1.0, 2.0, 5.0])


N_ROWS = np.array([90, 9, 1])


def loss(name, weight=None, n_rows=N_ROWS, **params):
    plug_in = registry.load("losses", name)
    return plug_in.build(plug_in.Config(**params), n_rows=n_rows, class_weight=weight)


def each_row(formula):
    """Return the mean over the rows of a formula of NumPy: ``formula(z, y)``."""
    z = LOGITS.double().numpy()
    return np.mean([formula(z[i], int(y)) for i, y in enumerate(Y)])


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_loss_keeps_the_promises_of_every_loss(name):
    check_loss(registry.load("losses", name))


def focal(z, y, gamma=2):
    p = np.exp(z[y]) / np.exp(z).sum()
    return -((1 - p) ** gamma) * np.log(p)


def balanced_softmax(z, y):
    return -np.log(N_ROWS[y] * np.exp(z[y]) / (N_ROWS * np.exp(z)).sum())


def logit_adjustment(z, y, tau):
    """Equation 10: the log of 1 and, for each other class, a ratio of shares."""
    ratios = (N_ROWS / N_ROWS[y]) ** tau * np.exp(z - z[y])
    return np.log(1 + np.delete(ratios, y).sum())


def class_balanced(z, y, beta):
    weight = (1 - beta) / (1 - beta**N_ROWS)
    weight *= 3 / weight.sum()
    return -weight[y] * (z[y] - np.log(np.exp(z).sum()))


def cost_sensitive(z, y, missed):
    cost = np.array([[1, 1, 1], [20, 1, 1], [180, 9, 1]])
    return -np.log(np.exp(z[y]) / (cost[y] * np.exp(z)).sum())


@pytest.mark.parametrize(
    ("formula", "params"),
    [
        (focal, {}),
        (balanced_softmax, {}),
        *((logit_adjustment, {"tau": tau}) for tau in (0.0, 0.5, 1.0, 2.0)),
        (class_balanced, {"beta": 0.9}),
        (cost_sensitive, {"missed": 2.0}),
    ],
)
def test_a_loss_is_the_papers(formula, params):
    found = loss(formula.__name__, **params)(LOGITS, Y).item()
    expected = each_row(lambda z, y: formula(z, y, **params))
    assert found == pytest.approx(expected)


def test_class_balanced_weights_go_from_equal_to_inverse_frequencies():
    n_rows = np.array([90, 0, 9, 1])
    assert effective_weights(n_rows, 0.0).tolist() == [1, 0, 1, 1]
    near = effective_weights(n_rows, 1 - 1e-12)
    inverse = np.array([1 / 90, 0, 1 / 9, 1])
    np.testing.assert_allclose(near, 3 * inverse / inverse.sum(), rtol=1e-9)


def test_ldam_is_the_papers_and_weighs_late():
    # C / n**(1/4), C such that the class of one row has the margin 0.5
    margin = 0.5 / N_ROWS**0.25

    def formula(z, y):
        true = np.exp(z[y] - 30 * margin[y])
        others = sum(np.exp(z[k]) for k in range(3) if k != y)
        return -np.log(true / (true + others))

    weight = 1 / (1 - 0.9999**N_ROWS)
    late = each_row(lambda z, y: weight[y] * formula(z, y))
    late /= each_row(lambda _, y: weight[y])
    ldam = loss("ldam", defer=0.8)
    found = [ldam(LOGITS, Y, epoch=k, epochs=10).item() for k in (0, 7, 8, 9)]
    assert found[:2] == pytest.approx([each_row(formula)] * 2)
    assert found[2:] == pytest.approx([late] * 2, rel=1e-5)


def test_costs_follow_the_distribution_of_the_classes():
    # max(n_y, n_k) / n_y, the histogram's matrix of the paper over its diagonal
    assert costs(Config(), N_ROWS).tolist() == [[1, 1, 1], [10, 1, 1], [90, 9, 1]]
    found = costs(Config(power=0.5, missed=3.0, false_alarm=2.0), np.array([90, 9, 0]))
    expected = [[1, 2, 2], [3 * 10**0.5, 1, 1], [3 * 90**0.5, 3, 1]]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("focal", {"gamma": 0.0}),
        ("logit_adjustment", {"tau": 0.0}),
        ("class_balanced", {"beta": 0.0}),
        ("cost_sensitive", {"power": 0.0}),
    ],
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_loss_that_ignores_focus_and_shares_is_cross_entropy(name, params, weight):
    expected = functional.cross_entropy(LOGITS, Y, weight=weight)
    found = loss(name, weight, **params)(LOGITS, Y)
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_class_without_rows_has_a_finite_loss_and_loses(name):
    found = at_epoch(loss(name, n_rows=np.array([90, 10, 0])), 0, 10)
    logits = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], requires_grad=True)
    found(logits, torch.tensor([0, 1])).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 2] > 0).all(), "a step lowers the logit of the class"


def minimise(value, parameters):
    """Move parameters to where a function of them is at its least."""
    optimizer = torch.optim.LBFGS(parameters, max_iter=200)

    def step():
        optimizer.zero_grad()
        found = value()
        found.backward()
        return found

    optimizer.step(step)


@pytest.mark.parametrize(
    ("name", "params", "added"),
    [
        ("logit_adjustment", {"tau": 0.0}, 0.0),
        ("logit_adjustment", {}, 1.0),
        ("balanced_softmax", {}, 1.0),
        ("class_balanced", {"beta": 1 - 1e-9}, 1.0),
    ],
)
def test_scores_are_those_of_equal_shares_and_calibration_brings_the_shares_back(
    name, params, added
):
    rng = np.random.default_rng(0)
    n = np.array([18_000, 2_000])
    y = np.repeat([0, 1], n)
    x = rng.normal(size=len(y)) + 2.0 * y
    # two normal distributions: the log odds of equally frequent classes are 2 x - 2
    layer = torch.nn.Linear(1, 2).double()
    X, codes = torch.tensor(x[:, None]), torch.tensor(y)
    least = loss(name, n_rows=n, **params)
    minimise(lambda: least(layer(X), codes), layer.parameters())
    logits = layer(X).detach().numpy()
    log_proba = logits - logsumexp(logits.T)[:, None]
    odds = log_proba[:, 1] - log_proba[:, 0]
    exact = 2 * x - 2
    prior = np.log(n[1] / n[0])
    shift = (odds - exact)[np.abs(exact) < 2]
    assert shift.mean() == pytest.approx((1 - added) * prior, abs=0.15)
    decision = fit_decision(log_proba, y, false_alarm_budget=0.05)
    calibrated = decision.log_odds(log_proba)
    near = np.abs(exact + prior) < 2
    assert np.abs(calibrated - exact - prior)[near].max() < 0.35


def test_costs_lean_an_even_chance_to_the_class_costly_to_miss():
    least = loss("cost_sensitive", n_rows=np.array([90, 10]))
    logits = torch.zeros((1, 2), requires_grad=True)
    minimise(lambda: least(logits.expand(2, 2), torch.tensor([0, 1])), [logits])
    # t = exp(z_1 - z_0) solves t / (1 + t) = 9 / (t + 9) by hand: t = 3
    assert (logits[0, 1] - logits[0, 0]).item() == pytest.approx(np.log(3), abs=1e-3)


@pytest.mark.slow
def test_ldam_answers_cosines_and_they_are_served(rows, served):
    plug_in = registry.load("losses", "ldam")
    for name in ("cnn", "dnn"):
        given = (plug_in, plug_in.Config(scale=8.0))
        fitted = rows.fit(name, loss=given, epochs=2)
        with torch.no_grad():
            logits = fitted.model(torch.tensor(rows.X_valid))
        assert 0.5 < logits.abs().max() <= 8.0 + 1e-4
        expected = np.exp(fitted.log_proba(rows.X_valid))
        np.testing.assert_allclose(served(fitted, rows.X_valid), expected, atol=1e-5)


def test_ldam_takes_a_network_that_is_one_layer():
    plug_in = registry.load("losses", "ldam")
    layer = torch.nn.Linear(3, 2)
    found = plug_in.adapt(plug_in.Config(scale=1.0), layer)(LOGITS)
    expected = functional.cosine_similarity(LOGITS[:, None], layer.weight[None], dim=2)
    torch.testing.assert_close(found, expected)


def test_ldam_refuses_a_network_whose_last_layer_is_not_linear():
    plug_in = registry.load("losses", "ldam")
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    with pytest.raises(RecipeError, match=r"is a ReLU; expected a Linear one"):
        plug_in.adapt(plug_in.Config(), network)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("focal", {"gamma": -1.0}, "gamma is -1.0; expected 0 or more"),
        ("logit_adjustment", {"tau": -1.0}, "tau is -1.0; expected 0 or more"),
        ("class_balanced", {"beta": 1.0}, r"beta is 1.0; expected a number in \[0, 1"),
        ("ldam", {"beta": -0.1}, "beta is -0.1"),
        ("ldam", {"max_margin": 0.0}, r"max_margin is 0.0; expected .* in \(0, 1\]"),
        ("ldam", {"scale": 0.0}, "scale is 0.0; expected a number over 0"),
        ("ldam", {"defer": 1.5}, r"defer is 1.5; expected a share in \[0, 1\]"),
        ("cost_sensitive", {"power": -1.0}, "power is -1.0; expected 0 or more"),
        ("cost_sensitive", {"missed": 0.0}, "missed is 0.0; expected a number over 0"),
    ],
)
def test_an_impossible_parameter_of_a_loss_is_refused(name, wrong, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.load("synthetic/dnn-none", loss={"name": name, **wrong})


def test_a_model_without_a_loss_refuses_one():
    with pytest.raises(RecipeError, match="'lightgbm' does not use a loss; expected"):
        Recipe.load("synthetic/lightgbm-none", loss="focal")


def test_a_loss_that_names_the_epoch_may_change_at_one(monkeypatch, small_table):
    seen = []

    def build(config, *, n_rows, class_weight):
        def loss(logits, y, *, epoch, epochs):
            seen.append((epoch, epochs))
            # no weight lowers it: what changes is the epoch alone
            return (100.0 if epoch >= 2 else 1.0) + 0 * logits.sum()

        return loss

    focal = registry.load("losses", "focal")
    later = dataclasses.replace(focal, build=build)
    monkeypatch.setattr("evenflow.learn.losses.focal.LOSS", later)
    recipe = Recipe.load("synthetic/dnn-none", training__epochs=4, loss="focal")
    rows = {"train": small_table, "test": small_table.take(np.arange(300))}
    history = train(recipe, load=rows.__getitem__, device="cpu").fitted.history
    assert [epoch.loss for epoch in history] == pytest.approx([1, 1, 100, 100])
    assert set(seen) == {(0, 4), (1, 4), (2, 4), (3, 4)}


def test_a_loss_is_checked_in_its_first_and_its_last_epoch():
    def build(config, *, n_rows, class_weight):
        def loss(logits, y, *, epoch, epochs):
            value = functional.cross_entropy(logits, y)
            return -value if epoch == epochs - 1 else value

        return loss

    focal = registry.load("losses", "focal")
    with pytest.raises(AssertionError, match="Correct its sign"):
        check_loss(dataclasses.replace(focal, build=build))
