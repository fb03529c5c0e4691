"""Read a struct of Thrift's compact protocol, with nothing taken on trust.

References
----------
.. [1] Apache Thrift, "Thrift compact protocol encoding".
"""

from __future__ import annotations

from typing import Any, Protocol

MAX_DEPTH = 12
MAX_ITEMS = 2**21
"""Values of one struct, all that is in it counted."""
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


class ThriftError(ValueError):
    """The bytes are not a valid struct; the text goes into a message."""


class Buffer(Protocol):
    """Bytes, or a file in memory."""

    def __len__(self) -> int:
        """Return the number of bytes."""

    def __getitem__(self, place: Any, /) -> Any:
        """Return a byte, or some bytes."""


def struct(data: Buffer, at: int) -> tuple[dict[int, Any], int]:
    """Return a struct's fields by their numbers, and where it ends.

    Booleans, numbers, bytes, lists and structs are kept; a double is None, and so is
    a map, which Parquet has none of.

    Raises
    ------
    ThriftError
        The bytes end too early, nest too deep, or are of no known type.
    """
    reader = _Reader(data, at)
    try:
        return reader.struct(0), reader.at
    except IndexError:
        raise ThriftError("it ends too early") from None


class _Reader:
    def __init__(self, data: Buffer, at: int) -> None:
        self.data, self.at, self.n_items = data, at, 0

    def byte(self) -> int:
        value: int = self.data[self.at]
        self.at += 1
        return value

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ThriftError("a number of too many bytes")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > MAX_DEPTH:
            raise ThriftError("it nests too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            step, kind = head >> 4, head & 0x0F
            number = number + step if step else self.zigzag()
            if kind in (TRUE, FALSE):
                fields[number] = kind == TRUE
            else:
                fields[number] = self.value(kind, depth + 1)
        return fields

    def value(self, kind: int, depth: int) -> Any:
        self.n_items += 1
        if self.n_items > MAX_ITEMS:
            raise ThriftError("too many values")
        if kind in (TRUE, FALSE, BYTE):
            return self.byte()
        if kind in (I16, I32, I64):
            return self.zigzag()
        if kind == DOUBLE:
            return self.skip(8)
        if kind == BINARY:
            size = self.varint()
            return self.bytes(size)
        if kind in (LIST, SET):
            return self.list(depth)
        if kind == MAP:
            return self.map(depth)
        if kind == STRUCT:
            return self.struct(depth)
        raise ThriftError(f"a value of type {kind}")

    def list(self, depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise ThriftError("it nests too deep")
        head = self.byte()
        n, kind = head >> 4, head & 0x0F
        if n == 15:
            n = self.varint()
        if n > len(self.data) - self.at:  # each item has a byte or more
            raise ThriftError(f"a list of {n} items")
        return [self.value(kind, depth + 1) for _ in range(n)]

    def map(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ThriftError("it nests too deep")
        n = self.varint()
        if n > len(self.data) - self.at:
            raise ThriftError(f"a map of {n} entries")
        kinds = self.byte() if n else 0
        for _ in range(n):
            self.value(kinds >> 4, depth + 1)
            self.value(kinds & 0x0F, depth + 1)

    def bytes(self, size: int) -> bytes:
        self.skip(size)
        found: bytes = self.data[self.at - size : self.at]
        return found

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ThriftError("it ends too early")
        self.at += size
