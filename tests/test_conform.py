"""Any frame becomes a table, or every row at fault is named."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow import registry
from evenflow.conform import MISSING, BadRow, check, conform, describe, parse_numbers
from evenflow.errors import DataError
from evenflow.schema import Column, Schema, Table

SCHEMA = Schema(
    name="tiny",
    columns=(
        Column(name="duration_s", unit="s", low=0, aliases=("dur", "Flow Duration")),
        Column(name="proto", kind="category"),
        Column(name="rate", low=0, high=1),
        Column(name="offset"),
    ),
    classes=("benign", "attack"),
)


def frame(**columns):
    rows = {"duration_s": "1", "proto": "tcp", "rate": "0.5", "offset": "-3"}
    return pl.DataFrame(rows | columns)


def test_words_and_typed_values_give_the_same_table():
    words, bad = conform(SCHEMA, frame(duration_s=["1", " 2.5 ", "1e3"]))
    assert not bad
    numbers = frame(duration_s=[1.0, 2.5, 1000.0], rate=0.5, offset=-3)
    typed, bad = conform(SCHEMA, numbers)
    assert not bad
    assert words.frame.equals(typed.frame)
    assert words.frame.dtypes == [pl.Float64, pl.String, pl.Float64, pl.Float64]


@pytest.mark.parametrize(
    "name", ["duration_s", " Duration_S ", "DUR", "flow duration", "Flow Duration"]
)
def test_a_column_is_found_by_name_or_alias_however_it_is_spelt(name):
    table, bad = conform(SCHEMA, frame().rename({"duration_s": name}))
    assert not bad
    assert table.frame["duration_s"].to_list() == [1.0]


def test_columns_may_come_in_any_order_and_others_are_kept_aside():
    given_ = frame(label="dos", note="x").select(
        "label", "offset", "rate", "proto", "note", "duration_s"
    )
    table, _ = conform(SCHEMA, given_)
    assert table.frame.columns == list(SCHEMA.names)
    assert table.extra.columns == ["label", "note"]
    assert table.y is None


def test_every_missing_column_is_named_with_what_it_holds():
    message = (
        "x.csv: 2 columns are missing: proto (a word), rate (a number from 0 to 1). "
        "Found 'duration_s', 'offset'; expected the 4 columns of tiny"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        conform(SCHEMA, frame().drop("proto", "rate"), source="x.csv")


def test_two_columns_for_one_are_refused_unless_one_has_the_exact_name():
    with pytest.raises(DataError, match="'DUR' and 'Dur' for the column 'duration_s'"):
        conform(SCHEMA, frame(Dur="1", DUR="2").drop("duration_s"))
    table, _ = conform(SCHEMA, frame(DUR="7"))
    assert table.frame["duration_s"].to_list() == [1.0]
    assert table.extra.columns == ["DUR"]


@pytest.mark.parametrize("word", sorted(MISSING | {"NaN", " -Inf ", "NULL", "N/A"}))
def test_a_word_for_no_value_is_a_missing_number(word):
    table, bad = conform(SCHEMA, frame(duration_s=["3", word]))
    assert not bad
    assert not np.isfinite(table.frame["duration_s"][1])
    record = {"duration_s": word, "proto": "tcp", "rate": 0, "offset": 0}
    assert not np.isfinite(parse_numbers(record, SCHEMA.numeric)[0])


def test_a_whole_number_too_long_for_a_float_is_missing_as_its_text_is():
    for value in (10**400, str(10**400), "1e400"):
        record = {"duration_s": value, "rate": 0, "offset": 0}
        assert not np.isfinite(parse_numbers(record, SCHEMA.numeric)[0])
        table, bad = conform(SCHEMA, frame(duration_s=["3", str(value)]))
        assert not bad
        assert not np.isfinite(table.frame["duration_s"][1])


def test_a_category_without_a_value_is_null():
    table, bad = conform(SCHEMA, frame(proto=["tcp", "", " ", None, " udp "]))
    assert not bad
    assert table.frame["proto"].to_list() == ["tcp", None, None, None, "udp"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([6, 17, None]), ["6", "17", None]),
        (pl.Series([6.0, 17.0, None]), ["6", "17", None]),
        (pl.Series([6.5, 17.0, float("nan")]), ["6.5", "17", None]),
        (pl.Series([1e30, -0.0, float("inf")]), ["1e+30", "0", "inf"]),
        (pl.Series(["a", "b", None], dtype=pl.Categorical), ["a", "b", None]),
        (pl.Series([True, False, None]), ["true", "false", None]),
    ],
)
def test_a_typed_category_becomes_words(values, expected):
    table, _ = conform(SCHEMA, frame(proto=values))
    assert table.frame["proto"].to_list() == expected


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("duration_s", "abc", "found 'abc', expected a number of 0 s or more"),
        ("duration_s", "-1", "found '-1', expected a number of 0 s or more"),
        ("rate", "1.01", "found '1.01', expected a number from 0 to 1"),
        ("offset", "1,5", "found '1,5', expected a number"),
        ("offset", "0x1f", "found '0x1f', expected a number"),
        ("offset", "=1+1", "found '=1+1', expected a number"),
        ("offset", "a\nb\x1b[31m", r"found 'a\nb\x1b[31m', expected a number"),
        ("offset", "x" * 999, f"found '{'x' * 59}..., expected a number"),
    ],
)
def test_a_bad_value_is_named_by_line_and_column(column, value, expected):
    table, bad = conform(SCHEMA, frame(**{column: ["1", value, "0"]}), first_line=2)
    assert [str(b) for b in bad] == [f"line 3, column {column}: {expected}"]
    assert len(table) == 2
    _, bad = conform(SCHEMA, frame(**{column: ["1", value]}))
    assert str(bad[0]).startswith("row 2, column")


def test_a_row_with_two_faults_is_one_bad_row():
    rows = frame(duration_s=["x", "1", "-1"], offset=["y", "z", "1"])
    found = check(SCHEMA, rows, lines=np.array([4, 9, 11]))
    places = [(b.line, b.column) for b in found.bad]
    assert places == [(4, "duration_s"), (9, "offset"), (11, "duration_s")]
    assert len(found.table) == len(found.rows) == 0


def test_the_other_columns_stay_beside_their_rows():
    given_ = frame(duration_s=["1", "x", "3"], note=["a", "b", "c"])
    found = check(SCHEMA, given_)
    assert found.rows.tolist() == [0, 2]
    assert found.table.extra["note"].to_list() == ["a", "c"]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([b"1"]),
        pl.Series([[1]]),
        pl.Series([{"a": 1}]),
        pl.Series([1]).cast(pl.Datetime),
    ],
)
def test_a_column_of_a_type_that_cannot_be_is_refused(values):
    with pytest.raises(DataError, match="column offset: found values of type"):
        conform(SCHEMA, frame(offset=values))


def test_no_rows_are_no_error():
    table, bad = conform(SCHEMA, frame()[:0])
    assert (len(table), bad) == (0, [])


words = st.one_of(
    st.text(max_size=6),
    st.floats().map(str),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from([*sorted(MISSING), " 1", "1 ", "+1", "1_0", "1e999", "٣", "0b1"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=1, max_size=8))
def test_each_row_is_either_kept_or_named(values):
    found = check(SCHEMA, frame(duration_s=pl.Series(values, dtype=pl.String)))
    lines = [b.line - 1 for b in found.bad]
    assert sorted([*lines, *found.rows.tolist()]) == list(range(len(values)))
    kept = found.table.frame["duration_s"].to_numpy()
    assert not (kept[np.isfinite(kept)] < 0).any()


@settings(max_examples=150, deadline=None)
@given(words)
def test_one_record_and_a_frame_agree_on_every_word(word):
    record = {"duration_s": word, "proto": "tcp", "rate": "0", "offset": "0"}
    table, bad = conform(SCHEMA, pl.DataFrame(record))
    try:
        number = parse_numbers(record, SCHEMA.numeric)[0]
    except DataError:
        assert bad, "the frame took what the record refused"
        return
    assert not bad, "the record took what the frame refused"
    kept = table.frame["duration_s"][0]
    assert kept == number or (np.isnan(kept) and np.isnan(number))


def test_bounds_are_said_in_words():
    assert describe(Column(name="a", low=1)) == "a number of 1 or more"
    assert describe(Column(name="a", high=9, unit="s")) == "a number of 9 s or less"
    assert describe(Column(name="a", unit="bytes")) == "a number (bytes)"
    assert describe(Column(name="a", kind="category")) == "a word"


def test_a_bad_line_without_a_column_reads_well():
    bad = BadRow(line=7, column="", found="3 fields", expected="4")
    assert str(bad) == "line 7: found 3 fields, expected 4"


@pytest.mark.data
@pytest.mark.parametrize("name", ["KDDTrain+", "KDDTest+", "KDDTest-21"])
def test_every_row_of_the_published_files_keeps_the_contract(data_folders, name):
    schema = registry.load("datasets", "nsl_kdd").schema
    given_ = pl.read_parquet(data_folders[0] / "nsl-kdd" / f"{name}.parquet")
    table, bad = conform(schema, given_)
    assert bad == []
    assert len(table) == given_.height
    assert isinstance(table, Table)
