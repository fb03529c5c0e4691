"""The shapes of the outputs of trees and linear models, ``ai.onnx.ml``, likewise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from evenflow.onnx_guard._rules import (
    FLOAT,
    INT64,
    ROWS,
    Attributes,
    Result,
    Tensor,
    count,
    expect,
    is_float,
    result,
    same,
)
from evenflow.onnx_guard.trees import check_trees


def _features(x: Tensor) -> int:
    is_float(x)
    expect(len(x.shape) == 2 and x.shape[0] is None, "a node that expects rows")
    return count(x.shape[1:])


def tree_regressor(inputs: Sequence[Tensor], a: Attributes) -> Result:
    n_outputs = a["n_targets"]
    expect(n_outputs >= 1, "an ensemble without outputs")
    visits = check_trees(
        a, "target", n_features=_features(inputs[0]), n_outputs=n_outputs
    )
    return result(Tensor(FLOAT, (None, n_outputs)), work=ROWS * visits)


def tree_classifier(inputs: Sequence[Tensor], a: Attributes) -> Result:
    n_classes = _labels(a["classlabels_int64s"])
    if "base_values" in a:
        expect(len(a["base_values"]) in (1, n_classes), "odd base values")
    visits = check_trees(
        a, "class", n_features=_features(inputs[0]), n_outputs=n_classes
    )
    return _labelled(n_classes, work=ROWS * visits)


def linear_classifier(inputs: Sequence[Tensor], a: Attributes) -> Result:
    n_classes, n_features = _labels(a["classlabels_ints"]), _features(inputs[0])
    n_rows = len(a["intercepts"])
    expect(
        n_rows == n_classes and len(a["coefficients"]) == n_rows * n_features,
        "a linear model whose weights do not fit",
    )
    return _labelled(n_classes, work=ROWS * n_classes * n_features)


def scaler(inputs: Sequence[Tensor], a: Attributes) -> Result:
    n_features = _features(inputs[0])
    expect(
        {len(a["offset"]), len(a["scale"])} == {n_features},
        "a scaling that does not fit its input",
    )
    return same(inputs, a)


def _labels(labels: NDArray[Any]) -> int:
    expect(
        labels.tolist() == list(range(len(labels))), "labels that are not class codes"
    )
    return len(labels)


def _labelled(n_classes: int, *, work: int) -> Result:
    shape = (None, n_classes)
    return result(Tensor(INT64, (None,)), Tensor(FLOAT, shape), work=work)
