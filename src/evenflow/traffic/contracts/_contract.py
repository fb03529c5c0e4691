"""A contract: the columns that rows of connections have for a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.traffic.columns import conform
from evenflow.traffic.memory import State


class Rows(Protocol):
    """A contract at work."""

    n_forgotten: int

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""

    def state(self) -> State:
        """Return what is known of the connections before, as arrays."""

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from what :meth:`state` returned."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Named columns, made from connections and from what came before them."""

    name: str
    title: str
    columns: tuple[str, ...]
    """Names of what a row holds, in order."""
    needs: Mapping[str, str]
    """Column of a connection that must be known -> what for."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Column of the data set that cannot be had -> why; null if it is a column here."""
    make: Callable[[], Rows]
    protocol: str = "proto"
    """Column of a connection that has its protocol."""
    protocols: tuple[str | int, ...] = ("tcp", "udp", "icmp")
    """Those that the columns describe; connections of others have no row."""

    @property
    def had(self) -> tuple[str, ...]:
        """Names of the columns that a row has a value for, in order."""
        return tuple(name for name in self.columns if name not in self.absent)

    def start(
        self,
        *,
        source: str = "the connections",
        state: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> Started:
        """Return the contract at work.

        Parameters
        ----------
        source : str
            Where the connections come from, for messages.
        state : mapping of str to ndarray, optional
            What :meth:`Started.state` returned, to continue from.

        Raises
        ------
        DataError
            The state is that of another contract, or damaged.
        """
        rows = self.make()
        if state is not None:
            found = state.get("contract", np.array([""]))
            if found.tolist() != [self.name]:
                raise DataError(
                    f"the saved windows are of {found.tolist()}; expected "
                    f"{self.name!r}. Delete them to start with empty windows"
                )
            rows.restore(state)
        return Started(contract=self, source=source, rows=rows)


@dataclass(frozen=True, kw_only=True)
class Started:
    """A contract at work on the connections of one source."""

    contract: Contract
    source: str
    rows: Rows
    left_out: Counter[str] = field(default_factory=Counter)
    """Connections that had no row, by the reason."""

    def fitting(
        self, connections: pl.DataFrame, on_event: OnEvent = ignore
    ) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        """Return the connections that can have a row, and which they are.

        The others are counted in ``left_out``; the first of a reason makes a note.
        """
        known = set(self.left_out)
        found = np.flatnonzero(self._fits(connections))
        for reason in set(self.left_out) - known:
            text = f"{self.source}: connections that {reason} get no verdict"
            on_event(Note(text=text))
        if len(found) < connections.height:
            connections = connections[found]
        return connections, found

    def _fits(self, connections: pl.DataFrame) -> NDArray[np.bool_]:
        frame, contract = _payload(conform(connections)), self.contract
        proto = frame[contract.protocol]
        found = proto.is_in(contract.protocols).fill_null(value=False).to_numpy()
        names = ", ".join(map(str, contract.protocols))
        self._leave_out(~found, f"are of other protocols than {names}")
        for name in contract.needs:
            unknown = found & self._unknown(frame, name)
            self._leave_out(unknown, f"have no {name}")
            found = found & ~unknown
        return found

    def _leave_out(self, rows: NDArray[np.bool_], reason: str) -> None:
        if n := int(rows.sum()):
            self.left_out[reason] += n

    def notes(self) -> list[str]:
        """Return how many connections were left out, by the reason."""
        return [
            f"connections of {self.source} that {reason} get no verdict: {n:,}"
            for reason, n in self.left_out.items()
        ]

    @staticmethod
    def _unknown(frame: pl.DataFrame, name: str) -> NDArray[np.bool_]:
        """Return which connections lack a column that can be known of them."""
        if not frame[name].null_count():
            return np.zeros(frame.height, dtype=bool)
        unknown = frame.select(pl.col(name).is_null() & _can_be_known(name))
        return unknown.to_series().to_numpy()

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order.

        Parameters
        ----------
        connections : DataFrame
            In the columns of ``traffic/columns.py`` and in the order of ``known``,
            which goes on from one call to the next.

        Raises
        ------
        DataError
            A connection lacks what the contract needs: see :meth:`fitting`.
        """
        frame = _payload(conform(connections))
        self._check(frame)
        return self.rows.add(frame)

    @property
    def n_forgotten(self) -> int:
        """Connections that a window lost because so many followed."""
        return self.rows.n_forgotten

    def state(self) -> State:
        """Return what is known of the connections so far, as arrays."""
        return {**self.rows.state(), "contract": np.array([self.contract.name])}

    def _check(self, frame: pl.DataFrame) -> None:
        """Refuse connections that lack what the contract needs."""
        for name, what_for in self.contract.needs.items():
            rows = np.flatnonzero(self._unknown(frame, name))
            if len(rows):
                raise DataError(
                    f"{self.source}: column {name} is unknown in {len(rows):,} of "
                    f"{frame.height:,} connections, first in number {rows[0] + 1}; "
                    f"expected a value, as the contract {self.contract.name} needs it "
                    f"for {what_for}. Use a source that has it, such as a capture"
                )


def _payload(frame: pl.DataFrame) -> pl.DataFrame:
    """Return connections with payload bytes where Zeek's conn.log leaves them out.

    It does so where no time passed, as in a connection of one packet. Then UDP and ICMP
    have what the least headers leave, TCP has none.
    """
    if not frame["orig_bytes"].null_count() + frame["resp_bytes"].null_count():
        return frame
    headers = pl.when(pl.col("id.orig_h").str.contains(":", literal=True))
    is_tcp = pl.col("proto") == "tcp"
    is_at_once = pl.col("duration").is_null()
    columns = []
    for side in ("orig", "resp"):
        n = pl.col(f"{side}_pkts")
        left = pl.col(f"{side}_ip_bytes") - n * headers.then(48).otherwise(28)
        found = pl.when(is_tcp & n.is_not_null()).then(0).otherwise(left.clip(0))
        columns.append(
            pl.coalesce(f"{side}_bytes", pl.when(is_at_once).then(found))
            .cast(pl.Int64)
            .alias(f"{side}_bytes")
        )
    return frame.with_columns(columns)


def _can_be_known(name: str) -> pl.Expr:
    """Return in which connections a column has a value at all."""
    if name == "history":
        return pl.col("proto") == "tcp"
    side = name.partition("_")[0]
    for part, least in (("_size_", 1), ("_gap_", 2)):
        if part in name:
            return pl.col(f"{side}_pkts").fill_null(0) >= least
    return pl.lit(value=True)


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return shares; 0 of nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)
