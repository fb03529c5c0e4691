"""Training rows that a bundle holds: golden ones, and benign ones for explanations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.learn.calibration import MARGIN
from evenflow.schema import Table

N_GOLDEN, N_BORDER, N_SAMPLE, N_REFERENCE = 64, 16, 1000, 256


def sample(table: Table, each: int, rng: np.random.Generator) -> Table:
    """Return up to ``each`` rows of every class, in random order within a class."""
    rows = [
        rng.permutation(np.flatnonzero(table.labels == code))[:each]
        for code in np.unique(table.labels)
    ]
    return table.take(np.concatenate(rows))


def golden(table: Table, distance: NDArray[np.float64]) -> Table:
    """Return rows of every class, then the nearest to the threshold on each side.

    Rows closer to the threshold than half its margin are left out: another processor
    may decide them otherwise.
    """
    certain = np.abs(distance) >= MARGIN / 2
    certain |= not certain.any()
    codes = np.unique(table.labels)
    each = max(1, N_GOLDEN // len(codes))
    rows = [np.flatnonzero(certain & (table.labels == c))[:each] for c in codes]
    for side in (certain & (distance > 0), certain & (distance <= 0)):
        _, first = np.unique(distance[side], return_index=True)
        mine = np.flatnonzero(side)[first]
        rows.append(mine[np.argsort(np.abs(distance[mine]))][:N_BORDER])
    return table.take(np.concatenate(rows))


def reference(table: Table, rng: np.random.Generator) -> Table:
    """Return benign rows at random, in their order."""
    benign = rng.permutation(np.flatnonzero(table.labels == 0))[:N_REFERENCE]
    return table.take(np.sort(benign))
