"""Zeek's conn.log: text with a header, or JSON lines.

References
----------
.. [1] The Zeek project, "Zeek Log Formats and Inspection" and "conn.log", in the
   documentation of Zeek.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import polars as pl

from evenflow.errors import DataError
from evenflow.text.times import nanoseconds
from evenflow.traffic.columns import CONNECTION
from evenflow.traffic.sources import _cells as cells
from evenflow.traffic.sources._cells import Cell
from evenflow.traffic.sources._delimited import read_fields
from evenflow.traffic.sources._findings import Findings, shown
from evenflow.traffic.sources._lines import Lines
from evenflow.traffic.sources._objects import Fields, read_objects
from evenflow.traffic.sources._source import PER_PACKET, Source

CELLS = {
    "ts": Cell("ts", nanoseconds, is_required=True),
    "uid": Cell("uid", cells.words),
    "id.orig_h": Cell("id.orig_h", cells.address, is_required=True),
    "id.orig_p": Cell("id.orig_p", cells.port),
    "id.resp_h": Cell("id.resp_h", cells.address, is_required=True),
    "id.resp_p": Cell("id.resp_p", cells.port),
    "proto": Cell("proto", cells.words),
    "service": Cell("service", cells.words),
    "duration": Cell("duration", cells.duration),
    "conn_state": Cell("conn_state", cells.conn_state),
    "history": Cell("history", cells.words),
    **{
        name: Cell(name, cells.count)
        for name in (
            "orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "orig_ip_bytes",
            "resp_pkts", "resp_ip_bytes", "ip_proto",
        )
    },
    "known": Cell("_write_ts", nanoseconds),
}  # fmt: skip
WORDS = ("uid", "proto", "service", "conn_state", "history")
OBJECT: Fields = dict.fromkeys(
    (*(cell.column for cell in CELLS.values()), "_path", "id", "id_orig_h",
     "id_orig_p", "id_resp_h", "id_resp_p")
)  # fmt: skip
ENDPOINTS = ("orig_h", "orig_p", "resp_h", "resp_p")
DIRECTIVES = (
    "#separator", "#set_separator", "#empty_field", "#unset_field", "#path", "#fields",
    "#types",
)  # fmt: skip
EXPECTED = (
    "expected Zeek's conn.log: lines after a #fields header, or JSON objects with "
    "id.orig_h and conn_state"
)
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_NAME = re.compile(r"[A-Za-z_][\w.]*")


class _Reader:
    """Reads lines under the header before them."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._has_read = False
        self._begin()

    def _begin(self) -> None:
        self._lines: dict[str, str] = {}
        self._separator = "\t"
        self._names: list[str] = []
        self._is_conn = True

    @property
    def header(self) -> tuple[str, ...]:
        """Return the lines that say how those after them are read."""
        return tuple(self._lines.values())

    @header.setter
    def header(self, lines: tuple[str, ...]) -> None:
        self._begin()
        for line in lines:
            self._has_read = True
            if line.startswith("#"):
                self._direct(line)
            else:
                self._name(line)

    def read(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of some lines."""
        text = np.frombuffer(lines.data, np.uint8)
        ends = lines.ends
        first = text[np.concatenate([[0], ends[:-1] + 1])]
        is_comment, is_object = first == ord("#"), first == ord("{")
        if not self._has_read and not (is_comment | is_object).any():
            lines = self._named(lines)
            is_comment, is_object = is_comment[-len(lines) :], is_object[-len(lines) :]
        kinds = is_comment + 2 * is_object.astype(np.int8)
        cuts = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(lines)]
        frames = []
        for start, stop in pairwise(cuts):
            if start == stop:
                continue
            part = lines if stop - start == len(lines) else lines.part(start, stop)
            if is_comment[start]:
                for line in part.texts():
                    self._direct(line)
            elif is_object[start]:
                frames.append(self._objects(part))
            else:
                frames.append(self._fields(part))
        return pl.concat([cells.NOTHING, *frames])

    def _named(self, lines: Lines) -> Lines:
        """Take a first line of bare names, as zeek-cut writes it."""
        line = lines.part(0, 1).texts()[0]
        if _are_names(line):
            self._name(line)
            return lines.part(1, len(lines))
        what = f"begins with {shown(line)!r}; {EXPECTED}"
        self.findings.refuse(lines.numbers.tolist(), what)
        return lines.part(0, 0)

    def _name(self, line: str) -> None:
        self._lines = {"": line}
        self._names = [_canonical(name) for name in line.split("\t")]
        self._has_read = True

    def _direct(self, line: str) -> None:
        """Follow a line of the header."""
        if line.startswith("#separator"):
            self._begin()
            self._separator = _unescaped(line[len("#separator") :].strip(" ")) or "\t"
        word, *values = line.split(self._separator)
        word = "#separator" if line.startswith("#separator") else word
        if word not in DIRECTIVES:
            return
        if word == "#fields" and "#fields" in self._lines:
            for old in ("#types", "#fields"):
                self._lines.pop(old, None)
        self._lines[word] = line
        if word == "#fields":
            self._names = [_canonical(name) for name in values]
            path = self._setting("#path", "conn")
            has_ends = {"id.orig_h", "id.resp_h"} <= {*self._names}
            self._is_conn = "conn_state" in self._names or (
                path.startswith("conn") and has_ends
            )
            if not self._is_conn and not self._has_read:
                raise DataError(
                    f"{self.findings.source} is Zeek's {shown(path)} log; {EXPECTED}"
                )
            self._has_read = True

    def _setting(self, word: str, default: str) -> str:
        _, *values = self._lines.get(word, "").split(self._separator, 1)
        return _unescaped(values[0]) if values else default

    def _fields(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of lines of fields."""
        if not self._names:
            self.findings.many_unreadable(
                lines.numbers.tolist(), lambda _: "a line before the header"
            )
            return cells.NOTHING
        if not self._is_conn:
            path = self._setting("#path", "another")
            self.findings.skip(f"Zeek's {path} log", len(lines))
            return cells.NOTHING
        text, numbers = read_fields(
            lines,
            self._names,
            self._separator,
            self.findings,
            wanted={cell.column for cell in CELLS.values()},
            missing=(self._setting("#unset_field", "-"),),
        )
        return self._connections(self._plain(text, lines.data), numbers)

    def _plain(self, text: pl.DataFrame, data: bytes) -> pl.DataFrame:
        """Return words without Zeek's escapes and marks."""
        names = [name for name in WORDS if name in text.columns]
        empty = self._setting("#empty_field", "(empty)")
        if empty.encode() in data:
            text = text.with_columns(pl.col(names).replace(empty, ""))
        if b"\\x" in data:
            text = text.with_columns(
                pl.col(names).map_elements(_unescaped, return_dtype=pl.String)
            )
        types = self._lines.get("#types", "").split(self._separator)[1:]
        kinds = dict(zip(self._names, types, strict=False))
        between = self._setting("#set_separator", ",")
        if kinds.get("service", "").startswith("set") and between != ",":
            text = text.with_columns(
                pl.col("service").str.replace_all(between, ",", literal=True)
            )
        return text

    def _objects(self, lines: Lines) -> pl.DataFrame:
        """Return the connections of lines of JSON."""
        text, numbers = read_objects(lines, OBJECT, self.findings)
        columns = [
            pl.coalesce(
                f"id.{name}",
                f"id_{name}",
                pl.col("id").str.json_path_match(f"$.{name}"),
            ).alias(f"id.{name}")
            for name in ENDPOINTS
        ]
        service = pl.col("service")
        listed = service.str.strip_chars("[]").str.replace_all('"', "", literal=True)
        is_list = service.str.starts_with("[")
        text = text.with_columns(
            *columns,
            pl.when(is_list).then(listed.str.replace_all(", ", ",", literal=True))
            .otherwise(service).alias("service"),
        )  # fmt: skip
        has_more = pl.any_horizontal(
            pl.col("conn_state", "duration", "orig_pkts", "orig_ip_bytes").is_not_null()
        )
        path = pl.col("_path")
        is_conn = text.select(
            pl.when(path.is_null())
            .then(has_more & pl.col("id.orig_h").is_not_null())
            .otherwise(path == "conn")
        ).to_series()
        if not is_conn.all():
            others = text.filter(~is_conn)["_path"]
            if not self._has_read and others.null_count() == len(lines):
                self.findings.refuse(numbers.tolist(), f"has other objects; {EXPECTED}")
                return cells.NOTHING
            for kind, n in others.value_counts().iter_rows():
                self.findings.skip(
                    "Zeek's other logs" if kind is None else f"Zeek's {kind} log", n
                )
            text, numbers = text.filter(is_conn), numbers[is_conn.to_numpy()]
        self._has_read = self._has_read or bool(len(text))
        return self._connections(text, numbers)

    def _connections(
        self, text: pl.DataFrame, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> pl.DataFrame:
        return cells.finish(cells.typed(text, CELLS, numbers, self.findings))


def _canonical(name: str) -> str:
    """Return a name as Zeek has it where another program changed its dot."""
    end = name.removeprefix("id_")
    return f"id.{end}" if end in ENDPOINTS else name


def _unescaped(text: str) -> str:
    """Return text with escaped bytes for what they are."""
    if "\\x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _is_it(lines: list[str]) -> bool:
    if any(line.startswith(DIRECTIVES) for line in lines):
        return True
    names = ('"id.orig_h"', '"id_orig_h"', '"orig_h"')
    has_objects = any(
        line.startswith("{") and any(name in line for name in names) for line in lines
    )
    return has_objects or _are_names(lines[0])


def _are_names(line: str) -> bool:
    names = line.split("\t")
    is_each = all(map(_NAME.fullmatch, names))
    return is_each and len({*map(_canonical, names)} & {*CONNECTION}) > 1


SOURCE = Source(
    name="zeek",
    title="Zeek's conn.log",
    columns=tuple(name for name in CELLS if name in CONNECTION),
    reasons=PER_PACKET,
    reader=_Reader,
    is_it=_is_it,
)
