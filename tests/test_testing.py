"""A check of another distribution's plug-in fails where a promise is broken."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from imblearn.under_sampling import RandomUnderSampler
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

from evenflow import datasets, registry
from evenflow.learn import Estimator, Loss, Network, Novelty
from evenflow.learn.fitting import of_arrays
from evenflow.prepare.balance import Sampler
from evenflow.prepare.select import Selector
from evenflow.stages import Training
from evenflow.testing import (
    check_dataset,
    check_loss,
    check_model,
    check_sampler,
    check_selector,
)
from evenflow.testing.models import _check_places
from evenflow.testing.promises import Checked, made_up


@dataclass(frozen=True, kw_only=True)
class Config:
    """No parameter."""


def sampler(resample, kind="both"):
    class Own(Sampler):
        def __init__(self, random_state=None):
            self.random_state = random_state

        def _resample(self, X, y, layout, on_event):
            return resample(X, y)

    Own.kind = kind
    return Own


def written(X, y):
    X[0] = 0
    return X, y


def drawn(X, y):
    rows = np.random.default_rng().permutation(len(y))
    return X[rows], y[rows]


@pytest.mark.parametrize(
    ("resample", "kind", "message"),
    [
        (written, "both", "the rows given are not changed"),
        (drawn, "both", "the same rows and the same seed give the same rows"),
        (lambda X, y: (X[y > 0], y[y > 0]), "under", "every class keeps a row"),
        (lambda X, y: (X + np.float32(0.3), y), "both", "new rows are possible rows"),
        (lambda X, y: (X[::-1], y[::-1]), "none", "returns the rows as they came"),
        (lambda X, y: (X[::-1], y[::-1]), "over", "returns the rows first and unch"),
        (lambda X, y: (X[::-1], y[::-1]), "clean", "some of the rows, in their order"),
        (lambda X, y: (X, y), "both", "progress ends where it said. Found no prog"),
        (lambda X, y: (X, y), "mine", "kind is one of .* Found mine"),
    ],
)
def test_a_sampler_that_breaks_a_promise_is_named_with_it(resample, kind, message):
    with pytest.raises(AssertionError, match=f"Own: .*{message}"):
        check_sampler(sampler(resample, kind))


def test_a_sampler_that_stores_a_parameter_otherwise_is_named():
    class Own(sampler(lambda X, y: (X, y), "none")):
        def __init__(self, share=0.5, random_state=None):
            self.share, self.random_state = share * 2, random_state

        def get_params(self, deep=True):
            return {"share": 0.5, "random_state": self.random_state}

    with pytest.raises(AssertionError, match="share stored otherwise"):
        check_sampler(Own())


def test_a_sampler_of_imbalanced_learn_passes_as_it_is():
    check_sampler(RandomUnderSampler())


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda z, y: torch.nn.functional.nll_loss(z.softmax(1).log(), y), "finite"),
        (lambda z, y: -torch.nn.functional.cross_entropy(z, y), "falls where the true"),
        (lambda z, y: torch.logsumexp(z, 1), "is one number"),
    ],
)
def test_a_loss_that_breaks_a_promise_is_named_with_it(loss, message):
    with pytest.raises(AssertionError, match=f"loss .*{message}"):
        check_loss(Loss(lambda config, *, n_rows, class_weight: loss, Config))


def test_a_config_that_can_be_changed_is_named():
    @dataclass
    class Loose:
        """Neither frozen nor by keyword."""

    with pytest.raises(AssertionError, match="Config is a frozen dataclass"):
        check_loss(Loss(lambda *_: None, Loose))


def test_a_selector_that_breaks_a_promise_is_named_with_it():
    def some(config, X, y, layout, rng):
        return np.random.default_rng().permutation([*layout.groups])[:9]

    def writes(config, X, y, layout, rng):
        X[0] = 9
        return [*layout.groups][:3]

    with pytest.raises(AssertionError, match="same seed give the same columns"):
        check_selector(Selector(some, Config))
    with pytest.raises(AssertionError, match="the rows given are not changed"):
        check_selector(Selector(writes, Config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": ""}, "Found no terms"),
        ({"splits": ("test",)}, "training rows come first"),
        ({"name": "other"}, "the schema has the data set's name"),
        ({"load": lambda path, split: None}, "load takes split first"),
    ],
)
def test_a_data_set_that_breaks_a_promise_is_named_with_it(changes, message):
    with pytest.raises(AssertionError, match=message):
        check_dataset(replace(datasets.get("synthetic"), **changes))


def test_a_data_set_of_other_rows_each_time_is_named():
    own = datasets.get("synthetic")
    sizes = iter((500, 501))

    def load(split, *, folders=(), on_event=None):
        return own.load(split, n_rows=next(sizes))

    with pytest.raises(AssertionError, match="the same rows each time"):
        check_dataset(replace(own, load=load))


def tree(config, *, n_classes, class_weight, seed, **how):
    return DecisionTreeClassifier(max_depth=6, random_state=seed, **how)


def guess(config, *, n_classes, class_weight, seed):
    return DummyClassifier(strategy="prior")


def unseeded(config, *, n_classes, class_weight, seed):
    how = {"class_weight": None, "max_features": 2, "seed": None}
    return tree(config, n_classes=n_classes, **how)


def neighbors(config, *, n_classes, class_weight, seed):
    return HistGradientBoostingClassifier(max_iter=3, random_state=seed)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (guess, "it ranks attacks above benign rows"),
        (unseeded, "the same rows and the same seed give the same model"),
        (tree, "class_weight makes a heavy class likelier"),
        (neighbors, "it can be written as ONNX"),
    ],
)
def test_an_estimator_that_breaks_a_promise_is_named_with_it(build, message):
    with pytest.raises(AssertionError, match=f"model .*{message}"):
        check_model(Estimator(build, Config))


def test_a_network_that_forgets_where_a_value_stands_is_named():
    class Mean(torch.nn.Module):
        def __init__(self, n_features, n_classes, config):
            super().__init__()
            self.net = torch.nn.Sequential(
                torch.nn.Linear(1, 32), torch.nn.ReLU(), torch.nn.Linear(32, n_classes)
            )

        def forward(self, x):
            return self.net(x.unsqueeze(-1)).mean(dim=1)

    X, y, _ = made_up()
    task = of_arrays(X, y, n_classes=5, training=Training(epochs=1), device="cpu")
    fitted = Network(Mean, Config).fit(Config(), task)
    with pytest.raises(AssertionError, match="knows which column a value stands in"):
        _check_places(Checked("m"), fitted, X)


def test_a_detector_that_draws_from_its_own_generator_is_named():
    forest = registry.load("models", "isolation_forest")

    def build(config, rows, task):
        some = np.random.default_rng().permutation(len(rows))[:300]
        return forest.build(config, rows.take(some), task)

    config = forest.Config(n_estimators=5)
    with pytest.raises(AssertionError, match="the same seed give the same model"):
        check_model(Novelty(build, forest.Config), config)
