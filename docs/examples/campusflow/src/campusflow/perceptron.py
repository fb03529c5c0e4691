"""A network: one hidden layer."""

from dataclasses import dataclass

from torch import nn

from evenflow.learn import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[model]`` in a recipe."""

    hidden: int = 32


def build(n_features, n_classes, config):
    """Return a module from rows to logits."""
    return nn.Sequential(
        nn.Linear(n_features, config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, n_classes),
    )


MODEL = Network(build, Config)
