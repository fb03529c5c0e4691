"""Selectors choose raw columns on training rows; a bundle then reads no other."""

import importlib
import itertools

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import mutual_info_score

import evenflow
from evenflow import registry
from evenflow.errors import DataError, RecipeError
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.pruned_tree import PrunedTree
from evenflow.prepare.select import Selector, correlation_entropy, tsode
from evenflow.prepare.select.mutual_information import mutual_information
from evenflow.prepare.subsets import Best, Config, Cost
from evenflow.testing import check_selector
from evenflow.traffic.contracts import for_columns
from evenflow.traffic.contracts.nsl_kdd import NSL_KDD_LIVE


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, forest):
    folder = tmp_path_factory.mktemp("select") / "b"
    select = {"name": "mutual_information", "n_columns": 4}
    evenflow.train(forest(3000, select=select), folder)
    return evenflow.load_bundle(folder)


@pytest.mark.parametrize("name", registry.names("select"))
def test_a_selector_keeps_the_promises_of_every_selector(name):
    plug_in = registry.load("select", name)
    small = Config(population=6, iterations=3, n_rows=300)
    check_selector(plug_in, small if plug_in.Config is Config else None)


def ready(table):
    preprocessor = Preprocessor.fit(table)
    return preprocessor.transform(table), table.labels, preprocessor.layout


def chosen(name, rows, **params):
    """Return the columns that a selector chooses."""
    plug_in = registry.load("select", name)
    return plug_in.columns(plug_in.Config(**params), *rows, seed=0)


def test_named_columns_are_kept_or_left_out_and_all_kept_where_none_is_named(prepared):
    whole = chosen("columns", prepared)
    assert whole == tuple(prepared[2].groups)
    names = ("fwd_bytes", "service")
    assert set(chosen("columns", prepared, names=names)) == set(names)
    left = chosen("columns", prepared, without=("protocol",))
    assert left == tuple(n for n in whole if n != "protocol")


def test_names_of_no_column_are_refused_and_that_none_is_left(prepared):
    for params, message in (
        (
            {"names": ("service", "fwd_bites")},
            "names 'fwd_bites'; .* such as fwd_",
        ),
        ({"without": ("nothing",)}, "expected a column"),
        ({"without": tuple(prepared[2].groups)}, "leaves out all columns"),
    ):
        with pytest.raises(RecipeError, match=message):
            chosen("columns", prepared, **params)


def test_a_bundle_reads_the_chosen_columns_alone(bundle):
    names = bundle.schema.names
    assert len(names) == 4
    assert {*bundle.preprocessor.numeric, *bundle.preprocessor.categories} == {*names}
    rows = evenflow.load_dataset("synthetic", "test")
    assert len(bundle.decide(rows.keeping(names))) == len(rows)
    record = dict(rows.frame.row(0, named=True))
    alone = bundle.decide_record({name: record[name] for name in names})
    assert alone.label == bundle.decide_record(record).label


def test_the_rows_held_out_are_known_again(bundle):
    report = evenflow.evaluate(bundle, "synthetic", "held_out")
    assert report.confusion == bundle.report["confusion"]


def test_equal_values_in_the_chosen_columns_are_no_leak(bundle):
    report = evenflow.evaluate(bundle, "synthetic", "train", n_rows=3100)
    (found,) = (leak for leak in report.leaks if leak["check"] == "shared rows")
    assert "in the columns that a selector chose" in found["text"]


def test_keeping_columns_prepares_them_as_before(small_table):
    preprocessor = Preprocessor.fit(small_table)
    names = ["service", "src_bytes", "duration"]
    kept = preprocessor.keeping(names)
    whole = preprocessor.transform(small_table)
    where = np.concatenate(
        [preprocessor.layout.groups[name] for name in kept.layout.groups]
    )
    assert np.array_equal(kept.transform(small_table.keeping(names)), whole[:, where])
    assert Preprocessor.from_dict(kept.to_dict()).layout.names == kept.layout.names


