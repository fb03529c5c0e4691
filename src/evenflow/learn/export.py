"""A trained model as ONNX, written only if it computes what the model computes."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from evenflow.errors import BundleError
from evenflow.inference import open_session
from evenflow.learn.fitted import Fitted
from evenflow.onnx_guard import check_model

TOLERANCE = 1e-4
"""Greatest difference of a probability, in any class of any row tried."""
N_TRIED = 512


def to_onnx(fitted: Fitted) -> bytes:
    """Return the model as ONNX: ``x`` (N, n_features) to ``log_proba``.

    Raises
    ------
    BundleError
        The graph computes something else than the model, holds what no bundle may
        hold, or cannot be written.
    """
    model = fitted.graph()
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    check_model(content, source="the exported model")
    session = open_session(content)
    rows = probe(fitted.n_features)
    for part in (rows, rows[:1]):
        (found,) = session.run(["log_proba"], {"x": part})
        expected = fitted.log_proba(part)
        worst = (
            float(np.abs(np.exp(found.astype(np.float64)) - np.exp(expected)).max())
            if found.shape == expected.shape and np.isfinite(found).all()
            else np.inf
        )
        if not worst <= TOLERANCE:
            raise BundleError(
                f"the exported model differs by {worst:.2g} in a probability from the "
                f"trained one; expected {TOLERANCE:g} or less. Report this with the "
                "recipe; nothing was written"
            )
    return content


def probe(n_features: int) -> NDArray[np.float32]:
    """Return made-up prepared rows ``(N_TRIED, n_features)`` to compare models on.

    Scaled numbers, 0/1 columns and far outliers: what a prepared matrix holds.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_TRIED, n_features)).astype(np.float32)
    rows[N_TRIED // 4 : N_TRIED // 2] = rng.random((N_TRIED // 4, n_features)) < 0.1
    rows[N_TRIED // 2 : 3 * N_TRIED // 4] *= 10
    return rows
