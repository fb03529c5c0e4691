"""Distance to benign rows among the features of a network that tells attacks apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems import Classifier, Model, System
from evenflow.learn.systems._features import OnFeatures, extractor, features
from evenflow.plugins import default


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    extractor: Classifier = default("cnn")
    """Network whose features are read: what its last layer reads."""
    detector: Model = default("knn_distance")
    """Novelty detector that is fitted on the features of benign rows."""


def fit(config: Config, task: Fitting) -> OnFeatures:
    """Fit the network on attack and benign, then the detector on its features.

    A row is an attack if the features that the network finds in it are far from those
    of benign rows [1]_, whatever the last layer says of them: that layer has seen the
    attacks of the training rows alone.

    References
    ----------
    .. [1] Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-distribution detection with deep
       nearest neighbors", ICML 2022, PMLR 162. doi:10.48550/arXiv.2204.06507
       (whitened here, and not normalised).

    Raises
    ------
    RecipeError
        The extractor is not a network.
    """
    network, inner = extractor(config.extractor, task)

    def read(rows: Rows) -> Rows:
        return replace(rows, X=features(inner, rows.X), layout=None)

    detector = task.part("detector", read(task.fit), read(task.valid))
    return OnFeatures(network=network, inner=inner, model=detector, name="detector")


MODEL = System(fit, Config, names_classes=False)
