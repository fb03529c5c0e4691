"""A model that reaches outside itself is refused before anything runs it."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import BundleError
from evenflow.runtime._onnx_guard import check_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx import TensorProto, helper, numpy_helper


def model() -> Any:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["N", 2])],
        [value("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.ones(2, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def outside(tensor: Any) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_weights(m: Any) -> None:
    outside(m.graph.initializer[0])


def external_constant(m: Any) -> None:
    tensor = numpy_helper.from_array(np.ones(2, np.float32))
    outside(tensor)
    m.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def external_in_a_branch(m: Any) -> None:
    branch = model().graph
    external_weights(type("M", (), {"graph": branch}))
    node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    m.graph.node.append(node)


def external_sparse(m: Any) -> None:
    sparse = m.graph.sparse_initializer.add()
    outside(sparse.values)


def custom_operator(m: Any) -> None:
    m.graph.node.append(helper.make_node("Shell", ["x"], ["z"], domain="evil"))


def custom_opset(m: Any) -> None:
    m.opset_import.append(helper.make_opsetid("com.example", 1))


def custom_in_a_function(m: Any) -> None:
    node = helper.make_node("Shell", ["x"], ["z"], domain="evil")
    opsets = [helper.make_opsetid("", 17)]
    m.functions.append(helper.make_function("", "f", ["x"], ["z"], [node], opsets))


def loop(m: Any) -> None:
    m.graph.node.append(helper.make_node("Loop", ["n", "c"], ["z"], body=model().graph))


HOSTILE: list[tuple[Callable[[Any], None], str]] = [
    (external_weights, "weights in another file"),
    (external_constant, "weights in another file"),
    (external_in_a_branch, "weights in another file"),
    (external_sparse, "weights in another file"),
    (custom_operator, "an operator of the domain 'evil'"),
    (custom_in_a_function, "an operator of the domain 'evil'"),
    (custom_opset, "operators of the domain 'com.example'"),
    (loop, "the operator Loop"),
]


@pytest.mark.parametrize(
    ("spoil", "message"), HOSTILE, ids=lambda v: getattr(v, "__name__", None)
)
def test_a_model_that_reaches_outside_is_refused(
    spoil: Callable[[Any], None], message: str
) -> None:
    m = model()
    check_model(m.SerializeToString(), source="model.onnx")
    spoil(m)
    with pytest.raises(BundleError, match=message):
        check_model(m.SerializeToString(), source="model.onnx")


def test_graphs_within_graphs_end_somewhere() -> None:
    graph = model().graph
    for _ in range(8):
        outer = model().graph
        outer.node.append(helper.make_node("If", ["c"], ["z"], then_branch=graph))
        graph = outer
    m = helper.make_model(graph)
    with pytest.raises(BundleError, match="without end"):
        check_model(m.SerializeToString(), source="model.onnx")


def test_a_weight_may_look_like_anything() -> None:
    """Raw bytes of a weight are never taken for a message."""
    m = model()
    m.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.frombuffer(b"\x3a\x04evilr\x02" * 8, np.uint8), "w")
    )
    check_model(m.SerializeToString(), source="model.onnx")


def test_a_hidden_tensor_behind_a_million_numbers_is_found_in_time() -> None:
    """A forest's attributes are skipped in runs, what stands between is not."""
    m = model()
    n = 300_000
    tensor = numpy_helper.from_array(np.ones(2, np.float32))
    attributes = [
        helper.make_attribute("a", np.arange(n).tolist()),
        helper.make_attribute("b", np.linspace(0, 1, n).tolist()),
        helper.make_attribute("c", [b"BRANCH_LEQ", b"LEAF"] * (n // 2)),
        helper.make_attribute("d", tensor),
    ]
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["t"], domain="ai.onnx.ml")
    node.attribute.extend(attributes)
    m.graph.node.append(node)
    started = time.process_time()
    check_model(m.SerializeToString(), source="model.onnx")
    assert time.process_time() - started < 1.0
    outside(m.graph.node[-1].attribute[3].t)
    with pytest.raises(BundleError, match="weights in another file"):
        check_model(m.SerializeToString(), source="model.onnx")
    data = m.graph.node[-1].attribute[0].SerializeToString()
    hidden = m.graph.node[-1].attribute[3].SerializeToString()
    m.graph.node[-1].attribute[0].ParseFromString(data + hidden)
    del m.graph.node[-1].attribute[3]
    with pytest.raises(BundleError, match="weights in another file"):
        check_model(m.SerializeToString(), source="model.onnx")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    for start in (b"", model().SerializeToString()):
        # refused or let through to the full parser; nothing else comes out
        with contextlib.suppress(BundleError):
            check_model(start + data, source="model.onnx")


@pytest.mark.parametrize("key", [b"\0\0", b"\x80\x80\x80\x80\x10\0"])
def test_a_field_number_that_no_message_has_is_refused(key: bytes) -> None:
    with pytest.raises(BundleError, match="field number"):
        check_model(model().SerializeToString() + key, source="model.onnx")
