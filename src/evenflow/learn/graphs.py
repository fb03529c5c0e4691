"""ONNX graphs under construction.

Every graph reads ``x`` (float32, N x n_features) and answers ``log_proba`` (float32,
N x n_classes), N free. A system's graph holds those of its parts.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from evenflow.decision import FLOOR
from evenflow.errors import BundleError

if TYPE_CHECKING:
    from torch import nn

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Old enough for every ONNX Runtime that evenflow installs with."""


class Graph:
    """Nodes and constants, in the order they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(
        self, kind: str, inputs: list[str], output: str, *more: str, **how: Any
    ) -> str:
        """Add a node; return the name of its first output."""
        self.nodes.append(helper.make_node(kind, inputs, [output, *more], **how))
        return output

    def log_softmax(self, scores: str, n_outputs: int) -> None:
        """Turn scores into ``known``: log-probabilities of two classes or more.

        One output is the score of the second class against the first.
        """
        if n_outputs == 1:
            self.constant("zero", np.zeros((1, 1), dtype=np.float32))
            self.node("Mul", [scores, "zero"], "none")
            scores = self.node("Concat", ["none", scores], "pair", axis=1)
        self.node("LogSoftmax", [scores], "log", axis=1)
        floor = self.constant("log_floor", np.array(np.log(FLOOR), dtype=np.float32))
        self.node("Max", ["log", floor], "known")

    def log(self, proba: str) -> None:
        """Turn probabilities into ``known``: log-probabilities."""
        low = self.constant("floor", np.array(FLOOR, dtype=np.float32))
        high = self.constant("one", np.array(1.0, dtype=np.float32))
        self.node("Clip", [proba, low, high], "clipped")
        self.node("Log", ["clipped"], "known")

    def spread(self, codes: NDArray[np.int64], n_classes: int) -> None:
        """Turn ``known``, of the classes ``codes``, into ``log_proba`` of all."""
        if len(codes) == n_classes:
            self.node("Identity", ["known"], "log_proba")
            return
        place = np.zeros((len(codes), n_classes), dtype=np.float32)
        place[np.arange(len(codes)), codes] = 1.0
        absent = np.full(n_classes, np.log(FLOOR), dtype=np.float32)
        absent[codes] = 0.0
        self.constant("place", place)
        self.constant("absent", absent)
        self.node("Gemm", ["known", "place", "absent"], "log_proba")

    def include(self, name: str, model: ModelProto, *, reads: str = "x") -> str:
        """Add another model; return its output's name.

        Parameters
        ----------
        name : str
            Stands before the names within the other model.
        model : ModelProto
        reads : str
            Tensor of this graph that the other model has as its ``x``.
        """

        def own(old: str) -> str:
            return {"": "", "x": reads}.get(old, f"{name}/{old}")

        for tensor in model.graph.initializer:
            copy = TensorProto.FromString(tensor.SerializeToString())
            copy.name = own(tensor.name)
            self.constants.append(copy)
        for node in model.graph.node:
            inner = NodeProto.FromString(node.SerializeToString())
            del inner.input[:], inner.output[:]
            inner.name = own(node.name)
            inner.input.extend(map(own, node.input))
            inner.output.extend(map(own, node.output))
            self.nodes.append(inner)
        return own(model.graph.output[0].name)

    def model(self, n_features: int, n_classes: int) -> ModelProto:
        """Return the whole as a model that answers ``log_proba``."""

        def tensor(name: str, width: int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])

        graph = helper.make_graph(
            self.nodes,
            "evenflow",
            [tensor("x", n_features)],
            [tensor("log_proba", n_classes)],
            self.constants,
        )
        opsets = [
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def of_network(module: nn.Module, n_features: int) -> ModelProto:
    """Return a network that answers logits as a model that answers ``log_proba``."""
    import torch
    from torch import Tensor, nn

    class LogProba(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, x: Tensor) -> Tensor:
            return torch.log_softmax(self.model(x), dim=1)

    return traced(LogProba(), n_features, "log_proba")


def of_scorer(module: nn.Module, n_features: int) -> Graph:
    """Return a network that answers ``(B, 1)`` as a graph up to ``score``.

    It is the graph of a novelty detector. Write a mean over the columns as a sum
    and a division by a number of Python: a bundle holds no ``ReduceMean``.
    """
    graph = Graph()
    inner = graph.include("network", traced(module, n_features, "score"))
    graph.node("Identity", [inner], "score")
    return graph


def traced(module: nn.Module, n_features: int, output: str) -> ModelProto:
    """Return a network as ONNX: ``x`` to the output of that name.

    PyTorch's tracing exporter writes it: 0.1 s and one ``LSTM`` node where the
    newer exporter takes 7 s and needs another package. It is deprecated, not gone,
    and evenflow pins the release of PyTorch; the export gate judges what it writes.
    """
    import torch

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, n_features),),
            stream,
            input_names=["x"],
            output_names=[output],
            dynamic_axes={"x": {0: "N"}, output: {0: "N"}},
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
            verbose=False,
        )
    model = onnx.load_from_string(stream.getvalue())
    for node in model.graph.node:
        if node.op_type == "RNN":
            given = next(a for a in node.attribute if a.name == "activations")
            if found := {*given.strings} - {b"Tanh"}:  # the default needs no words
                raise BundleError(
                    f"found a recurrent layer with {found.pop().decode()}, expected "
                    'tanh: a bundle holds no other. Leave out nonlinearity="relu"'
                )
            kept = [a for a in node.attribute if a is not given]
            del node.attribute[:]
            node.attribute.extend(kept)
    return model


def by_skl2onnx(estimator: Any, n_features: int) -> Graph:
    """Return what skl2onnx writes of an estimator, up to ``known``.

    Raises
    ------
    BundleError
        skl2onnx is not installed, or does not know the estimator.
    """
    name = type(estimator).__name__
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = to_onnx(
                estimator,
                initial_types=[("x", FloatTensorType([None, n_features]))],
                options={id(estimator): {"zipmap": False}},
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            )
    except ImportError as error:
        raise BundleError(
            f"{name} needs skl2onnx to be written as ONNX, and it is not installed. "
            "Install it: pip install skl2onnx"
        ) from error
    except Exception as error:  # a converter fails in many ways
        raise BundleError(
            f"{name} cannot be written as ONNX: {error}. Expected a forest, "
            "LightGBM, logistic regression or an estimator that skl2onnx knows"
        ) from error
    proba, graph = inner.graph.output[1].name, Graph()
    wanted = {proba}
    for node in reversed(inner.graph.node):  # nothing that only names the class
        if wanted & set(node.output):
            graph.nodes.insert(0, node)
            wanted.update(node.input)
    for weight in inner.graph.initializer:
        if weight.name in wanted:
            graph.constant(weight.name, numpy_helper.to_array(weight))
    graph.log(proba)
    return graph


def n_numbers(model: ModelProto) -> int:
    """Return how many numbers a model holds, in constants and in attributes."""
    held = sum(int(np.prod(t.dims)) for t in model.graph.initializer)
    return held + sum(len(a.floats) for n in model.graph.node for a in n.attribute)
