"""An explanation adds up, can be repeated by hand, and names what was planted."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.decision import Decision
from evenflow.errors import BundleError
from evenflow.runtime.explain import Leading, explain
from evenflow.schema import Table


def rows_called(bundle, table, *, is_attack):
    return np.flatnonzero(bundle.decide(table).is_attack == is_attack)[:12].tolist()


def of_record(table, record):
    frame = pl.DataFrame([record], schema=table.frame.schema)
    return Table(schema=table.schema, frame=frame)


def test_contributions_add_up_to_the_verdict(bundle, small_table):
    for row in rows_called(bundle, small_table, is_attack=True):
        found = explain(bundle, small_table, row)
        total = found.base + sum(c.contribution for c in found.contributions)
        assert total == pytest.approx(found.log_odds, abs=1e-4)
        odds = bundle.decide(small_table.take([row])).attack[0]
        assert found.log_odds == odds


def test_each_columns_effect_alone_can_be_repeated_by_hand(bundle, small_table):
    row = rows_called(bundle, small_table, is_attack=True)[0]
    found = explain(bundle, small_table, row)
    assert len(found.contributions) >= 3
    for c in found.contributions:
        record = small_table.frame.row(row, named=True) | {c.column: c.normal_value}
        odds = bundle.decide(of_record(small_table, record)).attack[0]
        assert found.log_odds - odds == pytest.approx(c.alone, abs=1e-4)


def test_the_columns_that_turn_the_verdict_do_turn_it(bundle, small_table):
    turned = 0
    for row in rows_called(bundle, small_table, is_attack=True):
        found = explain(bundle, small_table, row)
        normal = {c.column: c.normal_value for c in found.contributions}
        for n in range(1, len(found.counterfactual) + 1):
            change = {name: normal[name] for name in found.counterfactual[:n]}
            record = small_table.frame.row(row, named=True) | change
            is_attack = bundle.decide(of_record(small_table, record)).is_attack[0]
            assert is_attack == (n < len(found.counterfactual)), (
                "the fewest, and enough"
            )
        turned += bool(found.counterfactual)
    assert turned > 5


def test_the_normal_record_is_one_the_bundle_calls_benign(bundle, small_table):
    for row in rows_called(bundle, small_table, is_attack=False):
        found = explain(bundle, small_table, row)
        assert found.is_base_normal
        assert found.base <= bundle.decision.threshold
        assert found.counterfactual == ()


def test_a_planted_cause_is_found(bundle, small_table):
    """A normal record with one column of a flood: that column is named first."""
    for name, value in {"error_rate": 1.0, "service": "ecr_i"}.items():
        frame = bundle.reference.frame[:1].with_columns(pl.lit(value).alias(name))
        table = Table(schema=small_table.schema, frame=frame)
        found = explain(bundle, table, 0)
        assert found.contributions[0].column == name
        assert found.contributions[0].value == value


def test_a_record_like_a_normal_one_says_so(bundle):
    calm = int(np.flatnonzero(~bundle.decide(bundle.reference).is_attack)[0])
    found = explain(bundle, bundle.reference, calm)
    assert found.contributions == ()
    assert "equals a benign record" in found.text


def test_columns_that_say_the_same_share_the_push(bundle, small_table):
    """Where two columns both suffice, neither matters alone, yet both are named."""

    class Either:
        """Attack if error_rate or count is high: removing one changes nothing."""

        def run(self, _out, feed):
            names = bundle.preprocessor.layout.names
            x = feed["x"]
            high = np.maximum(
                x[:, names.index("error_rate")], x[:, names.index("count")]
            )
            z = np.stack(
                [np.zeros(len(x)), 4 * np.minimum(high, 1)]
                + [np.full(len(x), -9.0)] * 3,
                1,
            )
            return [np.float32(z)]

    decision = Decision.neutral(5)
    either = replace(
        bundle, session=Either(), decision=replace(decision, threshold=2.0)
    )
    frame = bundle.reference.frame[:1].with_columns(
        error_rate=pl.lit(1.0), count=pl.lit(500.0)
    )
    found = explain(either, Table(schema=small_table.schema, frame=frame), 0)
    first = {c.column: c for c in found.contributions[:2]}
    assert set(first) == {"error_rate", "count"}
    assert all(abs(c.alone) < 1e-6 and c.contribution > 0.5 for c in first.values())
    assert set(found.counterfactual) == {"error_rate", "count"}


def test_the_same_seed_explains_the_same(bundle, small_table):
    row = rows_called(bundle, small_table, is_attack=True)[1]
    first, again = (explain(bundle, small_table, row).to_dict() for _ in range(2))
    assert first == again
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_words_name_value_normal_value_and_direction(bundle, small_table):
    row = rows_called(bundle, small_table, is_attack=True)[0]
    found = explain(bundle, small_table, row)
    first = found.contributions[0]
    assert f"Called {found.verdict.label}" in found.text
    assert f"{first.column} is " in found.text
    assert "where similar benign traffic has" in found.text
    assert ("towards attack" in found.text) == any(
        c.contribution > 0 for c in found.contributions
    )


def test_missing_and_unseen_values_are_explained(bundle, small_table):
    frame = small_table.frame[:1].with_columns(
        service=pl.lit("never seen"), count=pl.lit(float("nan"))
    )
    found = explain(bundle, Table(schema=small_table.schema, frame=frame), 0)
    assert "service" in {c.column for c in found.contributions}
    json.dumps(found.to_dict(), allow_nan=False)


def test_every_feature_belongs_to_one_column(bundle):
    groups = bundle.preprocessor.layout.groups
    features = np.sort(np.concatenate(list(groups.values())))
    assert features.tolist() == list(range(bundle.preprocessor.layout.n_features))


def test_a_bundle_without_reference_rows_says_so(bundle, small_table):
    bare = replace(bundle, reference=bundle.reference.take([]))
    with pytest.raises(BundleError, match="no reference rows"):
        explain(bare, small_table, 0)


def test_a_row_that_is_not_there_is_an_index_error(bundle, small_table):
    with pytest.raises(IndexError):
        explain(bundle, small_table, len(small_table))


def test_the_leading_columns_of_an_alert_are_those_of_its_explanation(bundle, parts):
    table = parts["golden"]
    attacks = np.flatnonzero(bundle.decide(table).is_attack)
    assert len(attacks) > 3
    leading = Leading(bundle)
    rows = attacks[:4].tolist()
    for row, found in zip(rows, leading.of(table, rows, 3), strict=True):
        alone = {c.column: c.alone for c in explain(bundle, table, row).contributions}
        expected = sorted((-x, name) for name, x in alone.items() if x > 0)[:3]
        assert [name for name, _ in found] == [name for _, name in expected]
        assert [x for _, x in found] == pytest.approx([-x for x, _ in expected])
