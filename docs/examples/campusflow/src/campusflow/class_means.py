"""A selector: the columns in which the means of the classes lie furthest apart."""

from dataclasses import dataclass

import numpy as np

from evenflow.prepare.select import Selector


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[select]`` in a recipe."""

    n_columns: int = 3


def choose(config, X, y, layout, rng):
    """Return names of raw columns, each with all its features in ``X``."""
    means = np.stack([X[y == code].mean(axis=0) for code in np.unique(y)])
    apart = means.max(axis=0) - means.min(axis=0)
    names = sorted(layout.groups, key=lambda name: -apart[layout.groups[name]].max())
    return names[: config.n_columns]


SELECTOR = Selector(choose, Config)
