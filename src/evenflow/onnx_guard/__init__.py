"""Check a model before ONNX Runtime opens it: only what evenflow's exporters write.

Everything is allowed by name: fields, operators, attributes, data types. Shapes are
followed from the input to the output, so what the model will take of time and memory
is known, and bounded, before a weight is multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evenflow.errors import BundleError
from evenflow.onnx_guard._rules import FLOAT, INT32, INT64, Result, Tensor, count
from evenflow.onnx_guard.operators import (
    IR_VERSIONS,
    OPERATORS,
    OPSETS,
    Operator,
)
from evenflow.onnx_guard.protobuf import Message, RefusedError, read

MAX_NODES = 1000
"""Maximum number of nodes, and of weights, of a graph."""
MAX_RANK = 5
MAX_WORK = 2**38
"""Maximum number of multiply-adds for ROWS rows: some seconds of one core."""
MAX_ELEMENTS = 2**29
"""Maximum number of values of all tensors computed for ROWS rows: 2 GiB."""
ITEM_BYTES = {FLOAT: 4, INT32: 4, INT64: 8}
KINDS = {
    "float": 1, "int": 2, "text": 3, "tensor": 4,
    "floats": 6, "ints": 7, "texts": 8,
}  # fmt: skip
"""Kind of attribute -> its number in ONNX; also the name of its field."""


def check_model(data: bytes, *, source: str) -> None:
    """Refuse a model that evenflow's exporters do not write.

    Raises
    ------
    BundleError
        The bytes are not an ONNX model; it uses anything that is not in the table of
        operators; its indices or shapes do not fit; or it would take too much time
        or memory.
    """
    try:
        _check(read(memoryview(data)))
    except RefusedError as error:
        raise BundleError(
            f"{source}: found {error}, expected the operators and bounds that evenflow "
            "serves. Do not use this bundle; get it again from where it was trained, "
            "or train a smaller or another model"
        ) from None


def _check(model: Message) -> None:
    if "graph" not in model:
        raise RefusedError("bytes that are not an ONNX model (no graph)")
    if model.get("ir_version") not in IR_VERSIONS:
        raise RefusedError(f"ONNX format version {model.get('ir_version')}")
    domains = [opset.get("domain", "") for opset in model["opset_import"]]
    for opset, domain in zip(model["opset_import"], domains, strict=True):
        if domain not in OPSETS:
            raise RefusedError(f"operators of the domain {domain[:80]!r}")
        if opset.get("version") not in OPSETS[domain]:
            raise RefusedError(f"operator set version {opset.get('version')}")
    if len(set(domains)) < len(domains):
        raise RefusedError("two versions of the operators")
    graph = model["graph"]
    if max(len(graph["node"]), len(graph["initializer"])) > MAX_NODES:
        raise RefusedError(f"a graph of more than {MAX_NODES} nodes or weights")
    known: dict[str, Tensor] = {}
    for value in graph["input"]:
        _add(known, value.get("name", ""), _declared(value))
    for tensor in graph["initializer"]:
        _add(known, tensor.get("name", ""), _weight(tensor))
    work = elements = 0
    for node in graph["node"]:
        result = _run(node, known, domains)
        work += result.work
        elements += sum(count(tensor.shape) for tensor in result.outputs)
        if elements > MAX_ELEMENTS:
            raise RefusedError(
                f"a model that computes more than {MAX_ELEMENTS:.0e} numbers"
            )
        if work > MAX_WORK:
            raise RefusedError(f"a model of more than {MAX_WORK:.0e} multiplications")
    for value in graph["output"]:
        if known.get(value.get("name", "")) != _declared(value):
            raise RefusedError("an output that is not computed as declared")


def _add(known: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if not name or name in known:
        raise RefusedError(
            f"two tensors of the name {name[:80]!r}, or one without a name"
        )
    if len(tensor.shape) > MAX_RANK:
        raise RefusedError(f"a tensor of more than {MAX_RANK} axes")
    if any(size is not None and size < 1 for size in tensor.shape):
        raise RefusedError("an empty tensor")
    if tensor.shape.count(None) > 1:
        raise RefusedError("a tensor that grows with the square of the rows")
    known[name] = tensor


def _declared(value: Message) -> Tensor:
    """Return an input or output of the graph: a matrix with a row per record."""
    tensor = value.get("type", {}).get("tensor_type", {})
    dims = tensor.get("shape", {}).get("dim", [])
    if tensor.get("elem_type") != FLOAT or len(dims) != 2 or "dim_value" in dims[0]:
        raise RefusedError("an input or output that is not a matrix of numbers")
    width = dims[1].get("dim_value", 0)
    return Tensor(FLOAT, (None, width))


def _weight(tensor: Message) -> Tensor:
    kind, shape = tensor.get("data_type"), tuple(tensor["dims"])
    data = tensor.get("raw_data", b"")
    if kind not in ITEM_BYTES:
        raise RefusedError(f"a weight of the data type {kind}")
    if any(size < 1 for size in shape):
        raise RefusedError("an empty tensor")
    if len(shape) > MAX_RANK or len(data) != math.prod(shape) * ITEM_BYTES[kind]:
        raise RefusedError(f"a weight of {len(data)} bytes for the shape {shape[:9]}")
    if kind == FLOAT:
        _expect_finite(np.frombuffer(data, "<f4"), "a weight")
    values = None
    if kind == INT64 and len(shape) <= 1 and len(data) <= 128:
        values = tuple(np.frombuffer(data, "<i8").tolist())
    return Tensor(kind, shape, values)


def _run(node: Message, known: dict[str, Tensor], domains: Sequence[str]) -> Result:
    """Return what a node computes, by its line of the table."""
    domain, name = node.get("domain", ""), node.get("op_type", "")
    if domain not in domains:
        raise RefusedError(f"an operator of the domain {domain[:80]!r}")
    operator = OPERATORS.get((domain, name))
    if operator is None:
        raise RefusedError(f"the operator {name[:80]}")
    inputs = _inputs(node["input"], known, operator, name)
    attributes = _attributes(node["attribute"], operator, name)
    result = operator.rule(inputs, attributes)
    if len(node["output"]) != operator.n_outputs:
        raise RefusedError(f"{name} with {len(node['output'])} outputs")
    for output, tensor in zip(node["output"], result.outputs, strict=True):
        _add(known, output, tensor)
    return result


def _inputs(
    names: Sequence[str], known: Mapping[str, Tensor], operator: Operator, kind: str
) -> list[Tensor | None]:
    if len(names) not in operator.inputs:
        raise RefusedError(f"{kind} with {len(names)} inputs")
    inputs: list[Tensor | None] = []
    for place, name in enumerate(names):
        if (not name) != (place in operator.empty):
            raise RefusedError(f"{kind} with an empty input")
        if name and name not in known:
            raise RefusedError(f"{kind} of {name[:80]!r}, which no node computes")
        inputs.append(known.get(name))
    return inputs


def _attributes(
    found: Sequence[Message], operator: Operator, kind: str
) -> dict[str, Any]:
    allowed = {**operator.attributes, **operator.optional}
    out: dict[str, Any] = {}
    for attribute in found:
        name = attribute.get("name", "")
        if name not in allowed or name in out:
            raise RefusedError(f"{kind} with the attribute {name[:80]!r}")
        out[name] = _attribute(attribute, allowed[name], f"{kind} with {name}")
    if missing := operator.attributes.keys() - out:
        raise RefusedError(f"{kind} without {min(missing)}")
    return out


def _attribute(attribute: Message, rule: Any, what: str) -> Any:
    """Return the value of an attribute, which is of one kind or one of some values."""
    given = attribute.keys() - {"name", "type"}
    if len(given) != 1:
        raise RefusedError(f"{what} of {len(given)} values")
    kind = given.pop()
    value = attribute[kind]
    if attribute.get("type") != KINDS[kind]:
        raise RefusedError(f"{what} of two types")
    if isinstance(rule, tuple):
        if type(value) is not type(rule[0]) or value not in rule:
            raise RefusedError(f"{what} = {str(value)[:80]}")
    elif kind != rule:
        raise RefusedError(f"{what} of another type")
    elif kind in ("float", "floats"):
        _expect_finite(value, what)
    return _weight(value) if kind == "tensor" else value


def _expect_finite(values: Any, what: str) -> None:
    """Refuse NaN and infinity: few rows may meet them, and no golden row."""
    if not np.isfinite(values).all():
        raise RefusedError(f"{what} that is not finite")
