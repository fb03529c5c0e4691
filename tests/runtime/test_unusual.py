"""Values that a model does not know are named and counted, for one as for many."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from evenflow import datasets
from evenflow.prepare.features import Preprocessor
from evenflow.runtime.plausible import KDD
from evenflow.runtime.unusual import Usual

THREE_YEARS = 94_608_000.0


@pytest.fixture(scope="module")
def rows():
    return datasets.load("synthetic", "train", n_rows=3_000)


@pytest.fixture(scope="module")
def usual(rows):
    return Usual.of(rows.schema, Preprocessor.fit(rows), min_rows=5)


def plain(table, row):
    """Return a record with nothing unusual but what a test adds."""
    return table.frame.row(row, named=True)


@pytest.fixture(scope="module")
def record(rows, usual):
    found, _ = usual.columns(rows)
    return plain(rows, int(np.flatnonzero(found.is_null().to_numpy())[0]))


@pytest.mark.parametrize(
    ("change", "column", "text"),
    [
        ({"service": "nosuch"}, "service",
         "\u201cnosuch\u201d was not seen in training, or in fewer than 5 rows; the "
         "model treats it as unknown."),
        ({"protocol_type": "tpc"}, "protocol_type", "\u201ctpc\u201d was not seen"),
        ({"duration": THREE_YEARS}, "duration",
         "94,608,000 s is outside the range of the training rows, 0 to "),
        ({"count": 1.5}, "count", "1.5 is not a whole number"),
        ({"count": 0.0}, "count", "The record itself is counted"),
    ],
)  # fmt: skip
def test_an_unknown_or_impossible_value_is_named(usual, record, change, column, text):
    assert usual.remarks(record) == ()
    found = usual.remarks(record | change)
    assert any(one.columns[0] == column and one.text.startswith(text) for one in found)
    (first, *_) = usual.sentences(record | change)
    assert f"({column}): " in " ".join(usual.sentences(record | change)), first


def test_a_missing_value_is_not_unusual(usual, record):
    nothing = dict.fromkeys(record)
    assert usual.remarks(nothing) == ()
    assert usual.remarks(record | {"duration": float("nan")}) == ()


def test_many_rows_are_told_what_each_alone_is(usual, rows):
    frame = rows.frame.head(400).with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 0)
        .then(pl.lit(THREE_YEARS))
        .otherwise("duration")
        .alias("duration"),
        pl.when(pl.int_range(pl.len()) % 11 == 0)
        .then(None)
        .otherwise("flag")
        .alias("flag"),
        pl.when(pl.int_range(pl.len()) % 13 == 0)
        .then(float("nan"))
        .otherwise("count")
        .alias("count"),
    )
    table = dataclasses.replace(rows.take(np.arange(400)), frame=frame)
    named, counts = usual.columns(table)
    alone = [usual.remarks(plain(table, i)) for i in range(400)]
    assert counts.sum() == sum(map(len, alone)) > 57
    for text, remarks in zip(named.to_list(), alone, strict=True):
        found = {one.columns[0] for one in remarks}
        assert set(text.split(", ") if text else ()) == found
    assert (
        f"{(400 + 6) // 7} rows: duration: outside the range" in usual.notes(counts)[0]
    )


def test_a_word_needs_no_more_rows_than_the_recipe_says(rows):
    prepare = Preprocessor.fit(rows, min_category_rows=1)
    usual = Usual.of(rows.schema, prepare, min_rows=1)
    (found,) = usual.remarks({"service": "nosuch"})
    assert found.text == (
        "\u201cnosuch\u201d was not seen in training; the model treats it as unknown."
    )


def test_columns_that_the_model_does_not_read_are_left_out(rows):
    few = rows.keeping(["duration", "service"])
    usual = Usual.of(few.schema, Preprocessor.fit(few), min_rows=5)
    assert {c.columns[0] for c in usual.checks} == {"duration", "service"}
    constant = few.frame.with_columns(pl.lit(0.0).alias("duration"))
    same = dataclasses.replace(few, frame=constant)
    usual = Usual.of(few.schema, Preprocessor.fit(same), min_rows=5)
    assert {c.columns[0] for c in usual.checks} == {"service"}


def test_the_rules_of_kdd_hold_for_no_other_columns(rows):
    assert all({*rule.columns} <= {*rows.schema.names} for rule in KDD)
    lab = datasets.get("lab").schema
    table = dataclasses.replace(
        rows, schema=lab.keeping(["service"]), frame=rows.frame.select("service")
    )
    usual = Usual.of(table.schema, Preprocessor.fit(table), min_rows=5)
    assert len(usual.checks) == 1
