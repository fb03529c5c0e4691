"""A bundle by scikit-learn's conventions, on rows as a program holds them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.schema import Table


def as_pandas(table):
    return pd.DataFrame({c.name: c.to_list() for c in table.frame.iter_columns()})


def as_array(table):
    return np.array(table.frame.rows(), dtype=object)


FORMS = {
    "table": lambda table: table,
    "polars": lambda table: table.frame,
    "lazy": lambda table: table.frame.lazy(),
    "pandas": as_pandas,
    "numpy": as_array,
    "text": lambda table: table.frame.select(pl.all().cast(pl.String)),
    "categorical": lambda table: as_pandas(table).astype({"protocol": "category"}),
    "shuffled": lambda table: as_pandas(table)[[*reversed(table.schema.names)]],
    "beside others": lambda table: as_pandas(table).assign(src_ip="10.0.0.1"),
    "other index": lambda table: as_pandas(table).set_axis(range(7, 7 + len(table))),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_decided_alike_in_whatever_frame_they_come(bundle, small_table, form):
    rows = small_table.take(np.arange(300))
    scores = bundle.decide(rows)
    X = FORMS[form](rows)
    np.testing.assert_array_equal(bundle.predict_proba(X), scores.proba)
    decided = [bundle.schema.classes[code] for code in scores.code]
    assert bundle.predict(X).tolist() == decided
    assert len(set(decided)) > 2


def test_probabilities_are_in_the_order_of_the_classes(bundle, small_table):
    proba = bundle.predict_proba(small_table.frame)
    assert bundle.classes_.tolist() == list(small_table.schema.classes)
    assert proba.shape == (len(small_table), len(bundle.classes_))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    verdict = bundle.decide_record(small_table.frame.row(5, named=True))
    assert dict(zip(bundle.classes_, proba[5], strict=True)) == pytest.approx(
        dict(verdict.classes)
    )


def test_predict_is_the_decision_at_the_threshold_not_the_likeliest_class(
    bundle, small_table
):
    wary = replace(bundle, decision=replace(bundle.decision, threshold=-6.0))
    likeliest = wary.classes_[wary.predict_proba(small_table).argmax(axis=1)]
    predicted = wary.predict(small_table)
    assert (predicted != likeliest).any()
    scores = wary.decide(small_table)
    np.testing.assert_array_equal(predicted != "benign", scores.is_attack)


def test_missing_values_are_missing_however_a_frame_writes_them(bundle, small_table):
    frame = small_table.frame.head(3).with_columns(
        pl.Series("error_rate", [None, 0.5, None]),
        pl.Series("service", [None, "http", None]),
    )
    expected = bundle.predict_proba(frame)
    plain = as_pandas(small_table.take([0, 1, 2])).drop(
        columns=["error_rate", "service"]
    )
    for missing in (None, np.nan, pd.NA):
        values: dict[str, Any] = {
            "error_rate": [missing, 0.5, missing],
            "service": [missing, "http", missing],
        }
        objects = plain.assign(
            **{k: pd.Series(v, dtype=object) for k, v in values.items()}
        )
        np.testing.assert_array_equal(bundle.predict_proba(objects), expected)
    nullable = objects.astype({"error_rate": "Float64", "service": "string"})
    np.testing.assert_array_equal(bundle.predict_proba(nullable), expected)
    array = np.array(objects[[*small_table.schema.names]].astype(object))
    np.testing.assert_array_equal(bundle.predict_proba(array), expected)


@pytest.mark.parametrize("form", ["polars", "pandas", "numpy"])
def test_a_row_that_breaks_the_contract_is_named_with_its_column(
    bundle, small_table, form
):
    frame = small_table.frame.head(9)
    values = frame["error_rate"].to_list()
    values[4] = values[6] = 1.5
    broken = Table(
        schema=small_table.schema,
        frame=frame.with_columns(error_rate=pl.Series(values)),
    )
    with pytest.raises(
        DataError,
        match=r"row 5, column error_rate: found 1\.5, expected a number from 0 to 1 "
        r"\(rows count from 1; 2 such rows\)",
    ):
        bundle.predict(FORMS[form](broken))


def test_a_word_in_a_column_of_numbers_is_named(bundle, small_table):
    rows = as_pandas(small_table.take([0, 1])).astype({"count": object})
    rows.loc[1, "count"] = "many"
    with pytest.raises(DataError, match="row 2, column count: found 'many'"):
        bundle.predict_proba(rows)


def test_a_missing_column_and_a_wrong_shape_say_what_is_expected(bundle, small_table):
    with pytest.raises(DataError, match="1 column is missing: service"):
        bundle.predict(as_pandas(small_table).drop(columns="service"))
    with pytest.raises(DataError, match=r"shape \(3, 2\), expected \(n_rows, 8\)"):
        bundle.predict(np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"shape \(8,\)"):
        bundle.predict(np.zeros(8))
    with pytest.raises(DataError, match="array of complex128, expected numbers"):
        bundle.predict(np.zeros((2, 8), dtype=complex))
    with pytest.raises(TypeError, match="found list, expected a pandas or Polars"):
        bundle.predict([[0.0] * 8])


def test_an_array_has_the_columns_of_feature_names_in(bundle, small_table):
    rows = as_pandas(small_table.take([0, 1, 2]))
    X = rows[[*bundle.feature_names_in_]].to_numpy()
    np.testing.assert_array_equal(bundle.predict(X), bundle.predict(rows))


def test_score_is_the_accuracy_of_what_is_predicted(bundle, small_table):
    X, attack = as_pandas(small_table), small_table.attack
    classes = bundle.classes_[small_table.labels]
    expected = float((bundle.predict(X) == classes).mean())
    assert 0.5 < expected < 1
    assert bundle.score(X, classes) == expected
    assert bundle.score(X, pd.Series(classes)) == expected
    assert bundle.score(small_table, attack) == expected  # types count as their class


def test_score_refuses_labels_that_no_prediction_could_meet(bundle, small_table):
    rows = small_table.take([0, 1])
    with pytest.raises(
        DataError, match="y, row 2: found 'BENIGN', expected one of ben"
    ):
        bundle.score(rows, ["benign", "BENIGN"])
    with pytest.raises(DataError, match="y, row 1: found 0, expected"):
        bundle.score(rows, rows.labels * 0)
    for labels in (["benign"], "benign", [["benign"], ["benign"]], []):
        with pytest.raises(DataError, match="found 2 rows and labels of shape"):
            bundle.score(rows, labels)
    with pytest.raises(DataError, match="at least one row"):
        bundle.score(rows.take([]), [])


def test_a_bundle_shows_itself_in_a_line(bundle):
    assert repr(bundle) == (
        "<Bundle small: 8 columns of small, classes benign, dos, probe, r2l, u2r>"
    )
