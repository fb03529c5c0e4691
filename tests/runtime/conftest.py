"""A small real detector, made without training: softmax regression by formula."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evenflow.decision import Decision
from evenflow.prepare.features import Preprocessor
from evenflow.runtime import bundle as bundles
from evenflow.runtime.bundle import Bundle
from evenflow.schema import Table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import onnx
    from onnx import TensorProto, helper, numpy_helper


def softmax_regression(
    X: NDArray[np.float32], y: NDArray[np.int64], n_classes: int
) -> bytes:
    """Return log-probabilities of a linear discriminant (shared variance) as ONNX."""
    X = X.astype(np.float64)
    means = np.stack([X[y == k].mean(axis=0) for k in range(n_classes)])
    within = X - means[y]
    inverse = np.linalg.inv(within.T @ within / len(X) + np.eye(X.shape[1]) * 0.05)
    weights = (inverse @ means.T).astype(np.float32)
    prior = np.log(np.bincount(y, minlength=n_classes) / len(y))
    bias = prior - 0.5 * np.einsum("ij,jk,ik->i", means, inverse, means)
    return linear(weights, bias.astype(np.float32))


def linear(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> bytes:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["z"]),
        helper.make_node("LogSoftmax", ["z"], ["log_proba"], axis=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "linear",
        [value("x", TensorProto.FLOAT, ["N", len(weights)])],
        [value("log_proba", TensorProto.FLOAT, ["N", len(bias)])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def parts(small_table: Table) -> dict[str, Any]:
    """The arguments of ``save`` for a detector of the small table."""
    preprocessor = Preprocessor.fit(small_table)
    X = preprocessor.transform(small_table)
    n_classes = len(small_table.schema.classes)
    benign = np.flatnonzero(small_table.labels == 0)
    return {
        "schema": small_table.schema,
        "preprocessor": preprocessor,
        "model": softmax_regression(X, small_table.labels, n_classes),
        "decision": Decision(
            temperature=1.25,
            bias=np.linspace(0.1, -0.1, n_classes),
            threshold=-0.5,
            false_alarm_budget=0.05,
        ),
        "golden": small_table.take(np.arange(40)),
        "reference": small_table.take(benign[:100]),
        "recipe": {"dataset": {"name": "small"}, "seed": 7},
        "report": {"protocol": "none", "binary": {"f1": 0.5}},
        "card": "# A small detector\n",
        "fingerprint": np.arange(5, dtype=np.uint64),
    }


@pytest.fixture(scope="session")
def saved(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle; read it, never change it."""
    folder = tmp_path_factory.mktemp("bundle") / "small"
    bundles.save(folder, **parts)
    return folder


@pytest.fixture(scope="session")
def bundle(saved: Path) -> Bundle:
    """That bundle, loaded."""
    return bundles.load(saved, threads=1)
