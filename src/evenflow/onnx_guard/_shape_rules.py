"""Rules of the operators that compute nothing: they change shapes or hold constants."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evenflow.onnx_guard._rules import (
    INT64,
    Attributes,
    Result,
    Size,
    Tensor,
    count,
    expect,
    result,
    whole_numbers,
)


def flatten(inputs: Sequence[Tensor], _: Attributes) -> Result:
    shape = inputs[0].shape
    expect(len(shape) >= 2 and None not in shape[1:], "a Flatten over the rows")
    return result(Tensor(inputs[0].kind, (shape[0], count(shape[1:]))))


def unsqueeze(inputs: Sequence[Tensor], _: Attributes) -> Result:
    x, shape = inputs[0], list(inputs[0].shape)
    for axis in sorted(whole_numbers(inputs[1])):
        expect(0 <= axis <= len(shape), "an axis that does not exist")
        shape.insert(axis, 1)
    values = x.values if len(shape) == 1 else None
    return result(Tensor(x.kind, tuple(shape), values))


def squeeze(inputs: Sequence[Tensor], _: Attributes) -> Result:
    axes, shape = set(whole_numbers(inputs[1])), inputs[0].shape
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
    x, given = inputs[0].shape, whole_numbers(inputs[1])
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
    values, at = inputs[0].values, whole_numbers(inputs[1])
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
