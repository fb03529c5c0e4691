"""The operators that evenflow's exporters write, in one table.

To serve another one, add a line here and its rule to ``_rules``.
``tests/learn/test_export.py`` exports every model, and fails where the table is short
of an operator or has one to spare.

References
----------
.. [1] ONNX, "Operators": opset 17 and ai.onnx.ml 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evenflow.onnx_guard import _ml_rules as ml_rules
from evenflow.onnx_guard import _rules as rules
from evenflow.onnx_guard._rules import FLOAT, Attributes, Result
from evenflow.onnx_guard.trees import NODES, OPTIONAL

ML = "ai.onnx.ml"
Rule = Callable[[Sequence[Any], Attributes], Result]


@dataclass(frozen=True, slots=True)
class Operator:
    """The limits of a node of one kind."""

    inputs: tuple[int, ...]
    """Numbers of inputs allowed."""
    rule: Rule
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Name -> kind of attribute, or the tuple of values that it may have."""
    optional: Mapping[str, Any] = field(default_factory=dict)
    n_outputs: int = 1
    empty: tuple[int, ...] = ()
    """Inputs without a name; no other may be empty."""


_WINDOW = dict.fromkeys(("dilations", "kernel_shape", "pads", "strides"), "ints")
_WAYS = {"direction": ("bidirectional",)}
_TREES = dict.fromkeys(NODES, "ints") | {
    "nodes_values": "floats",
    "nodes_modes": "texts",
}
_MAYBE = {OPTIONAL[0]: "floats", OPTIONAL[1]: "ints"}
_POST = {"post_transform": ("NONE", "LOGISTIC", "SOFTMAX")}
_TARGETS = {f"target_{n}": "ints" for n in ("treeids", "nodeids", "ids")}
_CLASSES = {f"class_{n}": "ints" for n in ("treeids", "nodeids", "ids")}

OPERATORS: dict[tuple[str, str], Operator] = {
    ("", "Add"): Operator((2,), rules.broadcast),
    ("", "BatchNormalization"): Operator(
        (5,), rules.batch_norm, {"training_mode": (0,)},
        {"epsilon": "float", "momentum": "float"},
    ),
    ("", "Cast"): Operator((1,), rules.same, {"to": (FLOAT,)}),
    ("", "Clip"): Operator((3,), rules.clip),
    ("", "Concat"): Operator((2, 3, 4), rules.concat, {"axis": (0, 1)}),
    ("", "Constant"): Operator((0,), rules.constant, {"value": "tensor"}),
    ("", "ConstantOfShape"): Operator(
        (1,), rules.constant_of_shape, {"value": "tensor"}
    ),
    ("", "Conv"): Operator((3,), rules.conv, _WINDOW | {"group": (1,)}),
    ("", "Div"): Operator((2,), rules.broadcast),
    ("", "Exp"): Operator((1,), rules.same),
    ("", "Flatten"): Operator((1,), rules.flatten, {"axis": (1,)}),
    ("", "Gather"): Operator((2,), rules.gather, {"axis": (0,)}),
    ("", "Gemm"): Operator(
        (3,), rules.gemm, {}, {"alpha": (1.0,), "beta": (1.0,), "transB": (0, 1)}
    ),
    ("", "Identity"): Operator((1,), rules.identity),
    ("", "LSTM"): Operator(
        (7,), rules.lstm, {"hidden_size": "int"}, _WAYS, n_outputs=3, empty=(4,)
    ),
    ("", "LayerNormalization"): Operator(
        (3,), rules.layer_norm, {"axis": (-1,)}, {"epsilon": "float"}
    ),
    ("", "Log"): Operator((1,), rules.same),
    ("", "LogSoftmax"): Operator((1,), rules.by_row, {"axis": (1,)}),
    ("", "MatMul"): Operator((2,), rules.matmul),
    ("", "Max"): Operator((2,), rules.broadcast),
    ("", "MaxPool"): Operator((1,), rules.max_pool, _WINDOW | {"ceil_mode": (0, 1)}),
    ("", "Mul"): Operator((2,), rules.broadcast),
    ("", "Pow"): Operator((2,), rules.broadcast),
    ("", "RNN"): Operator(
        (6,), rules.rnn, {"hidden_size": "int"}, n_outputs=2, empty=(4,)
    ),
    ("", "ReduceLogSumExp"): Operator(
        (1,), rules.reduce, {"axes": "ints"}, {"keepdims": (0, 1)}
    ),
    ("", "ReduceSum"): Operator((2,), rules.reduce, {}, {"keepdims": (0, 1)}),
    ("", "Relu"): Operator((1,), rules.same),
    ("", "Reshape"): Operator((2,), rules.reshape, {}, {"allowzero": (0,)}),
    ("", "Shape"): Operator((1,), rules.shape),
    ("", "Sigmoid"): Operator((1,), rules.same),
    ("", "Softmax"): Operator((1,), rules.softmax, {}, {"axis": (-1,)}),
    ("", "Squeeze"): Operator((2,), rules.squeeze),
    ("", "Sub"): Operator((2,), rules.broadcast),
    ("", "TopK"): Operator(
        (2,), rules.top_k, {"axis": (1,), "largest": (0, 1), "sorted": (0, 1)}, {}, 2
    ),
    ("", "Transpose"): Operator((1,), rules.transpose, {"perm": "ints"}),
    ("", "Unsqueeze"): Operator((2,), rules.unsqueeze),
    (ML, "LinearClassifier"): Operator(
        (1,), ml_rules.linear_classifier,
        {"classlabels_ints": "ints", "coefficients": "floats", "intercepts": "floats"}
        | {"multi_class": (0, 1)} | _POST,
        {}, 2,
    ),
    (ML, "Normalizer"): Operator((1,), rules.by_row, {"norm": ("L1",)}),
    (ML, "Scaler"): Operator(
        (1,), ml_rules.scaler, {"offset": "floats", "scale": "floats"}
    ),
    (ML, "TreeEnsembleClassifier"): Operator(
        (1,), ml_rules.tree_classifier,
        _TREES | _CLASSES | _POST
        | {"class_weights": "floats", "classlabels_int64s": "ints"},
        _MAYBE | {"base_values": "floats"}, 2,
    ),
    (ML, "TreeEnsembleRegressor"): Operator(
        (1,), ml_rules.tree_regressor,
        _TREES | _TARGETS | {"target_weights": "floats", "n_targets": "int"}
        | {"aggregate_function": ("SUM",), "post_transform": ("NONE",)},
    ),
}  # fmt: skip
"""Domain and name -> what a node of it may be."""
OPSETS = {"": (17,), ML: (3,)}
"""Domain -> versions of its operators that are written."""
IR_VERSIONS = (8,)
