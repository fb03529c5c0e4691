"""Our samplers against imbalanced-learn's, our neighbours against a full search."""

import numpy as np
import pytest
from imblearn import combine, over_sampling, under_sampling
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_class_weight

from evenflow import registry
from evenflow.prepare.balance._compress import compressed
from evenflow.prepare.balance._edit import cleaned, disagreeing, tomek_links
from evenflow.prepare.balance._neighbors import Neighbors, nearest_others
from evenflow.prepare.balance.smotenc import decoded, encoded


@pytest.fixture(scope="module")
def rows():
    """Three overlapping classes, no two rows at equal distances."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], [300, 90, 40])
    X = rng.normal(size=(len(y), 6)) + 1.1 * np.eye(6)[y]
    order = rng.permutation(len(y))
    return X[order].astype(np.float32), y[order]


def made(name, **params):
    return registry.load("balance", name)(random_state=3, **params)


def in_any_order(X):
    return X[np.lexsort(X.T)]


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("smote", over_sampling.SMOTE(random_state=3)),
        ("borderline_smote", over_sampling.BorderlineSMOTE(random_state=3)),
    ],
)
def test_new_rows_are_those_of_imbalanced_learn(name, reference, rows):
    X_new, y_new = made(name).fit_resample(*rows)
    X_ref, y_ref = reference.fit_resample(*rows)
    np.testing.assert_array_equal(y_new, y_ref)
    np.testing.assert_allclose(X_new, X_ref, rtol=0, atol=1e-6)


def test_adasyn_makes_the_rows_of_imbalanced_learn_but_for_its_rounding(rows):
    X, y = rows
    X_new, labels = made("adasyn").fit_resample(X, y)
    assert np.bincount(labels).tolist() == [300, 300, 300]
    for label in (1, 2):
        sampler = over_sampling.ADASYN(sampling_strategy={label: 300}, random_state=3)
        reference = sampler.fit_resample(X, y)[0][len(X) :]
        ours = X_new[len(X) :][labels[len(X) :] == label]
        known = {row.tobytes() for row in reference}
        shared = sum(row.tobytes() in known for row in ours)
        assert shared == min(len(reference), len(ours))


def test_svm_smote_makes_the_rows_of_imbalanced_learn(rows):
    X, y = rows
    sampler = made("svm_smote")
    X_new, labels = sampler.fit_resample(X, y)
    assert np.bincount(labels).tolist() == [300, 300, 300]
    n_made = []
    for label in (1, 2):
        reference = over_sampling.SVMSMOTE(
            sampling_strategy={label: 300}, random_state=3
        )
        expected = reference.fit_resample(X, y)[0][len(X) :]
        ours = X_new[len(X) :][labels[len(X) :] == label][: len(expected)]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)
        n_made.append(len(expected))
    # no support vector of class 2 is safe, so imbalanced-learn makes a part of its rows
    assert n_made == [210, 155]
    assert len(sampler.notes_) == 1
    assert "class 2" in sampler.notes_[0]
    assert "left 105 of 260 rows; made by SMOTE" in sampler.notes_[0]


def test_svm_smote_grows_by_smote_what_it_makes_no_row_of():
    rng = np.random.default_rng(0)
    # the rare class lies far off: none of its support vectors is in danger
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(50, 1, size=(20, 2))])
    y = np.repeat([0, 1], [60, 20])
    sampler = made("svm_smote")
    _, y_new = sampler.fit_resample(X.astype(np.float32), y)
    assert np.bincount(y_new).tolist() == [60, 60]
    assert "class 1: support vectors of one kind only" in sampler.notes_[0]


def test_the_machine_of_svm_smote_sees_a_bounded_number_of_rows(rows, monkeypatch):
    seen = []
    fit = SVC.fit
    monkeypatch.setattr(SVC, "fit", lambda m, X, y: seen.append(y) or fit(m, X, y))
    sampler = made("svm_smote", svm_rows_per_class=60)
    _, y_new = sampler.fit_resample(*rows)
    assert np.bincount(seen[0]).tolist() == [60, 60, 40]
    assert np.bincount(y_new).tolist() == [300, 300, 300]
    assert sampler.notes_[0] == (
        "support vectors of 160 of 430 rows, at most 60 of each class"
    )


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("smote_enn", combine.SMOTEENN(random_state=3)),
        ("smote_tomek", combine.SMOTETomek(random_state=3)),
        ("one_sided_selection", under_sampling.OneSidedSelection(random_state=3)),
    ],
)
def test_rows_that_stay_are_those_of_imbalanced_learn(name, reference, rows):
    X_new, y_new = made(name).fit_resample(*rows)
    X_ref, y_ref = reference.fit_resample(*rows)
    assert np.bincount(y_new).tolist() == np.bincount(y_ref).tolist()
    np.testing.assert_allclose(in_any_order(X_new), in_any_order(X_ref), atol=1e-6)


def test_oss_smote_selects_from_the_largest_class_and_grows_what_is_left(rows):
    X, y = rows
    X_new, y_new = made("oss_smote").fit_resample(X, y)
    # two classes for the selection: the largest one, and all others
    two = under_sampling.OneSidedSelection(random_state=3)
    two.fit_resample(X, (y == 0).astype(int))
    left = np.sort(two.sample_indices_)
    assert len(left) < len(y)
    np.testing.assert_array_equal(X_new[: len(left)], X[left])
    np.testing.assert_array_equal(y_new[: len(left)], y[left])
    counts = np.bincount(y[left])
    assert counts[1:].tolist() == [90, 40], "the others stay whole"
    assert np.bincount(y_new).tolist() == [counts.max()] * 3


def test_smotenc_makes_the_rows_of_imbalanced_learn(prepared):
    X, y, layout = prepared
    sampler = made("smotenc", sampling_strategy={3: 90, 4: 50})
    X_new, _ = sampler.fit_resample(X, y, layout=layout)
    table = decoded(X, layout)
    reference = over_sampling.SMOTENC(
        list(range(layout.n_numeric, table.shape[1])),
        sampling_strategy={3: 90, 4: 50},
        random_state=3,
    ).fit_resample(table, y)[0]
    expected = layout.snap(encoded(reference[len(X) :].astype(np.float32), layout))
    np.testing.assert_allclose(X_new[len(X) :], expected, atol=1e-5)


def test_decoding_and_encoding_give_the_rows_back(prepared):
    X, _, layout = prepared
    np.testing.assert_array_equal(encoded(decoded(X, layout), layout), X)


@pytest.mark.parametrize(
    ("reference", "marked"),
    [
        (under_sampling.EditedNearestNeighbours(sampling_strategy="all", kind_sel=kind),
         lambda X, y, kind=kind: disagreeing(y, nearest_others(X, 3), kind=kind))
        for kind in ("all", "mode")
    ] + [
        (under_sampling.TomekLinks(sampling_strategy="all"),
         lambda X, y: tomek_links(y, nearest_others(X, 1)[:, 0])),
    ],
    ids=["all", "mode", "Tomek links"],
)  # fmt: skip
def test_edited_rows_and_tomek_links_are_those_of_imbalanced_learn(
    reference, marked, rows
):
    X, y = rows
    reference.fit_resample(X, y)
    stay = np.flatnonzero(~marked(X, y))
    assert stay.tolist() == sorted(reference.sample_indices_)


def test_balanced_weights_are_those_of_scikit_learn(rows):
    X, y = rows
    sampler = made("class_weights", power=1.0)
    sampler.fit_resample(X, y)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(sampler.class_weight_, expected, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 4, 11])
def test_the_grouped_search_finds_what_a_full_search_finds(k, prepared):
    X, _, layout = prepared
    # rows that name no category, among the queries and then among the fitted
    blurred = X[::7] * np.float32(0.9)
    for fitted, queries in ((X, X), (X, blurred), (np.concatenate([X, blurred]), X)):
        near, row = Neighbors(k, blocks=layout.blocks).fit(fitted).kneighbors(queries)
        search = NearestNeighbors(n_neighbors=k, algorithm="brute")
        expected, _ = search.fit(fitted.astype(np.float64)).kneighbors(queries)
        np.testing.assert_allclose(near, expected, atol=2e-6)
        at = np.linalg.norm(fitted[row].astype(np.float64) - queries[:, None], axis=2)
        np.testing.assert_allclose(at, near, atol=2e-6)
        assert all(len(set(r)) == k for r in row)


def test_a_row_is_never_its_own_neighbour_however_many_copies_it_has():
    X = np.zeros((12, 2), np.float32)
    found = nearest_others(X, 3)
    assert not (found == np.arange(12)[:, None]).any()
    assert all(len(set(r)) == 3 for r in found)


def test_cleaning_never_takes_a_classs_last_row():
    notes = []
    y = np.array([0, 0, 0, 1, 1])
    stay = cleaned(y, np.array([1, 0, 0, 1, 1], dtype=bool), notes, "the rule")
    assert stay.tolist() == [1, 2, 3, 4]
    assert notes == [
        "class 1: the rule would remove every row; all 2 stay",
        "the rule removed 1 of class 0",
    ]


def test_compression_keeps_a_real_row_of_every_cluster():
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0], [50, 0], [0, 50], [50, 50]], dtype=np.float32)
    X = np.repeat(centers, 30, axis=0) + rng.normal(size=(120, 2)).astype(np.float32)
    group = np.repeat([0, 0, 1, 1], 30)
    rows = np.arange(120)
    kept = compressed(X, rows, 12, group, np.random.default_rng(1))
    assert len(set(kept.tolist())) == 12
    assert np.bincount(group[kept]).tolist() == [6, 6]
    assert set(kept // 30) == {0, 1, 2, 3}


def test_dsste_changes_difficult_rows_alone():
    # a large class along a line, with four rows at the small class's home, where six of
    # that class are outvoted by nobody; two more of it lie among the large class
    easy = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
    lost = np.array([[100.0, 1], [100.0, 2], [104.0, 1], [104.0, 2]])
    home = np.array([[101.0, 3], [102, 3], [103, 3], [101, 0], [102, 0], [103, 0]])
    away = np.array([[8.0, 0.5], [12.0, 0.5]])
    X = np.concatenate([easy, lost, home, away]).astype(np.float32)
    y = np.repeat([0, 1], [24, 8])
    sampler = made("dsste", scaling_factor=2, n_neighbors=3)
    X_new, y_new = sampler.fit_resample(X, y)
    assert sampler.notes_ == [
        "class 0: 2 centres in place of 4 difficult rows",
        "class 1: 8 zoomed rows beside 2 difficult rows",
    ]
    # all but the four rows, then the centres of two clusters of them
    kept = np.r_[0:20, 24:32]
    np.testing.assert_array_equal(X_new[:28], X[kept])
    np.testing.assert_array_equal(y_new, np.r_[y[kept], [0] * 2, [1] * 8])
    assert X_new[28:30].mean(axis=0).tolist() == [102.0, 1.5]
    # n is 2 and 3: the factors 1 - 1/2, 1 - 1/3, 1 + 1/2, 1 + 1/3
    factor = np.array([1 / 2, 2 / 3, 3 / 2, 4 / 3])
    expected = (away[:, None] * factor[:, None]).reshape(-1, 2)
    np.testing.assert_allclose(X_new[30:], expected, rtol=1e-6)


def test_dsste_grows_no_class_beyond_its_limit(rows):
    _, y_new = made("dsste", max_rows_per_class=60).fit_resample(*rows)
    n = np.bincount(y_new)
    assert n[2] == 60, "40 rows, of which the difficult ones make far more than 20"
    assert n[1] < 90, "above the limit: its difficult rows are compressed"


def test_knn_under_leaves_a_benign_row_near_each_that_it_drops(rows):
    X, y = rows
    X_new, y_new = made("knn_under", n_neighbors=4).fit_resample(X, y)
    assert np.bincount(y_new).tolist() == [130, 90, 40]
    benign, stayed = X[y == 0], X_new[y_new == 0]
    drawn = np.random.default_rng(0).permutation(len(benign))[: len(stayed)]
    farthest, by_chance = (
        NearestNeighbors(n_neighbors=1).fit(part).kneighbors(benign)[0].max()
        for part in (stayed, benign[drawn])
    )
    assert farthest < by_chance


def test_knn_under_passes_over_the_rows_until_enough_are_dropped(rows):
    sampler = made("knn_under", max_rows_per_class=3, n_neighbors=2)
    _, y_new = sampler.fit_resample(*rows)
    assert np.bincount(y_new).tolist() == [3, 90, 40]
    assert sampler.notes_ == ["dropped 297 benign rows, each next to a row that stays"]
