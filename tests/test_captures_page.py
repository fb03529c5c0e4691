"""The table of public captures says what a model says, and counts what is right."""

from pathlib import Path

import pytest

from evenflow.runtime import bundle as bundles

from . import scripts

SCRIPT = Path(__file__).parents[1] / "benchmarks/traffic/pcaps.py"


@pytest.fixture(scope="module")
def pcaps():
    return scripts.loaded(SCRIPT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expected", "mark", "count"),
    [
        ("probe", "yes", "Of 1 attacks, 1 are right."),
        ("dos", "**no**", "Of 1 attacks, 0 are right."),
        ("no attack", "**no**", "Of 1 ordinary captures, 0 are right."),
        ("not of its families", "", "Of 0 attacks, 0 are right."),
    ],
)
def test_a_capture_is_right_by_its_largest_incident(
    pcaps, detector, capture, monkeypatch, expected, mark, count
):
    monkeypatch.setitem(pcaps.SHOWN, capture.name, (expected, "a scan"))
    lines = pcaps.table(bundles.load(detector, threads=1), [capture])
    row = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert row[:5] == [f"`{capture.name}`", "a scan", expected, "620", "48%"]
    assert row[5].startswith("probe (300; ")
    assert row[6] == mark
    assert count in lines


def test_ordinary_traffic_without_an_incident_is_right(pcaps):
    found = pcaps.Found(connections=3, flagged=0, incidents=())
    assert pcaps.is_right(pcaps.QUIET, found)
    assert not pcaps.is_right("scan", found)
    assert pcaps.said(found) == "none"