def test_mutual_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 7, 500)
    b = (a + rng.integers(0, 3, 500)) % 4 + 3
    assert mutual_information(a, b) == pytest.approx(mutual_info_score(a, b))
    assert mutual_information(a, np.zeros(500, dtype=int)) == pytest.approx(0)


def test_the_column_that_gives_the_class_away_comes_first(table_of):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 800)
    frame = pl.DataFrame(
        {
            "noise": rng.normal(size=800),
            "telling": y + rng.normal(0, 0.1, 800),
            "word": rng.choice(["a", "b"], 800),
        }
    )
    rows = ready(table_of(frame, y))
    assert chosen("mutual_information", rows, n_columns=1) == ("telling",)


def test_the_recipe_for_live_traffic_names_a_contract_s_columns():
    names = evenflow.Recipe.load("nsl_kdd/lightgbm-live").select.params["names"]
    assert for_columns(names) is NSL_KDD_LIVE
    assert sorted(names) == sorted(NSL_KDD_LIVE.had)


@pytest.mark.parametrize("names", [[], ["nothing of the kind"]])
def test_a_choice_of_no_column_is_refused(names, prepared):
    with pytest.raises(DataError, match=r"selector chose .*expected some of the"):
        Selector(lambda *_: names, object).columns(None, *prepared, seed=0)


# --- correlation and joint entropy ---


def test_joint_entropy_and_correlation_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 600), rng.integers(0, 3, 600)
    share = np.unique(np.stack([a, b]), axis=1, return_counts=True)[1] / 600
    pairs = correlation_entropy.joint_entropies([a, b])
    assert pairs[0, 1] == pairs[1, 0] == pytest.approx(-(share * np.log2(share)).sum())
    assert pairs[0, 0] == pytest.approx(2, abs=0.02), "four values in equal shares"
    rows = rng.normal(size=(3, 50))
    rows[2] = 7.0
    found = correlation_entropy.pearson(rows)
    assert found[0, 1] == pytest.approx(np.corrcoef(rows[:2])[0, 1])
    assert found[2].tolist() == [0, 0, 0]


def test_columns_that_repeat_others_or_say_little_are_chosen_last(table_of):
    rng = np.random.default_rng(1)
    base = rng.normal(size=900)
    frame = pl.DataFrame(
        {
            "copy": base,
            "of_it": base + rng.normal(0, 0.01, 900),
            "again": -base,
            "own": rng.normal(size=900),
            "other": rng.uniform(size=900),
            "rare": (rng.random(900) < 0.02).astype(float),
        }
    )
    rows = ready(table_of(frame, rng.integers(0, 2, 900)))
    assert set(chosen("correlation_entropy", rows, n_columns=2)) == {"own", "other"}


# --- searches among sets of columns ---

SEARCHES = ["pso", "ant_colony", "genetic", "pso_ant_genetic", "tsode"]


