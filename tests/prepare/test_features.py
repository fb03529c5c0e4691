"""Learnt on training rows, kept as JSON, applied with NumPy alone."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from evenflow.errors import DataError
from evenflow.prepare.features import SCALINGS, UNSEEN, Preprocessor, Scaler
from evenflow.schema import Table


def with_values(table, **columns):
    frame = table.frame.with_columns(**{k: pl.Series(v) for k, v in columns.items()})
    return Table(schema=table.schema, frame=frame, y=table.y, attack=table.attack)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_training_rows_are_finite_and_possible(scaling, small_table):
    prepared = Preprocessor.fit(small_table, scaling=scaling)
    X = prepared.transform(small_table)
    assert X.dtype == np.float32
    assert X.shape == (len(small_table), prepared.layout.n_features)
    assert np.isfinite(X).all()
    for start, stop in prepared.layout.blocks:
        np.testing.assert_array_equal(X[:, start:stop].sum(axis=1), 1)
    np.testing.assert_allclose(prepared.layout.snap(X), X, atol=2e-5)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_json_keeps_every_bit(scaling, small_table):
    prepared = Preprocessor.fit(small_table, scaling=scaling)
    again = Preprocessor.from_dict(json.loads(json.dumps(prepared.to_dict())))
    np.testing.assert_array_equal(
        again.transform(small_table), prepared.transform(small_table)
    )
    assert again.layout.names == prepared.layout.names


@pytest.mark.parametrize(
    ("kind", "peer"), [("standard", StandardScaler), ("minmax", MinMaxScaler)]
)
def test_scaling_agrees_with_scikit_learn(kind, peer):
    x = np.random.default_rng(0).lognormal(2, 2, (400, 3))
    np.testing.assert_allclose(
        Scaler.fit(kind, x).forward(x), peer().fit_transform(x), rtol=1e-9, atol=1e-12
    )


@given(
    x=st.lists(
        st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), min_size=3, max_size=30
    ),
    kind=st.sampled_from(["log1p_standard", "standard", "minmax"]),
)
@settings(deadline=None)
def test_inverse_undoes_forward(x, kind):
    x = np.array(x)
    scaler = Scaler.fit(kind, x)
    again = scaler.inverse(scaler.forward(x))
    tolerance = 1e-6 * (np.abs(x).max(axis=0) + 1)
    assert (np.abs(again - x) <= tolerance).all()


def test_quantiles_spread_values_evenly_and_a_plateau_has_one_level():
    x = np.concatenate([np.zeros(500), np.arange(1, 501)])[:, None].astype(float)
    z = Scaler.fit("quantile", x).forward(x)[:, 0]
    assert len(set(z[:500])) == 1
    assert 0.2 < z[0] < 0.3
    assert (np.diff(z[500:]) > 0).all()
    assert z[-1] == pytest.approx(1.0)


def test_a_category_never_trained_shares_the_bucket_of_the_rare(small_table):
    prepared = Preprocessor.fit(small_table, min_category_rows=5)
    odd = with_values(small_table, service=["gopher"] * len(small_table))
    X = prepared.transform(odd)
    assert (X[:, prepared.layout.names.index(f"service={UNSEEN}")] == 1).all()
    missing = with_values(
        small_table, service=pl.Series([None] * len(small_table), dtype=pl.String)
    )
    np.testing.assert_array_equal(prepared.transform(missing), X)


def test_a_rare_category_trains_the_bucket(small_table):
    services = small_table.frame["service"].to_list()
    services[:3] = ["once"] * 3
    prepared = Preprocessor.fit(
        with_values(small_table, service=services), min_category_rows=5
    )
    assert "service=once" not in prepared.layout.names
    X = prepared.transform(with_values(small_table, service=services))
    assert X[:, prepared.layout.names.index(f"service={UNSEEN}")].sum() == 3


@pytest.mark.parametrize("odd", [UNSEEN, "t" * 20_001])
def test_a_category_that_no_bundle_holds_shares_the_bucket_of_the_rare(
    odd, small_table
):
    services = [odd if i % 2 else "http" for i in range(len(small_table))]
    table = with_values(small_table, service=services)
    prepared = Preprocessor.fit(table)
    assert prepared.categories["service"] == ("http", UNSEEN)
    bucket = prepared.layout.names.index(f"service={UNSEEN}")
    assert prepared.transform(table)[:, bucket].sum() == services.count(odd)


def test_a_missing_value_is_the_training_median_and_is_marked(small_table):
    values = small_table.frame["fwd_bytes"].to_numpy().copy()
    values[:10] = [np.nan] * 5 + [np.inf] * 5
    holes = with_values(small_table, fwd_bytes=values)
    prepared = Preprocessor.fit(holes)
    assert prepared.indicator == ("fwd_bytes",)
    X = prepared.transform(holes)
    flag = X[:, prepared.layout.names.index("fwd_bytes is missing")]
    assert flag.tolist() == [1] * 10 + [0] * (len(values) - 10)
    filled = with_values(
        small_table,
        fwd_bytes=np.where(np.isfinite(values), values, np.median(values[10:])),
    )
    column = prepared.layout.names.index("fwd_bytes")
    np.testing.assert_array_equal(X[:, column], prepared.transform(filled)[:, column])


def test_values_missing_only_later_are_filled_too(small_table):
    prepared = Preprocessor.fit(small_table)
    X = prepared.transform(
        with_values(small_table, count=np.full(len(small_table), np.nan))
    )
    assert np.isfinite(X).all()


def test_a_column_with_one_value_is_dropped(small_table):
    assert Preprocessor.fit(small_table).dropped == ("constant",)


def test_nothing_is_learnt_from_rows_that_do_not_train(small_table):
    half = small_table.take(np.arange(1000))
    learnt = json.dumps(Preprocessor.fit(half).to_dict())
    prepared = Preprocessor.fit(half)
    prepared.transform(with_values(small_table, count=np.full(len(small_table), 1e9)))
    assert json.dumps(prepared.to_dict()) == learnt


@given(seed=st.integers(0, 10_000), scaling=st.sampled_from(SCALINGS))
@settings(deadline=None, max_examples=25)
def test_a_snapped_row_is_a_possible_row(small_table, seed, scaling):
    prepared = Preprocessor.fit(small_table, scaling=scaling)
    layout = prepared.layout
    noise = np.random.default_rng(seed).normal(0, 3, (20, layout.n_features))
    X = layout.snap(noise.astype(np.float32))
    for start, stop in layout.blocks:
        block = X[:, start:stop]
        assert set(np.unique(block)) <= {0, 1}
        np.testing.assert_array_equal(block.sum(axis=1), 1)
    raw = layout.scaler.inverse(X[:, : layout.n_numeric].astype(float))
    low, high = layout.low, layout.high
    slack = 1e-4 * (high - low + 1)
    assert (raw >= low - slack).all()
    assert (raw <= high + slack).all()
    whole = raw[:, layout.step == 1]
    np.testing.assert_allclose(
        whole, np.round(whole), atol=1e-3 * (1 + np.abs(whole)).max()
    )
    np.testing.assert_allclose(layout.snap(X), X, atol=1e-4)


def test_one_row_is_prepared_as_in_a_batch(small_table):
    prepared = Preprocessor.fit(small_table)
    np.testing.assert_array_equal(
        prepared.transform(small_table.take([7])), prepared.transform(small_table)[[7]]
    )


def test_a_table_of_categories_alone_is_prepared(table_of):
    rows = table_of(pl.DataFrame({"c": ["a"] * 9 + ["b"] * 9}))
    prepared = Preprocessor.fit(rows)
    X = prepared.transform(rows)
    assert X.shape == (18, 3)
    np.testing.assert_array_equal(prepared.layout.snap(X), X)
    assert Preprocessor.from_dict(prepared.to_dict()).layout.names == (
        "c=a", "c=b", f"c={UNSEEN}",
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_training_rows_are_scaled_to_finite_numbers_or_the_column_is_named(
    scaling, sign, table_of
):
    rng = np.random.default_rng(3)
    for size in (1e30, 1e160, 1e300, 1.7e308):
        huge = sign * size * rng.uniform(0.9, 1.0, 200)
        huge[:90] *= -1.0
        frame = pl.DataFrame({"plain": rng.normal(size=200), "huge": huge})
        table = table_of(frame)
        try:
            preprocessor = Preprocessor.fit(table, scaling=scaling)
            prepared = preprocessor.transform(table)
            json.dumps(preprocessor.to_dict(), allow_nan=False)
        except DataError as error:
            worst = huge[np.abs(huge).argmax()]
            assert f"column huge: found {worst:g}, expected" in str(error)  # noqa: PT017
            assert size > 1e150, "squares of smaller values do not overflow"
            assert scaling != "log1p_standard"
        else:
            assert np.isfinite(prepared).all()


def test_rows_that_cannot_be_prepared_are_named_before_they_are(small_table):
    preprocessor = Preprocessor.fit(small_table, scaling="standard")
    preprocessor.check(small_table)
    values = small_table.frame["fwd_bytes"].to_numpy().astype(np.float64)
    values[7] = 1e300
    table = with_values(small_table, fwd_bytes=values)
    with pytest.raises(DataError, match=r"column fwd_bytes: found 1e\+300"):
        preprocessor.check(table)
    found = preprocessor.first_not_finite(preprocessor.transform(table))
    column = preprocessor.numeric.index("fwd_bytes")
    assert found[7] == column
    assert (np.delete(found, 7) == -1).all()
