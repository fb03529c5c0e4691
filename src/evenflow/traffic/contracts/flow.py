"""Our own columns, for live use: a connection, and what else its two hosts did.

No column holds an address, the number of a port or a time of day, so a model cannot
learn who was attacked when. Windows are those of the source host, of the destination
host, of both together, and of a port of each: scans have many hosts or ports, floods
many connections in two seconds, guessing many failures or alike sizes between two
hosts. They hold the last 100 connections of the last hour (or 512 of the last two
seconds), so that a quiet host is not forgotten because another is loud.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.schema import Column
from evenflow.traffic._ports import BOTH, BY_TRANSPORT
from evenflow.traffic.contracts._contract import Contract, ratio
from evenflow.traffic.memory import HOUR_NS, Memory, State
from evenflow.traffic.services import NAMES
from evenflow.traffic.windows import Ints, Window, newest_first

TWO_SECONDS = 2 * 10**9
MOST_2S, MOST = 512, 100
MOST_ENTRIES = 2**18
"""Connections after which one is forgotten, whatever its hosts do."""
LEAST_ROOM = 2**14
MOST_BYTES, MOST_SIZE = 2**40, 2**20
FAILED = ("S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR")
STATES = (
    "SF", "S0", "S1", "S2", "S3", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR",
    "OTH",
)  # fmt: skip
PORTS = {protocol: BOTH | BY_TRANSPORT[protocol] for protocol in (6, 17)}
PORT_SERVICES = (*sorted({*PORTS[6].values(), *PORTS[17].values()}), "none")
KEYS = {
    "src": ("source host", ("src",)),
    "dst": ("destination host", ("dst",)),
    "pair": ("two hosts", ("src", "dst")),
    "src_port": ("source host to this port", ("src", "port")),
    "dst_port": ("destination host's port", ("dst", "port")),
}
BIT = {key: 1 << i for i, key in enumerate(KEYS)}
ALL_KEYS = sum(BIT.values())


def _n(name: str, text: str, unit: str = "", high: float | None = None) -> Column:
    return Column(name=name, low=0, high=high, step=1, unit=unit, description=text)


def _x(name: str, text: str, unit: str = "", high: float | None = None) -> Column:
    return Column(name=name, low=0, high=high, unit=unit, description=text)


def _category(name: str, choices: tuple[str, ...], text: str) -> Column:
    return Column(name=name, kind="category", choices=choices, description=text)


def _sides(text: str) -> tuple[tuple[str, str], ...]:
    return (("fwd", f"{text} of the source"), ("bwd", f"{text} of the destination"))


def _about(key: str, names: str) -> tuple[Column, ...]:
    """Return the columns of a window, which is named by its key and its length."""
    who = KEYS[key][0]
    found = []
    for name in names.split():
        length, _, what = name.partition("_")
        when = "2 s" if length == "2s" else "100 connections"
        of = f"of the {who} in the last {when}"
        most = MOST_2S if length == "2s" else MOST
        full = f"{key}_{name}"
        found.append(
            {
                "connections": _n(full, f"connections {of}", high=most),
                "hosts": _n(full, f"hosts at the other end {of}", high=most),
                "ports": _n(full, f"ports at the destination {of}", high=most),
                "failed_share": _x(full, f"share that failed {of}", high=1),
                "open_share": _x(full, f"share that went on for over 1 s {of}", high=1),
                "span_s": _x(full, f"time since the oldest {of}", unit="s", high=3600),
                "sizes": _n(full, f"payload sizes from the source {of}", high=most),
                "fwd_mean_bytes": _x(full, f"mean payload to it {of}", unit="bytes"),
                "bwd_mean_bytes": _x(full, f"mean payload back {of}", unit="bytes"),
            }[what]
        )
    return tuple(found)


COLUMNS = (
    _category("protocol", ("tcp", "udp", "icmp", "other"), "transport protocol"),
    _category("service", (*NAMES[1:], "unknown"), "service that the payload shows"),
    _category("port_service", PORT_SERVICES, "service registered at the port"),
    _category(
        "port_class", ("well_known", "registered", "dynamic", "none"),
        "destination port: below 1024, below 49152, above, or a protocol without ports",
    ),
    _category("state", STATES, "state of the connection, as in Zeek"),
    _n("is_open", "1: the connection goes on", high=1),
    _x("duration_ms", "from the first to the last packet", unit="ms"),
    *(_n(f"{s}_packets", t, "packets") for s, t in _sides("packets")),
    *(_n(f"{s}_bytes", t, "bytes") for s, t in _sides("payload")),
    _x("fwd_share", "the source's share of the payload", high=1),
    _x("packets_per_s", "packets after the first per second", unit="packets/s"),
    _x("bytes_per_s", "payload per second", unit="bytes/s"),
    *(_x(f"{s}_size_mean_bytes", f"mean IP packet {t}", "bytes")
      for s, t in _sides("size")),
    *(_n(f"{s}_size_{m}_bytes", f"{w} IP packet {t}", "bytes", 65_575)
      for s, t in _sides("size") for m, w in (("min", "least"), ("max", "greatest"))),
    *(_x(f"{s}_size_std_bytes", f"standard deviation, IP packet {t}", "bytes")
      for s, t in _sides("size")),
    *(_x(f"{s}_gap_max_ms", f"longest {t}", "ms")
      for s, t in _sides("time between two packets")),
    *(_x(f"{s}_gap_std_ms", f"standard deviation, {t}", "ms")
      for s, t in _sides("time between two packets")),
    *(_x(f"{s}_data_share", f"share with payload among packets {t[8:]}", high=1)
      for s, t in _sides("packets")),
    *(_n(f"{s}_resent_packets", t, "packets") for s, t in _sides("resent packets")),
    *_about("src", "2s_connections 2s_hosts 2s_ports"),
    *_about("src", "100_connections 100_hosts 100_ports 100_failed_share 100_span_s"),
    *_about("dst", "2s_connections 2s_hosts 2s_ports"),
    *_about("dst", "100_connections 100_hosts 100_ports 100_failed_share 100_span_s"),
    *_about("pair", "2s_connections 100_connections 100_ports 100_failed_share"),
    *_about("pair", "100_span_s 100_sizes 100_fwd_mean_bytes 100_bwd_mean_bytes"),
    *_about("src_port", "100_hosts 100_failed_share"),
    *_about("dst_port", "2s_connections 100_hosts 100_failed_share 100_open_share"),
)  # fmt: skip
"""The columns with unit and range, for the schema of a data set."""


def _basic() -> list[pl.Expr]:
    """Return the columns about the connection alone."""
    port, proto = pl.col("id.resp_p"), pl.col("proto")
    has_ports = proto.is_in(["tcp", "udp"]) & port.is_not_null()
    ms = _ms(pl.col("duration").fill_null(0).clip(0))
    seconds = ms.clip(lower_bound=1) / 1e3
    packets = pl.col("orig_pkts") + pl.col("resp_pkts")
    payload = pl.col("orig_bytes") + pl.col("resp_bytes")
    found = [
        pl.when(proto.is_in(["tcp", "udp", "icmp"]))
        .then(proto)
        .otherwise(pl.lit("other"))
        .alias("protocol"),
        pl.col("service")
        .str.to_lowercase()
        .str.split(",")
        .list.last()
        .fill_null("unknown"),
        pl.when(proto == "tcp")
        .then(_at_port(6))
        .when(proto == "udp")
        .then(_at_port(17))
        .fill_null("none")
        .alias("port_service"),
        pl.when(~has_ports)
        .then(pl.lit("none"))
        .when(port < 1024)
        .then(pl.lit("well_known"))
        .when(port < 49152)
        .then(pl.lit("registered"))
        .otherwise(pl.lit("dynamic"))
        .alias("port_class"),
        pl.col("conn_state").alias("state"),
        (~pl.col("is_over").fill_null(value=True)).cast(pl.Int64).alias("is_open"),
        ms.alias("duration_ms"),
        _share(pl.col("orig_bytes"), payload).alias("fwd_share"),
        ((packets - 1).clip(0) / seconds).alias("packets_per_s"),
        (payload / seconds).alias("bytes_per_s"),
    ]
    for side, old in (("fwd", "orig"), ("bwd", "resp")):
        n = pl.col(f"{old}_pkts")
        found += [
            n.alias(f"{side}_packets"),
            pl.col(f"{old}_bytes").alias(f"{side}_bytes"),
            _share(pl.col(f"{old}_ip_bytes"), n).alias(f"{side}_size_mean_bytes"),
            *(
                pl.col(f"{old}_size_{of}").fill_null(0).alias(f"{side}_size_{of}_bytes")
                for of in ("min", "max", "std")
            ),
            *(
                _ms(pl.col(f"{old}_gap_{of}").fill_null(0)).alias(f"{side}_gap_{of}_ms")
                for of in ("max", "std")
            ),
            _share(pl.col(f"{old}_data_pkts"), n).alias(f"{side}_data_share"),
            pl.col(f"{old}_resent_pkts").alias(f"{side}_resent_packets"),
        ]
    return found


def _at_port(protocol: int) -> pl.Expr:
    return pl.col("id.resp_p").replace_strict(
        PORTS[protocol], default=None, return_dtype=pl.String
    )


def _ms(ns: pl.Expr) -> pl.Expr:
    # the division of Polars may be off by the last digit
    return (ns / 1e6).round(6)


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole).otherwise(0.0)


class FlowRows:
    """Rows in our own columns.

    Attributes
    ----------
    n_forgotten : int
        Connections that were forgotten within the hour, because so many followed.
    """

    def __init__(self) -> None:
        self.memory = Memory(
            ("src", "dst"),
            ("port", "size", "failed", "open", "fwd_bytes", "bwd_bytes", "keys"),
        )
        self.n_forgotten = 0
        self._room = LEAST_ROOM

    def state(self) -> State:
        """Return the connections that a later window may hold, as arrays."""
        return self.memory.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from what :meth:`state` returned."""
        self.memory.restore(state)

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""
        basic = connections.select(_basic())
        windows = self._windows(connections)
        return basic.with_columns(**windows).select(FLOW.columns)

    def _windows(self, connections: pl.DataFrame) -> dict[str, NDArray[np.generic]]:
        """Return the columns about the connections before."""
        memory, past = self.memory, self.memory.past
        source, destination = memory.hosts.add(
            connections["id.orig_h"], connections["id.resp_h"]
        )
        failed = connections.select(
            pl.col("conn_state").is_in(FAILED) | (pl.col("resp_pkts") == 0)
        )
        rows = {
            "time": memory.clock.read(connections["known"].to_numpy()),
            "src": source,
            "dst": destination,
            "port": _port(connections),
            "keys": np.full(len(source), ALL_KEYS, np.int64),
            "size": np.clip(connections["orig_bytes"].to_numpy(), 0, MOST_SIZE),
            "failed": failed.to_series().to_numpy().astype(np.int64),
            "open": (~connections["is_over"].fill_null(value=True))
            .to_numpy()
            .astype(np.int64),
            **{
                f"{side}_bytes": np.clip(connections[name].to_numpy(), 0, MOST_BYTES)
                for side, name in (("fwd", "orig_bytes"), ("bwd", "resp_bytes"))
            },
        }
        is_entry = memory.going_on.first(connections["uid"], connections["is_over"])
        view = past.add(rows, is_entry)
        since = {
            length: np.maximum(view.younger(ns), view.last(MOST_ENTRIES))
            for length, ns in (("2s", TWO_SECONDS), ("100", HOUR_NS))
        }
        found: dict[str, NDArray[np.generic]] = {}
        for key, (_, names) in KEYS.items():
            alive = view.entries["keys"] & BIT[key] > 0
            keyed = view.by(*names, alive=alive)
            other = "dst" if key.startswith("src") else "src"
            windows = {
                length: keyed.window(since[length], most)
                for length, most in (("2s", MOST_2S), ("100", MOST))
            }
            for name in FLOW.columns:
                length, _, what = name.removeprefix(f"{key}_").partition("_")
                if name.startswith(f"{key}_") and length in windows:
                    found[name] = _value(windows[length], what, other, rows["time"])
        if len(past) > self._room:
            self._tidy()
        return found

    def _tidy(self) -> None:
        """Forget the connections that no window will hold again.

        ``keys`` are those by which one may still do: an entry that has left the windows
        of a key does not come back.
        """
        past = self.memory.past
        entries, now = past.entries, self.memory.clock.latest
        age = now - entries["time"]
        keys = np.zeros(len(past), np.int64)
        for key, (_, names) in KEYS.items():
            later = newest_first(*(entries[name] for name in names))
            may = later < np.where(age <= TWO_SECONDS, MOST_2S, MOST)
            keys |= np.where(may & (age <= HOUR_NS), BIT[key], 0)
        entries["keys"] = keys & entries["keys"]
        kept = entries["keys"] > 0
        is_near = past.number >= past.n - MOST_ENTRIES
        self.n_forgotten += int((kept & ~is_near).sum())
        self.memory.tidy(kept & is_near)
        self._room = len(past) + max(len(past) // 4, LEAST_ROOM)


def _value(window: Window, what: str, other: str, time: Ints) -> NDArray[np.generic]:
    """Return what a column says of a window."""
    n = window.count
    match what:
        case "connections":
            return n
        case "hosts":
            return window.distinct(other)
        case "ports":
            return window.distinct("port")
        case "sizes":
            return window.distinct("size")
        case "failed_share" | "open_share":
            return ratio(window.total(what.partition("_")[0]), n)
        case "fwd_mean_bytes" | "bwd_mean_bytes":
            return ratio(window.total(what.replace("_mean", "")), n)
    return (time - window.oldest("time", time)) / 1e9  # span_s


def _port(connections: pl.DataFrame) -> Ints:
    """Return a number for protocol and destination port."""
    number = pl.col("proto").replace_strict(
        {"tcp": 1, "udp": 2, "icmp": 3}, default=4, return_dtype=pl.Int64
    )
    port = pl.col("id.resp_p").fill_null(0).clip(0, 65_535)
    return connections.select(number * 65_536 + port).to_series().to_numpy()


FLOW = Contract(
    name="flow",
    title="evenflow's own columns, for live use",
    columns=tuple(c.name for c in COLUMNS),
    needs={
        "known": "the windows, which are in time",
        "id.orig_h": "the windows, which are of hosts",
        "id.resp_h": "the windows, which are of hosts",
        "proto": "protocol",
        "conn_state": "state",
        **{
            f"{old}_{name}": f"{side}_{column}"
            for side, old in (("fwd", "orig"), ("bwd", "resp"))
            for name, column in (
                ("pkts", "packets"),
                ("bytes", "bytes, which is payload bytes"),
                ("ip_bytes", "size_mean_bytes"),
                ("data_pkts", "data_share"),
                ("resent_pkts", "resent_packets"),
                ("size_min", "size_min_bytes"),
                ("size_max", "size_max_bytes"),
                ("size_std", "size_std_bytes"),
                ("gap_max", "gap_max_ms"),
                ("gap_std", "gap_std_ms"),
            )
        },
    },
    make=FlowRows,
)
