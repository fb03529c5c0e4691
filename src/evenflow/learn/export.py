"""A trained model as ONNX, let out only if it computes what the model computes.

Every graph reads ``x`` (float32, N x n_features) and answers ``log_proba`` (float32,
N x n_classes), N free.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from evenflow.decision import FLOOR
from evenflow.errors import BundleError
from evenflow.inference import open_session
from evenflow.onnx_guard import check_model

if TYPE_CHECKING:
    from evenflow.learn.estimator import FittedEstimator
    from evenflow.learn.fitted import Fitted
    from evenflow.learn.fitted_network import FittedNetwork

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Old enough for every ONNX Runtime that evenflow installs with."""
TOLERANCE = 1e-4
"""Greatest difference of a probability, in any class of any row tried."""
N_TRIED = 512


def network_to_onnx(fitted: FittedNetwork) -> bytes:
    """Return a network as ONNX.

    PyTorch's tracing exporter writes it: 0.1 s and one ``LSTM`` node where the
    newer exporter takes 7 s and needs another package. It is deprecated, not gone,
    and evenflow pins the release of PyTorch; the gate below judges what it writes.

    Raises
    ------
    BundleError
        The graph computes something else than the network.
    """
    import torch
    from torch import Tensor, nn

    class LogProba(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = fitted.model

        def forward(self, x: Tensor) -> Tensor:
            return torch.log_softmax(self.model(x), dim=1)

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            LogProba().eval(),
            (torch.zeros(2, fitted.n_features),),
            stream,
            input_names=["x"],
            output_names=["log_proba"],
            dynamic_axes={"x": {0: "N"}, "log_proba": {0: "N"}},
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
            verbose=False,
        )
    return _gated(onnx.load_from_string(stream.getvalue()), fitted)


def estimator_to_onnx(fitted: FittedEstimator) -> bytes:
    """Return an estimator as ONNX.

    Forests, LightGBM and logistic regression are written from their own numbers;
    any other estimator goes through skl2onnx.

    Raises
    ------
    BundleError
        The graph computes something else than the estimator, or nobody knows how
        to write this estimator as ONNX.
    """
    estimator = fitted.estimator
    graph = _Graph()
    if hasattr(estimator, "booster_"):
        from evenflow.learn import trees

        graph.nodes.append(
            trees.tree_node(trees.lightgbm_trees(estimator.booster_), "scores")
        )
        _softmax(graph, "scores", len(fitted.codes))
    elif hasattr(estimator, "estimators_") and _votes(estimator):
        from evenflow.learn import trees

        graph.nodes.append(trees.tree_node(trees.sklearn_trees(estimator), "proba"))
        _log(graph, "proba")
    elif type(estimator).__name__ == "LogisticRegression" and (
        estimator.solver != "liblinear"  # one against the rest: no softmax
    ):
        graph.constant("coef", estimator.coef_.T.astype(np.float32))
        graph.constant("intercept", estimator.intercept_.astype(np.float32))
        graph.node("Gemm", ["x", "coef", "intercept"], "scores")
        _softmax(graph, "scores", len(fitted.codes))
    else:
        return _gated(_by_skl2onnx(fitted), fitted)
    _spread(graph, fitted)
    return _gated(graph.model(fitted.n_features, fitted.n_classes), fitted)


class _Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **how: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **how))
        return output

    def model(self, n_features: int, n_classes: int) -> onnx.ModelProto:
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


def _votes(estimator: Any) -> bool:
    """Return whether each sub-estimator is a tree that answers probabilities."""
    trees = np.asarray(estimator.estimators_, dtype=object).ravel()
    forest = type(estimator).__name__ in {
        "RandomForestClassifier",
        "ExtraTreesClassifier",
    }
    return forest and all(hasattr(tree, "tree_") for tree in trees)


