"""Inference with ONNX Runtime, shared by training and serving.

Training sets the threshold and computes the report on the exported graph's own
scores, and a bundle serves the same graph through the same functions: what is served
is what was evaluated.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import places
from evenflow.inference import trees

BATCH_ROWS = 1024
"""Rows the model reads at once: larger batches leave the processor's caches."""


def open_session(model: bytes) -> Any:
    """Return an inference session of an ONNX model.

    A run of it has one thread: those of ONNX Runtime spin while they wait for each
    other, which on a busy machine takes twice the processor time and longer.

    Parameters
    ----------
    model : bytes
        ONNX: input ``x`` float32 ``(N, n_features)``, output ``log_proba`` float32
        ``(N, n_classes)``.
    """
    # ONNX Runtime 1.32 reports to its maker and keeps a device number unless told
    # so before it is imported: evenflow reports to nobody
    places.switch_off_telemetry()
    import onnxruntime as ort  # 0.2 s to import: not on the way to --help

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def log_proba(
    session: Any, X: NDArray[np.float32], n_classes: int, *, threads: int = 1
) -> NDArray[np.float32]:
    """Return the model's log-probabilities, before calibration.

    Parameters
    ----------
    session : InferenceSession
    X : ndarray of shape (n_samples, n_features), float32
        Prepared rows.
    n_classes : int
    threads : int
        Batches of rows that are scored at once.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float32
    """
    out = np.empty((len(X), n_classes), dtype=np.float32)

    def fill(start: int) -> None:
        part = slice(start, start + BATCH_ROWS)
        out[part] = session.run(["log_proba"], {"x": X[part]})[0]

    starts = range(0, len(X), BATCH_ROWS)
    threads = min(threads, len(starts))
    if threads < 2:
        for start in starts:
            fill(start)
        return out
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, starts):
            pass
    return out


def compiled(model: bytes, session: Any, X: NDArray[np.float32]) -> Any:
    """Return a session that sums trees by compiled code, where there is one.

    Compiling takes a second or two, in each process.

    Parameters
    ----------
    model : bytes
    session : InferenceSession
        Of that model.
    X : ndarray of shape (n_samples, n_features), float32
        Rows for which both have to compute the same bits.
    """
    return trees.session_of(model, session, X, open_session)


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0))
