"""Text of cells to the values of a connection's columns."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.text.times import has_no_zone, nanoseconds, seconds
from evenflow.traffic.columns import CONNECTION, conform
from evenflow.traffic.sources._findings import Findings, shown
from evenflow.traffic.sources._protocols import NUMBERS

MOST_LASTED_S = 2**29
MOST_COUNT = 2**62
NO_ZONE = "times without a zone in {source} were read as UTC"
STATES = (
    "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR",
    "OTH",
)  # fmt: skip
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IP4 = rf"^(?:{_OCTET}\.){{3}}{_OCTET}$"
MAX_ADDRESS = 64


def duration(text: pl.Series) -> pl.Series:
    """Return seconds as nanoseconds."""
    return text.to_frame("x").select(seconds(pl.col("x"), MOST_LASTED_S))["x"]


def count(text: pl.Series) -> pl.Series:
    """Return whole numbers from 0."""
    return _below(text.cast(pl.Int64, strict=False), MOST_COUNT)


def port(text: pl.Series) -> pl.Series:
    """Return numbers of ports, decimal or hexadecimal."""
    found = text.cast(pl.Int64, strict=False)
    if found.null_count() > text.null_count():
        digits = text.str.extract(r"^0[xX]([0-9a-fA-F]{1,4})$")
        found = found.fill_null(digits.str.to_integer(base=16, strict=False))
    return _below(found, 65536)


def _below(numbers: pl.Series, most: int) -> pl.Series:
    x = pl.col("x")
    kept = pl.when(x.is_between(0, most, closed="left")).then(x)
    return numbers.to_frame("x").select(kept.alias("x"))["x"]


def address(text: pl.Series) -> pl.Series:
    """Return addresses of IPv4 and IPv6."""
    is_four = text.str.contains(IP4)
    others = text.filter(~is_four.fill_null(value=True)).unique()
    six = [name for name in others.to_list() if _is_ip6(name)]
    return _where(text, is_four | text.is_in(six))


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text[:MAX_ADDRESS])
    except ValueError:
        return False
    return len(text) <= MAX_ADDRESS and text.isprintable()


def conn_state(text: pl.Series) -> pl.Series:
    """Return states of a connection as Zeek names them."""
    return _where(text, text.is_in(list(STATES)))


def _where(text: pl.Series, is_one: pl.Series) -> pl.Series:
    return text.zip_with(
        is_one.fill_null(value=False), pl.Series([None], dtype=pl.String)
    )


def words(text: pl.Series) -> pl.Series:
    """Return text as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of a log, and how its text becomes values.

    Attributes
    ----------
    column : str
        Its name in the log.
    parse : callable
        Text to values; null where it is not what is expected.
    is_required : bool
        Whether a line without it cannot be read.
    hint : str
        How to have the program that wrote the log write what is expected.
    """

    column: str
    parse: Callable[[pl.Series], pl.Series]
    is_required: bool = False
    hint: str = ""


NOTHING = pl.DataFrame(schema=CONNECTION)
"""No connections."""

EXPECTED: dict[Callable[[pl.Series], pl.Series], str] = {
    nanoseconds: "seconds since 1970, or a date and a time",
    duration: "seconds from 0",
    count: "a whole number from 0",
    port: "a port from 0 to 65535",
    address: "an IPv4 or IPv6 address",
    conn_state: "a state such as S0, SF or REJ",
    words: "text",
}


def typed(
    text: pl.DataFrame,
    cells: Mapping[str, Cell],
    numbers: NDArray[np.int64],
    findings: Findings,
) -> pl.DataFrame:
    """Return the values of those lines that can be read; count the others.

    Parameters
    ----------
    text : DataFrame
        Text of the log's columns, null where it has no value, a row a line.
    cells : mapping of {str: Cell}
        The columns wanted, by the name they get; those not in ``text`` are left out.
    numbers : ndarray of shape (n_lines,), int64
        Number of each line.
    """
    values: dict[str, pl.Series] = {}
    is_bad = np.zeros(len(text), bool)
    wrong: dict[int, str] = {}
    for name, cell in cells.items():
        if cell.column not in text.columns:
            continue
        given = text[cell.column]
        value = values[name] = cell.parse(given)
        if cell.parse is nanoseconds and has_no_zone(given):
            findings.remark(NO_ZONE.format(source=findings.source), is_warning=True)
        n_missing = given.null_count()
        if value.null_count() == n_missing and not (cell.is_required and n_missing):
            continue
        bad = value.is_null()
        if not cell.is_required:
            bad &= given.is_not_null()
        found = bad.to_numpy()
        for row in np.flatnonzero(found & ~is_bad)[:3].tolist():
            what = "nothing" if given[row] is None else repr(shown(given[row]))
            expected = EXPECTED[cell.parse] + cell.hint
            wrong[row] = f"column {cell.column} is {what}; expected {expected}"
        is_bad |= found
    frame = pl.DataFrame(values) if values else text.select()
    if not is_bad.any():
        return frame
    rows = np.flatnonzero(is_bad)
    findings.many_unreadable(
        numbers[rows].tolist(), lambda k: wrong.get(int(rows[k]), "a wrong value")
    )
    return frame.filter(pl.Series(~is_bad))


def protocol(name: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return names of protocols as Zeek has them, and their numbers.

    Parameters
    ----------
    name : Series of String
        A name in any case, or a number.
    """
    plain = name.str.strip_chars().str.to_lowercase()
    number = plain.replace_strict(
        NUMBERS, default=plain.cast(pl.Int64, strict=False), return_dtype=pl.Int64
    )
    zeek = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
    named = number.replace_strict(
        zeek, default="unknown_transport", return_dtype=pl.String
    )
    return _where(named, name.is_not_null()).alias("proto"), number.alias("ip_proto")


def finish(frame: pl.DataFrame) -> pl.DataFrame:
    """Return connections in the columns of ``columns.py``, with what follows.

    ``duration`` is the time from ``ts`` to ``end``, where the frame has that instead.
    ``last_packet`` is ``ts`` and ``duration``. ``known`` is the latest of these and of
    the time at which the log had the row, where it says that.
    """
    if "end" in frame.columns:
        lasted = pl.col("end") - pl.col("ts")
        lasted = pl.when(lasted >= 0).then(lasted)
        given = [pl.col("duration")] if "duration" in frame.columns else []
        frame = frame.with_columns(duration=pl.coalesce(*given, lasted))
    frame = conform(frame)
    last = pl.col("ts") + pl.col("duration")
    derived = (
        pl.when(pl.col("proto") == "tcp").then(6)
        .when(pl.col("proto") == "udp").then(17)
        .when(pl.col("proto") == "icmp")
        .then(pl.when(pl.col("id.orig_h").str.contains(":")).then(58).otherwise(1))
    )  # fmt: skip
    return frame.with_columns(
        last_packet=last,
        known=pl.max_horizontal("known", last, "ts"),
        ip_proto=pl.coalesce("ip_proto", derived.cast(pl.Int64)),
        is_over=pl.lit(value=True),
    ).select(*CONNECTION)
