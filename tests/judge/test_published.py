"""Published figures are printed as published, and marked where they cannot be."""

import pytest

from evenflow.judge.published import TAGS, read
from evenflow.judge.tables.comparison import systems

FOUND = read()


def test_the_printed_tables_are_whole():
    assert len(FOUND.printed_comparison) == 7
    assert len(FOUND.printed_performance) == 8
    assert len(FOUND.systems) == 18
    cnn = FOUND.printed_performance[0]
    assert (cnn.accuracy, cnn.f1, cnn.recall, cnn.precision) == (99.5, 99.6, 99.5, 99.7)


def test_rows_whose_accuracy_lies_outside_recall_and_specificity_are_marked():
    marked = {row.method for row in FOUND.printed_comparison if row.mark}
    assert marked == {
        "SAVAER-DNN",
        "TSOE(feature)+CNN (TSODE)",
        "CVAE-DNN",
        "CNN + balancing, printed",
    }


def test_every_figure_has_a_tag_and_a_place():
    for system in FOUND.systems:
        assert system.protocol
        for figure in system.figures:
            assert figure.tag in TAGS
            assert figure.test
            assert 0 < figure.value <= 100


def test_no_figure_is_from_memory():
    assert set(TAGS) == {"V", "I"}
    assert "memory" not in str(FOUND.to_dict())


def test_inferred_figures_follow_from_the_published_rates():
    """KDDTest+ holds 12,833 attacks and 9,711 benign rows."""
    figures = {
        f.metric: f.value for f in FOUND.systems[0].figures if f.test == "KDDTest+"
    }
    found = 12_833 * figures["detection_rate"] / 100
    alarms = 9_711 * figures["false_alarm_rate"] / 100
    accuracy = (found + 9_711 - alarms) / 22_544
    f1 = 2 * found / (12_833 + found + alarms)
    assert figures["accuracy"] == pytest.approx(100 * accuracy, abs=0.02)
    assert figures["f1"] == pytest.approx(100 * f1, abs=0.05)


def test_the_printed_cells_name_parts_that_exist():
    from evenflow import registry

    for row in FOUND.printed_performance:
        assert row.model in registry.names("models")
        assert row.balance in registry.names("balance")


def test_systems_of_one_data_set_are_named_and_all_figures_are_of_it():
    found = systems(FOUND.to_dict(), {"unsw_nb15"})
    assert found.rows
    assert all(row[2].startswith("unsw_nb15, ") for row in found.rows)
    assert found.rows[0][0], "the first line of a system names it"
    assert len(systems(FOUND.to_dict()).rows) > len(found.rows)
    assert [c.name for c in found.columns if not c.is_text] == ["value"]
