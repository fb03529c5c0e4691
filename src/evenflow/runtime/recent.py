"""The connections that a run scored last, for whoever looks on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.decision import Scores
from evenflow.runtime.detect import attack_probability

MOST = 200
COLUMNS = {
    "known": "at_ns", "id.orig_h": "source", "id.orig_p": "source_port",
    "id.resp_h": "destination", "id.resp_p": "destination_port", "proto": "proto",
    "service": "service", "conn_state": "state",
}  # fmt: skip
"""Columns of a connection that are remembered, and their names then."""


class Recent:
    """The last 200 connections with their verdicts.

    Attributes
    ----------
    rows : deque of dict
        JSON values; the newest is the last one.
    """

    def __init__(self) -> None:
        self.rows: deque[dict[str, Any]] = deque(maxlen=MOST)

    def add(
        self,
        connections: pl.DataFrame,
        at: NDArray[np.int64],
        scores: Scores,
        labels: Sequence[str],
    ) -> None:
        """Take note of connections that were scored.

        Parameters
        ----------
        at : ndarray of int
            Row of each score.
        labels : sequence of str
            Every verdict of the bundle.
        """
        last = slice(-MOST, None)
        found = connections.select(pl.col(*COLUMNS))[at[last]].rename(COLUMNS)
        verdicts = zip(
            scores.verdict[last].tolist(),
            attack_probability(scores.attack[last]).tolist(),
            scores.is_attack[last].tolist(),
            strict=True,
        )
        for row, (number, probability, is_attack) in zip(
            found.iter_rows(named=True), verdicts, strict=True
        ):
            verdict = {"label": labels[number], "probability": round(probability, 6)}
            self.rows.append(row | verdict | {"is_attack": is_attack})
