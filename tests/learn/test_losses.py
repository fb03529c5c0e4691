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


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_focal_loss_without_focus_is_cross_entropy(weight):
    expected = functional.cross_entropy(LOGITS, Y, weight=weight)
    assert loss("focal", weight, gamma=0.0)(LOGITS, Y).item() == pytest.approx(
        expected.item()
    )


def test_focal_loss_is_the_papers():
    p = functional.softmax(LOGITS, dim=1)[torch.arange(3), Y]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    assert loss("focal")(LOGITS, Y).item() == pytest.approx(expected.item())


def test_balanced_softmax_is_the_papers():
    expected = each_row(
        lambda z, y: -np.log(N_ROWS[y] * np.exp(z[y]) / (N_ROWS * np.exp(z)).sum())
    )
    assert loss("balanced_softmax")(LOGITS, Y).item() == pytest.approx(expected)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_logit_adjustment_is_the_papers(tau):
    share = N_ROWS / 100
    # equation 10: the log of 1 and, for each other class, a ratio of shares
    expected = each_row(
        lambda z, y: np.log(
            1
            + sum(
                (share[k] / share[y]) ** tau * np.exp(z[k] - z[y])
                for k in range(3)
                if k != y
            )
        )
    )
    assert loss("logit_adjustment", tau=tau)(LOGITS, Y).item() == pytest.approx(
        expected
    )


def test_class_balanced_loss_is_the_papers():
    beta = 0.9
    # 90, 9 and 1 rows count as 9.9992, 6.1258 and 1
    effective = [(1 - beta**n) / (1 - beta) for n in (90, 9, 1)]
    assert effective == pytest.approx([9.9992, 6.1258, 1.0], rel=1e-4)
    weight = 1 / np.array(effective)
    weight *= 3 / weight.sum()
    expected = each_row(lambda z, y: -weight[y] * (z[y] - np.log(np.exp(z).sum())))
    found = loss("class_balanced", beta=beta)(LOGITS, Y).item()
    assert found == pytest.approx(expected)


def test_class_balanced_weights_go_from_equal_to_inverse_frequencies():
    from evenflow.learn.losses.class_balanced import effective_weights

    n_rows = np.array([90, 0, 9, 1])
    assert effective_weights(n_rows, 0.0).tolist() == [1, 0, 1, 1]
    near = effective_weights(n_rows, 1 - 1e-12)
    inverse = np.array([1 / 90, 0, 1 / 9, 1])
    np.testing.assert_allclose(near, 3 * inverse / inverse.sum(), rtol=1e-9)


def test_ldam_is_the_papers_and_weighs_late():
    # C / n**(1/4), C such that the class of one row has the margin 0.5
    margin = 0.5 / np.array([90, 9, 1]) ** 0.25

    def formula(z, y):
        true = np.exp(z[y] - 30 * margin[y])
        others = sum(np.exp(z[k]) for k in range(3) if k != y)
        return -np.log(true / (true + others))

    found = loss("ldam", defer=0.8)
    for epoch in (0, 7):
        assert found(LOGITS, Y, epoch=epoch, epochs=10).item() == pytest.approx(
            each_row(formula)
        )
    weight = 1 / np.array([(1 - 0.9999**n) for n in (90, 9, 1)])
    z = LOGITS.double().numpy()
    rows = [(weight[y], formula(z[i], y)) for i, y in enumerate(Y.tolist())]
    late = sum(w * v for w, v in rows) / sum(w for w, _ in rows)
    for epoch in (8, 9):
        assert found(LOGITS, Y, epoch=epoch, epochs=10).item() == pytest.approx(
            late, rel=1e-5
        )


def test_costs_follow_the_distribution_of_the_classes():
    from evenflow.learn.losses.cost_sensitive import Config, costs

    # max(n_y, n_k) / n_y, the histogram's matrix of the paper over its diagonal
    assert costs(Config(), np.array([90, 9, 1])).tolist() == [
        [1, 1, 1],
        [10, 1, 1],
        [90, 9, 1],
    ]
    found = costs(Config(power=0.5, missed=3.0, false_alarm=2.0), np.array([90, 9, 0]))
    np.testing.assert_allclose(
        found, [[1, 2, 2], [3 * 10**0.5, 1, 1], [3 * 90**0.5, 3, 1]]
    )


