"""Rows of a data set: sorted, filtered, counted, linked, downloaded, as Polars says."""

from dataclasses import replace
from urllib.parse import urlencode

import polars as pl
import pytest

from evenflow.web.datasets import rows as browsing
from evenflow.web.datasets.rows import Asked, Condition, Rows, path_of


@pytest.fixture
def frame(rows, here):
    """The rows of the data set, written as an exploration does."""
    browsing.write(here.home, "synthetic", rows["train"])
    return pl.read_parquet(path_of(here.home, "synthetic"))


def numbers(page):
    """Return the row numbers of a page."""
    heads = (th for th in page.tree.iter("th") if th.get("scope") == "row")
    return [int(th.text) for th in heads if th.get("class") == "n"]


def url(*where, **more):
    pairs = [("where", one) for one in where] + list(more.items())
    return f"/explore/synthetic/rows?{urlencode(pairs)}"


def test_rows_come_with_their_class_page_by_page(viewer, frame, rows):
    assert frame.columns[:2] == ["class", "attack type"]
    assert frame.height == len(rows["train"])
    page = viewer.get("/explore/synthetic/rows", expect=200)
    assert "2,000 rows" in page.text
    assert numbers(page) == [*range(1, 51)]
    assert numbers(viewer.get(url(page=40))) == [*range(1951, 2001)]


def test_filters_and_order_are_those_of_polars(viewer, frame):
    page = viewer.get(
        url("class:eq:dos", "src_bytes:ge:100", sort="-src_bytes"), expect=200
    )
    wanted = (
        frame.with_row_index("n", offset=1)
        .filter((pl.col("class") == "dos") & (pl.col("src_bytes") >= 100))
        .sort("src_bytes", descending=True, maintain_order=True)["n"]
    )
    assert numbers(page) == wanted.head(50).to_list()
    assert f"{len(wanted):,} row" in page.text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("service:ne:http", pl.col("service") != "http"),
        ("service:has:ttp", pl.col("service").str.contains("ttp")),
        ("src_bytes:le:0", pl.col("src_bytes") <= 0),
        ("src_bytes:eq:0", pl.col("src_bytes") == 0),
        ("src_bytes:none:", pl.col("src_bytes").is_nan()),
    ],
)
def test_each_operator_keeps_what_it_says(here, frame, text, wanted):
    found = Rows(path_of(here.home, "synthetic"))
    one = found.condition(text)
    assert one is not None
    assert found.count(Asked(conditions=(one,))) == frame.filter(wanted).height


def test_a_value_of_a_facet_is_one_click(viewer, frame):
    page = viewer.get(url("class:eq:dos", facet="service"), expect=200)
    counts = dict(
        frame.filter(pl.col("class") == "dos")["service"].value_counts().rows()
    )
    links = [
        a
        for a in page.tree.iter("a")
        if "where=service%3Aeq" in a.get("href", "")
        or "where=service:eq" in a.get("href", "")
    ]
    assert {a.text for a in links} <= set(counts)
    assert len(links) == min(len(counts), browsing.MAX_FACET)
    one = links[0]
    followed = viewer.get(one.get("href"), expect=200)
    assert f"{counts[one.text]:,} row" in followed.text


def test_the_form_adds_a_condition_to_the_address(viewer, frame):
    answer = viewer.get(
        url("class:eq:dos", column="service", operator="eq", value="http"), expect=302
    )
    assert "where=class:eq:dos&where=service:eq:http" in answer.location.replace(
        "%3A", ":"
    )


def test_the_download_holds_the_rows_of_the_address(viewer, frame):
    address = url("class:eq:probe").replace("/rows?", "/rows.csv?")
    sent = pl.read_csv(viewer.get(address, expect=200).data, infer_schema=False)
    assert sent.columns == frame.columns
    assert sent.height == frame.filter(pl.col("class") == "probe").height


def test_a_download_is_bounded(here, frame, monkeypatch):
    monkeypatch.setattr(browsing, "MAX_DOWNLOADED", 70)
    found = Rows(path_of(here.home, "synthetic"))
    assert sum(part.height for part in found.parts(Asked())) == 70


def test_what_is_invalid_in_an_address_filters_nothing(viewer, frame):
    for where in ("nosuch:eq:1", "class:rm:1", "src_bytes:eq:many", "x", "class:has:"):
        assert "2,000 rows" in viewer.get(url(where, sort="nosuch", facet="no")).text


def test_a_column_with_a_colon_can_be_filtered(here, rows):
    table = rows["train"]
    named = table.frame.rename({"service": "a:eq:b"})
    columns = tuple(
        replace(c, name="a:eq:b") if c.name == "service" else c
        for c in table.schema.columns
    )
    schema = replace(table.schema, columns=columns)
    browsing.write(here.home, "odd", replace(table, schema=schema, frame=named))
    found = Rows(path_of(here.home, "odd"))
    assert found.condition("a:eq:b:eq:http") == Condition(
        column="a:eq:b", operator="eq", value="http"
    )


@pytest.mark.parametrize("name", ["*", "^.*$"])
def test_a_column_whose_name_is_a_pattern_is_one_column(viewer, here, frame, name):
    path = path_of(here.home, "synthetic")
    frame.rename({"src_bytes": name}).write_parquet(path)
    more = {"sort": f"-{name}", "facet": name, "show": name}
    page = viewer.get(url(f"{name}:ge:100", **more), expect=200)
    wanted = frame.with_row_index("n", offset=1).filter(pl.col("src_bytes") >= 100)
    wanted = wanted.sort("src_bytes", descending=True, maintain_order=True)["n"]
    assert numbers(page) == wanted.head(50).to_list()


def test_a_column_that_is_asked_for_twice_is_shown_once(viewer, frame):
    page = viewer.get(url(show="service") + "&show=service", expect=200)
    assert numbers(page) == [*range(1, 51)]


def test_rows_that_are_not_kept_say_what_to_do(viewer):
    assert "Explore it again" in viewer.get("/explore/nsl_kdd/rows").text
    viewer.get("/explore/nosuch/rows", expect=404)


def test_markup_in_a_value_is_shown_and_not_obeyed(viewer, frame):
    page = viewer.get(url("service:eq:<b>x</b>"), expect=200)
    assert "<b>x</b>" not in page.text
