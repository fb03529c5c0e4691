"""Charts: valid specifications that show what they claim."""

import json
import re

import pytest

from evenflow.judge.charts import comparison as comparison_charts
from evenflow.judge.charts import exploration as explore_charts
from evenflow.judge.charts import report as charts
from evenflow.judge.charts import theme
from evenflow.judge.charts.base import bars, to_spec, vega_lite_version
from evenflow.judge.charts.explanation import contribution_bars


def data(chart):
    """Return every record of a chart, wherever it stands in the specification."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if isinstance(value.get("data"), dict):
                found.extend(value["data"].get("values", []))
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(chart.to_dict())
    return found


def text_of(chart):
    import vl_convert

    spec = json.dumps(to_spec(chart))
    return vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version())


def test_the_confusion_matrix_is_coloured_by_share_of_the_true_class():
    chart = charts.confusion_matrix(["a", "b"], [[90, 10], [0, 0]])
    cells = {(c["true"], c["decided"]): c for c in data(chart)}
    assert cells["a", "b"]["share"] == 0.1
    assert cells["b", "a"]["share"] == 0
    assert "90" in text_of(chart)


def test_bars_on_a_log_scale_show_a_class_of_one_row_and_name_an_empty_one():
    chart = charts.class_counts({"many": 67_343, "one": 1, "none": 0})
    svg = text_of(chart)
    for words in ("67,343", ">1<", ">0<"):
        assert words in svg
    assert "logarithmic" in svg


def test_an_undefined_value_is_said_and_draws_no_bar():
    records = [{"name": "x", "value": None}, {"name": "y", "value": 0.5}]
    assert "undefined" in text_of(bars(records, title="t"))
    shown = {r["name"]: r["value"] for r in data(bars(records, title="t"))}
    assert shown == {"x": None, "y": 0.5}


def test_long_words_beside_a_full_bar_get_room():
    def end(words):
        chart = bars([{"name": "x", "value": 1, "words": words}], title="t")
        text = chart.to_json(indent=None)
        return float(re.search(r'"domain": \[0, ([0-9.]+)\]', text)[1])

    assert end("1/1") == 1.3
    assert 1 - 1 / end("4,404/4,657") >= 11 * 6.3 / 250


def test_more_bars_than_the_limit_are_counted_in_the_title():
    records = [{"name": f"n{i}", "value": 0.1} for i in range(9)]
    chart = bars(records, title="t", limit=4)
    assert len({r["name"] for r in data(chart)}) == 4
    assert "first 4 of 9" in text_of(chart)


def system(name, *values, is_published=False, spread=None):
    return {
        "name": name,
        "is_published": is_published,
        "figures": {f"figure {k}": (value, spread) for k, value in enumerate(values)},
        "cells": ["-" if v is None else f"{100 * v:.1f}" for v in values],
    }


def test_published_figures_are_hollow_and_ours_filled():
    groups = {"here": [system("ours", 0.9)],
              "printed": [system("theirs †", 0.8, is_published=True)]}  # fmt: skip
    svg = text_of(comparison_charts.dots(groups, ["acc.", "tag"], title="t"))
    assert "undefined" not in svg  # no system here has a tag
    ours, theirs = re.findall(r'aria-roledescription="point".*?>', svg)
    first = theme.config()["range"]["category"][0]
    assert f'fill="{first}"' in ours
    assert f'fill="{first}"' not in theirs
    assert f'stroke="{first}"' in theirs
    for words in (">here<", ">printed<", ">theirs †<", ">acc.<", ">90.0<", ">80.0<"):
        assert words in svg


def test_two_figures_under_one_name_stand_on_lines_of_their_own():
    twice = [system("same", 0.77), system("same", 0.79)]
    found = data(comparison_charts.dots({"here": twice}, ["acc."], title="t"))
    lines = {r["line"] for r in found if r.get("value") is not None}
    assert len(lines) == 2


def test_dots_stay_inside_the_axis_and_an_undefined_figure_has_none():
    some = [system("a", 0.12, None, spread=0.03), system("b", 1.0, 0.98)]
    chart = comparison_charts.dots({"here": some}, ["x", "y"], title="t")
    points = [r for r in data(chart) if "figure" in r]
    assert sorted({(p["name"], p["value"]) for p in points}) == [
        ("a", 0.12), ("b", 0.98), ("b", 1.0),
    ]  # fmt: skip
    low, high = re.search(r'"domain": \[(0\.\d+), (1\.\d+)\]', chart.to_json(indent=None)).groups()  # fmt: skip  # noqa: E501
    assert float(low) < 0.12
    assert float(high) > 1
    assert {p["low"] for p in points if p["name"] == "a"} == {0.09}


def test_recall_has_a_number_for_every_recipe_and_class():
    found = {"one": {"benign": 0.991, "u2r": None}, "two": {"benign": 1.0, "u2r": 0.05}}
    chart = comparison_charts.recalls(found, title="t")
    words = {(r["recipe"], r["class"]): r["words"] for r in data(chart)}
    assert words == {("one", "benign"): "99.1", ("one", "u2r"): "-",
                     ("two", "benign"): "100.0", ("two", "u2r"): "5.0"}  # fmt: skip
    assert {">99.1<", ">-<", ">5.0<"} <= set(re.findall(">[^<>]+<", text_of(chart)))


def test_a_push_is_named_above_its_bar_and_leaves_the_bar_the_width():
    told = {"column": "dst_host_srv_diff_host_rate", "value": 0.125, "unit": "",
            "normal_value": 0.0, "contribution": -1.25}  # fmt: skip
    svg = text_of(contribution_bars([told], quantity="log odds"))
    assert ">dst_host_srv_diff_host_rate = 0.125<" in svg
    assert ">-1.25<" in svg


def test_balancing_shows_every_class_twice():
    chart = charts.balancing({"a": 10, "b": 1}, {"a": 10, "b": 10})
    pairs = {(r["name"], r["group"], r["value"]) for r in data(chart)}
    assert ("b", "before balancing", 1) in pairs
    assert ("b", "after balancing", 10) in pairs
    assert len(pairs) == 4


def test_training_curves_leave_out_what_an_estimator_does_not_have():
    history = [{"number": 1, "loss": 0.5, "valid_loss": None, "valid_macro_f1": 0.4}]
    loss, f1 = charts.training_curves(history)
    assert [r["rows"] for r in data(loss)] == ["training rows"]
    assert [r["value"] for r in data(f1)] == [0.4]


def test_rare_classes_are_as_dark_as_large_ones_in_a_distribution():
    column = {
        "name": "flag", "kind": "category", "unit": "", "description": "",
        "distribution": {"scale": "values", "labels": ["SF", "S0"], "edges": None,
                         "counts": {"benign": [9000, 1000], "u2r": [9, 1],
                                    "r2l": [0, 0]}},
    }  # fmt: skip
    cells = data(explore_charts.distribution(column, "a"))
    shares = {(r["class"], r["bin"]): r["share"] for r in cells}
    assert shares["benign", "SF"] == shares["u2r", "SF"] == 0.9
    assert ("r2l", "SF") not in shares


def test_a_wide_correlation_keeps_the_columns_most_alike():
    names = [f"c{i}" for i in range(70)]
    matrix = [[float(i == j) for j in range(70)] for i in range(70)]
    matrix[3][9] = matrix[9][3] = -0.8
    matrix[5][5] = None
    chart = explore_charts.correlation(names, matrix, title="t")
    kept = {r["a"] for r in data(chart)}
    assert len(kept) == 60
    assert {"c3", "c9"} <= kept
    assert "60 of 70 columns" in text_of(chart)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_told_from_the_paper_and_words_from_their_ground(dark):
    colours = theme.config(dark=dark)
    paper = "#151c22" if dark else "#ffffff"
    for colour in colours["range"]["category"]:
        assert contrast(colour, paper) >= 2.2
    assert contrast(colours["axis"]["labelColor"], paper) >= 7
    assert contrast(colours["axis"]["titleColor"], paper) >= 4.5
    heat = colours["range"]["heatmap"]
    style = colours["style"]
    assert contrast(style["weak"]["color"], heat[0]) >= 7
    assert contrast(style["strong"]["color"], heat[-1]) >= 4.5


def contrast(one, other):
    """Return the contrast ratio of WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
