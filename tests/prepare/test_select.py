"""Selectors choose raw columns on training rows; a bundle then reads no other."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import mutual_info_score

import evenflow
from evenflow import registry
from evenflow.errors import DataError, RecipeError
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.select import Selector
from evenflow.prepare.select.mutual_information import mutual_information
from evenflow.schema import Column, Schema, Table
from evenflow.testing import check_selector
from evenflow.traffic.contracts import for_columns
from evenflow.traffic.contracts.nsl_kdd import NSL_KDD_LIVE


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("select") / "b"
    recipe = evenflow.Recipe.load(
        "synthetic/random_forest-none",
        select={"name": "mutual_information", "n_columns": 4},
        dataset={"name": "synthetic", "n_rows": 3000},
        model__n_estimators=5,
    )
    evenflow.train(recipe, folder)
    return evenflow.load_bundle(folder)


@pytest.mark.parametrize("name", registry.names("select"))
def test_a_selector_keeps_the_promises_of_every_selector(name):
    check_selector(registry.load("select", name))


def test_columns_can_be_left_out_by_name(small_table):
    left_out = small_table.schema.names[1]
    pre = Preprocessor.fit(small_table)
    X, y = pre.transform(small_table), small_table.labels
    selector = registry.load("select", "columns")
    rng = np.random.default_rng(0)

    def kept(**params):
        return selector.choose(selector.Config(**params), X, y, pre.layout, rng)

    assert kept(without=(left_out,)) == [n for n in kept() if n != left_out]
    with pytest.raises(RecipeError, match="expected a column"):
        kept(without=("nothing",))
    with pytest.raises(RecipeError, match="leaves out all columns"):
        kept(without=tuple(kept()))


def test_a_bundle_reads_the_chosen_columns_alone(bundle):
    names = bundle.schema.names
    assert len(names) == 4
    assert {*bundle.preprocessor.numeric, *bundle.preprocessor.categories} == {*names}
    rows = evenflow.load_dataset("synthetic", "test")
    assert len(bundle.decide(rows.keeping(names))) == len(rows)
    record = dict(rows.frame.row(0, named=True))
    alone = bundle.decide_record({name: record[name] for name in names})
    assert alone.label == bundle.decide_record(record).label


def test_the_rows_held_out_are_known_again(bundle):
    report = evenflow.evaluate(bundle, "synthetic", "held_out")
    assert report.confusion == bundle.report["confusion"]


def test_equal_values_in_the_chosen_columns_are_no_leak(bundle):
    report = evenflow.evaluate(bundle, "synthetic", "train", n_rows=3100)
    (found,) = (leak for leak in report.leaks if leak["check"] == "shared rows")
    assert "in the columns that a selector chose" in found["text"]


def test_keeping_columns_prepares_them_as_before(small_table):
    preprocessor = Preprocessor.fit(small_table)
    names = ["service", "src_bytes", "duration"]
    kept = preprocessor.keeping(names)
    whole = preprocessor.transform(small_table)
    where = np.concatenate(
        [preprocessor.layout.groups[name] for name in kept.layout.groups]
    )
    assert np.array_equal(kept.transform(small_table.keeping(names)), whole[:, where])
    assert Preprocessor.from_dict(kept.to_dict()).layout.names == kept.layout.names


def test_mutual_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 7, 500)
    b = (a + rng.integers(0, 3, 500)) % 4 + 3
    assert mutual_information(a, b) == pytest.approx(mutual_info_score(a, b))
    assert mutual_information(a, np.zeros(500, dtype=int)) == pytest.approx(0)


def test_the_column_that_gives_the_class_away_comes_first():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 800)
    frame = pl.DataFrame(
        {
            "noise": rng.normal(size=800),
            "telling": y + rng.normal(0, 0.1, 800),
            "word": rng.choice(["a", "b"], 800),
        }
    )
    schema = Schema(
        name="t",
        columns=(
            Column(name="noise"),
            Column(name="telling"),
            Column(name="word", kind="category"),
        ),
        classes=("benign", "dos"),
    )
    table = Table(schema=schema, frame=frame, y=y)
    preprocessor = Preprocessor.fit(table)
    plug_in = registry.load("select", "mutual_information")
    found = plug_in.columns(
        plug_in.Config(n_columns=1),
        preprocessor.transform(table), y, preprocessor.layout, seed=0,
    )  # fmt: skip
    assert found == ("telling",)


def test_named_columns_are_kept_and_all_where_none_is_named(small_table):
    preprocessor = Preprocessor.fit(small_table)
    plug_in = registry.load("select", "columns")

    def kept(*names):
        return plug_in.columns(
            plug_in.Config(names=names),
            preprocessor.transform(small_table),
            small_table.labels,
            preprocessor.layout,
            seed=0,
        )

    assert set(kept("fwd_bytes", "service")) == {"service", "fwd_bytes"}
    assert kept() == tuple(preprocessor.layout.groups)
    with pytest.raises(RecipeError, match=r"names 'fwd_bites'; .* such as fwd_bytes"):
        kept("service", "fwd_bites")


def test_the_recipe_for_live_traffic_names_a_contract_s_columns():
    names = evenflow.Recipe.load("nsl_kdd/lightgbm-live").select.params["names"]
    assert for_columns(names) is NSL_KDD_LIVE
    assert sorted(names) == sorted(NSL_KDD_LIVE.had)


@pytest.mark.parametrize("chosen", [[], ["nothing of the kind"]])
def test_a_choice_of_no_column_is_refused(chosen, small_table):
    preprocessor = Preprocessor.fit(small_table)
    plug_in = Selector(lambda *_: chosen, object)
    X = preprocessor.transform(small_table)
    with pytest.raises(DataError, match=r"selector chose .*expected some of the"):
        plug_in.columns(None, X, small_table.labels, preprocessor.layout, seed=0)
