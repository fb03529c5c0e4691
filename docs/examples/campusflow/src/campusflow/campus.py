"""A data set: flows of a campus network, made up for this example."""

import numpy as np
import polars as pl

from evenflow import Table
from evenflow.datasets import Dataset
from evenflow.schema import Column, Schema

SCHEMA = Schema(
    name="campus",
    columns=(
        Column(name="duration", unit="s", low=0, description="length of the flow"),
        Column(name="packets", low=0, step=1, description="packets sent"),
        Column(name="port_count", low=0, step=1, description="ports tried in 10 s"),
        Column(name="service", kind="category", description="what the port serves"),
    ),
    classes=("benign", "scan", "flood"),
    taxonomy="types of the campus's own records",
    is_synthetic=True,
)


def load(split, *, folders=(), on_event=None, n_rows: int = 3000):
    """Return the rows of a split; a real one reads a file found in ``folders``."""
    rng = np.random.default_rng(1)
    y = rng.choice(3, n_rows, p=[0.8, 0.15, 0.05])
    frame = pl.DataFrame(
        {
            "duration": rng.exponential(np.array([20.0, 1.0, 5.0])[y]).round(2),
            "packets": rng.poisson(np.array([40, 4, 400])[y]),
            "port_count": rng.poisson(np.array([2, 60, 1])[y]),
            "service": np.where(rng.random(n_rows) < 0.7, "http", "dns"),
        }
    )
    attack = pl.Series("attack", np.array(SCHEMA.classes)[y])
    return Table(schema=SCHEMA, frame=frame, y=y, attack=attack)


DATASET = Dataset(
    name="campus",
    title="Flows of a campus (made up)",
    load=load,
    splits=("train",),
    schema=SCHEMA,
    terms="Made up; anybody may use it.",
    citation="none",
    caveats=("A program made every row.",),
)
