"""Samplers take what imbalanced-learn takes, and pass its own checks."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn import over_sampling, under_sampling
from imblearn.utils.estimator_checks import estimator_checks_generator

from evenflow import registry
from evenflow.errors import DataError
from evenflow.recipe import Recipe

SHORT = {"steps": 1, "feature_steps": 1, "batch_size": 4}
SAMPLERS = {
    name: registry.load("balance", name)(
        random_state=0,
        **{k: SHORT[k] for k in SHORT.keys() & registry.parameters("balance", name)},
    )
    for name in registry.names("balance")
}
NO_STRATEGY = {"check_samplers_fit": "it has no sampling_strategy"}
NEEDS_LAYOUT = dict.fromkeys(
    [
        "check_samplers_fit", "check_samplers_fit_resample", "check_samplers_pandas",
        "check_samplers_pandas_sparse", "check_samplers_list",
        "check_samplers_multiclass_ova", "check_samplers_preserve_dtype",
        "check_samplers_sample_indices", "check_samplers_2d_target",
        "check_sampler_get_feature_names_out",
        "check_sampler_get_feature_names_out_pandas",
    ],
    "it balances with a layout alone",
)  # fmt: skip


def not_claimed(sampler):
    """Return check -> why a sampler does not claim to pass it; then it has to fail."""
    if type(sampler).__name__ == "SMOTENC":
        return NEEDS_LAYOUT
    return {} if hasattr(sampler, "sampling_strategy") else NO_STRATEGY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        case
        for one in SAMPLERS.values()
        for case in estimator_checks_generator(
            one, expected_failed_checks=not_claimed(one), mark="xfail"
        )
    ],
    ids=lambda value: getattr(getattr(value, "func", type(value)), "__name__", None),
)
def test_a_sampler_passes_the_checks_of_imbalanced_learn(sampler, check):
    check(sampler)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 25, 15])
    return rng.normal(y[:, None], 1, (100, 3)).astype(np.float32), y


ANY = ["auto", "not minority", "not majority", "all"]
OVER = [*ANY, "minority", {2: 30}, lambda y: {1: sum(y == 0)}]
UNDER = [*ANY, "majority", {0: 30}, lambda y: {0: sum(y == 1)}]
PAIRS = [
    *(("ros", over_sampling.RandomOverSampler, strategy) for strategy in OVER),
    *(("smote", over_sampling.SMOTE, strategy) for strategy in OVER),
    *(("rus", under_sampling.RandomUnderSampler, strategy) for strategy in UNDER),
]


@pytest.mark.parametrize(("name", "theirs", "strategy"), PAIRS)
def test_a_strategy_gives_as_many_rows_as_in_imbalanced_learn(
    name, theirs, strategy, rows
):
    X, y = rows
    found = registry.load("balance", name)(sampling_strategy=strategy)
    expected = theirs(sampling_strategy=strategy)
    counts = [np.bincount(one.fit_resample(X, y)[1]) for one in (found, expected)]
    assert counts[0].tolist() == counts[1].tolist()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("ros", over_sampling.RandomOverSampler),
        ("rus", under_sampling.RandomUnderSampler),
    ],
)
def test_a_ratio_of_two_classes_is_that_of_imbalanced_learn(name, theirs, rows):
    X, y = rows[0][:85], rows[1][:85]
    found = registry.load("balance", name)(sampling_strategy=0.7).fit_resample(X, y)[1]
    _, expected = theirs(sampling_strategy=0.7).fit_resample(X, y)
    assert np.bincount(found).tolist() == np.bincount(expected).tolist()


@pytest.mark.parametrize(
    ("name", "strategy", "message"),
    [
        ("ros", "majority", "is 'majority'; expected one of 'auto', 'minority'"),
        ("rus", "minority", "is 'minority'; expected one of 'auto', 'majority'"),
        ("ros", 0.5, "is 0.5 for 3 classes; expected a ratio"),
        ("ros", [0, 1], r"is \[0, 1\]; expected"),
        ("ros", True, "is True; expected"),
        ("ros", {"worm": 9}, "names class 'worm', which has no row; .*'benign', 'dos'"),
        ("ros", {"dos": 9}, "asks for 9 rows of class 'dos', which has 25"),
    ],
)
def test_a_strategy_that_does_not_fit_is_refused(name, strategy, message, rows):
    labels = np.array(["benign", "dos", "r2l"])[rows[1]]
    sampler = registry.load("balance", name)(sampling_strategy=strategy)
    with pytest.raises(DataError, match=message):
        sampler.fit_resample(rows[0], labels)


def test_a_ratio_that_would_remove_rows_is_refused(rows):
    X, y = rows[0][:85], rows[1][:85]
    with pytest.raises(DataError, match="over-sampling only adds rows"):
        registry.load("balance", "ros")(sampling_strategy=0.2).fit_resample(X, y)


def test_labels_may_be_words_and_notes_have_them(rows):
    X, y = rows[0][:86], np.array(["benign", "dos", "r2l"])[rows[1][:86]]
    sampler = registry.load("balance", "smote")(
        sampling_strategy={"dos": 40, "r2l": 3}, random_state=0
    )
    _, found = sampler.fit_resample(X, y)
    counts = dict(zip(*np.unique(found, return_counts=True), strict=True))
    assert counts == {"benign": 60, "dos": 40, "r2l": 3}
    assert sampler.notes_ == ["class 'r2l' has one row: copied 2 times"]
    codes = registry.load("balance", "smote")(
        sampling_strategy={1: 40, 2: 3}, random_state=0
    )
    X_new, _ = codes.fit_resample(X, rows[1][:86])
    np.testing.assert_array_equal(sampler.fit_resample(X, y)[0], X_new)


def test_labels_of_several_types_are_refused(rows):
    y = rows[1].astype(object)
    y[3] = "dos"
    with pytest.raises(DataError, match="labels of several types"):
        registry.load("balance", "ros")().fit_resample(rows[0], y)


@pytest.mark.parametrize("library", [pd, pl])
def test_a_data_frame_comes_back_as_one(library, rows):
    X, y = rows
    words = np.array(["benign", "dos", "r2l"])
    frame = library.DataFrame({f"c{i}": X[:, i] for i in range(3)})
    labels = library.DataFrame({"kind": words[y]})["kind"]
    sampler = registry.load("balance", "smote")(random_state=0)
    X_new, y_new = sampler.fit_resample(frame, labels)
    assert type(X_new) is library.DataFrame
    assert type(y_new) is library.Series
    assert y_new.name == "kind"
    assert list(X_new.columns) == ["c0", "c1", "c2"]
    plain = registry.load("balance", "smote")(random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(np.asarray(X_new), plain[0])
    assert y_new.to_list() == words[plain[1]].tolist()
    assert sampler.get_feature_names_out().tolist() == ["c0", "c1", "c2"]


def test_more_forms_change_no_digest():
    recipe = Recipe.load("synthetic/cnn-smote")
    assert recipe.balance.params["sampling_strategy"] == "auto"
    assert recipe.sha256 == Recipe.from_dict(recipe.to_dict()).sha256
