"""Objects show themselves in a line, and in a notebook as a bounded table."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.decision import Decision
from evenflow.judge.comparison import Cell, Failed, collect
from evenflow.judge.report import judge
from evenflow.prepare.split import Protocol
from evenflow.recipe import Recipe
from evenflow.schema import Column, Schema, Table

HOSTILE = "<script>alert(1)</script>"


def many_classes(n_classes, name="kind"):
    classes = ("benign", *(f"{name} {i}" for i in range(1, n_classes)))
    schema = Schema(name=name, columns=(Column(name="x"),), classes=classes)
    y = np.repeat(np.arange(n_classes), 4)
    return Table(
        schema=schema,
        frame=pl.DataFrame({"x": np.arange(len(y)) / 7}),
        y=y,
        attack=pl.Series("attack", np.array(classes)[y]),
    )


def judged(table, **more):
    n = len(table.schema.classes)
    z = np.random.default_rng(0).normal(0, 1.5, (len(table), n))
    z[np.arange(len(table)), table.labels] += 2.5
    decision = Decision.neutral(n)
    return judge(
        table,
        decision.apply(z),
        protocol=Protocol(name="official", description="as told", is_optimistic=True),
        decision=decision,
        bootstrap=10,
        **more,
    )


@pytest.fixture(scope="module")
def comparison(small_table):
    training = {
        "seconds": dict.fromkeys(("prepare", "balance", "fit", "calibrate"), 1.5),
        "rows": {"balanced": 10},
        "score_rows_per_s": 1e5,
        "model_bytes": 2048,
        "n_parameters": 77,
    }
    report = judged(small_table, training=training).to_dict()
    recipe = Recipe.load("nsl_kdd/random_forest-none")
    failed = Failed(name="nsl_kdd/cnn-none", seed=7, error=HOSTILE)
    return collect([Cell(recipe=recipe, report=report)], [failed])


def test_a_report_shows_its_figures_in_a_line(small_table):
    report = judged(small_table)
    found, alarms, f1 = (
        f"{100 * value:.1f} %"
        for value in (
            report.binary["detection_rate"],
            report.binary["false_alarm_rate"],
            report.multiclass["macro_f1"],
        )
    )
    assert repr(report) == (
        f"<Report small, official, 1,974 rows: detection rate {found}, "
        f"false alarm rate {alarms}, macro F1 {f1}>"
    )


def test_a_report_shows_itself_in_a_notebook(small_table):
    page = judged(small_table)._repr_html_()
    for shown in ("attacks found", "95% interval", "neptune", "r2l", "official"):
        assert shown in page
    assert "Warning: Optimistic protocol: as told" in page
    assert len(page) < 20_000


def test_what_a_notebook_shows_is_bounded_and_says_so():
    table = many_classes(250, "long " * 200)
    report = judged(table)
    page = report._repr_html_()
    assert "(the first 20 of 250 rows)" in page
    assert "(the first 20 of 249 rows)" in page
    assert len(page) < 40_000
    assert len(repr(many_classes(250))) < 200


def test_markup_in_a_name_is_shown_not_run(comparison):
    page = judged(many_classes(3, HOSTILE))._repr_html_() + comparison._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<script", page)
    table = many_classes(3, HOSTILE)
    named = replace(
        table,
        schema=replace(table.schema, columns=(Column(name=HOSTILE),)),
        frame=table.frame.rename({"x": HOSTILE}),
    )
    assert "<script" not in named._repr_html_()
    assert "&lt;script&gt;" in named._repr_html_()


def test_a_comparison_shows_itself(comparison):
    assert repr(comparison) == (
        "<Comparison of 1 recipes, 1 failed: nsl_kdd/random_forest-none>"
    )
    page = comparison._repr_html_()
    assert "false alarms" in page
    assert "Failed: nsl_kdd/cnn-none, seed 7" in page


def test_a_table_and_a_recipe_show_themselves_in_a_line(small_table):
    assert repr(small_table) == (
        "<Table small: 1,974 rows, 8 columns, benign 1,100, dos 560, probe 240, "
        "r2l 60, u2r 14>"
    )
    without = replace(small_table, y=None, attack=None)
    assert repr(without) == "<Table small: 1,974 rows, 8 columns, no labels>"
    recipe = Recipe.load("nsl_kdd/cnn-smote")
    shown = f"<Recipe nsl_kdd/cnn-smote, seed 7, SHA-256 {recipe.sha256[:12]}>"
    assert repr(recipe) == str(recipe) == shown


def test_a_table_shows_its_first_rows_in_a_notebook(small_table):
    page = small_table._repr_html_()
    assert "1,974 rows" in page
    assert page.count("<tr>") <= 8
    wide = [f"column {i}" for i in range(400)]
    schema = Schema(
        name="wide",
        columns=tuple(Column(name=name) for name in wide),
        classes=("benign", "attack"),
    )
    table = Table(schema=schema, frame=pl.DataFrame(dict.fromkeys(wide, [1.0] * 9)))
    assert len(table._repr_html_()) < 10_000
