"""How often rows of a score are attacks: counted, served as counted, never surer."""

import math

import numpy as np
import pytest

from evenflow.bands import FACTORS, Band, Bands, about
from evenflow.decision import TIE, Decision
from evenflow.metrics import wilson

THRESHOLD = 1.5


def scored(margins):
    """Scores whose log odds are those above the threshold."""
    odds = np.asarray(margins, dtype=np.float64) + THRESHOLD
    neutral = Decision(
        temperature=1.0, bias=np.zeros(2), threshold=THRESHOLD, false_alarm_budget=1.0
    )
    return neutral.apply(np.stack([np.zeros(len(odds)), odds], axis=1))


def band(rows, attacks, *, low=None, high=None):
    return Band(low=low, high=high, rows=rows, attacks=attacks)


def bands_of(margins, is_true):
    return Bands.of(scored(margins), THRESHOLD, np.asarray(is_true, dtype=bool))


def test_each_band_counts_its_rows_and_its_attacks():
    found = bands_of([-20, -3, -3, -3, 0.1, 30], [0, 1, 0, 0, 1, 1])
    counted = [(b.rows, b.attacks) for b in found.bands if b.rows]
    assert counted == [(1, 0), (3, 1), (1, 1), (1, 1)]
    three = next(b for b in found.bands if b.rows == 3)
    assert three.interval == wilson(1, 3)
    assert (three.name, three.is_attack) == ("10 to 100 times under", False)


def test_a_row_is_placed_where_it_was_counted_whatever_the_processor():
    rng = np.random.default_rng(7)
    margins = rng.normal(0, 6, 5_000)
    is_true = rng.random(5_000) < 0.5
    found = bands_of(margins, is_true)
    again = found.place(margins)
    assert np.bincount(again, minlength=12).tolist() == [b.rows for b in found.bands]
    edges = [s * math.log(f) for f in FACTORS for s in (-1, 1)]
    for edge in edges:
        tied = found.place(edge + TIE * np.array([-0.9, 0.0, 0.9]))
        assert len(set(tied.tolist())) == 1, "float noise at an edge changes no band"


def test_the_side_of_a_band_is_that_of_its_verdicts():
    margins = np.array([-1e-9, 0.0, 1e-9, -TIE / 2, TIE / 2, -5, 5])
    scores = scored(margins)
    found = bands_of(margins, [0, 0, 1, 0, 1, 0, 1])
    placed = found.place(scores.attack - THRESHOLD)
    sides = [found.bands[place].is_attack for place in placed]
    assert sides == scores.is_attack.tolist()


def test_rows_of_one_kind_alone_have_no_bands():
    assert bands_of([1, 2], [1, 1]) is None
    assert bands_of([1, 2], [0, 0]) is None


@pytest.mark.parametrize(
    ("found", "sureness"),
    [
        (band(381, 0), "clear"),
        (band(380, 0), "fair"),
        (band(30, 0), "unsure"),
        (band(1_000, 50), "fair"),
        (band(1_000, 570), "unsure"),
        (band(0, 0), "unknown"),
        (band(1_000, 1_000, low=2.3), "clear"),
        (band(1_000, 500, low=2.3), "unsure"),
    ],
)
def test_clear_is_a_band_whose_interval_leaves_one_in_a_hundred(found, sureness):
    assert found.sureness == sureness


def test_the_sentence_has_share_rows_and_interval():
    assert band(1_000, 570).text == (
        "Of test rows scored like this, 57 % were attacks (570 of 1,000 rows; 95 % "
        "interval 54 to 60 %)."
    )
    assert "not known" in band(0, 0).text
    assert "0 % were attacks (0 of 500 rows" in band(500, 0).text


def test_bands_come_back_from_json_and_refuse_what_does_not_join():
    value = bands_of([-9, 0.5, 3], [0, 1, 1]).to_dict()
    assert Bands.from_dict(value).to_dict() == value
    for change in (
        value[1:],
        value[:-1],
        [value[0], *value[2:]],
        [value[0] | {"attacks": 9}, *value[1:]],
        [*value[:5], *reversed(value[5:])],
        [],
        [one | {"rows": 0, "attacks": 0} for one in value],
    ):
        with pytest.raises(ValueError, match="band"):
            Bands.from_dict(change)


def test_a_report_says_which_rows_were_counted_and_that_they_flatter():
    value = bands_of([-9, 0.5, 3], [0, 1, 1]).to_dict()
    report = {"bands": value, "dataset": "d", "protocol": "p", "is_optimistic": True}
    assert "3 rows of 'd', protocol p; 67 % of them are attacks" in about(report)
    assert "optimistic" in about(report)
    assert "not known" in about({"dataset": "d"})
