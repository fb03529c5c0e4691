"""The preprocessor in scikit-learn: its own checks, pipelines, any frame."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from evenflow.errors import DataError
from evenflow.prepare.features import SCALINGS, Preprocessor
from evenflow.prepare.transformer import TablePreprocessor


@parametrize_with_checks([TablePreprocessor(scaling=s) for s in SCALINGS])
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture
def rows(small_table):
    return pd.DataFrame({c.name: c.to_list() for c in small_table.frame.iter_columns()})


def test_it_prepares_as_the_preprocessor_of_a_bundle(small_table, rows):
    plain = Preprocessor.fit(small_table)
    for X in (rows, small_table.frame):
        made = TablePreprocessor().fit(X)
        np.testing.assert_array_equal(made.transform(X), plain.transform(small_table))
        assert tuple(made.get_feature_names_out()) == plain.layout.names
        assert made.transform(X).dtype == np.float32


def test_it_is_cloned_with_its_parameters_and_without_what_it_learnt(rows):
    made = TablePreprocessor(scaling="minmax", min_category_rows=9).fit(rows)
    copy = clone(made)
    assert copy.get_params() == {"scaling": "minmax", "min_category_rows": 9}
    assert not hasattr(copy, "preprocessor_")


def test_it_works_in_a_pipeline_and_a_search(small_table, rows):
    y = np.array(small_table.schema.classes)[small_table.labels]
    pipeline = make_pipeline(TablePreprocessor(), LogisticRegression(max_iter=300))
    search = GridSearchCV(
        pipeline, {"tablepreprocessor__scaling": ["minmax", "standard"]}, cv=2
    ).fit(rows, y)
    assert search.score(rows, y) > 0.8
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert "protocol=icmp" in names


@pytest.mark.parametrize(
    ("form", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_its_output_is_a_frame_where_one_is_asked_for(rows, form, kind):
    made = TablePreprocessor().set_output(transform=form).fit(rows)
    out = made.transform(rows)
    assert isinstance(out, kind)
    assert list(out.columns) == list(made.get_feature_names_out())
    assert len(out) == len(rows)


def test_missing_values_and_unseen_words_are_features(rows):
    gaps = rows.assign(
        count=rows["count"].where(rows.index % 5 > 0), service=rows["service"]
    )
    made = TablePreprocessor().fit(gaps)
    names = list(made.get_feature_names_out())
    later = gaps.head(2).assign(service=["never seen", None])
    out = made.transform(later)
    assert out[0, names.index("count is missing")] == 1
    assert out[:, names.index("service=<unseen>")].tolist() == [1, 1]


def test_rows_it_cannot_prepare_are_named(rows):
    made = TablePreprocessor().fit(rows)
    with pytest.raises(DataError, match="row 2, column count: found 'many'"):
        made.transform(rows.head(2).astype({"count": object}).assign(count=[1, "many"]))
    with pytest.raises(ValueError, match="feature names should match"):
        made.transform(rows.rename(columns={"count": "counts"}))
    with pytest.raises(DataError, match="found no rows"):
        TablePreprocessor().fit(rows.head(0))
    with pytest.raises(ValueError, match="scaling is 'robust', expected one of"):
        TablePreprocessor(scaling="robust").fit(rows)
    standard = TablePreprocessor(scaling="standard").fit(rows)
    with pytest.raises(DataError, match=r"column fwd_bytes: found 1e\+300"):
        standard.transform(rows.head(1).assign(fwd_bytes=1e300))
