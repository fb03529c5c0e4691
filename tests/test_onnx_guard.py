"""A model that evenflow's exporters do not write is refused before anything runs it."""

import contextlib
import itertools
import time
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import BundleError
from evenflow.onnx_guard import check_model, protobuf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx import TensorProto, helper, numpy_helper


def weights(*shape):
    return np.ones(shape, np.float32)


def graph(nodes, width=2, n_features=2, **constants):
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["N", n_features])],
        [value("log_proba", TensorProto.FLOAT, ["N", width])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def model():
    return graph([node("Add", "x", "w")], w=weights(2))


def node(kind, *inputs, to="log_proba", **how):
    return helper.make_node(kind, list(inputs), [to], **how)


def check(m):
    check_model(m.SerializeToString(), source="model.onnx")


def outside(tensor):
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_constant(m):
    tensor = numpy_helper.from_array(weights(2))
    outside(tensor)
    m.graph.node.append(node("Constant", to="c", value=tensor))


def external_in_a_branch(m):
    branch = model().graph
    outside(branch.initializer[0])
    m.graph.node.append(node("If", "c", to="z", then_branch=branch, else_branch=branch))


def a_function(m):
    inner = node("Add", "x", "x", to="z")
    opsets = [helper.make_opsetid("", 17)]
    m.functions.append(helper.make_function("", "f", ["x"], ["z"], [inner], opsets))


def rows_by_rows(m):
    m.graph.node.insert(0, node("Transpose", "x", to="t", perm=[1, 0]))
    m.graph.node.insert(1, node("MatMul", "x", "t", to="z"))


def stacks_that_differ(m):
    for name, shape in (("one", (2, 3, 4)), ("other", (5, 4, 3))):
        value = np.ones(shape, np.float32)
        m.graph.initializer.append(numpy_helper.from_array(value, name))
    m.graph.node.insert(0, node("MatMul", "one", "other", to="z"))


def recurrent(kind, ways, n_weights, **how):
    """Return what adds a recurrent layer over three steps of the two features."""

    def spoil(m):
        gates = 4 if kind == "LSTM" else 1
        values = {
            "three": np.array([3, -1, 2], np.int64),
            "repeat": weights(2, 6),
            "W": weights(n_weights, 3 * gates, 2),
            "R": weights(ways, 3 * gates, 3),
            "B": weights(ways, 6 * gates),
            "states": np.array([ways, -1, 3], np.int64),
            "start": weights(2, 3 * ways),
        }
        for name, value in values.items():
            m.graph.initializer.append(numpy_helper.from_array(value, name))
        start = ["h", "h"] if kind == "LSTM" else ["h"]
        to = ["a", "b", "c"] if kind == "LSTM" else ["a", "b"]
        inputs = ["steps", "W", "R", "B", "", *start]
        added = [
            node("MatMul", "x", "repeat", to="many"),
            node("Reshape", "many", "three", to="steps"),
            node("MatMul", "x", "start", to="s"),
            node("Reshape", "s", "states", to="h"),
            helper.make_node(kind, inputs, to, hidden_size=3, **how),
        ]
        for number, one in enumerate(added):
            m.graph.node.insert(number, one)

    return spoil


def reshape(*shape):
    def spoil(m):
        value = np.array(shape, np.int64)
        m.graph.initializer.append(numpy_helper.from_array(value, "shape"))
        m.graph.node.insert(0, node("Reshape", "x", "shape", to="z"))

    return spoil


def many_nodes(m):
    for n in range(1001):
        m.graph.node.append(node("Relu", "x", to=f"z{n}"))


def more_than_a_row(m):
    k = numpy_helper.from_array(np.array([3], np.int64), "k")
    m.graph.initializer.append(k)
    found = helper.make_node(
        "TopK", ["x", "k"], ["z", "which"], axis=1, largest=0, sorted=1
    )
    m.graph.node.insert(0, found)


def two_names(m):
    m.graph.initializer.append(numpy_helper.from_array(weights(2), "w"))


def axes_that_are_not_constant(m):
    m.graph.initializer.append(numpy_helper.from_array(np.array(0), "zero"))
    m.graph.node.insert(0, node("Shape", "x", to="s"))
    m.graph.node.insert(1, node("Gather", "s", "zero", to="n", axis=0))
    m.graph.node.insert(2, node("Gather", "s", "n", to="z", axis=0))


# a node of each, beside the one that the model has
NODES = [
    (node("Shell", "x", to="z", domain="evil"), "an operator of the domain 'evil'"),
    (node("Loop", "n", "c", to="z"), "the operator Loop"),
    (
        node("SequenceMap", "x", to="z", body=model().graph),
        "a graph within the graph",
    ),
    (node("StringConcat", "x", "x", to="z"), "the operator StringConcat"),
    (node("Max", "x", "", to="z"), "Max with an empty input"),
    (node("Max", "x", to="z"), "Max with 1 inputs"),
    (node("Max", "x", "y", to="z"), "Max of 'y', which no node computes"),
    (
        node("Max", "x", "log_proba", to="z"),
        "Max of 'log_proba', which no node computes",
    ),
    (node("Relu", "x"), "two tensors of the name 'log_proba'"),
    (node("Relu", "x", to="z", fast=1), "Relu with the attribute 'fast'"),
    (
        node("LogSoftmax", "x", to="z", axis=1.0),
        "LogSoftmax with axis = 1.0|of another type",
    ),
    (
        node("LogSoftmax", "x", to="z", axis=2**40),
        "LogSoftmax with axis = 1099511627776",
    ),
    (node("LogSoftmax", "x", to="z"), "LogSoftmax without axis"),
    (node("Softmax", "x", to="z", axis=0), "Softmax with axis = 0"),
    (
        node("LayerNormalization", "x", "w", "x", to="z", axis=-1),
        "a normalisation that does not fit",
    ),
    (node("MatMul", "x", "w", to="z"), "a product of other than matrices"),
]
# instead of the one weight
WEIGHTS = [
    (helper.make_tensor("w", TensorProto.STRING, [2], [b"a", b"b"]),
     "field 6 of a tensor"),
    *((numpy_helper.from_array(np.array(found, np.float32), "w"), message)
      for found, message in (
          ([], "an empty tensor"),
          ([1, 1, 1], "a node whose inputs differ in shape"),
          ([1, np.nan], "a weight that is not finite"),
          ([1, -np.inf], "a weight that is not finite"),
      )),
]  # fmt: skip
HOSTILE = [
    (lambda m: outside(m.graph.initializer[0]), "weights in another file"),
    (external_constant, "weights in another file"),
    (external_in_a_branch, "a graph within the graph"),
    (
        lambda m: outside(m.graph.sparse_initializer.add().values),
        "sparse weights",
    ),
    (
        lambda m: m.opset_import.append(helper.make_opsetid("com.example", 1)),
        "operators of the domain 'com.example'",
    ),
    (lambda m: setattr(m.opset_import[0], "version", 21), "operator set version 21"),
    (lambda m: setattr(m, "ir_version", 12), "ONNX format version 12"),
    (a_function, "functions"),
    (lambda m: m.training_info.add(), "training information"),
    (
        lambda m: m.graph.initializer[0].dims.__setitem__(0, 2**40),
        "a weight of 8 bytes for the shape",
    ),
    (lambda m: m.graph.initializer[0].dims.__setitem__(0, -2), "an empty tensor"),
    *((lambda m, n=n: m.graph.node.insert(0, n), message) for n, message in NODES),
    *(
        (lambda m, w=w: m.graph.initializer[0].CopyFrom(w), message)
        for w, message in WEIGHTS
    ),
    (rows_by_rows, "product"),
    (stacks_that_differ, "a product of stacks of matrices that differ"),
    (axes_that_are_not_constant, "an axis that is not a constant"),
    (many_nodes, "more than 1000 nodes"),
    (recurrent("LSTM", 2, 2), "a recurrent layer whose weights do not fit"),
    (
        recurrent("LSTM", 2, 1, direction="bidirectional"),
        "a recurrent layer whose weights do not fit",
    ),
    (recurrent("LSTM", 1, 1, direction="reverse"), "LSTM with direction = reverse"),
    (recurrent("RNN", 1, 1, direction="forward"), "RNN with the attribute 'direction'"),
    (recurrent("RNN", 1, 1, clip=1.0), "RNN with the attribute 'clip'"),
    (reshape(0, 0, 0), "a Reshape to an unsupported shape"),
    (reshape(0, -2), "a Reshape to an unsupported shape"),
    (reshape(0, 3), "a Reshape to another number of values"),
    (reshape(1, 2), "a Reshape across the rows"),
    (two_names, "two tensors of the name 'w'"),
    (more_than_a_row, "a TopK of more values than a row has"),
]


@pytest.mark.parametrize(("spoil", "message"), HOSTILE)
def test_what_an_exporter_never_writes_is_refused(spoil, message):
    m = model()
    check(m)
    spoil(m)
    with pytest.raises(BundleError, match=message):
        check(m)


@pytest.mark.parametrize(
    "add",
    [
        recurrent("LSTM", 1, 1),
        recurrent("LSTM", 2, 2, direction="bidirectional"),
        recurrent("RNN", 1, 1),
        reshape(0, -1),
        reshape(-1, 2),
        reshape(0, 2, 1),
    ],
)
def test_what_an_exporter_writes_of_recurrent_layers_is_served(add):
    m = model()
    add(m)
    check(m)


def test_a_field_given_twice_is_refused():
    """Two readers of a protocol buffer may differ on which of them counts."""
    m = model()
    attribute = helper.make_attribute("axis", 1).SerializeToString()
    m.graph.node.insert(0, node("LogSoftmax", "x", to="z", axis=1))
    m.graph.node[0].attribute[0].ParseFromString(attribute)
    check(m)
    data = m.SerializeToString()
    twice = model().graph.SerializeToString()
    size = bytes([0x3A, len(twice) & 0x7F | 0x80, len(twice) >> 7])
    with pytest.raises(BundleError, match="two fields graph"):
        check_model(data + size + twice, source="model.onnx")


# --- time and memory ---


def field(number, body):
    """Return a field of a protocol buffer that holds bytes."""
    size = len(body)
    sizes = []
    while size > 127:
        sizes.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *sizes, size]) + body


