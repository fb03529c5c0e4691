"""A verdict says what the scores say."""

import json

import numpy as np
import pytest

from evenflow.runtime.detect import attack_probability, sigmoid, verdicts


def test_verdicts_say_what_the_scores_say(bundle, small_table):
    scores = bundle.decide(small_table)
    lines = np.arange(7, 7 + len(small_table))
    found = list(verdicts(scores, bundle.schema, bundle.decision, lines=lines))
    assert [v.line for v in found] == lines.tolist()
    assert [v.is_attack for v in found] == scores.is_attack.tolist()
    for verdict in found:
        assert verdict.is_attack == (verdict.label != "benign")
        assert verdict.is_attack == (verdict.probability > verdict.threshold)
        assert sum(verdict.classes.values()) == pytest.approx(1)
        benign = verdict.classes["benign"]
        assert verdict.probability == pytest.approx(1 - benign, abs=1e-9)
    json.dumps(found[0].to_dict(), allow_nan=False)


def test_without_lines_rows_are_counted_from_one(bundle, small_table):
    some = small_table.take([3, 4])
    found = verdicts(bundle.decide(some), bundle.schema, bundle.decision)
    assert [v.line for v in found] == [1, 2]


def test_probabilities_of_extreme_odds_do_not_overflow():
    odds = np.array([-1e4, -50.0, 0.0, 50.0, 1e4])
    found = attack_probability(odds)
    assert found[0] == 0
    assert found[-1] == 1
    assert found[1] == pytest.approx(np.exp(-50))
    assert sigmoid(0.0) == 0.5
