"""An exploration as a page: every class, column and warning stands there."""

import dataclasses
import html

import numpy as np
import pytest

from evenflow.judge.pages import exploration as explore_page
from evenflow.prepare.explore import explore


@pytest.fixture(scope="module")
def exploration(small_table):
    half = small_table.take(np.arange(0, len(small_table), 2))
    return explore(small_table, others={"half": half})


@pytest.fixture(scope="module")
def text(exploration):
    return explore_page.html(exploration)


def test_every_class_column_and_warning_is_on_the_page(text, exploration, small_table):
    shown = html.unescape(text)
    for name in (*small_table.schema.classes, *small_table.schema.names):
        assert name in shown
    for warning in exploration.warnings:
        assert warning["text"] in shown
    assert "987" in shown  # rows of the other split, all of them shared


def test_every_column_with_values_has_a_chart(exploration, small_table):
    names = [name for name, _, _ in explore_page.pictures(exploration)]
    columns = [n for n in names if n.startswith("column_")]
    assert len(columns) == len(small_table.schema.columns)
    assert {"classes", "splits", "attack_types", "information",
            "correlation_pearson", "correlation_spearman"} <= set(names)  # fmt: skip


def test_synthetic_rows_are_marked_on_top(small_table):
    schema = dataclasses.replace(small_table.schema, is_synthetic=True)
    page = explore_page.html(explore(dataclasses.replace(small_table, schema=schema)))
    assert "<title>SYNTHETIC ROWS" in page
    assert page.index('class="banner"') < page.index("<h1>")


def test_rows_without_labels_make_a_page_too(small_table):
    bare = dataclasses.replace(small_table, y=None, attack=None)
    page = explore_page.html(explore(bare))
    assert "Classes and attack types" not in page
    assert "no labels" in page


def test_a_single_row_makes_a_page_too(small_table):
    assert "<h1>" in explore_page.html(explore(small_table.take([0])))


def test_markup_in_values_is_shown_and_not_run(small_table):
    import polars as pl

    hostile = "<img src=x onerror=alert(1)>"
    frame = small_table.frame.with_columns(
        pl.col("service").replace({"http": hostile}).alias("service")
    )
    page = explore_page.html(explore(dataclasses.replace(small_table, frame=frame)))
    assert hostile not in page
    assert "\\u003cimg src=x onerror=alert(1)\\u003e" in page


def test_the_page_is_written_whole(exploration, tmp_path):
    explore_page.write(exploration, tmp_path / "e.html")
    assert (tmp_path / "e.html").read_text("utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["e.html"]


def test_every_chart_is_a_valid_specification(exploration):
    for name, chart, _ in explore_page.pictures(exploration):
        assert chart.to_dict(validate=True)["$schema"], name


@pytest.mark.slow
def test_pictures_are_drawn(exploration, tmp_path):
    first = dataclasses.replace(exploration, columns=exploration.columns[:2])
    paths = explore_page.png(first, tmp_path, scale=1)
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)
