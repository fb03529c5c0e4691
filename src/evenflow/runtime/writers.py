"""Write frames one after the other: CSV, JSON lines or Parquet."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl

from evenflow.errors import StorageError
from evenflow.files import followed, is_stream, opened, replacing, storage_error

Write = Callable[[pl.DataFrame], None]
OutputFormat = Literal["csv", "jsonl", "parquet"]
PART_ROWS, PART_BYTES = 2**18, 2**28
"""Cells buffered before a write: a source may have a thousand columns."""
_WORDS = (pl.String, pl.Categorical, pl.Enum)
GROUP_ROWS, GROUP_CELLS = 122_880, 2**23
"""Maximum number of rows, and of cells, of a Parquet row group."""

# Signs that begin a formula, in every width, after what a spreadsheet drops or does
# not show; a plain number such as -1 or +2.5e3 is no formula.
_UNSEEN = r"[\s\p{C}\p{Z}\p{M}\p{DI}\u{2800}\u{1D159}]*"
_SIGN = (
    r"[-=+@|%\u{207A}\u{207C}\u{208A}\u{208C}\u{2212}\u{2A75}\u{2A76}\u{FB29}"
    r"\u{FE62}\u{FE63}\u{FE66}\u{FE6A}\u{FE6B}\u{FF05}\u{FF0B}\u{FF0D}\u{FF1D}"
    r"\u{FF20}\u{FF5C}]"
)
_FORMULA = rf"^{_UNSEEN}{_SIGN}|^\s*[\t\r\n]"
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_NEXT_CELL = rf"([;\t\r\n])({_UNSEEN}{_SIGN})"
"""A formula after what separates cells where Excel's language has a decimal comma."""
_ANY = rf"{_FORMULA}|{_NEXT_CELL}"


@contextmanager
def writer(
    sink: Path | BinaryIO,
    format: OutputFormat,  # noqa: A002
) -> Iterator[Write]:
    """Yield a function that writes frames of one schema.

    A file appears whole when the block ends, or not at all; a stream, device or
    pipe gets each frame at once.

    Raises
    ------
    StorageError
        The disk is full, the place not writable, or Parquet goes to a stream.
    """
    if format == "parquet":
        if not isinstance(sink, Path) or is_stream(sink):
            raise StorageError(
                "found Parquet for a stream, expected a file: a Parquet file is "
                "written whole. Name an output file, or choose csv or jsonl"
            )
        with _parquet(followed(sink)) as write:
            yield write
        return
    with binary(sink) as stream:
        is_live = not isinstance(sink, Path) or is_stream(sink)
        yield _lines(stream, format, is_live=is_live)


@contextmanager
def binary(sink: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream to write to; a plain file appears whole or not at all."""
    if isinstance(sink, Path):
        if is_stream(sink):  # a device or pipe cannot be replaced
            with opened(sink) as stream:
                yield stream
        else:
            with replacing(sink) as part, part.open("wb") as stream:
                yield stream
        return
    try:
        yield sink
        sink.flush()
    except (BrokenPipeError, StorageError):
        raise  # a reader that has seen enough is no error of ours
    except OSError as error:
        raise storage_error(Path("standard output"), error) from error


def _lines(stream: BinaryIO, format: OutputFormat, *, is_live: bool) -> Write:  # noqa: A002
    is_first = True

    def write(frame: pl.DataFrame) -> None:
        nonlocal is_first
        if format == "csv":
            text = inert(frame).write_csv(include_header=is_first)
        else:
            text = frame.write_ndjson()
        is_first = False
        stream.write(text.encode())
        if is_live:
            stream.flush()

    return write


def inert(frame: pl.DataFrame, *, is_input: bool = False) -> pl.DataFrame:
    """Return the frame with an apostrophe before text a spreadsheet would run.

    Parameters
    ----------
    frame : DataFrame
    is_input : bool
        Whether the text is to be scored again: then a lone dash, which several data
        sets have for "none", stays as it is.

    Examples
    --------
    >>> inert(pl.DataFrame({"a": ["=1+1", "-1", "tcp"]}))["a"].to_list()
    ["'=1+1", '-1', 'tcp']
    """
    words = [n for n, t in frame.schema.items() if t in _WORDS and _has_sign(frame[n])]
    names = pl.Series(frame.columns, dtype=pl.String).to_frame("name")
    shown = names.select(_inert("name", is_input=False)).to_series().to_list()
    odd = {
        old: new for old, new in zip(frame.columns, shown, strict=True) if old != new
    }
    taken = set(frame.columns)
    for name in odd:  # two columns of one name are no frame
        while odd[name] in taken:
            odd[name] = f"'{odd[name]}"
        taken.add(odd[name])
    cells = [_inert(name, is_input=is_input) for name in words]
    return frame.with_columns(cells).rename(odd)


def _has_sign(series: pl.Series) -> bool:
    """Return whether any text has to be looked at again; most columns have none."""
    return bool(series.cast(pl.String).str.contains(_ANY).any())


def _inert(name: str, *, is_input: bool) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    inner = text.str.replace_all(_NEXT_CELL, "$1'$2")
    is_formula = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    if is_input:
        is_formula &= text != "-"
    return (
        pl.when(is_formula).then(pl.format("'{}", inner)).otherwise(inner).alias(name)
    )


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    """Gather frames in parts beside the file, then make one file of the parts."""
    waiting: list[pl.DataFrame] = []
    n_columns, n_rows, n_bytes = 1, 0, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise storage_error(path, error) from error

    def flush() -> None:
        if waiting:
            name = f"{len(list(folder.iterdir())):09d}.parquet"
            with _as_os_error():
                pl.concat(waiting).write_parquet(folder / name)
            waiting.clear()

    def write(frame: pl.DataFrame) -> None:
        nonlocal n_columns, n_rows, n_bytes
        n_columns = max(n_columns, frame.width)
        waiting.append(frame)
        n_rows += frame.height
        n_bytes += int(frame.estimated_size())
        if n_rows >= PART_ROWS or n_bytes >= PART_BYTES:
            flush()
            n_rows = n_bytes = 0

    try:
        yield write
        flush()
        group = max(1024, min(GROUP_ROWS, GROUP_CELLS // n_columns))
        with replacing(path) as part, _as_os_error():
            parts = pl.scan_parquet(sorted(folder.iterdir()))
            parts.sink_parquet(part, row_group_size=group)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Turn what Polars makes of a full disk back into an ``OSError``."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error
