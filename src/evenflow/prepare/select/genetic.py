"""The columns that a population of sets evolves to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector
from evenflow.prepare.subsets import Best, Config, Cost, Mask, choose_by

CROSSED = 0.8
"""Probability that two parents exchange columns."""
N_RIVALS = 3
"""Sets that compete to be a parent."""


def search(cost: Cost, config: Config, rng: np.random.Generator) -> Mask:
    """Return the best set of columns that evolved."""
    size, n = config.population, cost.n_columns
    best = Best(cost)
    masks = rng.random((size, n)) < 0.5
    costs = best.of(masks)
    for _ in range(config.iterations):
        rivals = rng.integers(size, size=(2, size, N_RIVALS))
        winner = costs[rivals].argmin(axis=2)
        mother, father = np.take_along_axis(rivals, winner[:, :, None], axis=2)[..., 0]
        cut = np.where(rng.random(size) < CROSSED, rng.integers(1, n + 1, size), n)
        is_hers = np.arange(n) < cut[:, None]
        masks = np.where(is_hers, masks[mother], masks[father])
        masks ^= rng.random((size, n)) < 1 / n
        masks[0] = best.mask  # the best lives on
        costs = best.of(masks)
    return best.mask


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns that a genetic algorithm finds.

    One of the three searches of [1]_, evaluated by a tree with reduced-error pruning.
    Sets win tournaments to be parents, exchange columns at one point, and lose or gain
    a column by mutation [2]_; the best set lives on. Deviations from [1]_: whole
    columns are chosen, not single one-hot features; its settings are not known to us.

    References
    ----------
    .. [1] B. A. Tama, M. Comuzzi, K.-H. Rhee, "TSE-IDS: a two-stage classifier ensemble
       for intelligent anomaly-based intrusion detection system", IEEE Access 7, 2019.
       doi:10.1109/ACCESS.2019.2928048
    .. [2] J. Yang, V. Honavar, "Feature subset selection using a genetic algorithm",
       IEEE Intelligent Systems 13(2), 1998. doi:10.1109/5254.671091
    """
    return choose_by(search, config, X, y, layout, rng)


SELECTOR = Selector(choose, Config)
