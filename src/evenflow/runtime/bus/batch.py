"""A batch of connections with their rows, as bytes that are checked on reading.

A batch is compressed by zlib and holds the length of a header, the header as JSON with
all text, and a column of whole or real numbers after the other. Nothing in it is code.
"""

from __future__ import annotations

import functools
import ipaddress
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.traffic.columns import CONNECTION
from evenflow.traffic.contracts import Contract, contract

FORMAT = 1
MOST_ROWS = 2048
MOST_BYTES, MOST_UNPACKED = 2**22, 2**24
MOST_TEXT = 1024
"""Bytes of one value."""
KINDS = ("<i1", "<i2", "<i4", "<i8", "<f8")
REQUIRED = ("ts", "id.orig_h", "id.resp_h", "proto", "known")
HIGHEST = {"id.orig_p": 65_535, "id.resp_p": 65_535, "ip_proto": 255}
MOST = 2**62
_LENGTH = struct.Struct("<I")
_Count = Annotated[int, Field(ge=0, lt=2**62)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


class Head(BaseModel):
    """A batch in the words of its sensor."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    sensor: _Name
    run: _Count
    """When the sensor began, in nanoseconds."""
    sequence: _Count
    """Batches of this run before it."""
    contract: _Name
    settled_ns: _Count | None = None
    """Before it the sensor has published all connections; None: not known."""
    dropped: _Count = 0
    """Rows that the sensor dropped so far."""
    packets_dropped: _Count = 0


class _Header(Head):
    rows: Annotated[int, Field(ge=0, le=MOST_ROWS)]
    texts: dict[str, list[str | None]]
    kinds: dict[str, str]
    """Column -> how its numbers are stored, with ``?`` where some are null."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Connections, and their rows in columns named ``CONTRACT.COLUMN``."""

    head: Head
    frame: pl.DataFrame


class Ready:
    """A contract that the sensor ran: the rows of a batch, as a contract gives them."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return the row of each connection."""
        name = self.contract.name
        return connections.select(
            pl.col(f"{name}.{column}").alias(column) for column in self.contract.had
        )

    def fitting(
        self, connections: pl.DataFrame, on_event: OnEvent = ignore
    ) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        """Return all connections: the sensor left the others out."""
        del on_event
        return connections, np.arange(connections.height)

    def notes(self) -> list[str]:
        """Return nothing: the sensor counts what it leaves out."""
        return []

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return nothing: the sensor remembers."""
        return {}


def with_rows(connections: pl.DataFrame, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return connections with the rows that the contract of that name made of them.

    Text that is too long for a batch is cut.
    """
    renamed = {column: f"{name}.{column}" for column in contract(name).had}
    return pl.concat(
        [connections.select(*CONNECTION), rows.select(*renamed).rename(renamed)],
        how="horizontal",
    ).with_columns(pl.col(pl.String).str.slice(0, MOST_TEXT // 4))


@functools.cache
def columns(name: str) -> dict[str, pl.DataType]:
    """Return the columns of a batch, and their types.

    Raises
    ------
    DataError
        There is no contract of that name.
    """
    nothing = pl.DataFrame(schema=CONNECTION)
    made = contract(name).start().add(nothing)
    return dict(with_rows(nothing, made, name).schema)


def pack(frame: pl.DataFrame, head: Head) -> bytes:
    """Return a batch as bytes.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        In the columns of :func:`columns`, with at most ``MOST_ROWS`` rows.
    head : Head
    """
    texts: dict[str, list[str | None]] = {}
    kinds: dict[str, str] = {}
    parts: list[bytes] = []
    for name, dtype in columns(head.contract).items():
        values = frame[name]
        if dtype == pl.String:
            texts[name] = values.to_list()
            continue
        has_nulls = values.null_count() > 0
        if has_nulls:
            parts.append(np.packbits(values.is_not_null().to_numpy()).tobytes())
            values = values.fill_null(0 if dtype != pl.Boolean else False)
        kind, data = _narrow(values.to_numpy())
        kinds[name] = kind + "?" * has_nulls
        parts.append(data)
    header = _Header(
        **head.model_dump(), rows=frame.height, texts=texts, kinds=kinds
    ).model_dump_json()
    text = header.encode()
    return zlib.compress(b"".join([_LENGTH.pack(len(text)), text, *parts]), 1)


def _narrow(values: NDArray[Any]) -> tuple[str, bytes]:
    """Return numbers in as few bytes as hold all of them."""
    if values.dtype.kind == "f":
        return "<f8", values.astype("<f8").tobytes()
    ints = values.astype(np.int64)
    low, high = int(ints.min(initial=0)), int(ints.max(initial=0))
    for kind in KINDS[:4]:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            break
    return kind, ints.astype(kind).tobytes()


def unpack(data: bytes) -> Batch:
    """Return the batch that bytes hold.

    Raises
    ------
    DataError
        They do not hold a batch of this version, or a value is out of its range.
    """
    body = _inflated(data)
    if len(body) < _LENGTH.size:
        raise DataError("found no header, expected a batch of connections")
    end = _LENGTH.size + _LENGTH.unpack_from(body)[0]
    try:
        header = _Header.model_validate_json(body[_LENGTH.size : end])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the header"
        raise DataError(f"{where[:100]}: {first['msg'][:200]}") from error
    frame = _frame(header, memoryview(body)[end:])
    for name, expected, is_wrong in invalid(frame):
        found = str(frame.filter(is_wrong)[name][0])[:60]
        raise DataError(f"{name}: found {found!r}, expected {expected}")
    return Batch(head=Head(**header.model_dump(include=_HEAD)), frame=frame)


_HEAD = set(Head.model_fields)


def _inflated(data: bytes) -> bytes:
    """Return what was compressed, at most ``MOST_UNPACKED`` bytes of it."""
    if len(data) > MOST_BYTES:
        raise DataError(f"found {len(data):,} bytes, expected at most {MOST_BYTES:,}")
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(data, MOST_UNPACKED)
    except zlib.error as error:
        raise DataError("found bytes that zlib did not write") from error
    if not inflate.eof or inflate.unused_data:
        raise DataError(
            "found a batch that is cut short, has more after its end or more than "
            f"{MOST_UNPACKED:,} bytes"
        )
    return body


def _frame(header: _Header, body: memoryview) -> pl.DataFrame:
    """Return the columns; every byte is accounted for."""
    n, wanted = header.rows, columns(header.contract)
    is_text = {name: dtype == pl.String for name, dtype in wanted.items()}
    if header.texts.keys() != {name for name in wanted if is_text[name]} or (
        header.kinds.keys() != {name for name in wanted if not is_text[name]}
    ):
        raise DataError(
            f"found other columns than those of the contract {header.contract}. Run "
            "the same version of evenflow on sensors and scorers"
        )
    found, at = [], 0
    for name, dtype in wanted.items():
        if is_text[name]:
            values = pl.Series(name, header.texts[name], pl.String)
            if len(values) != n:
                raise DataError(f"{name}: found {len(values):,} values, expected {n:,}")
            found.append(values)
            continue
        kind, mark, rest = header.kinds[name].partition("?")
        if kind not in KINDS or rest or (kind == "<f8") != (dtype == pl.Float64):
            raise DataError(f"{name}: found {header.kinds[name][:20]!r}, not {dtype}")
        bits = (n + 7) // 8 if mark else 0
        width = int(kind[2:])
        if at + bits + n * width > len(body):
            raise DataError(f"{name}: found the end of the batch")
        numbers = np.frombuffer(body, kind, count=n, offset=at + bits)
        if dtype == pl.Boolean and not ((numbers == 0) | (numbers == 1)).all():
            raise DataError(f"{name}: found another number than 0 and 1")
        values = pl.Series(name, numbers.astype(kind[1:])).cast(dtype)
        if mark:
            given = np.frombuffer(body, np.uint8, count=bits, offset=at)
            known = pl.Series(np.unpackbits(given, count=n).astype(bool))
            values = values.zip_with(known, pl.Series([None], dtype=dtype))
        found.append(values)
        at += bits + n * width
    if at != len(body):
        raise DataError(f"found {len(body) - at:,} bytes after the last column")
    return pl.DataFrame(found)


def invalid(frame: pl.DataFrame) -> Iterator[tuple[str, str, pl.Series]]:
    """Yield column, what is expected, and which rows have something else."""
    for name, expected in _ranges().items():
        values = frame[name]
        low: Any = values.min()
        high: Any = values.max()
        most = HIGHEST.get(name, MOST)
        if low is not None and not 0 <= low <= high <= most:
            yield name, expected, ~values.is_between(0, most).fill_null(value=True)
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            is_long = frame[name].str.len_bytes() > MOST_TEXT
            if is_long.any():
                expected = f"text of at most {MOST_TEXT:,} bytes"
                yield name, expected, is_long.fill_null(value=False)
    for name in REQUIRED:
        if frame[name].null_count():
            yield name, "a value", frame[name].is_null()
    for name in ("id.orig_h", "id.resp_h"):
        wrong = [h for h in frame[name].unique() if h is not None and not _is_host(h)]
        if wrong:
            is_wrong = frame[name].is_in(wrong).fill_null(value=False)
            yield name, "an address", is_wrong


@functools.cache
def _ranges() -> dict[str, str]:
    """Return the columns of numbers from 0, and what is expected of each."""
    ends = ("_bytes", "_pkts", "_p", "_proto")
    names = (
        "ts", "known", "last_packet",
        *(n for n, t in CONNECTION.items() if t == pl.Int64 and n.endswith(ends)),
    )  # fmt: skip
    return {n: f"a number from 0 to {HIGHEST.get(n, MOST):,}" for n in names}


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
