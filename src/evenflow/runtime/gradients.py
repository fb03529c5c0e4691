"""Integrated gradients of a bundle: what each column adds along a straight line.

The bundle is one ONNX graph, which has no gradients, so they are central differences of
its log odds. It is enough to take one for each column of a record, in the direction in
which its prepared numbers differ: integrated gradients of these numbers, added up.

References
----------
.. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks",
   ICML 2017, PMLR 70. doi:10.48550/arXiv.1703.01365 (the baseline is a nearby benign
   record).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError

N_STEPS = 64
"""Points of the line that have a gradient each."""
STEP = 0.25 / N_STEPS
"""Half the distance of the two points of a difference, in lengths of the line. In
float32 a shorter one is lost in rounding."""
MOST_GAP = 0.05
"""Share of the difference in log odds that the sum may miss."""

TREES = b"TreeEnsemble"
"""Part of the name of a node of trees, in ONNX."""

Odds = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def refuse_trees(model: bytes) -> None:
    """Refuse an ONNX model that has trees, or rounds its inputs: it has no gradient.

    The jumps of many trees may add up to the right total, each in a wrong place.

    Raises
    ------
    DataError
        It has some.
    """
    if TREES in model:
        raise DataError(
            "integrated gradients need a model without trees and without rounded "
            "columns, and this one has some. Use the method 'occlusion'"
        )


def integrated(
    odds: Odds,
    X: NDArray[np.float32],
    base: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return the integrated gradients of each group of columns, ``(n_groups,)``.

    Parameters
    ----------
    odds : callable
        Log odds ``(n_rows,)`` of prepared rows ``(n_rows, n_features)``.
    X, base : ndarray of shape (n_features,)
        The record, and the one that the line begins at.
    groups : list of ndarray
        Features of each column of the record.

    Raises
    ------
    DataError
        Their sum is not the difference of the log odds, as where these jump.
    """
    along = np.zeros((len(groups), len(X)))
    for j, where in enumerate(groups):
        along[j, where] = (X - base)[where]
    found = np.zeros(len(groups))
    for k in range(N_STEPS):
        middle = base + (k + 0.5) / N_STEPS * (X - base)
        ends = np.concatenate([middle + STEP * along, middle - STEP * along])
        ahead, behind = odds(ends.astype(np.float32)).reshape(2, -1)
        found += (ahead - behind) / (2 * STEP * N_STEPS)
    first, last = odds(np.stack([base, X]))
    total, wanted = found.sum(), last - first
    if not abs(total - wanted) <= MOST_GAP * max(abs(wanted), 1.0):
        raise DataError(
            f"integrated gradients add up to {total:.3g}, expected {wanted:.3g}, the "
            "difference in log odds. The scores jump: use the method 'occlusion'"
        )
    return found
