"""The only place that decides which rows train."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import DataError, RecipeError
from evenflow.prepare import split
from evenflow.schema import Column, Schema, Table

SCHEMA = Schema(
    name="two", columns=(Column(name="a"), Column(name="b", kind="category")),
    classes=("benign", "dos", "u2r"),
)  # fmt: skip


def table(a, b, y):
    return Table(
        schema=SCHEMA,
        frame=pl.DataFrame({"a": np.asarray(a, dtype=float), "b": list(b)}),
        y=np.asarray(y),
        attack=pl.Series("attack", [SCHEMA.classes[code] for code in y]),
    )


def sides(parts):
    rows = [p.frame.rows() for p in (parts.train, parts.test)]
    return set(rows[0]), set(rows[1])


def loader(rows):
    return lambda name: rows


@given(
    a=st.lists(
        st.one_of(st.integers(0, 6), st.just(float("nan"))), min_size=12, max_size=80
    ),
    data=st.data(),
    fraction=st.floats(0.1, 0.5),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_a_duplicate_never_lands_on_both_sides(a, data, fraction, seed):
    n = len(a)
    b = data.draw(st.lists(st.sampled_from("xy"), min_size=n, max_size=n))
    y = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    rows = table(a, b, y)
    try:
        kept, held = split.hold_out(rows, fraction=fraction, seed=seed)
    except DataError:
        return  # all rows alike
    assert sorted([*kept, *held]) == list(range(n))
    group = split.groups(rows)
    assert not set(group[kept]) & set(group[held])


def test_equal_rows_share_a_group_and_different_rows_do_not():
    nan = float("nan")
    rows = table([1, 1, nan, nan, 2], "xyxxx", [0, 0, 0, 0, 0])
    assert split.groups(rows).tolist() == [0, 1, 2, 2, 4]


def test_classes_keep_their_proportions(small_table):
    kept, held = split.hold_out(small_table, fraction=0.2, seed=1)
    before = small_table.counts()
    for name, n in small_table.take(held).counts().items():
        assert abs(n - 0.2 * before[name]) <= 2
    assert all(small_table.take(kept).counts().values())


def test_a_class_with_one_row_stays_with_the_rows_that_train():
    y = [0] * 50 + [2]
    kept, _ = split.hold_out(table(range(51), "x" * 51, y), fraction=0.4, seed=3)
    assert 50 in kept


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("stratified", {}),
        ("kfold", {"k": 4, "fold": 3}),
        ("blocks", {"n_blocks": 20}),
        ("unseen", {"k": 3, "fold": 1}),
        ("grouped", {"by": "service"}),
    ],
)
def test_no_row_is_on_both_sides_of_any_split(name, params, small_table):
    parts = split.SPLITS[name](loader(small_table), 5, **params)
    train, test = sides(parts)
    assert train
    assert test
    assert not train & test


def test_no_group_is_on_both_sides_and_every_class_trains(small_table):
    hosts = pl.DataFrame({"host": np.arange(len(small_table)) % 10})
    table = replace(small_table, extra=hosts)
    parts = split.grouped(loader(table), 5, by="host", fraction=0.3)
    train, test = (set(part.extra["host"]) for part in (parts.train, parts.test))
    assert len(test) == 3
    assert train == set(range(10)) - test
    assert all(parts.train.counts().values())
    assert "one of 3 values of host, none" in parts.protocol.description
    assert not parts.protocol.is_optimistic


def test_a_host_is_held_out_whichever_end_of_a_connection_it_is(small_table):
    n = np.arange(len(small_table))
    ends = pl.DataFrame({"from": n % 10, "to": n // 10 % 10})
    table = replace(small_table, extra=ends)
    parts = split.grouped(loader(table), 5, by=["from", "to"], fraction=0.2)
    held = set(parts.test.extra["from"]) - set(parts.train.extra["from"])
    assert len(held) == 2
    assert not held & set(parts.train.extra["to"])
    assert all(held & {*row} for row in parts.test.extra.rows())


def test_folds_cover_every_row_once(small_table):
    folds = [split.kfold(loader(small_table), 2, k=4, fold=f) for f in range(4)]
    assert sum(len(fold.test) for fold in folds) == len(small_table)


def test_a_hidden_attack_is_in_no_training_row_and_judged_whole(small_table):
    seen = set()
    for fold in range(3):
        parts = split.unseen(loader(small_table), 5, k=3, fold=fold)
        hidden = set(parts.unseen_attacks)
        assert hidden
        seen |= hidden
        n = small_table.attack.is_in(sorted(hidden)).sum()
        assert parts.test.attack.is_in(sorted(hidden)).sum() == n
        assert (parts.test.y == 0).any()
    assert seen == set(small_table.schema.families)


@pytest.mark.parametrize("column", ["service", "count", "duration_s"])
def test_kinds_of_benign_traffic_are_hidden_once_each_and_are_all_that_is_benign(
    column, small_table
):
    n = 0
    for fold in range(2):
        parts = split.unseen(loader(small_table), 5, k=2, fold=fold, benign_by=column)
        trained, tested = (
            set(part.frame[column].filter(pl.Series(part.labels == 0)).to_list())
            for part in (parts.train, parts.test)
        )
        assert trained
        assert tested
        assert not trained & tested
        attacks = parts.test.attack.filter(pl.Series(parts.test.labels > 0))
        assert set(attacks.to_list()) == set(parts.unseen_attacks)
        n += int((parts.test.labels == 0).sum())
    assert n == int((small_table.labels == 0).sum())


def test_numbers_are_hidden_by_range(small_table):
    spans = []
    for fold in range(4):
        parts = split.unseen(
            loader(small_table), 5, k=4, fold=fold, benign_by="duration_s"
        )
        found = parts.test.frame["duration_s"].filter(pl.Series(parts.test.labels == 0))
        spans.append((found.min(), found.max()))
    assert all(a[1] < b[0] for a, b in pairwise(spans))


def test_too_few_kinds_of_benign_traffic_are_refused(small_table):
    for column, said in (("logged_in", "into 3 ranges"), ("service", "make 3 folds")):
        with pytest.raises(DataError, match=f"benign values of {column} .*{said}"):
            split.unseen(loader(small_table), 5, k=3, benign_by=column)
    with pytest.raises(RecipeError, match="did you mean service"):
        split.unseen(loader(small_table), 5, k=3, benign_by="servise")


def test_blocks_follow_the_order_asked_for():
    n = 100
    rows = replace(
        table(range(n), "x" * n, [0, 1] * (n // 2)),
        extra=pl.DataFrame({"time_s": np.arange(n)[::-1] // 10 * 10.0}),
    )
    parts = split.blocks(loader(rows), 0, n_blocks=10, fraction=0.2, order="time_s")
    times = parts.test.extra["time_s"].value_counts(name="n")
    assert times["n"].to_list() == [10, 10]


def test_an_unknown_order_column_is_named_with_the_nearest(small_table):
    with pytest.raises(RecipeError, match="did you mean duration_s"):
        split.blocks(loader(small_table), 0, order="duration")


def test_optimistic_splits_say_so(small_table):
    assert split.stratified(loader(small_table), 0).protocol.is_optimistic
    assert split.kfold(loader(small_table), 0).protocol.is_optimistic
    assert not split.blocks(loader(small_table), 0).protocol.is_optimistic


def test_rows_all_alike_cannot_be_held_out():
    with pytest.raises(DataError, match="1 distinct"):
        split.hold_out(table([1] * 9, "x" * 9, [0] * 9), fraction=0.2, seed=0)


@given(
    runs=st.lists(st.integers(0, 5), min_size=12, max_size=80),
    data=st.data(),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_groups_are_held_out_whole_and_every_class_is_kept(runs, data, fraction, seed):
    n = len(runs)
    y = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    rows = replace(table(range(n), "x" * n, y), extra=pl.DataFrame({"run": runs}))
    try:
        kept, held = split.hold_out(rows, fraction=fraction, seed=seed, group="run")
    except DataError:
        for run in set(runs):  # each has the only rows of a class
            assert {*y} - {y[i] for i in range(n) if runs[i] != run}
        return
    assert sorted([*kept, *held]) == list(range(n))
    assert not {runs[i] for i in kept} & {runs[i] for i in held}
    assert {y[i] for i in kept} == {*y}


def test_the_groups_held_out_come_near_the_fraction():
    runs = np.repeat(np.arange(20), 50)
    rows = replace(
        table(range(1000), "x" * 1000, [0, 1] * 500), extra=pl.DataFrame({"run": runs})
    )
    for seed in range(5):
        _, held = split.hold_out(rows, fraction=0.3, seed=seed, group="run")
        assert len(held) == 300


def test_an_unknown_group_column_is_named_with_the_nearest(small_table):
    with pytest.raises(RecipeError, match="decide.*did you mean duration_s"):
        split.hold_out(small_table, fraction=0.2, seed=0, group="duration")


@pytest.mark.slow
def test_two_processes_split_alike(python):
    code = """
import numpy as np, polars as pl
from evenflow.prepare.dealing import hold_out
from evenflow.schema import *
rng = np.random.default_rng(0)
s = Schema(name="t", columns=(Column(name="a"), Column(name="b", kind="category")),
           classes=("benign", "dos"))
t = Table(schema=s, frame=pl.DataFrame({"a": rng.integers(0, 99, 999) / 1.0,
          "b": rng.choice(["x", "y", "z"], 999)}), y=rng.integers(0, 2, 999))
print(hold_out(t, fraction=0.3, seed=4)[1].tolist())
"""
    out = {python("-c", code, env={"PYTHONHASHSEED": s}).stdout for s in ("1", "2")}
    assert len(out) == 1
    assert len(out.pop()) > 100
