"""The columns that transient search with differential evolution finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector
from evenflow.prepare.subsets import Best, Config, Cost, Mask, choose_by

SCALE, CROSSED = 0.5, 0.9
"""Factor of a difference, and share of the coordinates that it changes."""
EXPONENT = 1.0
"""``k`` of transient search, which grows the swings."""


def search(cost: Cost, config: Config, rng: np.random.Generator) -> Mask:
    """Return the best set of columns that the agents met.

    An agent is a point of the unit cube; its set are the coordinates over 0.5.
    """
    size, n = config.population, cost.n_columns
    best = Best(cost)
    agents = rng.random((size, n))
    costs = best.of(agents > 0.5)
    leader = agents[costs.argmin()].copy()
    for step in range(config.iterations):
        damping = 2 - 2 * step / config.iterations  # falls from 2 to 0
        moved = np.where(
            rng.random((size, 1)) < 0.5,
            transient(agents, leader, damping, rng),
            evolved(agents, rng),
        )
        moved = np.clip(moved, 0, 1)
        tried = best.of(moved > 0.5)
        better = tried < costs
        agents[better], costs[better] = moved[better], tried[better]
        leader = agents[costs.argmin()].copy()
    return best.mask


def transient(
    agents: NDArray[np.float64],
    leader: NDArray[np.float64],
    damping: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return agents after a swing around the leader, or a decay towards it.

    As the current of a circuit does after a switch: with two energy stores it swings
    (exploration), with one it decays (exploitation).
    """
    size = len(agents)
    time = 2 * damping * rng.random((size, 1)) - damping
    apart = agents - (EXPONENT * damping * rng.random((size, 1)) + 1) * leader
    swing = (np.cos(2 * np.pi * time) + np.sin(2 * np.pi * time)) * np.abs(apart)
    swings = rng.random((size, 1)) < 0.5
    found: NDArray[np.float64] = leader + np.exp(-time) * np.where(swings, swing, apart)
    return found


def evolved(
    agents: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return agents with coordinates of a third one, moved by a difference of two."""
    size, n = agents.shape
    # three others than the agent, all different
    drawn = rng.random((size, size))
    np.fill_diagonal(drawn, 2)
    a, b, c = np.argsort(drawn, axis=1)[:, :3].T
    mutant = agents[a] + SCALE * (agents[b] - agents[c])
    crossed = rng.random((size, n)) < CROSSED
    crossed[np.arange(size), rng.integers(n, size=size)] = True
    found: NDArray[np.float64] = np.where(crossed, mutant, agents)
    return found


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns that transient search with differential evolution finds.

    The selection of [1]_, here on columns of records; the model ``tsode`` does it on
    the features of a network, as [1]_ does. An agent takes a step of transient search
    [2]_ or of differential evolution [3]_ and keeps what is better. Deviations: how
    both take turns is not known to us, chance decides; sets are evaluated by a pruned
    tree.

    References
    ----------
    .. [1] A. Fatani, M. Abd Elaziz, A. Dahou, M. A. A. Al-Qaness, S. Lu, "IoT intrusion
       detection system using deep learning and enhanced transient search optimization",
       IEEE Access 9, 2021. doi:10.1109/ACCESS.2021.3109081
    .. [2] M. H. Qais, H. M. Hasanien, S. Alghuwainem, "Transient search optimization: a
       new meta-heuristic optimization algorithm", Applied Intelligence 50, 2020.
       doi:10.1007/s10489-020-01727-y
    .. [3] R. Storn, K. Price, "Differential evolution", Journal of Global Optimization
       11, 1997. doi:10.1023/A:1008202821328
    """
    return choose_by(search, config, X, y, layout, rng)


SELECTOR = Selector(choose, Config)
