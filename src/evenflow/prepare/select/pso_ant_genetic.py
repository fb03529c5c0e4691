"""The best of three searches: a swarm, ants and a genetic algorithm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector, ant_colony, genetic, pso
from evenflow.prepare.subsets import Best, Config, Cost, Mask, choose_by


def search(cost: Cost, config: Config, rng: np.random.Generator) -> Mask:
    """Return the best set of columns that one of the three met."""
    searches = (pso.search, ant_colony.search, genetic.search)
    best = Best(cost)
    best.of(np.stack([one(cost, config, rng) for one in searches]))
    return best.mask


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns of the cheapest set that one of three searches finds.

    The hybrid selection of [1]_: particle swarm, ant colony and genetic algorithm, by
    the same rows and the same pruned tree. Deviations: how [1]_ joins the three is not
    known to us, the best one stands in; those of the three selectors.

    References
    ----------
    .. [1] B. A. Tama, M. Comuzzi, K.-H. Rhee, "TSE-IDS: a two-stage classifier ensemble
       for intelligent anomaly-based intrusion detection system", IEEE Access 7, 2019.
       doi:10.1109/ACCESS.2019.2928048
    """
    return choose_by(search, config, X, y, layout, rng)


SELECTOR = Selector(choose, Config)