def _softmax(graph: _Graph, scores: str, n_present: int) -> None:
    """Turn scores into ``known``: log-probabilities, floored."""
    if n_present == 2:  # one score: that of the second class against the first
        graph.constant("zero", np.zeros((1, 1), dtype=np.float32))
        graph.node("Mul", [scores, "zero"], "none")
        scores = graph.node("Concat", ["none", scores], "pair", axis=1)
    graph.node("LogSoftmax", [scores], "log", axis=1)
    floor = graph.constant("log_floor", np.array(np.log(FLOOR), dtype=np.float32))
    graph.node("Max", ["log", floor], "known")


def _log(graph: _Graph, proba: str) -> None:
    """Turn probabilities into ``known``: log-probabilities, floored."""
    low = graph.constant("floor", np.array(FLOOR, dtype=np.float32))
    high = graph.constant("one", np.array(1.0, dtype=np.float32))
    graph.node("Clip", [proba, low, high], "clipped")
    graph.node("Log", ["clipped"], "known")


def _spread(graph: _Graph, fitted: FittedEstimator) -> None:
    """Turn ``known`` into ``log_proba``, with columns for classes never seen."""
    if len(fitted.codes) == fitted.n_classes:
        graph.node("Identity", ["known"], "log_proba")
        return
    place = np.zeros((len(fitted.codes), fitted.n_classes), dtype=np.float32)
    place[np.arange(len(fitted.codes)), fitted.codes] = 1.0
    absent = np.full(fitted.n_classes, np.log(FLOOR), dtype=np.float32)
    absent[fitted.codes] = 0.0
    graph.constant("place", place)
    graph.constant("absent", absent)
    graph.node("Gemm", ["known", "place", "absent"], "log_proba")


def _by_skl2onnx(fitted: FittedEstimator) -> onnx.ModelProto:
    """Return the graph that skl2onnx writes, ended by our own nodes."""
    name = type(fitted.estimator).__name__
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = to_onnx(
                fitted.estimator,
                initial_types=[("x", FloatTensorType([None, fitted.n_features]))],
                options={id(fitted.estimator): {"zipmap": False}},
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
    proba, graph = inner.graph.output[1].name, _Graph()
    wanted = {proba}
    for node in reversed(inner.graph.node):  # nothing that only names the class
        if wanted & set(node.output):
            graph.nodes.insert(0, node)
            wanted.update(node.input)
    for weight in inner.graph.initializer:
        if weight.name in wanted:
            graph.constant(weight.name, numpy_helper.to_array(weight))
    _log(graph, proba)
    _spread(graph, fitted)
    return graph.model(fitted.n_features, fitted.n_classes)


def _gated(model: onnx.ModelProto, fitted: Fitted) -> bytes:
    """Return the model if a bundle may hold it and it agrees with ``fitted``."""
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    check_model(content, source="the exported model")
    session = open_session(content)
    n_features = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    rows = probe(n_features)
    for part in (rows, rows[:1]):
        (found,) = session.run(["log_proba"], {"x": part})
        expected = fitted.log_proba(part)
        worst = (
            float(np.abs(np.exp(found.astype(np.float64)) - np.exp(expected)).max())
            if found.shape == expected.shape and np.isfinite(found).all()
            else np.inf
        )
        if not worst <= TOLERANCE:
            raise BundleError(
                f"the exported model differs by {worst:.2g} in a probability from the "
                f"trained one; expected {TOLERANCE:g} or less. Report this with the "
                "recipe; nothing was written"
            )
    return content


def probe(n_features: int) -> NDArray[np.float32]:
    """Return made-up prepared rows ``(N_TRIED, n_features)`` to compare models on.

    Scaled numbers, 0/1 columns and far outliers: what a prepared matrix holds.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_TRIED, n_features)).astype(np.float32)
    rows[N_TRIED // 4 : N_TRIED // 2] = rng.random((N_TRIED // 4, n_features)) < 0.1
    rows[N_TRIED // 2 : 3 * N_TRIED // 4] *= 10
    return rows
