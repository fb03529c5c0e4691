"""The columns that ants prefer in the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector
from evenflow.prepare.subsets import Best, Config, Cost, Mask, choose_by

KEPT = 0.8
"""Share of the pheromone that is left after each iteration."""
LEAST, MOST = 0.05, 0.95
"""Bounds of the probability that an ant takes a column."""


def search(cost: Cost, config: Config, rng: np.random.Generator) -> Mask:
    """Return the best set of columns that ants met."""
    best = Best(cost)
    taken = np.full(cost.n_columns, 0.5)  # pheromone of taking; the rest is of leaving
    for _ in range(config.iterations + 1):
        masks = rng.random((config.population, cost.n_columns)) < taken
        costs = best.of(masks)
        # the best ant of the iteration and the best of all lay pheromone
        laid = (masks[costs.argmin()].astype(float) + best.mask) / 2
        taken = np.clip(KEPT * taken + (1 - KEPT) * laid, LEAST, MOST)
    return best.mask


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns that ant colony optimisation finds.

    One of the three searches of [1]_, evaluated by a tree with reduced-error pruning.
    An ant takes or leaves each column by the pheromone on both choices, which the best
    ants renew and which has bounds, as in the MAX-MIN ant system [2]_. Deviations from
    [1]_: whole columns are chosen, not single one-hot features; ants have no
    heuristic besides pheromone; its settings are not known to us.

    References
    ----------
    .. [1] B. A. Tama, M. Comuzzi, K.-H. Rhee, "TSE-IDS: a two-stage classifier ensemble
       for intelligent anomaly-based intrusion detection system", IEEE Access 7, 2019.
       doi:10.1109/ACCESS.2019.2928048
    .. [2] T. Stützle, H. H. Hoos, "MAX-MIN ant system", Future Generation Computer
       Systems 16(8), 2000. doi:10.1016/S0167-739X(00)00043-1
    """
    return choose_by(search, config, X, y, layout, rng)


SELECTOR = Selector(choose, Config)