def test_cost_sensitive_loss_is_the_papers():
    cost = np.array([[1, 1, 1], [20, 1, 1], [180, 9, 1]])
    expected = each_row(
        lambda z, y: -np.log(np.exp(z[y]) / (cost[y] * np.exp(z)).sum())
    )
    found = loss("cost_sensitive", missed=2.0)(LOGITS, Y).item()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("logit_adjustment", {"tau": 0.0}),
        ("class_balanced", {"beta": 0.0}),
        ("cost_sensitive", {"power": 0.0}),
    ],
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_loss_that_ignores_the_shares_is_cross_entropy(name, params, weight):
    expected = functional.cross_entropy(LOGITS, Y, weight=weight)
    found = loss(name, weight, **params)(LOGITS, Y)
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_class_without_rows_has_a_finite_loss_and_loses(name):
    from evenflow.learn.losses import at_epoch

    found = at_epoch(loss(name, n_rows=np.array([90, 10, 0])), 0, 10)
    logits = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], requires_grad=True)
    found(logits, torch.tensor([0, 1])).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 2] > 0).all(), "a step lowers the logit of the class"


def linear(name, x, y, **params):
    """Return logits of a linear model that a loss is at its least for."""
    plug_in = registry.load("losses", name)
    minimised = plug_in.build(
        plug_in.Config(**params), n_rows=np.bincount(y), class_weight=None
    )
    layer = torch.nn.Linear(1, 2).double()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200)
    X, codes = torch.tensor(x[:, None]), torch.tensor(y)

    def step():
        optimizer.zero_grad()
        value = minimised(layer(X), codes)
        value.backward()
        return value

    optimizer.step(step)
    return layer(X).detach().numpy()


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
    logits = linear(name, x, y, **params)
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
    minimised = loss("cost_sensitive", n_rows=np.array([90, 10]))
    logits = torch.zeros((1, 2), requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200)

    def step():
        optimizer.zero_grad()
        value = minimised(logits.expand(2, 2), torch.tensor([0, 1]))
        value.backward()
        return value

    optimizer.step(step)
    # t = exp(z_1 - z_0) solves t / (1 + t) = 9 / (t + 9) by hand: t = 3
    assert (logits[0, 1] - logits[0, 0]).item() == pytest.approx(np.log(3), abs=1e-3)


@pytest.mark.slow
def test_ldam_answers_cosines_and_they_are_served(rows):
    from evenflow.inference import open_session
    from evenflow.learn.export import to_onnx

    plug_in = registry.load("losses", "ldam")
    for name in ("cnn", "dnn"):
        given = (plug_in, plug_in.Config(scale=8.0))
        fitted = rows.fit(name, loss=given, epochs=2)
        with torch.no_grad():
            logits = fitted.model(torch.tensor(rows.X_valid))
        assert 0.5 < logits.abs().max() <= 8.0 + 1e-4
        (served,) = open_session(to_onnx(fitted)).run(
            ["log_proba"], {"x": rows.X_valid}
        )
        np.testing.assert_allclose(
            np.exp(served), np.exp(fitted.log_proba(rows.X_valid)), atol=1e-5
        )


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
        registry.load("losses", name).Config(**wrong)


def test_a_model_without_a_loss_refuses_one():
    with pytest.raises(RecipeError, match="'lightgbm' does not use a loss; expected"):
        Recipe.load("synthetic/lightgbm-none", loss="focal")


def test_an_impossible_focus_is_refused():
    with pytest.raises(RecipeError, match=r"gamma is -1.0; expected 0 or more"):
        Recipe.load("synthetic/dnn-none", loss={"name": "focal", "gamma": -1})


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