@pytest.fixture(scope="module")
def planted():
    """Twelve columns, of which the third and the eighth tell the class together."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1200, 12)).astype(np.float32)
    y = 2 * (X[:, 2] > 0) + (X[:, 7] > 0.5)
    return X, y.astype(np.int64)


def cost_of(planted, **how):
    X, y = planted
    each = [np.array([k]) for k in range(X.shape[1])]
    given = {"rng": np.random.default_rng(3), "n_rows": 800} | how
    return Cost(X, y, each, **given)


def search(name, *given):
    return importlib.import_module(f"evenflow.prepare.select.{name}").search(*given)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_finds_the_columns_that_tell_the_class(name, planted):
    cost = cost_of(planted)
    config = Config(population=12, iterations=8, n_rows=800)
    mask = search(name, cost, config, np.random.default_rng(0))
    assert mask[[2, 7]].all()
    assert cost(mask) < cost(np.ones(12, dtype=bool)), "the rest costs"
    n_searches = 3 if name == "pso_ant_genetic" else 1
    assert len(cost.known) <= n_searches * 12 * 9 + 2, "bounded"


def test_the_best_of_three_searches_is_as_cheap_as_each(planted):
    config, cost = Config(population=6, iterations=3, n_rows=400), cost_of(planted)
    joint = search("pso_ant_genetic", cost, config, np.random.default_rng(5))
    rng = np.random.default_rng(5)  # the three draw one after the other
    each = [cost(search(name, cost, config, rng)) for name in SEARCHES[:3]]
    assert cost(joint) == min(each)


def test_a_set_costs_the_errors_of_its_tree_and_a_little_for_its_size(planted):
    cost = cost_of(planted)
    mask = np.zeros(12, dtype=bool)
    mask[[2, 7]] = True
    (X, y), (X_prune, y_prune), (X_held, y_held) = cost.parts
    assert [len(y), len(y_prune), len(y_held)] == [400, 200, 200]
    tree = PrunedTree(cost.seed).fit(X[:, [2, 7]], y, X_prune[:, [2, 7]], y_prune)
    errors = (tree.predict(X_held[:, [2, 7]]) != y_held).mean()
    assert cost(mask) == pytest.approx(errors + 0.01 * 2 / 12)
    assert cost(np.zeros(12, dtype=bool)) > 1.01, "no column is the worst set"
    best = Best(cost)
    best.of(np.stack([~mask, mask]))
    assert np.array_equal(best.mask, mask)


def test_a_tree_is_pruned_where_that_makes_no_more_errors():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64)
    y[rng.random(400) < 0.25] ^= 1  # noise to fit
    grow, prune = slice(0, 200), slice(200, 400)
    tree = PrunedTree(0).fit(X[grow], y[grow], X[prune], y[prune])
    whole = tree.tree.predict(X[prune])
    errors = (tree.predict(X[prune]) != y[prune]).sum()
    assert errors < (whole != y[prune]).sum()
    inner = tree.tree.tree_
    children = (inner.children_left, inner.children_right)

    def least(node):  # errors of the best pruning below a node, by trying all
        path = tree.tree.decision_path(X[prune]).toarray()[:, node] > 0
        as_leaf = (tree.label[node] != y[prune][path]).sum()
        if children[0][node] < 0:
            return as_leaf
        return min(as_leaf, sum(least(side[node]) for side in children))

    assert errors == least(0)


def test_transient_search_moves_agents_by_its_equations():
    agents = np.array([[0.2, 0.9], [0.6, 0.1], [0.5, 0.5]])
    leader = np.array([0.4, 0.7])
    found = tsode.transient(agents, leader, 1.5, np.random.default_rng(0))
    r1, r2, r3 = np.random.default_rng(0).random(9).reshape(3, 3, 1)
    for i, j in itertools.product(range(3), range(2)):
        time = 2 * 1.5 * r1[i, 0] - 1.5
        apart = agents[i, j] - (1.5 * r2[i, 0] + 1) * leader[j]
        if r3[i, 0] < 0.5:
            apart = (np.cos(2 * np.pi * time) + np.sin(2 * np.pi * time)) * abs(apart)
        assert found[i, j] == pytest.approx(leader[j] + np.exp(-time) * apart)


def test_differential_evolution_mixes_three_other_agents():
    rng = np.random.default_rng(1)
    agents = rng.random((6, 40))
    found = tsode.evolved(agents, rng)
    for i in range(6):
        changed = found[i] != agents[i]
        assert 0.6 < changed.mean() <= 1
        others = [k for k in range(6) if k != i]
        fits = [
            np.allclose(
                found[i][changed],
                (agents[a] + tsode.SCALE * (agents[b] - agents[c]))[changed],
            )
            for a, b, c in itertools.permutations(others, 3)
        ]
        assert sum(fits) == 1


@pytest.mark.parametrize("wrong", ["population", "iterations", "n_rows"])
def test_an_impossible_search_is_refused(wrong):
    with pytest.raises(RecipeError, match=f"{wrong} is 0; expected"):
        Config(**{wrong: 0})
