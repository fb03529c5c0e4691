"""Look into a model before ONNX Runtime does, and refuse what a bundle never needs.

A model may name files outside its own bytes (external data), operators of somebody's
library (custom domains) or loops without end. Finding those needs no ``onnx``
package: the file is read as the protocol buffer it is, a page of wire format.

References
----------
.. [1] ONNX, ``onnx.proto3``: field numbers of ModelProto, GraphProto, NodeProto,
   AttributeProto and TensorProto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from evenflow.errors import BundleError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
ENDLESS = frozenset({"Loop", "Scan"})
MAX_DEPTH = 16

# message -> {field: message within}; the paths on which nodes and tensors live
_CHILDREN = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse", 23: "sparse"}
    | {6: "graph", 11: "graph"},
    "sparse": {1: "tensor", 2: "tensor"},
}

# A forest's attributes hold millions of plain values (floats, ints, short strings;
# tags 0x3d, 0x40, 0x4a): skipped in runs at C speed, nothing of them is followed.
_PLAIN_RUN = re.compile(
    rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|"
    + b"|".join(b"\\x4a\\x%02x.{%d}" % (n, n) for n in range(32))
    + rb")++",
    re.DOTALL,
)


def check_model(data: bytes, *, source: str) -> None:
    """Refuse a model that reaches outside itself.

    Raises
    ------
    BundleError
        The bytes are no ONNX model, or it uses external data, operators outside
        the standard, or loops.
    """
    try:
        found = next(_findings(memoryview(data), "model", 0), None)
    except (IndexError, ValueError) as error:
        found = f"bytes that are no ONNX model ({error})"
    if found:
        raise BundleError(
            f"{source}: found {found}, expected a self-contained model of standard "
            "operators. The bundle is damaged or was not made by evenflow; do not "
            "use it, get it again from where it was trained"
        )


def _findings(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield "graphs within graphs without end"
        return
    has_graph = False
    runs = _PLAIN_RUN if kind == "attribute" else None
    for field, value in _fields(message, runs):
        if kind == "model":
            has_graph |= field == 7
        if kind == "model" and field == 8 and isinstance(value, memoryview):
            yield from _domain(value)
        if kind == "node" and isinstance(value, memoryview):
            word = _word(value)
            if field == 7 and word not in DOMAINS:
                yield f"an operator of the domain {word!r}"
            if field == 4 and word in ENDLESS:
                yield f"the operator {word}"
        if kind == "tensor" and (field == 13 or (field == 14 and value == 1)):
            yield "weights in another file"
        child = _CHILDREN.get(kind, {}).get(field)
        if child and isinstance(value, memoryview):
            yield from _findings(value, child, depth + 1)
    if kind == "model" and not has_graph:
        yield "bytes that are no ONNX model (no graph)"


def _domain(message: memoryview) -> Iterator[str]:
    for field, value in _fields(message):
        if field == 1 and isinstance(value, memoryview):
            domain = _word(value)
            if domain not in DOMAINS:
                yield f"operators of the domain {domain!r}"


def _word(value: memoryview) -> str:
    return bytes(value[:80]).decode("utf-8", "replace")


def _fields(
    message: memoryview, runs: re.Pattern[bytes] | None = None
) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field number and value of a protocol-buffer message, less the runs."""
    at, end = 0, len(message)
    while at < end:
        if runs and (run := runs.match(message, at)):
            at = run.end()
            continue
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if not 0 < field < 1 << 29:  # protobuf's own bounds: read it as others will
            raise ValueError(f"field number {field}")
        if wire == 0:
            number, at = _varint(message, at)
            yield field, number
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > end:
            raise ValueError("cut short")
        if wire == 2:
            yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without end")
