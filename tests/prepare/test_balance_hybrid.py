"""What hybrid and the generator promise beyond the common checks."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from evenflow.errors import DataError
from evenflow.prepare.balance._edit import enn_mask
from evenflow.prepare.balance._neighbors import Neighbors
from evenflow.prepare.balance._zoom import categories
from evenflow.prepare.balance.gan import GAN
from evenflow.prepare.balance.hybrid import Hybrid


@pytest.fixture(scope="module")
def grown(prepared):
    X, y, layout = prepared
    sampler = Hybrid(max_rows_per_class=150, random_state=1)
    return sampler.fit_resample(X, y, layout=layout)


def test_easy_rows_of_large_classes_all_stay(prepared, grown):
    X, y, layout = prepared
    X_new, y_new = grown
    difficult = enn_mask(X, y, 5, kind="all", layout=layout)
    for label in (0, 1, 2):
        mine = y == label
        lost = mine.sum() - (y_new == label).sum()
        hard = (difficult & mine).sum()
        assert lost == hard - round(hard * 0.75)
        kept = {row.tobytes() for row in X_new[y_new == label]}
        assert {row.tobytes() for row in X[mine & ~difficult]} <= kept
    assert (y_new == 3).sum() == (y_new == 4).sum() == 150


def test_a_target_below_the_rows_there_are_is_met(prepared):
    X, y, layout = prepared
    sampler = Hybrid(sampling_strategy={0: 200, 1: 90, 4: 60}, random_state=1)
    X_new, y_new = sampler.fit_resample(X, y, layout=layout)
    counts = np.bincount(y_new)
    assert counts[[0, 1, 4]].tolist() == [200, 90, 60]
    real = {row.tobytes() for row in X[y == 0]}
    assert all(row.tobytes() in real for row in X_new[y_new == 0])


def test_no_new_row_lies_where_another_class_is_at_home(prepared, grown):
    X, y, layout = prepared
    X_new, y_new = grown
    real = {row.tobytes() for row in X}
    new = np.array([row.tobytes() not in real for row in X_new])
    assert new.sum() > 100
    home = Neighbors(1, blocks=layout.blocks).fit(X).kneighbors(X_new[new], None, False)
    np.testing.assert_array_equal(y[home[:, 0]], y_new[new])


def test_new_rows_keep_their_categories_and_their_classs_bounds(prepared, grown):
    X, y, layout = prepared
    X_new, y_new = grown
    group, continuous = categories(np.concatenate([X, X_new]), layout)
    before, after = group[: len(X)], group[len(X) :]
    for label in (3, 4):
        mine, new = X[y == label], X_new[y_new == label]
        assert set(after[y_new == label]) <= set(before[y == label])
        assert (new[:, continuous] >= mine[:, continuous].min(axis=0) - 1e-5).all()
        assert (new[:, continuous] <= mine[:, continuous].max(axis=0) + 1e-5).all()


@pytest.mark.parametrize("name", ["keep_difficult", "difficult_share"])
def test_a_share_beyond_one_is_refused(name, prepared):
    X, y, layout = prepared
    with pytest.raises(DataError, match=f"{name} is 1.5; expected 0 to 1"):
        Hybrid(**{name: 1.5}).fit_resample(X, y, layout=layout)


@pytest.mark.slow
def test_the_generator_learns_what_tells_the_classes_apart(prepared):
    X, y, layout = prepared
    keep = np.isin(y, [0, 1, 2])
    X, y = X[keep], y[keep]
    sampler = GAN(sampling_strategy={1: 900, 2: 900}, steps=150, random_state=1)
    X_new, y_new = sampler.fit_resample(X, y, layout=layout)
    made = slice(len(X), None)
    judge = RandomForestClassifier(30, random_state=0).fit(X, y)
    assert (judge.predict(X_new[made]) == y_new[made]).mean() > 0.8
    # not one row over and over
    assert len(np.unique(X_new[made], axis=0)) > 200
