"""NSL-KDD's 41 columns, and the 28 of them that connections give of every service.

Three more, ``logged_in``, ``num_failed_logins`` and ``is_guest_login``, are known of
FTP, POP3 and Telnet whose payload was captured, and null of other services. The data
set has 1 in ``logged_in`` of most HTTP connections; nothing here says of which.

The windows are those that the rows of the data set show, training and test together
148,517. The connections to the host and those to the service, taken together, are at
most 511 in the two-second columns and at most 255 in the others, in every row: both
windows hold the last connections of the whole network, not the last 100 to the host as
the paper says. Each rate is a number of connections or of values over ``count``,
``srv_count``, ``dst_host_count`` or ``dst_host_srv_count``, with two decimals, in 99 %
of the rows or more. Rows in which that is one show what is counted: S0, S1, S2, S3 and
SH are SYN errors, REJ, RSTO, RSTR and RSTOS0 rejections. The "different" rates count
values, the own one included, and are 0 where there is one. As ``srv_count`` counts all
hosts, ``same_srv_rate`` is ``srv_count / count`` in 77.7 % of the rows, and the lesser
of that and 1 in 98.9 %; the ratio of the host columns holds in 69.6 % and 93.0 %.

Windows are in the order and at the time in which a connection is known: the program
that made the data set wrote a connection when it ended, and whether it failed is not
known before. The data set has no times, so this cannot be verified, and there is no
public capture with the original rows: that live rows equal what the original would have
made is not shown by anything. Differences that are known:

* A ping of many packets is one connection here, and was one for each packet there.
* Only UDP and ICMP rows of the flag SF are in the data set, so these have SF here too.
* A port below 1024 that has no name is private, any other is other; the data set does
  not say where it draws the line.
* Zeek's RSTRH, which KDD lacks, is RSTR, and SHR is SH.
* ``wrong_fragment`` and ``urgent`` are null where the source has no packets, as a log.
* The windows of the first 255 connections are not full yet, and hardly a row of the
  data set looks like that: start a sensor's windows from those it saved.
* A connection that goes on is in the windows as it was when it was first seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.traffic.contracts import _kdd_names as kdd
from evenflow.traffic.contracts._contract import Contract
from evenflow.traffic.memory import Memory, State
from evenflow.traffic.windows import Ints, Window

TWO_SECONDS = 2 * 10**9
MOST_2S, MOST = 511, 255
SESSION = (
    "it is in what was typed and answered in the session, which a connection does not "
    "hold"
)
CONTENT = (
    "hot", "num_failed_logins", "logged_in", "num_compromised", "root_shell",
    "su_attempted", "num_root", "num_file_creations", "num_shells", "num_access_files",
    "num_outbound_cmds", "is_host_login", "is_guest_login",
)  # fmt: skip
LOGINS = {
    "num_failed_logins": "failed_logins",
    "logged_in": "logged_in",
    "is_guest_login": "is_guest",
}
"""Columns of log-ins, and those of a connection that they are."""
ABSENT = {
    **{name: SESSION for name in CONTENT if name not in LOGINS},
    "num_outbound_cmds": "it is 0 in every row of the data set",
    "is_host_login": "it is 1 in 12 of the data set's 148,517 rows; " + SESSION,
}
LIVE = (
    "duration", "protocol_type", "service", "flag", "src_bytes", "dst_bytes", "land",
    "wrong_fragment", "urgent", "count", "srv_count", "serror_rate", "srv_serror_rate",
    "rerror_rate", "srv_rerror_rate", "same_srv_rate", "diff_srv_rate",
    "srv_diff_host_rate", "dst_host_count", "dst_host_srv_count",
    "dst_host_same_srv_rate", "dst_host_diff_srv_rate", "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate", "dst_host_serror_rate", "dst_host_srv_serror_rate",
    "dst_host_rerror_rate", "dst_host_srv_rerror_rate",
)  # fmt: skip


class KddRows:
    """Rows in NSL-KDD's columns.

    Parameters
    ----------
    columns : tuple of str
        Those to yield; null in one that cannot be had.
    """

    n_forgotten = 0

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.memory = Memory(("host",), ("service", "port", "serror", "rerror"))

    def state(self) -> State:
        """Return the last connections as arrays."""
        return self.memory.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue from what :meth:`state` returned."""
        self.memory.restore(state)

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""
        basic = connections.select(
            (pl.col("duration").fill_null(0).clip(0) // 10**9).alias("duration"),
            pl.col("proto").alias("protocol_type"),
            kdd.service().alias("service"),
            kdd.flag().alias("flag"),
            pl.col("orig_bytes").alias("src_bytes"),
            pl.col("resp_bytes").alias("dst_bytes"),
            (
                (pl.col("id.orig_h") == pl.col("id.resp_h"))
                & (pl.col("id.orig_p") == pl.col("id.resp_p")).fill_null(value=False)
                & (pl.col("proto") != "icmp")
            )
            .cast(pl.Int64)
            .alias("land"),
            pl.col("wrong_fragments").alias("wrong_fragment"),
            "urgent",
            *(pl.col(name).alias(kdd_name) for kdd_name, name in LOGINS.items()),
        )
        found = basic.with_columns(**self._windows(connections, basic))
        return found.select(
            pl.col(name) if name not in ABSENT else pl.lit(None, pl.Float64).alias(name)
            for name in self.columns
        )

    def _windows(
        self, connections: pl.DataFrame, basic: pl.DataFrame
    ) -> dict[str, NDArray[Any]]:
        """Return the columns about the connections before."""
        memory = self.memory
        rows = {
            "time": memory.clock.read(connections["known"].to_numpy()),
            "host": memory.hosts.add(connections["id.resp_h"])[0],
            "service": _code(basic["service"]),
            "port": connections["id.orig_p"].fill_null(-1).to_numpy() + 1,
            "serror": basic["flag"].is_in(kdd.SYN_ERRORS).to_numpy().astype(np.int64),
            "rerror": basic["flag"].is_in(kdd.REJECTIONS).to_numpy().astype(np.int64),
        }
        is_entry = memory.going_on.first(connections["uid"], connections["is_over"])
        view = memory.past.add(rows, is_entry)
        host, service = view.by("host"), view.by("service")
        both, port = view.by("host", "service"), view.by("host", "port")
        found: dict[str, NDArray[Any]] = {}
        last = view.last(MOST)
        recent = np.maximum(view.last(MOST_2S), view.younger(TWO_SECONDS))
        for names, since in ((TWO, recent), (HOST, last)):
            of_host, of_service = host.window(since), service.window(since)
            n, n_srv = of_host.count, of_service.count
            n_same = both.window(since).count
            values = (
                np.maximum(n, 1),
                np.maximum(n_srv, 1),
                _rate(of_host, "serror", rows),
                _rate(of_service, "serror", rows),
                _rate(of_host, "rerror", rows),
                _rate(of_service, "rerror", rows),
                _hundredths(np.maximum(n_same, n == 0), n),
                _different(of_host, "service"),
                _different(of_service, "host"),
            )
            found |= dict(zip(names, values, strict=True))
        n, n_port = host.window(last).count, port.window(last).count
        found["dst_host_same_src_port_rate"] = _hundredths(
            np.maximum(n_port, n == 0), n
        )
        memory.tidy(memory.past.number >= memory.past.n - max(MOST, MOST_2S))
        return found


TWO = (
    "count", "srv_count", "serror_rate", "srv_serror_rate", "rerror_rate",
    "srv_rerror_rate", "same_srv_rate", "diff_srv_rate", "srv_diff_host_rate",
)  # fmt: skip
HOST = (
    "dst_host_count", "dst_host_srv_count", "dst_host_serror_rate",
    "dst_host_srv_serror_rate", "dst_host_rerror_rate", "dst_host_srv_rerror_rate",
    "dst_host_same_srv_rate", "dst_host_diff_srv_rate", "dst_host_srv_diff_host_rate",
)  # fmt: skip


def _code(service: pl.Series) -> Ints:
    codes = {name: code for code, name in enumerate(kdd.NAMES)}
    return service.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def _rate(window: Window, name: str, rows: Mapping[str, Ints]) -> NDArray[np.float64]:
    """Return a share; that of the row itself where its window is empty."""
    total = window.total(name)
    return _hundredths(np.where(window.count > 0, total, rows[name]), window.count)


def _different(window: Window, name: str) -> NDArray[np.float64]:
    """Return the share of values of a column, 0 where there is one."""
    n = window.distinct(name)
    return _hundredths(np.where(n > 1, n, 0), window.count)


def _hundredths(part: Ints, whole: Ints) -> NDArray[np.float64]:
    """Return shares with two decimals, 1/8 as 0.12, as the data set has them."""
    found: NDArray[np.float64] = np.rint(100 * part / np.maximum(whole, 1)) / 100
    return found


NEEDS = {
    "known": "the windows, which are in time",
    "id.orig_h": "land",
    "id.resp_h": "the windows, which are of hosts",
    "id.orig_p": "service, of ICMP by its type",
    "id.resp_p": "service",
    "proto": "protocol_type",
    "conn_state": "flag",
    "orig_bytes": "src_bytes, which is payload bytes",
    "resp_bytes": "dst_bytes, which is payload bytes",
}
ALL = (*LIVE[:9], *CONTENT, *LIVE[9:])
NSL_KDD = Contract(
    name="nsl_kdd",
    title="NSL-KDD, all 41 columns",
    columns=ALL,
    needs=NEEDS,
    absent=ABSENT,
    make=lambda: KddRows(ALL),
)
NSL_KDD_LIVE = Contract(
    name="nsl_kdd_live",
    title="NSL-KDD, the 28 columns that connections give of every service",
    columns=LIVE,
    needs=NEEDS,
    absent=ABSENT
    | dict.fromkeys(LOGINS, "it is known of FTP, POP3 and Telnet alone: see nsl_kdd"),
    make=lambda: KddRows(LIVE),
)