@pytest.mark.parametrize(
    "data",
    [
        field(7, b"\x0a\x00" * 10**6),
        field(7, b"\x2a\x00" * 10**6),
        field(7, field(1, b"\x0a\x00" * 10**6)),
        field(7, field(1, b"\x2a\x00" * 10**6)),
        field(7, field(5, b"\x08\x01" * 10**6)),
        field(7, field(12, field(2, field(1, field(2, b"\x0a\x00" * 10**6))))),
        b"\x42\x00" * 10**6,
    ],
    ids=["nodes", "weights", "inputs", "attributes", "axes", "output", "opsets"],
)
def test_a_model_of_many_small_fields_is_refused_before_it_takes_memory(
    data, monkeypatch
):
    limit = protobuf.MAX_FIELDS // 10  # tracing is slow
    monkeypatch.setattr(protobuf, "MAX_FIELDS", limit)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=f"more than {limit} fields"):
            check_model(data, source="model.onnx")
        assert 10 * tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300), min_size=1),
    st.integers(22, 60),
)
@settings(max_examples=50)
def test_whole_numbers_are_read_the_same_in_blocks(numbers, block):
    run = helper.make_attribute("a", numbers).SerializeToString()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf, "BLOCK", block)
        found = protobuf._read(memoryview(run), "attribute", itertools.count())
    assert found["ints"].tolist() == numbers


