"""The shapes of a node's outputs, by the shapes of its inputs: a rule per operator.

A rule refuses a node that does not fit its inputs. It also counts what the node
takes of time, so that a graph is bounded before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from evenflow.onnx_guard.protobuf import RefusedError
from evenflow.onnx_guard.trees import check_trees

FLOAT, INT32, INT64 = 1, 6, 7
ROWS = 1024
"""Rows for which the number of rows, unknown here, is counted."""

Size = int | None
"""Length of an axis; None for the number of rows."""
Shape = tuple[Size, ...]
Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """The type and shape of a tensor, known before anything runs."""

    kind: int
    """Data type, as ONNX numbers them."""
    shape: Shape
    values: tuple[Size, ...] | None = None
    """The numbers of a short list of int64: axes and shapes are such."""


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs of a node, and the multiply-adds that they take for ``ROWS`` rows."""

    outputs: tuple[Tensor, ...]
    work: int


def count(shape: Shape) -> int:
    """Return the number of elements for ``ROWS`` rows."""
    return math.prod(ROWS if size is None else size for size in shape)


def result(*outputs: Tensor, work: int = 0) -> Result:
    return Result(outputs, work + sum(count(t.shape) for t in outputs))


def expect(fits: bool, what: str) -> None:
    if not fits:
        raise RefusedError(what)


def _is_float(*tensors: Tensor) -> None:
    expect(all(t.kind == FLOAT for t in tensors), "a node with inputs of other types")


def whole_numbers(tensor: Tensor) -> tuple[int, ...]:
    """Return the whole numbers of a constant."""
    found = tuple(v for v in tensor.values or () if v is not None)
    expect(
        len(found) == len(tensor.values or ()) > 0,
        "a shape or an axis that is not a constant",
    )
    return found


def broadcast(inputs: Sequence[Tensor], _: Attributes) -> Result:
    _is_float(*inputs)
    rank = max(len(t.shape) for t in inputs)
    shape: list[Size] = []
    for axis in range(-rank, 0):
        sizes = {t.shape[axis] for t in inputs if len(t.shape) >= -axis} - {1}
        expect(len(sizes) <= 1, "a node whose inputs differ in shape")
        shape.append(sizes.pop() if sizes else 1)
    return result(Tensor(FLOAT, tuple(shape)))


def same(inputs: Sequence[Tensor], _: Attributes) -> Result:
    _is_float(inputs[0])
    return result(Tensor(FLOAT, inputs[0].shape))


def identity(inputs: Sequence[Tensor], _: Attributes) -> Result:
    return result(inputs[0])


def clip(inputs: Sequence[Tensor], _: Attributes) -> Result:
    _is_float(*inputs)
    bounds = {t.shape for t in inputs[1:]}
    expect(bounds <= {(), (1,)}, "a Clip whose bounds are not numbers")
    return result(inputs[0])


def by_row(inputs: Sequence[Tensor], _: Attributes) -> Result:
    expect(len(inputs[0].shape) == 2, "a node that expects a matrix")
    return same(inputs, _)


def softmax(inputs: Sequence[Tensor], a: Attributes) -> Result:
    shape = inputs[0].shape
    expect(len(shape) >= 2 and shape[-1] is not None, "a Softmax over the rows")
    return same(inputs, a)


def layer_norm(inputs: Sequence[Tensor], a: Attributes) -> Result:
    _is_float(*inputs)
    x, *rest = (t.shape for t in inputs)
    expect(
        len(x) >= 2 and x[-1] is not None and set(rest) == {x[-1:]},
        "a normalisation that does not fit its input",
    )
    return same(inputs, a)


def matmul(inputs: Sequence[Tensor], _: Attributes) -> Result:
    """Multiply by one matrix of weights, or matrices one by one."""
    _is_float(*inputs)
    a, b = (t.shape for t in inputs)
    expect(min(len(a), len(b)) >= 2, "a product of other than matrices")
    expect(
        (len(b) == 2 and None not in b) or (len(a) > 2 and a[:-2] == b[:-2]),
        "a product of stacks of matrices that differ",
    )
    expect(
        a[-1] == b[-2] and None not in (a[-1], b[-1]),
        "a product of matrices that do not fit",
    )
    return result(Tensor(FLOAT, (*a[:-1], b[-1])), work=count(a) * count(b[-1:]))


