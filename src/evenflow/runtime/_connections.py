"""Read a capture or a sensor's log as records: a row for each connection.

The rows are in the columns that the model reads, by the contract that gives them, with
the addresses and times of the connection beside them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.ahead import ahead
from evenflow.errors import DataError
from evenflow.progress import Event, Note
from evenflow.runtime.limits import Limits
from evenflow.schema import Schema
from evenflow.text.raw import Findings, Raw
from evenflow.traffic import captures, contracts, sources
from evenflow.traffic.contracts import Contract
from evenflow.traffic.flows import LARGE, read_connections

SHOWN = (
    "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service",
    "conn_state",
)  # fmt: skip
"""Columns of a connection that stand beside those of the model."""
ROWS = 2**16
"""Maximum number of connections of a batch."""


class _Parts(io.RawIOBase):
    """A stream of the bytes that an iterator yields.

    Parameters
    ----------
    parts : iterator of bytes
    waits : bool
        Whether to wait for all bytes that were asked for; else for the first ones.
    """

    def __init__(self, parts: Iterator[bytes], *, waits: bool) -> None:
        self._parts, self._waits, self._rest = parts, waits, b""

    def read(self, n: int = -1) -> bytes:
        """Return the next bytes, at most ``n``; none at the end."""
        rest = [self._rest]
        left = max(n, 1) - len(self._rest) if self._waits else not self._rest
        while left > 0 and (part := next(self._parts, None)) is not None:
            rest.append(part)
            left -= len(part)
        self._rest = b"".join(rest)
        cut = len(self._rest) if n < 0 else n
        found, self._rest = self._rest[:cut], self._rest[cut:]
        return found


def is_capture(head: bytes) -> bool:
    """Return whether a file that begins so is a capture."""
    return head[:4] in captures.PCAP or head[:4] == captures.PCAPNG


def reads_connections(schema: Schema) -> bool:
    """Return whether connections give the columns of a model."""
    try:
        contracts.for_columns(schema.features)
    except DataError:
        return False
    return True


def log_kind(head: bytes, schema: Schema) -> sources.Source | None:
    """Return the kind of log that a text is; None where it holds records.

    A log is read as such only for a model whose columns connections give.
    """
    return sources.kind_of(head) if reads_connections(schema) else None


def read(
    parts: Iterator[bytes],
    schema: Schema,
    *,
    log: sources.Source | None = None,
    size: int = 0,
    name: str,
    findings: Findings,
    limits: Limits | None = None,
) -> Iterator[Raw]:
    """Yield the connections of a capture, or of a log; their "lines" count from 1.

    Of a capture ``size`` is the number of its bytes, where it is known. Its checksums
    are not verified, as those of live traffic are not: many captures were made on the
    machine that sent the packets, before its network card wrote their checksums.

    Raises
    ------
    DataError
        The columns of the model cannot be had from it, or it is over a limit.
    """
    contract = contracts.for_columns(schema.features)
    stream = cast("BinaryIO", _Parts(parts, waits=size > 0))

    def note(event: Event) -> None:
        if isinstance(event, Note):
            findings.remarks.append(event.text)

    if log:
        log.check(contract.needs, contract=contract.name)
        found = log.read(stream, source=name, on_event=note)
    else:
        found = read_connections(
            stream, source=name, checksums=False, size=size, on_event=note
        )
    made = contract.start(source=name)
    n, has_rows = 0, False
    for connections in ahead(found) if size > LARGE else found:
        if limits:
            limits.check_time(name=name)
            limits.check_rows(n + connections.height, name=name)
        for part in connections.iter_slices(ROWS):
            fitting, which = made.fitting(part)
            if fitting.height:
                yield _raw(contract, fitting, made.add(fitting), n + 1 + which)
                has_rows = True
            n += part.height
    findings.remarks += made.notes()
    if not has_rows:
        text = "; ".join(made.notes()) if n else f"{name} has no connections"
        raise DataError(f"{text}; expected at least one that can be scored")


def _raw(
    contract: Contract,
    connections: pl.DataFrame,
    rows: pl.DataFrame,
    numbers: NDArray[np.int64],
) -> Raw:
    shown = connections.select(
        pl.from_epoch("ts", "ns").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias("time"),
        *(name for name in SHOWN if name not in contract.columns),
    )
    frame = pl.concat([shown, rows.select(contract.had)], how="horizontal")
    return Raw(
        frame=frame,
        lines=numbers,
        bad=(),
        text=lambda i: json.dumps(frame.row(i, named=True), default=str),
        unit="connection",
        connections=connections,
    )