def chain(n, size):
    names = [f"t{k}" for k in range(n)]
    nodes = [node("MatMul", "x", "w", to="t0")]
    nodes += [node("MatMul", a, "v", to=b) for a, b in pairwise(names)]
    nodes.append(node("MatMul", names[-1], "u"))
    return graph(nodes, w=weights(2, size), v=weights(size, size), u=weights(size, 2))


def constants(n, size):
    """Products of weights alone, which ONNX Runtime computes while it opens."""
    nodes = [node("MatMul", "v", "v", to="t0")]
    nodes += [node("MatMul", f"t{k}", "v", to=f"t{k + 1}") for k in range(n)]
    return graph([*nodes, node("Relu", "x")], v=weights(size, size))


def doubling(n):
    nodes = [node("Relu", "x", to="t0")]
    nodes += [
        node("Concat", f"t{k}", f"t{k}", to=f"t{k + 1}", axis=1) for k in range(n)
    ]
    return graph([*nodes, node("Relu", "x")])


def broadcasting(n):
    nodes = [node("Relu", "x", to="a")]
    nodes += [node("Add", "v", "h", to="wide"), node("Relu", "x")]
    return graph(nodes, v=weights(n, 1), h=weights(1, n))


def filling(n):
    shape = np.array([1, n, n], dtype=np.int64)
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    one.CopyFrom(numpy_helper.from_array(weights(1)))
    nodes = [node("ConstantOfShape", "s", to="wide", value=one), node("Relu", "x")]
    return graph(nodes, s=shape)


