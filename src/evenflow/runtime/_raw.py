"""What every format's reader yields: rows as they stood, before the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.contract import BadRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """Some rows of a source."""

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    """Line of each row, ``(n_rows,)``, counted from 1."""
    bad: tuple[BadRow, ...]
    """Lines that are no row at all."""
    text: Callable[[int], str]
    """The source text of a row, by its number in the frame."""
    unit: str = "line"
