"""The shapes of a node's outputs, by the shapes of its inputs: a rule per operator.

A rule refuses a node that does not fit its inputs. It also counts what the node
takes of time, so that a graph is bounded before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenflow.onnx_guard.protobuf import RefusedError

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


def is_float(*tensors: Tensor) -> None:
    expect(all(t.kind == FLOAT for t in tensors), "a node with inputs of other types")


def _ints(tensor: Tensor) -> tuple[int, ...]:
    """Return the whole numbers of a constant."""
    found = tuple(v for v in tensor.values or () if v is not None)
    expect(
        len(found) == len(tensor.values or ()) > 0,
        "a shape or an axis that is not a constant",
    )
    return found


def broadcast(inputs: Sequence[Tensor], _: Attributes) -> Result:
    is_float(*inputs)
    rank = max(len(t.shape) for t in inputs)
    shape: list[Size] = []
    for axis in range(-rank, 0):
        sizes = {t.shape[axis] for t in inputs if len(t.shape) >= -axis} - {1}
        expect(len(sizes) <= 1, "a node whose inputs differ in shape")
        shape.append(sizes.pop() if sizes else 1)
    return result(Tensor(FLOAT, tuple(shape)))


def same(inputs: Sequence[Tensor], _: Attributes) -> Result:
    is_float(inputs[0])
    return result(Tensor(FLOAT, inputs[0].shape))


def identity(inputs: Sequence[Tensor], _: Attributes) -> Result:
    return result(inputs[0])


def clip(inputs: Sequence[Tensor], _: Attributes) -> Result:
    is_float(*inputs)
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
    is_float(*inputs)
    x, *rest = (t.shape for t in inputs)
    expect(
        len(x) >= 2 and x[-1] is not None and set(rest) == {x[-1:]},
        "a normalisation that does not fit its input",
    )
    return same(inputs, a)


def matmul(inputs: Sequence[Tensor], _: Attributes) -> Result:
    """Multiply by one matrix of weights, or matrices one by one."""
    is_float(*inputs)
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
    is_float(*inputs)
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
    is_float(*inputs)
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
    is_float(*inputs)
    shape = inputs[0].shape
    out = (*shape[:2], *_window(shape, a, up=bool(a["ceil_mode"])))
    return result(Tensor(FLOAT, out), work=count(out) * math.prod(a["kernel_shape"]))


def flatten(inputs: Sequence[Tensor], _: Attributes) -> Result:
    shape = inputs[0].shape
    expect(len(shape) >= 2 and None not in shape[1:], "a Flatten over the rows")
    return result(Tensor(inputs[0].kind, (shape[0], count(shape[1:]))))


def unsqueeze(inputs: Sequence[Tensor], _: Attributes) -> Result:
    x, shape = inputs[0], list(inputs[0].shape)
    for axis in sorted(_ints(inputs[1])):
        expect(0 <= axis <= len(shape), "an axis that does not exist")
        shape.insert(axis, 1)
    values = x.values if len(shape) == 1 else None
    return result(Tensor(x.kind, tuple(shape), values))


def squeeze(inputs: Sequence[Tensor], _: Attributes) -> Result:
    axes, shape = set(_ints(inputs[1])), inputs[0].shape
    expect(
        all(0 <= axis < len(shape) and shape[axis] == 1 for axis in axes),
        "an axis of length 1 that does not exist",
    )
    kept = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    return result(Tensor(inputs[0].kind, kept, inputs[0].values))


def transpose(inputs: Sequence[Tensor], a: Attributes) -> Result:
    perm, shape = a["perm"].tolist(), inputs[0].shape
    expect(sorted(perm) == list(range(len(shape))), "a transposition of other axes")
    return result(Tensor(inputs[0].kind, tuple(shape[axis] for axis in perm)))


def reshape(inputs: Sequence[Tensor], _: Attributes) -> Result:
    x, given = inputs[0].shape, _ints(inputs[1])
    expect(
        given.count(-1) <= 1 and min(given) >= -1 and len(given) <= 4
        and all(place < len(x) for place, size in enumerate(given) if size == 0),
        "a Reshape to an unsupported shape",
    )  # fmt: skip
    # 0 keeps an axis, which may be that of the rows
    wanted = [x[place] if size == 0 else size for place, size in enumerate(given)]
    whole = math.prod(size for size in x if size is not None)
    rest = math.prod(size for size in wanted if size is not None and size != -1)
    free: Size = None
    if None in x and None not in wanted:  # the rows are what is not counted
        expect(-1 in wanted and rest == whole, "a Reshape across the rows")
    else:
        expect(
            whole % rest == 0 if -1 in wanted else whole == rest,
            "a Reshape to another number of values",
        )
        free = whole // rest
    shape = tuple(free if size == -1 else size for size in wanted)
    return result(Tensor(inputs[0].kind, shape))


def shape(inputs: Sequence[Tensor], _: Attributes) -> Result:
    shape = inputs[0].shape
    return result(Tensor(INT64, (len(shape),), shape))


def gather(inputs: Sequence[Tensor], _: Attributes) -> Result:
    values, at = inputs[0].values, _ints(inputs[1])
    expect(
        values is not None and len(inputs[0].shape) == 1 and inputs[1].shape == ()
        and 0 <= at[0] < len(values),
        "a Gather of other than one length of a shape",
    )  # fmt: skip
    return result(Tensor(INT64, (), ((values or ())[at[0]],)))


def concat(inputs: Sequence[Tensor], a: Attributes) -> Result:
    axis, first = a["axis"], inputs[0]
    lengths = [t.shape[axis] for t in inputs if len(t.shape) > axis]
    expect(
        len(lengths) == len(inputs)
        and len({t.kind for t in inputs}) == 1
        and len({t.shape[:axis] + t.shape[axis + 1 :] for t in inputs}) == 1
        and None not in lengths,
        "a Concat of tensors that do not fit",
    )
    joined = sum(size or 0 for size in lengths)
    shape = (*first.shape[:axis], joined, *first.shape[axis + 1 :])
    values: tuple[Size, ...] | None = ()
    for tensor in inputs:
        short = values is not None and tensor.values is not None
        values = (*(values or ()), *(tensor.values or ())) if short else None
    return result(Tensor(first.kind, shape, values if joined <= 16 else None))


def constant(_: Sequence[Tensor], a: Attributes) -> Result:
    return result(a["value"])


def constant_of_shape(inputs: Sequence[Tensor], a: Attributes) -> Result:
    values = inputs[0].values
    expect(
        values is not None and all(v is None or v > 0 for v in values)
        and a["value"].shape == (1,),
        "a tensor of a shape that is not known",
    )  # fmt: skip
    return result(Tensor(a["value"].kind, values or ()))


def lstm(inputs: Sequence[Any], a: Attributes) -> Result:
    return _recurrent(inputs, a, gates=4)


def rnn(inputs: Sequence[Any], a: Attributes) -> Result:
    return _recurrent(inputs, a, gates=1)


def _recurrent(inputs: Sequence[Any], a: Attributes, *, gates: int) -> Result:
    """Read steps forwards, or forwards and backwards; return all states and last."""
    x, w, r, bias, _, *start = inputs
    is_float(x, w, r, bias, *start)
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
    is_float(inputs[0])
    shape = inputs[0].shape
    axes = a["axes"].tolist() if "axes" in a else list(_ints(inputs[1]))
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


def top_k(inputs: Sequence[Tensor], _: Attributes) -> Result:
    is_float(inputs[0])
    shape, k = inputs[0].shape, _ints(inputs[1])
    expect(
        len(shape) == 2 and inputs[1].shape == (1,) and 1 <= k[0] <= (shape[1] or 0),
        "a TopK of more values than a row has",
    )
    found = (shape[0], k[0])
    return result(Tensor(FLOAT, found), Tensor(INT64, found), work=32 * count(shape))