@pytest.mark.parametrize(
    ("m", "what"),
    [
        (chain(200, 1300), "multiplications"),
        (constants(300, 1000), "multiplications"),
        (doubling(40), "numbers"),
        (broadcasting(2**15), "numbers"),
        (filling(2**15), "numbers"),
        (filling(2**40), "numbers"),
    ],
    ids=["products", "weights", "doubling", "broadcasting", "filling", "overflow"],
)
def test_a_model_that_takes_too_long_or_too_much_is_refused_at_once(m, what):
    started = time.process_time()
    with pytest.raises(BundleError, match=f"more than .* {what}"):
        check(m)
    assert time.process_time() - started < 1.0


def test_a_large_network_is_served():
    check(chain(3, 1000))


# --- trees ---

TREE = {
    "nodes_treeids": [0, 0, 0, 1],
    "nodes_nodeids": [0, 1, 2, 0],
    "nodes_featureids": [1, 0, 0, 0],
    "nodes_values": [0.5, 0.0, 0.0, 0.0],
    "nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"LEAF", b"LEAF"],
    "nodes_truenodeids": [1, 0, 0, 0],
    "nodes_falsenodeids": [2, 0, 0, 0],
    "target_treeids": [0, 0, 1],
    "target_nodeids": [1, 2, 0],
    "target_ids": [0, 1, 0],
    "target_weights": [1.0, 1.0, 1.0],
    "n_targets": 2,
    "aggregate_function": "SUM",
    "post_transform": "NONE",
}


def forest(**changes):
    how = {k: v for k, v in (TREE | changes).items() if v is not None}
    return graph([node("TreeEnsembleRegressor", "x", domain="ai.onnx.ml", **how)])


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes_values": [float("nan"), 0.0, 0.0, 0.0]},
        {"nodes_values": [float("inf"), 0.0, 0.0, 0.0]},
        {"target_weights": [1.0, float("nan"), 1.0]},
        {"nodes_featureids": [2, 0, 0, 0]},
        {"nodes_featureids": [-1, 0, 0, 0]},
        {"nodes_featureids": [2**40, 0, 0, 0]},
        {"nodes_truenodeids": [3, 0, 0, 0]},
        {"nodes_truenodeids": [-1, 0, 0, 0]},
        {"nodes_truenodeids": [0, 0, 0, 0]},
        {"nodes_truenodeids": [2, 0, 0, 0]},
        {"nodes_nodeids": [0, 1, 1, 0]},
        {"nodes_nodeids": [0, 1, 3, 0]},
        {"nodes_nodeids": [1, 2, 0, 0]},
        {"nodes_treeids": [0, 0, 0, 2]},
        {"nodes_treeids": [0, 1, 0, 1]},
        {"nodes_treeids": [0, 0, 0, 2**60]},
        {"nodes_modes": [b"LEAF"] * 4},
        {"nodes_modes": [b"BRANCH_LEQ", b"BRANCH_LEQ", b"LEAF", b"LEAF"]},
        {"nodes_modes": [b"BRANCH_GT", b"LEAF", b"LEAF", b"LEAF"]},
        {"nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"LEAF"]},
        {"nodes_values": [0.5]},
        {"nodes_values": None},
        {"target_ids": [0, 2, 0]},
        {"target_ids": [0, -1, 0]},
        {"target_nodeids": [0, 2, 0]},
        {"target_nodeids": [1, 3, 0]},
        {"target_treeids": [0, 0, 2]},
        {"target_weights": [1.0]},
        {"n_targets": 0},
        {"n_targets": 2**40},
        {"aggregate_function": "MAX"},
        {"post_transform": "PROBIT"},
        {"base_values": [1.0]},
    ],
    ids=repr,
)
def test_trees_whose_numbers_lead_nowhere_are_refused(changes):
    check(forest())
    with pytest.raises(BundleError, match="expected the operators and bounds"):
        check(forest(**changes))


