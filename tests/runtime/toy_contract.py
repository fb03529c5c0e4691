"""A contract of three columns, and a detector of what it sees: for tests of watch."""

from __future__ import annotations

import numpy as np
import polars as pl

from evenflow.errors import DataError
from evenflow.schema import Column, Schema

SCHEMA = Schema(
    name="toy",
    columns=(
        Column(name="proto", kind="category"),
        Column(name="is_refused", low=0, high=1, step=1),
        Column(name="bytes", unit="bytes", low=0, step=1),
    ),
    classes=("benign", "probe"),
)


class ToyRows:
    """Rows of the three columns, and how many there were."""

    def __init__(self):
        self.n = 0

    def add(self, connections):
        self.n += len(connections)
        if connections["orig_bytes"].null_count():
            raise DataError("the source does not know orig_bytes, expected payload")
        return connections.select(
            "proto",
            (pl.col("conn_state") == "REJ").cast(pl.Int64).alias("is_refused"),
            (pl.col("orig_bytes") + pl.col("resp_bytes")).alias("bytes"),
        )

    def fitting(self, connections, on_event):
        return connections, np.arange(len(connections))

    def notes(self):
        return []

    def state(self):
        return {"n": np.array([self.n])}


def save_toy(save_detector, folder, *, has_reference=True):
    """Write a detector that calls refused connections probes."""
    rng = np.random.default_rng(5)
    is_refused = rng.random(600) < 0.3
    frame = pl.DataFrame(
        {
            "proto": np.where(rng.random(600) < 0.5, "tcp", "udp"),
            "is_refused": is_refused * 1.0,
            "bytes": np.where(is_refused, 0.0, np.floor(rng.exponential(500, 600))),
        }
    )
    some = np.flatnonzero(~is_refused)[: 50 * has_reference]
    return save_detector(folder, SCHEMA, frame, is_refused, some, has_baseline=True)
