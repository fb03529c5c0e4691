"""A model is tested on another data set's columns that mean the same."""

from dataclasses import replace

import polars as pl
import pytest

import evenflow
from evenflow import datasets
from evenflow.errors import DataError

RENAME = {"duration": "dur", "src_bytes": "sbytes", "protocol_type": "proto"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer") / "b"
    evenflow.train(
        evenflow.Recipe.load(
            "synthetic/random_forest-none",
            dataset={"name": "synthetic", "n_rows": 1500},
            model={"name": "random_forest", "n_estimators": 5},
            target="binary",
            select={"name": "columns", "names": [*RENAME, "dst_bytes"]},
        ),
        folder,
    )
    return evenflow.load_bundle(folder)


@pytest.fixture(scope="module")
def other():
    """The same test rows under other names, times in ms."""
    table = datasets.load("synthetic", "test", n_rows=1500).keeping(
        [*RENAME, "dst_bytes"]
    )
    units = {"s": "ms"}
    columns = [
        replace(c, name=RENAME.get(c.name, c.name), unit=units.get(c.unit, c.unit))
        for c in table.schema.columns
    ]
    frame = table.frame.with_columns(pl.col("duration") * 1000).rename(RENAME)
    schema = replace(table.schema, name="other", columns=tuple(columns))
    return replace(table, schema=schema, frame=frame)


def test_columns_of_other_names_and_units_give_the_same_figures(bundle, other):
    own = evenflow.evaluate(bundle, "synthetic")
    found = evenflow.evaluate(bundle, other, rename=RENAME)
    assert (found.dataset, found.protocol) == ("other", "other data")
    assert found.confusion == own.confusion
    assert "dur" in " ".join(found.notes)
    plain = other.frame.with_columns(
        pl.col("dur") / 1000, kind=other.attack.replace({"benign": "normal"})
    )
    as_frame = evenflow.evaluate(bundle, plain, rename=RENAME, label="kind")
    assert as_frame.binary["accuracy"] == own.binary["accuracy"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"dur": "dur"}, "no column 'dur' in duration"),
        ({"duration": "seconds"}, "no column 'seconds' in"),
        ({"duration": "sbytes"}, "found sbytes for several columns"),
        ({"duration": "dst_bytes"}, "found dst_bytes for several columns"),
        (
            {"duration": "proto", "protocol_type": "dur"},
            r"found proto \(category\) for duration \(numeric",
        ),
        (
            {"src_bytes": "dur", "duration": "sbytes"},
            r"found sbytes \(numeric in bytes\) for duration",
        ),
    ],
)
def test_a_column_of_another_meaning_is_refused(bundle, other, changed, found):
    with pytest.raises(DataError, match=found):
        evenflow.evaluate(bundle, other, rename=RENAME | changed)
