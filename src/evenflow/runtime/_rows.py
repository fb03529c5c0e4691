"""Raw rows of a schema as plain arrays, and back: golden and reference rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from evenflow.runtime._arrays import Arrays, unpack
from evenflow.runtime.contents import MAX_ROWS
from evenflow.schema import Schema, Table

NULL = "\0"
CODE = "code"
"""Name of the array of class codes."""


def pack_rows(table: Table) -> Arrays:
    """Return the columns as one float64 matrix and an array per column of text."""
    numeric = [c.name for c in table.schema.numeric]
    rows: Arrays = {"numeric": table.frame.select(numeric).to_numpy().astype("f8")}
    for j, column in enumerate(table.schema.texts):
        words = table.frame[column.name].fill_null(NULL).to_list()
        # a terminator: NumPy's fixed-width text drops trailing NULs
        rows[f"category_{j:03d}"] = np.array([f"{w}." for w in words], dtype="U")
    return rows


def pack_codes(table: Table) -> Arrays:
    """Return the class codes of labelled rows; nothing for rows without labels."""
    return {} if table.y is None else {CODE: table.y.astype(np.int64)}


def with_codes(table: Table, arrays: Arrays) -> Table:
    """Return the rows with their class codes, where the arrays hold them.

    Golden rows without labels have none. ``ValueError`` if the codes are not classes.
    """
    if CODE not in arrays:
        return table
    code = arrays[CODE]
    if code.shape != (len(table),) or code.dtype != np.int64:
        raise ValueError("class codes that do not fit the rows")
    if len(code) and not 0 <= code.min() <= code.max() < len(table.schema.classes):
        raise ValueError("class codes without a class")
    return replace(table, y=code)


def read_rows(
    files: Mapping[str, bytes], name: str, schema: Schema
) -> tuple[Table, Arrays]:
    """Return the rows of that file and its arrays; ``ValueError`` if none fit."""
    arrays = unpack(files[name], source=name)
    numeric = arrays["numeric"]
    if numeric.shape[1:] != (len(schema.numeric),) or numeric.dtype != np.float64:
        raise ValueError(f"{name} does not fit this schema")
    if len(numeric) > MAX_ROWS:
        raise ValueError(f"{name} of more than {MAX_ROWS} rows")
    parts = {c.name: pl.Series(numeric[:, j]) for j, c in enumerate(schema.numeric)}
    for j, column in enumerate(schema.texts):
        array = arrays[f"category_{j:03d}"]
        if array.shape != (len(numeric),) or array.dtype.kind != "U":
            raise ValueError(f"{name} with another number of words")
        words = [word[:-1] for word in array.tolist()]
        nullable = [None if word == NULL else word for word in words]
        parts[column.name] = pl.Series(nullable, dtype=pl.String)
    frame = pl.DataFrame({name: parts[name] for name in schema.names})
    return Table(schema=schema, frame=frame), arrays
