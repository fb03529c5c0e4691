"""A class has one colour in every chart, which everybody can tell from the others."""

import itertools

import numpy as np
import pytest

from evenflow import datasets
from evenflow.judge.charts import class_colors, theme
from evenflow.judge.charts.base import CLASS, bars, to_spec
from evenflow.schema import UNKNOWN_ATTACK
from evenflow.web.charts import daily

SCHEMAS = [s for n in datasets.names() if (s := datasets.get(n).schema) is not None]
PAPERS = {"light": "#ffffff", "dark": "#151c22"}
RANGES = {"light": class_colors.LIGHT, "dark": class_colors.DARK}
SEEN = {
    "by everybody": np.eye(3),
    "with protanopia": np.array(
        [[0.152286, 1.052583, -0.204868],
         [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "with deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968],
         [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
}  # fmt: skip
"""Machado's matrices on linear RGB."""
XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def linear(color):
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    f = np.cbrt(XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    low, high = sorted(float(XYZ[1] @ linear(c)) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("kind", RANGES)
def test_no_two_colours_look_alike(kind, eyes):
    seen = [lab(SEEN[eyes] @ linear(color)) for color in RANGES[kind]]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 10


@pytest.mark.parametrize("kind", RANGES)
def test_every_colour_stands_out_from_the_paper(kind):
    assert min(contrast(c, PAPERS[kind]) for c in RANGES[kind]) >= 3
    assert theme.config(kind == "dark")["range"]["ordinal"] == list(RANGES[kind])


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_each_class_of_a_data_set_has_its_own_place_the_same_everywhere(schema):
    labels = [*schema.classes, UNKNOWN_ATTACK]
    domain = class_colors.domain(labels)
    assert len(domain) == len(set(domain)) == len(class_colors.LIGHT)
    for label in labels:
        assert domain.index(label) == class_colors.place(label)
    places = {class_colors.place(label) for label in schema.classes[1:]}
    assert not places & {class_colors.place("benign"), class_colors.place("attack")}


def test_classes_of_ones_own_share_no_colour_while_one_is_free():
    few = [f"kind {k}" for k in range(9)]
    found = class_colors.domain(["benign", *few])
    assert {found.index(label) for label in few} == set(range(2, 11))
    many = [f"kind {k}" for k in range(40)]
    found = class_colors.domain(["benign", *many])
    assert len(set(found)) == len(found)
    n = len(class_colors.LIGHT)
    for label in many:
        assert 2 <= found.index(label) % n <= 10, "none has the colour of a side"
    assert found == class_colors.domain(["benign", *many])


def test_a_report_file_and_a_page_colour_a_class_alike():
    labels = ["benign", "dos", "probe"]
    rows = [{"name": f"{k} rows", "value": 1, "group": k} for k in labels]
    spec = to_spec(bars(rows, title="t", group=CLASS))
    (color,) = (
        layer["encoding"]["color"]["scale"]
        for layer in spec["layer"]
        if "color" in layer["encoding"]
    )
    page = daily.shares([("dos", 1)], class_colors.scale(labels), title="t")
    assert color == page["layer"][0]["encoding"]["color"]["scale"]
    assert color["domain"].index("dos") == class_colors.place("dos")
