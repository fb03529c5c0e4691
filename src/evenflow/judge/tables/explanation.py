"""Table of an explanation: every column that differs from benign traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.judge.tables.grid import Grid, numbers, text


def contributions(explanation: Mapping[str, Any]) -> Grid:
    """Return each column's value, that of benign traffic, and its contribution."""
    return Grid(
        title="Every column that differs from benign traffic",
        note=f"{explanation['method']}; contributions in {explanation['quantity']}",
        columns=(
            *text("column", "this record", "benign traffic"),
            *numbers("contribution"),
            *text("meaning"),
        ),
        rows=tuple(
            (
                c["label"],
                with_unit(c["value"], c["unit"]),
                with_unit(c["normal_value"], c["unit"]),
                f"{c['contribution']:+.3f}",
                c["description"],
            )
            for c in explanation["contributions"]
        ),
    )


def with_unit(value: float | str | None, unit: str) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "missing"
    shown = f"{value + 0.0:,.6g}" if isinstance(value, int | float) else value
    return f"{shown} {unit}".strip()
