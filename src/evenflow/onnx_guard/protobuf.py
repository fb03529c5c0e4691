"""The protocol-buffer messages of an ONNX model, read with no more than NumPy.

Only the fields that evenflow's exporters write are known; any other is refused, and
so is a field given twice where one is expected. ONNX Runtime can thus find nothing in
the bytes that was not read here.

References
----------
.. [1] ONNX, ``onnx.proto``: field numbers of the messages.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Message = dict[str, Any]

# message -> {field: (name, type)}; "*" after the type: may be repeated
FIELDS: dict[str, dict[int, tuple[str, str]]] = {
    "model": {
        1: ("ir_version", "int"),
        2: ("producer_name", "text"),
        3: ("producer_version", "text"),
        7: ("graph", "graph"),
        8: ("opset_import", "opset*"),
    },
    "opset": {1: ("domain", "text"), 2: ("version", "int")},
    "graph": {
        1: ("node", "node*"),
        2: ("name", "text"),
        5: ("initializer", "tensor*"),
        11: ("input", "value*"),
        12: ("output", "value*"),
    },
    "node": {
        1: ("input", "text*"),
        2: ("output", "text*"),
        3: ("name", "text"),
        4: ("op_type", "text"),
        5: ("attribute", "attribute*"),
        7: ("domain", "text"),
    },
    "attribute": {
        1: ("name", "text"),
        2: ("float", "float"),
        3: ("int", "int"),
        4: ("text", "text"),
        5: ("tensor", "tensor"),
        7: ("floats", "run"),
        8: ("ints", "run"),
        9: ("texts", "run"),
        20: ("type", "int"),
    },
    "tensor": {
        1: ("dims", "int*"),
        2: ("data_type", "int"),
        8: ("name", "text"),
        9: ("raw_data", "bytes"),
    },
    "value": {1: ("name", "text"), 2: ("type", "type")},
    "type": {1: ("tensor_type", "tensor_type")},
    "tensor_type": {1: ("elem_type", "int"), 2: ("shape", "shape")},
    "shape": {1: ("dim", "dim*")},
    "dim": {1: ("dim_value", "int"), 2: ("dim_param", "text")},
}
# what an attacker would write first deserves its own words
HOSTILE = {
    ("tensor", 13): "weights in another file",
    ("tensor", 14): "weights in another file",
    ("graph", 15): "sparse weights",
    ("model", 20): "training information",
    ("model", 25): "functions",
    ("attribute", 6): "a graph within the graph",
    ("attribute", 11): "a graph within the graph",
    ("attribute", 22): "sparse weights",
    ("attribute", 23): "sparse weights",
}
TEXT_BYTES = 1024
MAX_FIELDS = 100_000
"""Maximum number of fields of a model; a run counts as one. Each takes memory."""
BLOCK = 2**22
"""Bytes of a run decoded at once: what decoding takes is many times as much."""

# A forest's attributes hold millions of floats, ints and two words: runs of one
# field (tags 0x3d, 0x40 and 0x4a) are found by an expression and decoded by NumPy.
_RUNS = {
    0x3D: re.compile(rb"(?:\x3d.{4})++", re.DOTALL),
    0x40: re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])++"),
    0x4A: re.compile(rb"(?:\x4a\x04LEAF|\x4a\x0aBRANCH_LEQ)++"),
}


class RefusedError(ValueError):
    """A model that evenflow's exporters do not write; the message names what."""


def read(message: memoryview) -> Message:
    """Return a model by the names of its fields; repeated ones are lists.

    Raises
    ------
    RefusedError
        The bytes are damaged, or hold a field that is not in ``FIELDS``, or more than
        ``MAX_FIELDS``.
    """
    return _read(message, "model", itertools.count())


def _read(message: memoryview, kind: str, n_read: Iterator[int]) -> Message:
    known = FIELDS[kind]
    found: Message = {name: [] for name, type_ in known.values() if type_.endswith("*")}
    for field, value in fields(message, has_runs=kind == "attribute"):
        if field not in known:
            raise RefusedError(HOSTILE.get((kind, field), f"field {field} of a {kind}"))
        if next(n_read) >= MAX_FIELDS:
            raise RefusedError(f"a model of more than {MAX_FIELDS} fields")
        name, type_ = known[field]
        read_value = _value(value, type_.rstrip("*"), f"{name} of a {kind}", n_read)
        if type_.endswith("*"):
            found[name].append(read_value)
        elif name in found:
            raise RefusedError(f"two fields {name} of a {kind}")
        else:
            found[name] = read_value
    return found


def _value(
    value: int | float | bytes | memoryview,
    type_: str,
    what: str,
    n_read: Iterator[int],
) -> Any:
    if isinstance(value, int):
        if type_ != "int":
            raise RefusedError(f"a number for the {what}")
        return value - (1 << 64) if value >> 63 else value
    if isinstance(value, float):
        if type_ == "float":
            return value
    elif isinstance(value, bytes):
        if type_ == "run":
            return _run(value)
    elif type_ == "bytes":
        return value
    elif type_ == "text" and len(value) <= TEXT_BYTES:
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            raise RefusedError(f"a {what} that is not UTF-8") from None
    elif type_ in FIELDS:
        return _read(value, type_, n_read)
    raise RefusedError(f"a {what} of another type")


def _run(run: bytes) -> NDArray[Any]:
    if run[0] == 0x3D:
        cells = np.frombuffer(run, np.uint8).reshape(-1, 5)
        return cells[:, 1:].copy().view("<f4")[:, 0]
    if run[0] == 0x4A:
        short = run.replace(b"\x4a\x04LEAF", b"L").replace(b"\x4a\x0aBRANCH_LEQ", b"B")
        return np.frombuffer(short, "S1")
    raw, at = np.frombuffer(run, np.uint8), 0
    values = []
    while at < len(raw):
        block = raw[at : at + BLOCK]
        ends = np.flatnonzero(block < 0x80)  # tag, last byte of a number, tag, ...
        ends = ends[: len(ends) // 2 * 2]
        values.append(_ints(block, ends[::2], ends[1::2] - ends[::2]))
        at += int(ends[-1]) + 1
    return np.concatenate(values)


def _ints(
    raw: NDArray[np.uint8], tags: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    value = np.zeros(len(tags), np.uint64)
    for place in range(int(sizes.max())):
        rows = np.flatnonzero(sizes > place)
        bits = (raw[tags[rows] + 1 + place] & 0x7F).astype(np.uint64)
        value[rows] |= bits << np.uint64(7 * place)
    return value.view(np.int64)


def fields(
    message: memoryview, *, has_runs: bool
) -> Iterator[tuple[int, float | bytes | memoryview]]:
    """Yield field number and value of a message; a run is one value."""
    at, end = 0, len(message)
    while at < end:
        if has_runs and message[at] in _RUNS:
            run = _RUNS[message[at]].match(message, at)
            if run is not None:
                yield message[at] >> 3, run.group()
                at = run.end()
                continue
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if not 0 < field < 1 << 29:  # protobuf's own bounds
            raise RefusedError(
                f"bytes that are not an ONNX model (field number {field})"
            )
        if wire == 0:
            number, at = _varint(message, at)
            yield field, number
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire == 5:
            size = 4
        else:
            raise RefusedError(f"bytes that are not an ONNX model (wire type {wire})")
        if at + size > end:
            raise RefusedError("bytes that are not an ONNX model (truncated)")
        value = message[at : at + size]
        yield field, struct.unpack("<f", value)[0] if wire == 5 else value
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise RefusedError("bytes that are not an ONNX model (truncated)")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise RefusedError("bytes that are not an ONNX model (a number without end)")
