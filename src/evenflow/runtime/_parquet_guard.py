"""Checks of an untrusted Parquet file before anything unpacks it.

A file of a kilobyte can claim billions of rows, or pages that unpack to gigabytes.
This reads the footer and the head of each page by itself, without unpacking any, and
refuses what is over the limits or says one thing here and another there.

References
----------
.. [1] The Apache Parquet format, parquet.thrift, version 2.10.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime._thrift import ThriftError, struct
from evenflow.runtime.limits import Limits
from evenflow.text.raw import MAX_COLUMNS

MAGIC = b"PAR1"
MAX_FOOTER = 2**25
MAX_PAGES = 2**17
MAX_PAGE = 2**28
"""Bytes of one page when it is unpacked; writers make pages of about 1 MiB."""
MAX_DEPTH = 32
"""Levels of groups; a list in a list is four."""
MAX_FIXED = 2**12
"""Bytes of a value of fixed length."""
DICTIONARY_PAGE, DELTA_BYTE_ARRAY = 2, 7
_AGAIN = "Write the file again with another tool, or send CSV"


def inspect(path: Path, limits: Limits | None, *, name: str) -> None:
    """Refuse a Parquet file that would unpack to more than the limits.

    Parameters
    ----------
    path : Path
    limits : Limits, optional
        Most rows, and most bytes of all pages when they are unpacked. Without them
        only columns that nest too deep are refused.
    name : str
        What messages call the file.

    Raises
    ------
    DataError
        It is over a limit, or its parts contradict each other.
    """
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            _inspect(data, limits, name)
    except (ThriftError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        if limits is None:
            return  # its reader says what is wrong
        raise DataError(
            f"{name}: found a Parquet file that cannot be read ({error}), expected a "
            "whole one. It may be truncated: get the file again"
        ) from None


def _inspect(data: mmap.mmap, limits: Limits | None, name: str) -> None:
    footer = _footer(data)
    _check_depth(_list(footer, 2), name)
    if limits is None:
        return
    _columns(_list(footer, 2), name)
    n_rows = _int(footer, 3)
    groups = _list(footer, 4)
    limits.check_rows(n_rows, name=name)
    if n_rows < 0 or sum(_int(group, 3) for group in groups) != n_rows:
        raise ThriftError("the rows of its parts do not sum to the rows it claims")
    unpacked = n_pages = 0
    values: dict[int, int] = {}
    for group in groups:
        for column, chunk in enumerate(_list(group, 1)):
            if 1 in chunk:
                raise DataError(
                    f"{name}: found a Parquet file whose columns lie in other files, "
                    f"expected one whole file. {_AGAIN}"
                )
            size, pages = _chunk(data, _struct(chunk, 3), limits, n_pages, name)
            unpacked, n_pages = unpacked + size, n_pages + pages
            limits.check_unpacked(unpacked, name=name)
            n = values.get(column, 0) + _int(_struct(chunk, 3), 5)
            limits.check_rows(n, name=name)  # a list in a row has several values
            values[column] = n


def _footer(data: mmap.mmap) -> Mapping[int, Any]:
    if len(data) < 12 or data[:4] != MAGIC or data[-4:] != MAGIC:
        raise ThriftError("the PAR1 mark is missing at its start or end")
    length = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - length
    if length > MAX_FOOTER or start < 4:
        raise ThriftError(f"a footer of {length} bytes")
    found, _ = struct(data[start : len(data) - 8], 0)
    return found


def _columns(schema: Sequence[Any], name: str) -> None:
    if len(schema) - 1 > MAX_COLUMNS:
        raise DataError(
            f"{name}: found {len(schema) - 1} columns, expected at most {MAX_COLUMNS}. "
            "Leave out those that are not needed"
        )
    for element in schema:
        if _int(element, 2) > MAX_FIXED:
            raise DataError(
                f"{name}: found values of {_int(element, 2)} bytes, expected at most "
                f"{MAX_FIXED}. {_AGAIN}"
            )


def _check_depth(schema: Sequence[Any], name: str) -> None:
    """Refuse columns that nest deeper than a reader's stack."""
    left: list[int] = []  # children to come of each group that is open
    for element in schema:
        while left and left[-1] < 1:
            left.pop()
        if left:
            left[-1] -= 1
        left.append(_int(element, 5))
        if len(left) > MAX_DEPTH:
            raise DataError(
                f"{name}: found a column nested more than {MAX_DEPTH} levels deep, "
                f"expected plain values. Leave such columns out"
            )


def _chunk(
    data: mmap.mmap, meta: Mapping[int, Any], limits: Limits, seen: int, name: str
) -> tuple[int, int]:
    """Return the unpacked size of a column's pages and how many there are."""
    n_values, packed = _int(meta, 5), _int(meta, 7)
    first = _int(meta, 9)
    if 0 < _int(meta, 11) < first:
        first = _int(meta, 11)
    end = first + packed
    if n_values < 0 or packed < 0 or first < 4 or end > len(data):
        raise ThriftError("a column that lies outside the file")
    at, unpacked, n_pages, found = first, 0, 0, 0
    while at < end:
        head, at = struct(data, at)
        size, stored = _int(head, 2), _int(head, 3)
        if size < 0 or stored < 0 or at + stored > end:
            raise ThriftError("a page that lies outside its column")
        if size > MAX_PAGE:
            raise DataError(
                f"{name}: found a page that unpacks to {size} bytes, expected at most "
                f"{MAX_PAGE}. {_AGAIN}"
            )
        unpacked, n_pages = unpacked + size, n_pages + 1
        limits.check_unpacked(unpacked, name=name)
        if seen + n_pages > MAX_PAGES:
            raise DataError(
                f"{name}: found more than {MAX_PAGES} pages, expected fewer and larger "
                f"ones. {_AGAIN}"
            )
        found += _values(head, size, name)
        at += stored
    if found > n_values:
        raise ThriftError(f"pages with {found} values in a column of {n_values}")
    return unpacked, n_pages


def _values(head: Mapping[int, Any], size: int, name: str) -> int:
    """Return how many values a page adds to its column."""
    if _int(head, 1) == DICTIONARY_PAGE:
        if not 0 <= _int(_struct(head, 7), 1) <= 8 * size:
            raise ThriftError("a dictionary with more entries than bits")
        return 0
    body, encoding = (_struct(head, 8), 4) if 8 in head else (_struct(head, 5), 2)
    if _int(body, encoding) == DELTA_BYTE_ARRAY:
        raise DataError(
            f"{name}: found text packed as DELTA_BYTE_ARRAY, expected plain or "
            f"dictionary encoding: its size is not known beforehand. {_AGAIN}"
        )
    n = _int(body, 1)
    if n < 0:
        raise ThriftError("a page with a negative number of values")
    return n


def _int(value: Mapping[int, Any], field: int) -> int:
    found = value.get(field, 0)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ThriftError(f"a field {field} that is not a number")
    return found


def _list(value: Mapping[int, Any], field: int) -> list[Mapping[int, Any]]:
    found = value.get(field, [])
    if not isinstance(found, list) or not all(isinstance(v, dict) for v in found):
        raise ThriftError(f"a field {field} that is not a list")
    return found


def _struct(value: Mapping[int, Any], field: int) -> Mapping[int, Any]:
    found = value.get(field)
    if not isinstance(found, dict):
        raise ThriftError(f"no field {field}")
    return found