def gemm(inputs: Sequence[Tensor], a: Attributes) -> Result:
    shape = inputs[1].shape
    expect(
        len(shape) == len(inputs[0].shape) == 2, "a product of other than two matrices"
    )
    second = Tensor(inputs[1].kind, shape[::-1] if a.get("transB") else shape)
    out = matmul((inputs[0], second), a)
    added = broadcast((*out.outputs, inputs[2]), a)
    expect(added.outputs == out.outputs, "a sum that does not fit its product")
    return out


def batch_norm(inputs: Sequence[Tensor], a: Attributes) -> Result:
    _is_float(*inputs)
    x, *rest = inputs
    expect(
        len(x.shape) >= 2 and {t.shape for t in rest} == {(x.shape[1],)},
        "a normalisation that does not fit its input",
    )
    return same(inputs, a)


def _window(shape: Shape, a: Attributes, *, up: bool) -> tuple[int, ...]:
    """Return height and width after a convolution or a pooling."""
    kernel, strides, pads = (
        a[name].tolist() for name in ("kernel_shape", "strides", "pads")
    )
    expect(
        (len(kernel), len(strides), len(pads), len(shape)) == (2, 2, 4, 4)
        and a["dilations"].tolist() == [1, 1],
        "a convolution or pooling over other than two axes",
    )
    out = []
    for axis in range(2):
        k, s, before, after = kernel[axis], strides[axis], pads[axis], pads[axis + 2]
        size = shape[2 + axis]
        expect(
            size is not None and 1 <= k <= 4096 and 1 <= s <= 4096
            and 0 <= before < k and 0 <= after < k,
            "a convolution or pooling with an impossible window",
        )  # fmt: skip
        free = (size or 0) + before + after - k
        out.append((-(-free // s) if up else free // s) + 1)
    return tuple(out)


def conv(inputs: Sequence[Tensor], a: Attributes) -> Result:
    _is_float(*inputs)
    x, w, bias = (t.shape for t in inputs)
    size = _window(x, a, up=False)
    expect(
        len(w) == 4 and w[1] == x[1] and bias == (w[0],) and x[0] is None
        and list(w[2:]) == a["kernel_shape"].tolist(),
        "a convolution whose weights do not fit",
    )  # fmt: skip
    out = Tensor(FLOAT, (x[0], w[0], *size))
    return result(out, work=count(out.shape) * count(w[1:]))


def max_pool(inputs: Sequence[Tensor], a: Attributes) -> Result:
    _is_float(*inputs)
    shape = inputs[0].shape
    out = (*shape[:2], *_window(shape, a, up=bool(a["ceil_mode"])))
    return result(Tensor(FLOAT, out), work=count(out) * math.prod(a["kernel_shape"]))


def lstm(inputs: Sequence[Any], a: Attributes) -> Result:
    return _recurrent(inputs, a, gates=4)


def rnn(inputs: Sequence[Any], a: Attributes) -> Result:
    return _recurrent(inputs, a, gates=1)


def _recurrent(inputs: Sequence[Any], a: Attributes, *, gates: int) -> Result:
    """Read steps forwards, or forwards and backwards; return all states and last."""
    x, w, r, bias, _, *start = inputs
    _is_float(x, w, r, bias, *start)
    n, ways = a["hidden_size"], 1 + ("direction" in a)
    expect(
        len(x.shape) == 3 and None not in (x.shape[0], x.shape[2]),
        "a recurrent layer over other than steps",
    )
    steps, rows, width = x.shape
    state = Tensor(FLOAT, (ways, rows, n))
    expect(
        n >= 1 and w.shape == (ways, gates * n, width)
        and r.shape == (ways, gates * n, n) and bias.shape == (ways, 2 * gates * n)
        and {t.shape for t in start} == {state.shape},
        "a recurrent layer whose weights do not fit",
    )  # fmt: skip
    return result(
        Tensor(FLOAT, (steps, ways, rows, n)), *(state for _ in start),
        work=count((steps, rows)) * ways * gates * n * (width + n),
    )  # fmt: skip


def reduce(inputs: Sequence[Tensor], a: Attributes) -> Result:
    """Sum or the like over the axes given as an attribute or as an input."""
    _is_float(inputs[0])
    shape = inputs[0].shape
    axes = a["axes"].tolist() if "axes" in a else list(whole_numbers(inputs[1]))
    expect(
        bool(axes) and all(0 <= x < len(shape) and shape[x] is not None for x in axes),
        "a sum over axes that do not exist",
    )
    kept = tuple(
        1 if axis in axes else size
        for axis, size in enumerate(shape)
        if axis not in axes or a.get("keepdims", 1)
    )
    return result(Tensor(FLOAT, kept), work=count(shape))


def _features(x: Tensor) -> int:
    _is_float(x)
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
