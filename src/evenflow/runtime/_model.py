"""Open a bundle's model with ONNX Runtime, after a look inside."""

from __future__ import annotations

import os
from typing import Any

from evenflow.errors import BundleError
from evenflow.prepare.features import Preprocessor
from evenflow.runtime._folder import AGAIN
from evenflow.runtime._onnx_guard import check_model
from evenflow.schema import Schema


def open_model(
    model: bytes,
    preprocessor: Preprocessor,
    schema: Schema,
    *,
    threads: int,
    source: str,
) -> Any:
    """Return an inference session that maps prepared rows to log-probabilities.

    Raises
    ------
    BundleError
        The model reaches outside itself, cannot run, or fits another contract.
    """
    # ONNX Runtime 1.32 reports to its maker and keeps a device number unless told
    # so before it is imported: a sensor reports to nobody
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort  # 0.2 s to import: not on the way to --help

    check_model(model, source=source)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # threads that wait for each other within a run spin; after it they sleep at once,
    # so that a worker that is idle costs nothing
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a tree of its own
        raise BundleError(
            f"{source}: ONNX Runtime cannot open the model ({error}), expected a "
            f"model it can run. {AGAIN}"
        ) from error
    n_features, n_classes = preprocessor.layout.n_features, len(schema.classes)
    found = [
        (node.name, node.type, node.shape[1:])
        for node in (*session.get_inputs(), *session.get_outputs())
    ]
    expected = [
        ("x", "tensor(float)", [n_features]),
        ("log_proba", "tensor(float)", [n_classes]),
    ]
    if found != expected:
        raise BundleError(
            f"{source}: found a model {found}, expected {expected}: it belongs to "
            f"another contract. {AGAIN}"
        )
    return session


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0))
