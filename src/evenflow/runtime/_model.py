"""Open a bundle's model with ONNX Runtime, after a look inside."""

from __future__ import annotations

from typing import Any

from evenflow.errors import BundleError, is_out_of_memory
from evenflow.inference import open_session
from evenflow.onnx_guard import check_model
from evenflow.prepare.features import Preprocessor
from evenflow.runtime.folder import AGAIN
from evenflow.schema import Schema


def open_model(
    model: bytes,
    preprocessor: Preprocessor,
    schema: Schema,
    *,
    source: str,
) -> Any:
    """Return an inference session that maps prepared rows to log-probabilities.

    Raises
    ------
    BundleError
        The model reaches outside itself, cannot run, or fits another contract.
    """
    check_model(model, source=source)
    try:
        session = open_session(model)
    except Exception as error:  # ONNX Runtime has a tree of its own
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise BundleError(
            f"{source}: ONNX Runtime cannot open the model: {str(error)[:300]!r}. "
            f"Expected a model it can run. {AGAIN}"
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
            f"{source}: found a model {found}, expected {expected} by the columns and "
            f"classes in manifest.json. {AGAIN}"
        )
    return session