def trees(yes, no, n_trees=1):
    """Return a forest of equal trees: the nodes that each one leads to, 0 of a leaf."""
    n, inner = len(yes), np.array(yes) > 0
    leaves = np.flatnonzero(~inner).tolist()
    return forest(
        nodes_treeids=np.repeat(np.arange(n_trees), n).tolist(),
        nodes_nodeids=[*range(n)] * n_trees,
        nodes_featureids=[0] * n * n_trees,
        nodes_values=np.linspace(0, 1, n * n_trees).tolist(),
        nodes_modes=[b"BRANCH_LEQ" if i else b"LEAF" for i in inner] * n_trees,
        nodes_truenodeids=[*map(int, yes)] * n_trees,
        nodes_falsenodeids=[*map(int, no)] * n_trees,
        target_treeids=np.repeat(np.arange(n_trees), len(leaves)).tolist(),
        target_nodeids=leaves * n_trees,
        target_ids=[0] * len(leaves) * n_trees,
        target_weights=[1.0] * len(leaves) * n_trees,
    )


def deep(levels):
    number = np.arange(2 * levels + 1)
    inner = (number % 2 == 0) & (number < 2 * levels)
    return trees(np.where(inner, number + 1, 0), np.where(inner, number + 2, 0))


def test_a_tree_too_deep_for_the_stack_is_refused():
    check(deep(1024))
    for levels in (1025, 50_000):
        with pytest.raises(BundleError, match="more than 1024 levels"):
            check(deep(levels))


def test_a_circle_beside_the_tree_is_refused():
    """Each of its nodes has one parent, but no root."""
    with pytest.raises(BundleError, match="root does not reach"):
        check(trees([0, 2, 0, 4, 0], [0, 3, 0, 1, 0]))


def test_a_large_forest_is_checked_in_a_second():
    number = np.arange(2**12 - 1)
    inner = number < 2**11 - 1
    yes, no = (np.where(inner, 2 * number + k, 0) for k in (1, 2))
    data = trees(yes, no, n_trees=100).SerializeToString()
    started = time.process_time()
    check_model(data, source="model.onnx")
    assert time.process_time() - started < 2.0


# --- bytes ---


def test_a_tensor_hidden_in_a_run_of_numbers_is_found():
    m = forest()
    attribute = next(a for a in m.graph.node[0].attribute if a.name == "nodes_values")
    hidden = helper.make_attribute("d", numpy_helper.from_array(weights(2)))
    outside(hidden.t)
    plain = attribute.SerializeToString()
    m.graph.node[0].attribute[3].ParseFromString(plain + hidden.SerializeToString())
    with pytest.raises(BundleError, match="weights in another file"):
        check(m)


def test_a_weight_may_look_like_anything():
    """Raw bytes of a weight are never taken for a message."""
    odd = np.frombuffer(b"\x3a\x04evilr\x02" * 8, np.float32)
    check(graph([node("Add", "x", "w")], 16, 16, w=odd))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_make_it_stumble(data):
    for start in (b"", model().SerializeToString()):
        # refused or let through to the full parser; nothing else comes out
        with contextlib.suppress(BundleError):
            check_model(start + data, source="model.onnx")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_byte_makes_it_stumble(data):
    made = data.draw(st.sampled_from([forest, model]))()
    content = bytearray(made.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BundleError):
        check_model(bytes(content), source="model.onnx")


@pytest.mark.parametrize("key", [b"\0\0", b"\x80\x80\x80\x80\x10\0"])
def test_a_field_number_that_no_message_has_is_refused(key):
    with pytest.raises(BundleError, match="field number"):
        check_model(model().SerializeToString() + key, source="model.onnx")


def test_a_float_in_place_of_whole_numbers_is_refused():
    field = b"\x45" + b"\xff\xff\xff\xff"  # field 8, ints, with the bytes of a float
    with pytest.raises(protobuf.RefusedError, match="ints of a attribute of another"):
        protobuf._read(memoryview(field), "attribute", itertools.count())
