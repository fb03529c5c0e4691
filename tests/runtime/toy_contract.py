"""A contract of three columns, and a detector of what it sees: for tests of watch."""

from __future__ import annotations

import numpy as np
import polars as pl

from evenflow import inference
from evenflow.baseline import Baseline
from evenflow.decision import Decision
from evenflow.errors import DataError
from evenflow.prepare.features import Preprocessor
from evenflow.runtime import bundle as bundles
from evenflow.schema import Column, Schema, Table

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

    def state(self):
        return {"n": np.array([self.n])}


def save_bundle(folder, softmax_regression, *, has_reference=True):
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
    y = is_refused.astype(np.int64)
    attack = pl.Series("attack", np.where(is_refused, "probe", "benign"))
    table = Table(schema=SCHEMA, frame=frame, y=y, attack=attack)
    preprocessor = Preprocessor.fit(table)
    benign = np.flatnonzero(~is_refused)
    X = preprocessor.transform(table)
    model = softmax_regression(X, y, 2)
    decision = Decision(
        temperature=1.0, bias=np.zeros(2), threshold=0.0, false_alarm_budget=0.05
    )
    log_proba = inference.log_proba(inference.open_session(model), X, 2)
    bundles.save(
        folder,
        schema=SCHEMA,
        preprocessor=preprocessor,
        model=model,
        decision=decision,
        golden=table.take(np.arange(20)),
        reference=table.take(benign[: 50 * has_reference]),
        recipe={
            "dataset": {"name": "toy"},
            "model": {"name": "softmax_regression"},
            "seed": 7,
        },
        report={},
        card="# A toy\n",
        fingerprint=np.arange(5, dtype=np.uint64),
        baseline=Baseline.of(table, decision.apply(log_proba)),
    )
    return folder
