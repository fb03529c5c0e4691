"""Inference with ONNX Runtime, shared by training and serving.

Training sets the threshold and computes the report on the exported graph's own
scores, and a bundle serves the same graph through the same functions: what is served
is what was evaluated.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import places

BATCH_ROWS = 1024
"""Rows the model reads at once: larger batches leave the processor's caches."""


def open_session(model: bytes, *, threads: int | None = None) -> Any:
    """Return an inference session of an ONNX model.

    Parameters
    ----------
    model : bytes
        ONNX: input ``x`` float32 ``(N, n_features)``, output ``log_proba`` float32
        ``(N, n_classes)``.
    threads : int, optional
        Threads of one run; the cores this process may use by default.
    """
    # ONNX Runtime 1.32 reports to its maker and keeps a device number unless told
    # so before it is imported: evenflow reports to nobody
    places.switch_off_telemetry()
    import onnxruntime as ort  # 0.2 s to import: not on the way to --help

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # threads that wait for each other within a run spin; after it they sleep at once,
    # so that an idle worker costs nothing
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def log_proba(
    session: Any, X: NDArray[np.float32], n_classes: int
) -> NDArray[np.float32]:
    """Return the model's log-probabilities, before calibration.

    Parameters
    ----------
    session : InferenceSession
    X : ndarray of shape (n_samples, n_features), float32
        Prepared rows.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float32
    """
    out = np.empty((len(X), n_classes), dtype=np.float32)
    for start in range(0, len(X), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        out[part] = session.run(["log_proba"], {"x": X[part]})[0]
    return out


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0))
