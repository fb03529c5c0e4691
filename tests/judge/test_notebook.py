"""Objects show themselves in a line, and in a notebook as a bounded table."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.judge.comparison import Cell, Failed, collect
from evenflow.recipe import Recipe
from evenflow.schema import Column, Schema, Table

from .. import judging  # noqa: TID252 (tests are not a package)

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
    protocol = replace(judging.OFFICIAL, description="as told", is_optimistic=True)
    return judging.judged(table, protocol=protocol, **more)


@pytest.fixture(scope="module")
def comparison(small_table):
    report = judged(small_table, training=judging.TRAINING).to_dict()
    recipe = Recipe.load("nsl_kdd/random_forest-none")
    failed = Failed(name="nsl_kdd/cnn-none", seed=7, error=HOSTILE)
    return collect([Cell(recipe=recipe, report=report)], [failed])


def test_a_report_shows_its_figures_in_a_line(small_table):
    report = judged(small_table)
    found, alarms = (report.binary[n] for n in ("detection_rate", "false_alarm_rate"))
    assert repr(report) == (
        f"<Report small, official, 1,974 rows: detection rate {100 * found:.1f} %, "
        f"false alarm rate {100 * alarms:.1f} %, "
        f"macro F1 {100 * report.multiclass['macro_f1']:.1f} %>"
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


def test_a_table_shows_its_first_rows_in_a_notebook(small_table, table_of):
    page = small_table._repr_html_()
    assert "1,974 rows" in page
    assert page.count("<tr>") <= 8
    wide = dict.fromkeys((f"column {i}" for i in range(400)), [1.0] * 9)
    assert len(table_of(pl.DataFrame(wide))._repr_html_()) < 10_000
