"""Order is order: numbers as numbers, dates as dates, the rest refused."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.prepare import split
from evenflow.prepare.order import order_of
from evenflow.schema import Column, Schema, Table

HOURS = 300
START = pl.datetime(2017, 7, 3, 8, 0)


def times(step="1h"):
    return pl.select(
        pl.datetime_range(START, START.dt.offset_by(f"{HOURS - 1}h"), step)
    ).to_series()


FORMS = {
    "iso": "%Y-%m-%d %H:%M:%S",
    "iso_t": "%Y-%m-%dT%H:%M:%S",
    "iso_fraction": "%Y-%m-%d %H:%M:%S%.6f",
    "iso_comma": "%Y-%m-%d %H:%M:%S,000",
    "iso_zone": "%Y-%m-%dT%H:%M:%SZ",
    "iso_offset": "%Y-%m-%d %H:%M:%S+02:00",
    "iso_minutes": "%Y-%m-%d %H:%M",
    "slashes": "%Y/%m/%d %H:%M:%S",
    "cic": "%-d/%-m/%Y %-H:%M",
    "cic_seconds": "%d/%m/%Y %H:%M:%S",
    "cic_short_year": "%-d/%-m/%y %-H:%M",
    "half_days": "%d/%m/%Y %I:%M:%S %p",
    "dots": "%d.%m.%Y %H:%M",
    "month_first": "%m/%d/%Y %H:%M",
    "month_name": "%d-%b-%Y %H:%M:%S",
    "rfc": "%a, %d %b %Y %H:%M:%S",
    "rfc_zone": "%a, %d %b %Y %H:%M:%S +0000",
    "ctime": "%a %b %d %H:%M:%S %Y",
    "long_month": "%d %B %Y %H:%M",
    "month_half_days": "%B %-d, %Y %I:%M:%S %p",
    "iso_utc": "%Y-%m-%d %H:%M:%S UTC",
    "german_comma": "%d.%m.%Y, %H:%M:%S",
    "us_comma": "%-m/%-d/%Y, %-I:%M:%S %p",
    "epoch": "%s",
    "epoch_ns": "%s000000001",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_one_form_sorts_as_time_sorts(form):
    written = times().dt.strftime(FORMS[form])
    shuffled = np.random.default_rng(3).permutation(HOURS)
    key = order_of(written.gather(shuffled)).key.to_numpy()
    assert np.array_equal(np.argsort(key, kind="stable"), np.argsort(shuffled))


def test_numbers_in_a_text_sort_as_numbers():
    key = order_of(pl.Series("n", ["10", "9", " 100", "1e1", "-"])).key
    assert key.to_list() == [10, 9, 100, 10, None]


def test_a_fraction_of_a_second_may_come_and_go():
    words = ["2017-07-03 08:00:01", "2017-07-03 08:00:00.5", "2017-07-03 08:00:00"]
    assert order_of(pl.Series("t", words)).key.arg_sort().to_list() == [2, 1, 0]


def test_a_typed_time_is_ordered():
    assert order_of(times()).key.is_sorted()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["tcp", "udp"], "'tcp'.*row 1"),
        (["1", "2", "x"], "'x'.*row 3"),
        (["2017-07-03", "3/7/2017"], "'3/7/2017'.*row 2"),
        (["2017-07-03", "soon"], "'soon'.*row 2"),
        (["31/31/2017", "1/1/2017"], "'31/31/2017'.*row 1"),
        (["", None, "NaN"], "no row has a value"),
        ([None, None], "no row has a value"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_the_value(values, found):
    with pytest.raises(DataError, match=found):
        order_of(pl.Series("t", values, dtype=pl.String))


AMBIGUOUS = ["3/7/2017 8:00", "4/6/2017 8:00", None, "5/5/2017 9:00"]


def test_dates_with_two_readings_are_refused_with_both():
    with pytest.raises(
        DataError,
        match=r"'3/7/2017 8:00' in the column 't', row 1, which is 3 July 2017 or "
        r"7 March 2017.*day_first = true .*day_first = false",
    ):
        order_of(pl.Series("t", AMBIGUOUS))


@pytest.mark.parametrize(
    ("day_first", "order"), [(True, [2, 3, 1, 0]), (False, [2, 0, 1, 3])]
)
def test_who_says_what_comes_first_decides(day_first, order):
    found = order_of(pl.Series("t", AMBIGUOUS), day_first=day_first)
    assert found.key.arg_sort().to_list() == order


def test_a_day_over_twelve_in_any_row_decides():
    values = pl.Series("t", [*AMBIGUOUS, "5/13/2017 8:00"])
    assert order_of(values).key.arg_sort().to_list() == [2, 0, 1, 3, 4]
    assert order_of(values).kind == "times (month/day/year)"
    with pytest.raises(DataError, match="'5/13/2017 8:00'.*row 5"):
        order_of(values, day_first=True)


@pytest.mark.parametrize("days", [(3, 4, 5, 6, 7), (7, 3, 5, 4), (5,)])
def test_dates_of_one_month_have_one_order(days):
    values = pl.Series("t", [f"{d}/7/2017 {h}:00" for d in days for h in (8, 9)])
    found = order_of(values)
    assert found.key.equals(order_of(values, day_first=True).key)
    assert "in the same order" in found.kind


def test_blocks_take_what_comes_first_from_the_recipe():
    written = times("13h").dt.strftime("%-d/%-m/%Y %H:%M").head(16)
    moved = [w.replace("/7/", "/6/") if i % 2 else w for i, w in enumerate(written)]
    table = table_of(pl.Series(moved))
    with pytest.raises(DataError, match="day_first"):
        split.blocks(lambda _: table, 7, n_blocks=4, order="t")
    parts = split.blocks(lambda _: table, 7, n_blocks=4, order="t", day_first=True)
    assert "t order (times (day/month/year))" in parts.protocol.description


def table_of(order):
    n = len(order)
    schema = Schema(name="t", columns=(Column(name="x"),), classes=("benign", "attack"))
    return Table(
        schema=schema,
        frame=pl.DataFrame({"x": np.arange(n, dtype=np.float64)}),
        y=np.arange(n) % 2,
        attack=pl.Series("attack", ["benign", "attack"] * (n // 2)),
        extra=pl.DataFrame([order.alias("t")]),
    )


def runs(rows):
    """Return into how many runs of neighbours ascending row numbers fall."""
    return 1 + int((np.diff(np.sort(rows)) > 1).sum())


@pytest.mark.parametrize("form", FORMS)
def test_blocks_of_a_shuffled_file_are_runs_in_time(form):
    shuffled = np.random.default_rng(5).permutation(HOURS)
    table = table_of(times().dt.strftime(FORMS[form]).gather(shuffled))
    parts = split.blocks(lambda _: table, 7, n_blocks=50, order="t")
    test = parts.test.frame["x"].to_numpy().astype(int)
    assert len(test) == HOURS // 5
    assert runs(shuffled[test]) <= 10
    assert "t order" in parts.protocol.description


def test_rows_without_a_time_are_on_neither_side_and_counted():
    written = times().dt.strftime("%d/%m/%Y %H:%M")
    gaps = written.set(pl.Series(np.arange(HOURS) % 10 == 0), None)
    table = table_of(gaps)
    parts = split.blocks(lambda _: table, 7, n_blocks=50, order="t")
    assert "without the 30 rows that have no t" in parts.protocol.description
    for part in (parts.train, parts.test):
        assert part.extra["t"].null_count() == 0
    assert len(parts.train) + len(parts.test) == HOURS - 30


def test_rows_keep_the_order_of_the_file_within_a_side():
    table = table_of(pl.Series(np.arange(HOURS)[::-1]))
    parts = split.blocks(lambda _: table, 7, n_blocks=50, order="t")
    assert parts.train.frame["x"].is_sorted()


@pytest.mark.parametrize("name", ["__row", "first", "row", "n", "__line"])
def test_a_column_may_have_a_name_that_we_use_too(name):
    table = table_of(pl.Series(np.arange(HOURS)))
    schema = replace(table.schema, columns=(Column(name=name),))
    named = replace(table, schema=schema, frame=table.frame.rename({"x": name}))
    assert split.groups(named).tolist() == list(range(HOURS))
