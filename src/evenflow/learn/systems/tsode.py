"""TSODE: a search chooses among a network's features, and a classifier reads these."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems import Classifier, System
from evenflow.learn.systems._features import OnFeatures, extractor, features
from evenflow.plugins import default
from evenflow.prepare.select import tsode as selector
from evenflow.prepare.subsets import Config as Search
from evenflow.prepare.subsets import Cost


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    extractor: Classifier = default("cnn")
    """Network whose features are chosen from: what its last layer reads."""
    classifier: Classifier = default("logistic_regression")
    """Model that is fitted on the chosen features: one whose scores change little where
    features do, since rounding differs between libraries; not a tree."""
    population: int = 16
    """Sets of features at a time."""
    iterations: int = 12
    """Times that all of them change."""
    n_rows: int = 3000
    """Training rows drawn to evaluate sets by; all of them where there are fewer."""

    def __post_init__(self) -> None:
        self.search()

    def search(self) -> Search:
        """Return the settings of the search."""
        return Search(
            population=self.population, iterations=self.iterations, n_rows=self.n_rows
        )


def fit(config: Config, task: Fitting) -> OnFeatures:
    """Fit a network, choose among its features, and fit the classifier on these.

    Features are chosen by transient search with differential evolution, on training
    rows. Deviations from [1]_: those of the selector ``tsode``; the layers of its
    network and its classifier are not known to us, ours stand in.

    References
    ----------
    .. [1] A. Fatani, M. Abd Elaziz, A. Dahou, M. A. A. Al-Qaness, S. Lu, "IoT intrusion
       detection system using deep learning and enhanced transient search optimization",
       IEEE Access 9, 2021. doi:10.1109/ACCESS.2021.3109081

    Raises
    ------
    RecipeError
        The extractor is not a network.
    """
    network, inner = extractor(config.extractor, task)
    X = features(inner, task.fit.X)
    rng = np.random.default_rng(task.seed)
    each = [np.array([k]) for k in range(X.shape[1])]
    cost = Cost(X, task.fit.y, each, rng=rng, n_rows=config.n_rows)
    mask = selector.search(cost, config.search(), rng)

    def chosen(rows: Rows) -> Rows:
        return replace(rows, X=features(inner, rows.X)[:, mask], layout=None)

    classifier = task.part("classifier", chosen(task.fit), chosen(task.valid))
    return OnFeatures(
        network=network, inner=inner, mask=mask, model=classifier, name="classifier"
    )


MODEL = System(fit, Config)
