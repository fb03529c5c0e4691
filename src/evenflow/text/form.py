"""The form of a file: text in which encoding, or what else its first bytes say."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from evenflow.errors import DataError

_UNPACK = "Unpack it first"
_CAPTURE = "Turn its packets into flows first: evenflow flows"
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive (or a spreadsheet, .xlsx)",
     "Unpack it with unzip; export a spreadsheet as CSV"),
    (b"PK\x05\x06", "an empty zip archive", "Get the file again"),
    (b"\xfd7zXZ\x00", "xz data", f"{_UNPACK}: xz -d"),
    (b"BZh91AY&SY", "bzip2 data", f"{_UNPACK}: bunzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd data", f"{_UNPACK}: zstd -d"),
    (b"\x04\x22\x4d\x18", "lz4 data", f"{_UNPACK}: lz4 -d"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", f"{_UNPACK}: 7z x"),
    (b"Rar!\x1a\x07", "a RAR archive", f"{_UNPACK}: unrar x"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of Microsoft Office (.xls)",
     "Export it as CSV"),
    (b"%PDF-", "a PDF file", "Get the table as CSV"),
    (b"\xff\xd8\xff", "an image", "Give the table itself"),
    (b"\x89PNG", "an image", "Give the table itself"),
    (b"GIF89a", "an image", "Give the table itself"),
    (b"\x7fELF", "a program", "Give the table itself"),
    (b"MZ\x90\0", "a program", "Give the table itself"),
    (b"SQLite format 3\0", "an SQLite database", "Export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "Export the table as CSV or Parquet"),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "Write it as Parquet"),
    (b"Obj\x01", "an Avro file", "Write it as Parquet"),
    (b"\x93NUMPY", "a NumPy array", "Write it as CSV with a header"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture", _CAPTURE),
    (b"\xa1\xb2\xc3\xd4", "a packet capture", _CAPTURE),
    (b"\x4d\x3c\xb2\xa1", "a packet capture", _CAPTURE),
    (b"\xa1\xb2\x3c\x4d", "a packet capture", _CAPTURE),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)", _CAPTURE),
)  # fmt: skip
"""First bytes of files that are not text, what they are, and what to do."""
TEXTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"(%[^\n]*\n\s*)*@relation\b", re.IGNORECASE), "an ARFF file (Weka)",
     "Convert it to CSV"),
    (re.compile(rb"<!doctype|<html|<\?xml", re.IGNORECASE), "a page of HTML or XML",
     "Was an error page saved in its place? Get the file again"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS",
     "Get the file it points to: git lfs pull"),
    (re.compile(rb"#separator\b"), "a Zeek log with its comment lines",
     "Leave out the lines that begin with #, and put the names of #fields first"),
)  # fmt: skip
"""Starts of texts that are not tables, what they are, and what to do."""
TAR_AT = 257
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def refuse(head: bytes, *, name: str) -> None:
    """Refuse a file whose first bytes are not text.

    Raises
    ------
    DataError
        Names what the file is and what to do.
    """
    found = next(((w, do) for magic, w, do in MAGIC if head.startswith(magic)), None)
    if found is None and head[TAR_AT : TAR_AT + 5] == b"ustar":
        found = "a tar archive", f"{_UNPACK}: tar -xf"
    if found:
        raise _not_a_table(name, *found)


def refuse_text(start: bytes, *, name: str) -> None:
    """Refuse a text whose first lines are not a table.

    Raises
    ------
    DataError
        Names what the text is and what to do.
    """
    for pattern, what, do in TEXTS:
        if pattern.match(start.lstrip()):
            raise _not_a_table(name, what, do)


def _not_a_table(name: str, what: str, do: str) -> DataError:
    return DataError(
        f"{name}: found {what}, expected records as text (plain or gzip) or "
        f"Parquet. {do}"
    )


def encoding_of(head: bytes) -> str | None:
    """Return the encoding of a text of two or four bytes a character, else None."""
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return encoding
    start = head[:64]
    if len(start) >= 8 and not start[0] and start[1] and not any(start[::2]):
        return "utf-16-be"
    if len(start) >= 8 and start[0] and not start[1] and not any(start[1::2]):
        return "utf-16-le"
    return None


def decoded(parts: Iterator[bytes], encoding: str, *, name: str) -> Iterator[bytes]:
    """Yield the text of another encoding as UTF-8.

    Raises
    ------
    DataError
        The text is damaged or cut short.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for part in parts:
            yield decoder.decode(part).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(
            f"{name}: found damaged {encoding.upper()} text ({error}), expected whole "
            "characters. It may be truncated: get the file again, or convert it to "
            "UTF-8"
        ) from None


def repaired(data: bytes) -> tuple[bytes, int]:
    """Return lines as UTF-8, and how many of them were Windows-1252.

    A line that is not UTF-8 is read as Windows-1252, whatever the lines around it
    are: so a text reads the same however its bytes arrive.

    Raises
    ------
    UnicodeDecodeError
        A line is neither; ``start`` is the place of the byte in the whole.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return data, 0
    lines, n, at = data.split(b"\n"), 0, 0
    for i, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError:
            try:
                lines[i] = line.decode("cp1252").encode()
            except UnicodeDecodeError as error:
                raise UnicodeDecodeError(
                    "cp1252", data, at + error.start, at + error.end, error.reason
                ) from None
            n += 1
        at += len(line) + 1
    return b"\n".join(lines), n


def with_newlines(parts: Iterator[bytes], *, most: int) -> Iterator[bytes]:
    """Yield a text whose lines end in a carriage return alone with newlines instead.

    The first line decides; any other text is yielded as it is.
    """
    begun = bytearray()
    for part in parts:
        begun += part
        if b"\n" in part or len(begun) > most:
            break
    head = bytes(begun)
    first, _, _ = head.partition(b"\n")
    if b"\r" not in first.rstrip(b"\r") and (b"\n" in head or b"\r" not in first):
        if head:
            yield head
        yield from parts
        return
    held = head
    for part in parts:
        data, held = held, b""
        if data.endswith(b"\r"):  # its newline may come next
            data, held = data[:-1], b"\r"
        held += part
        yield data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield held.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
