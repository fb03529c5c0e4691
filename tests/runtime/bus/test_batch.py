"""Batches: the same on reading, and what is not one is refused in words."""

import json
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import DataError
from evenflow.runtime.bus import batch as batches
from evenflow.runtime.bus.batch import (
    MOST_BYTES,
    MOST_ROWS,
    MOST_UNPACKED,
    Head,
    columns,
    pack,
    unpack,
    with_rows,
)
from evenflow.traffic.contracts import CONTRACTS

HEAD = Head(
    sensor="gate", run=5, sequence=7, contract="flow", settled_ns=9, dropped=3,
    packets_dropped=2,
)  # fmt: skip


def made(traffic, name="flow", n=50):
    part = traffic[:n]
    return with_rows(part, CONTRACTS[name].start().add(part), name)


@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize("n", [0, 1, 50])
def test_a_batch_is_the_same_on_reading(traffic, name, n):
    frame = made(traffic, name, n)
    head = HEAD.model_copy(update={"contract": name})
    found = unpack(pack(frame, head))
    assert found.head == head
    assert found.frame.schema == columns(name)
    assert found.frame.equals(frame)


def test_every_value_of_a_column_survives(traffic):
    n = 9
    extremes = [0, -1, 2**62, -(2**63), 127, 128, -129, None, 2**31]
    floats = [0.1, -0.0, float("inf"), float("-inf"), 1e-320, None, 1.0, 2.0, 3.0]
    texts = [None, "", "a", "\n", "\x00", "\u2028", "\U0001f600", '"', "\\"]
    frame = made(traffic, n=n).with_columns(
        pl.Series("duration", extremes, pl.Int64),
        pl.Series("orig_size_std", floats, pl.Float64),
        pl.Series("service", texts, pl.String),
        pl.Series("is_over", [None, True, False] * 3),
        pl.Series("uid", [None] * n, pl.String),
    )
    assert unpack(pack(frame, HEAD)).frame.equals(frame)


def test_a_batch_is_small(traffic):
    frame = made(traffic, n=MOST_ROWS)
    assert len(pack(frame, HEAD)) < 250 * MOST_ROWS < MOST_BYTES


def parts(data):
    body = zlib.decompress(data)
    [size] = struct.unpack_from("<I", body)
    return json.loads(body[4 : 4 + size]), body[4 + size :]


def joined(header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zlib.compress(struct.pack("<I", len(text)) + text + body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, b: (h | {"format": 2}, b), "format"),
        (lambda h, b: (h | {"rows": 51}, b), "found 50 values, expected 51"),
        (lambda h, b: (h | {"rows": 10**9}, b), "rows"),
        (lambda h, b: (h | {"rows": True}, b), "rows"),
        (lambda h, b: (h | {"more": 1}, b), "more"),
        (lambda h, b: (h | {"sensor": "x" * 101}, b), "sensor"),
        (lambda h, b: (h | {"sequence": -1}, b), "sequence"),
        (lambda h, b: (h | {"contract": "no"}, b), "no contract 'no'"),
        (lambda h, b: (h | {"texts": {}}, b), "found other columns"),
        (lambda h, b: (h | {"texts": h["texts"] | {"x": []}}, b), "other columns"),
        (lambda h, b: (h | {"texts": h["texts"] | {"uid": [1] * 50}}, b), "texts.uid"),
        (lambda h, b: (h | {"kinds": h["kinds"] | {"ts": "<f8"}}, b), "ts: found"),
        (lambda h, b: (h | {"kinds": h["kinds"] | {"ts": "|O"}}, b), "ts: found"),
        (lambda h, b: (h | {"kinds": h["kinds"] | {"ts": "<i8??"}}, b), "ts: found"),
        (lambda h, b: (h, b[:-1]), "found the end of the batch"),
        (lambda h, b: (h, b + b"x"), "found 1 bytes after the last column"),
        (lambda h, b: (b"[" * 10_000, b), "header"),
        (lambda h, b: (b"{}", b), "Field required"),
        (lambda h, b: (b'{"sensor": "\\ud800"}', b), "header"),
    ],
)  # fmt: skip
def test_a_changed_header_or_body_is_refused(traffic, change, message):
    header, body = parts(pack(made(traffic), HEAD))
    assert unpack(joined(header, body)).head == HEAD
    with pytest.raises(DataError, match=message):
        unpack(joined(*change(header, body)))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ts", None, "ts: found 'None', expected a value"),
        ("id.orig_h", None, "id.orig_h: found 'None'"),
        ("id.orig_h", "example.org", "expected an address"),
        ("id.resp_h", "", "expected an address"),
        ("known", -1, "known: found '-1'"),
        ("id.resp_p", 65_536, "id.resp_p: found"),
        ("ip_proto", 256, "ip_proto: found"),
        ("orig_bytes", -1, "orig_bytes: found"),
        ("service", "x" * 1025, "expected text of at most 1,024 bytes"),
        ("history", "\U0001f600" * 257, "expected text of at most 1,024 bytes"),
    ],
)
def test_a_value_that_no_sensor_sees_is_refused(traffic, column, value, message):
    frame = made(traffic)
    dtype = frame.schema[column]
    values = [value, *frame[column][1:].to_list()]
    frame = frame.with_columns(pl.Series(column, values, dtype))
    with pytest.raises(DataError, match=message):
        unpack(pack(frame, HEAD))


def test_another_truth_value_is_refused(traffic):
    header, body = parts(pack(made(traffic, n=1), HEAD))
    names = [name for name, dtype in columns("flow").items() if dtype != pl.String]
    at = 0
    for name in names[: names.index("is_over")]:
        at += int(header["kinds"][name][2]) + ("?" in header["kinds"][name])
    with pytest.raises(DataError, match="another number than 0 and 1"):
        unpack(joined(header, body[:at] + b"\x02" + body[at + 1 :]))


def test_what_inflates_without_end_is_refused():
    bomb = zlib.compress(b"\0" * (MOST_UNPACKED + 1), 9)
    assert len(bomb) < 2**16
    with pytest.raises(DataError, match="cut short"):
        unpack(bomb)
    with pytest.raises(DataError, match="expected at most"):
        unpack(b"\0" * (MOST_BYTES + 1))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_a_batch_or_refused(traffic, data):
    body = bytearray(zlib.decompress(pack(made(traffic, n=3), HEAD)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(body))))
    try:
        found = unpack(zlib.compress(bytes(body[:cut])))
    except DataError:
        return
    assert found.frame.schema == columns("flow")
    assert found.frame.height <= 3


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(data):
    for given_bytes in (data, zlib.compress(data)):
        with pytest.raises(DataError):
            unpack(given_bytes)


def test_numbers_take_as_few_bytes_as_hold_them():
    for value, kind in ((127, "<i1"), (128, "<i2"), (2**15, "<i4"), (2**31, "<i8")):
        assert batches._narrow(np.array([0, value]))[0] == kind
