"""Systems fit their parts on rows of their own, and leave as one graph."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit

import evenflow
from evenflow import registry
from evenflow.errors import DataError, RecipeError
from evenflow.learn import System
from evenflow.learn.export import to_onnx
from evenflow.learn.fit_model import fit_model, fit_plug_in
from evenflow.learn.fitting import of_arrays
from evenflow.learn.systems._evidence import MIN_GAP
from evenflow.learn.systems._features import features
from evenflow.learn.systems._knockout import Knockout, rounds
from evenflow.learn.systems.fusion import Member, log_odds
from evenflow.learn.systems.grid_search import combinations, folds
from evenflow.plugins import Part
from evenflow.prepare.features import Preprocessor
from evenflow.stages import Training


def recipe(**changes):
    return evenflow.Recipe.load(
        "synthetic/gate-ros",
        dataset={"name": "synthetic", "n_rows": 3000},
        model__gate__name="dnn",
        model__gate__hidden=[8],
        model__second__n_estimators=5,
        training__epochs=2,
        **changes,
    )


def test_the_probability_of_a_class_is_that_of_the_gate_times_that_among_attacks(rows):
    fitted = rows.fit("gate")
    found = np.exp(fitted.log_proba(rows.X_valid))
    gate = np.exp(fitted.gate.log_proba(rows.X_valid))
    second = np.exp(fitted.second.log_proba(rows.X_valid))
    np.testing.assert_allclose(found[:, 0], gate[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found[:, 1:], gate[:, 1:] * second, atol=1e-9)
    assert fitted.n_parameters == (
        fitted.gate.n_parameters + fitted.second.n_parameters
    )


def test_a_gate_without_a_second_class_of_attacks_is_whole(rows):
    one = dataclasses.replace(rows, y=np.minimum(rows.y, 1) * 3)
    fitted = one.fit("gate")
    assert fitted.second is None
    assert set(fitted.log_proba(rows.X_valid).argmax(axis=1)) == {0, 3}
    assert to_onnx(fitted)


def test_each_part_balances_its_own_rows():
    made = evenflow.train(recipe())
    parts = made.report.training["balanced_parts"]
    assert set(parts) == {"gate", "second"}
    gate, second = parts["gate"], parts["second"]
    counts = made.report.training["class_counts"]
    assert gate["before"]["benign"] == counts["before"]["benign"]
    assert sum(second["before"].values()) == gate["before"]["attack"]
    assert len(set(second["after"].values())) == 1, "all as many as the largest"
    notes = made.report.training["notes"]
    assert any(note.startswith("gate: ") for note in notes)


def test_a_killed_part_is_resumed_from_its_own_checkpoint(tmp_path):
    whole = evenflow.train(recipe(), tmp_path / "whole")

    def stop(event):
        if isinstance(event, evenflow.progress.Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evenflow.train(recipe(), tmp_path / "b", on_event=stop)
    assert (tmp_path / "b.partial" / "gate" / "checkpoint.npz").is_file()
    again = evenflow.train(recipe(), tmp_path / "b", resume=True)
    assert again.trained.model == whole.trained.model


def test_notes_of_a_part_name_its_own_classes():
    made = evenflow.train(recipe(balance={"name": "smote", "k_neighbors": 400}))
    said = [n for n in made.report.training["notes"] if n.startswith("second: ")]
    assert any("class 'u2r'" in note for note in said), said
    assert not any("class 1" in note for note in said)


MEMBERS = {
    "trees": {"name": "extra_trees", "n_estimators": 10},
    "novelty": {"name": "isolation_forest", "n_estimators": 20},
}


class Given:
    """A model whose log odds are the first feature."""

    def log_proba(self, X):
        return np.stack([np.zeros(len(X)), X[:, 0]], axis=1)


def test_evidence_is_the_conformal_p_value_with_ties_counted():
    member = Member.of(Given(), np.array([[0.0], [1.0], [1.0], [2.0]]))
    X = np.array([[-3.0], [0.0], [1.0], [2.0], [9.0]])
    found = np.exp(-member.of_rows(X))
    np.testing.assert_allclose(found, [1, 1, 4 / 5, 2 / 5, 1 / 5], rtol=1e-9)


def test_evidence_is_never_greater_than_that_of_the_p_value_and_soon_as_great():
    rng = np.random.default_rng(3)
    # a point mass, scores nearer to it than MIN_GAP, and others
    benign = np.concatenate(
        [np.zeros(900), rng.uniform(0, MIN_GAP, 50), rng.uniform(1, 3, 50)]
    )
    x = np.linspace(-2, 8, 20_001)
    at_least = len(benign) - np.searchsorted(np.sort(benign), x, side="left")
    exact = -np.log((1 + at_least) / (1 + len(benign)))
    member = Member.of(Given(), benign[:, None])
    found = member.of_rows(x[:, None])
    assert (found <= exact + 1e-9).all()
    assert np.diff(member.evidence[0].knots).min() >= MIN_GAP - 1e-9
    (beside,) = member.of_rows(np.array([[MIN_GAP]]))
    assert beside == pytest.approx(-np.log((1 + (benign > 0).sum()) / 1001))
    assert found[-1] == pytest.approx(np.log(1001))


def test_a_fusion_without_benign_validation_rows_is_refused(rows):
    few = dataclasses.replace(rows, y_valid=np.maximum(rows.y_valid, 1))
    with pytest.raises(DataError, match="validation part holds 0 benign rows"):
        few.fit("fusion", config={"members": MEMBERS})


@pytest.mark.parametrize("name", MEMBERS)
def test_p_values_of_benign_rows_that_no_member_saw_are_uniform(name, rows):
    fitted = rows.fit("fusion", config={"members": MEMBERS})
    benign = rows.X_valid[rows.y_valid == 0]
    found = np.exp(-fitted.members[name].of_rows(benign))
    for level in (0.05, 0.2, 0.5):
        assert (found <= level).mean() <= level + 2 / len(benign)
    assert (found <= 0.2).mean() > 0.12


def test_the_evidence_of_a_fusion_is_the_mean_or_the_greatest_of_the_members(rows):
    for rule, of in (("mean", np.mean), ("max", np.max)):
        fitted = rows.fit("fusion", config={"members": MEMBERS, "rule": rule})
        each = [member.of_rows(rows.X_valid) for member in fitted.members.values()]
        odds = log_odds(fitted, rows.X_valid)
        expected = fitted.slope * of(each, axis=0) + fitted.shift
        np.testing.assert_allclose(odds, expected, atol=1e-6)
        assert fitted.slope > 0
        assert fitted.n_parameters == sum(
            member.model.n_parameters for member in fitted.members.values()
        )


@pytest.mark.parametrize("rule", ["mean", "max"])
@pytest.mark.parametrize("names", [["trees"], ["trees", "novelty"]])
def test_a_fusion_of_any_number_of_members_leaves_as_one_graph(rule, names, rows):
    members = {name: MEMBERS[name] for name in names}
    assert to_onnx(rows.fit("fusion", config={"members": members, "rule": rule}))


def test_a_fusion_behind_a_gate_names_the_attacks(tmp_path):
    gate = {"name": "fusion", "members": MEMBERS}
    model = {"name": "gate", "gate": gate, "second": MEMBERS["trees"]}
    made = evenflow.train(recipe(model=model), tmp_path / "bundle")
    bundle = evenflow.load_bundle(tmp_path / "bundle")
    assert len(made.report.multiclass["recall"]) == 5
    assert set(made.report.training["balanced_parts"]) >= {"gate.members.trees"}
    assert any("gate: novelty: fitted on" in n for n in made.report.training["notes"])
    assert bundle.recipe["model"]["gate"]["members"].keys() == MEMBERS.keys()


def test_members_have_their_defaults_written_out_and_their_names_checked():
    model = {"name": "fusion", "members": {"one": "lightgbm"}}
    whole = recipe(model=model, target="binary").model.params
    assert whole["members"]["one"]["num_leaves"] == 31
    for members, said in (
        ({"one": "lihtgbm"}, "did you mean lightgbm"),
        ({"one": {"name": "dnn", "hiden": [4]}}, "did you mean hidden"),
        ({}, "expected one or more"),
    ):
        with pytest.raises(RecipeError, match=said):
            recipe(model=model | {"members": members}, target="binary")


VIEW = {"model": {"name": "extra_trees", "n_estimators": 10}}


def viewed(rows, layout, **config):
    return rows.fit("view", config=VIEW | config, layout=layout)


def test_a_view_does_not_see_the_columns_that_it_leaves_out(rows, layout):
    fitted = viewed(rows, layout, without=("service", "fwd_bytes"))
    X = rows.X_valid.copy()
    X[:, [*layout.groups["service"], *layout.groups["fwd_bytes"]]] = 7
    assert np.array_equal(fitted.log_proba(X), fitted.log_proba(rows.X_valid))
    n_left_out = len(layout.groups["service"]) + 1
    assert fitted.model.n_features == rows.X.shape[1] - n_left_out
    X[:, layout.groups["duration_s"]] += 2
    assert not np.array_equal(fitted.log_proba(X), fitted.log_proba(rows.X_valid))
    assert to_onnx(fitted)


def test_a_view_rounds_numbers_by_their_logarithm_and_rates_by_their_value(
    rows, layout
):
    fitted = viewed(rows, layout, log_step=0.5, rate_step=0.1)
    n = layout.n_numeric
    seen = fitted.view.of(rows.X_valid)
    raw, coarse = (
        layout.scaler.inverse(X[:, :n].astype(float)) for X in (rows.X_valid, seen)
    )
    is_rate = (layout.low >= 0) & (layout.high <= 1)
    assert 0 < is_rate.sum() < n
    assert np.abs(raw - coarse)[:, is_rate].max() < 0.1 / 2 + 0.01
    logs = np.abs(np.log1p(raw) - np.log1p(coarse))[:, ~is_rate]
    bound = 0.25 + 0.5 / (1 + raw[:, ~is_rate])  # an edge lies between whole numbers
    assert (logs < bound + 1e-6).all()
    assert all(len(np.unique(column)) < 60 for column in seen[:, :n].T)
    assert to_onnx(fitted)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile"])
def test_a_view_leaves_as_the_graph_that_was_fitted_under_every_scaling(
    scaling, small_table, served
):
    preprocessor = Preprocessor.fit(small_table, scaling=scaling)
    X, y = preprocessor.transform(small_table), small_table.labels
    task = of_arrays(X, y, X, y, n_classes=5, layout=preprocessor.layout)
    fitted = fit_model(
        Part(name="view", params=VIEW | {"log_step": 0.5, "rate_step": 0.1}), task
    )
    expected = np.exp(fitted.log_proba(X))
    np.testing.assert_allclose(served(fitted, X), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"without": ("servise",)}, "did you mean service"),
        ({"log_step": 0.0}, "expected a number above 0"),
        ({"log_step": 1e-6}, "Choose a larger step"),
    ],
)
def test_a_view_that_cannot_be_is_refused(config, said, rows, layout):
    with pytest.raises(RecipeError, match=said):
        viewed(rows, layout, **config)


def test_a_view_of_columns_without_names_is_refused(rows):
    with pytest.raises(DataError, match="an array without a layout"):
        viewed(rows, None, without=("service",))


@pytest.mark.parametrize(
    "model",
    [
        {"name": "gate", "second": "isolation_forest"},
        {"name": "view", "model": "isolation_forest"},
        {"name": "gate", "gate": "isolation_forest",
         "second": {"name": "view", "model": "isolation_forest"}},
    ],
)  # fmt: skip
def test_a_part_that_names_no_class_is_refused_where_classes_are_named(model):
    with pytest.raises(RecipeError, match="'isolation_forest' only separates attacks"):
        recipe(model=model)
    recipe(model=model, target="binary")


def test_a_detector_may_be_the_gate_of_a_system_that_names_classes():
    assert recipe(model={"name": "gate", "gate": "isolation_forest"}).target == "family"


def nested(levels):
    part = {"name": "lightgbm"}
    for _ in range(levels):
        part = {"name": "gate", "gate": part}
    return part


def test_systems_within_systems_have_a_bound():
    recipe(model=nested(7))
    for levels in (8, 400):
        with pytest.raises(RecipeError, match="within 8 other plug-ins; expected 7"):
            recipe(model=nested(levels))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """The part that is fitted more than once."""

    one: Part = dataclasses.field(
        default_factory=lambda: Part(name="dnn", params={"hidden": [4]})
    )


def test_a_part_that_is_fitted_again_is_resumed_from_a_checkpoint_of_its_own(
    rows, tmp_path
):
    def fit(config, task):
        task.part("one", task.fit, task.valid)
        return task.part("one", task.fit.take(task.fit.y < 3), task.valid)

    def fitted(**how):
        training = Training(epochs=2, precision="float32")
        task = rows.task(training=training, device="cpu", **how)
        return fit_plug_in(System(fit, Pairs), Pairs(), task)

    whole = fitted(workdir=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"one", "one-2"}
    again = fitted(workdir=tmp_path, resume=True)
    assert np.array_equal(again.log_proba(rows.X), whole.log_proba(rows.X))


def test_a_system_that_answers_for_other_classes_is_refused(rows):
    def fit(config, task):
        y = np.minimum(np.arange(task.fit.n_classes), 1)
        two = task.fit.relabelled(y, ("benign", "attack"))
        return task.part("one", two, two)

    task = rows.task(training=Training(epochs=1), device="cpu")
    with pytest.raises(ValueError, match="17 features and 2 classes; expected 17 and"):
        fit_plug_in(System(fit, Pairs), Pairs(), task)


def test_a_sampler_that_no_part_uses_is_told():
    made = evenflow.train(
        recipe(model={"name": "gate", "gate": "isolation_forest"}, target="binary")
    )
    notes = made.report.training["notes"]
    assert any("no part of gate balances rows" in note for note in notes)


# --- LIO-IDS ---


class Fixed:
    """A model of two classes that answers the same of all rows."""

    n_parameters, notes, n_features = 1, (), 3

    def __init__(self, first):
        self.first = first

    def log_proba(self, X):
        return np.log(np.tile([self.first, 1 - self.first], (len(X), 1)))


def test_a_knockout_of_four_classes_asks_three_pairs():
    assert rounds((3, 0, 2, 1)) == [
        [((3,), (0,)), ((2,), (1,))],
        [((3, 0), (2, 1))],
    ]
    # 3 beats 0 surely, 1 beats 2 surely: then 3 meets 1, and nobody else
    models = {
        (3, 0): Fixed(1 - 1e-12), (3, 2): Fixed(0.5), (3, 1): Fixed(0.3),
        (0, 2): Fixed(0.5), (0, 1): Fixed(0.5), (2, 1): Fixed(1e-12),
    }  # fmt: skip
    cup = Knockout(order=(3, 0, 2, 1), models=models)
    proba = np.exp(cup.log_proba(np.zeros((2, 3), np.float32)))
    np.testing.assert_allclose(proba[0], [0, 0.7, 0, 0.3], atol=1e-6)


def test_the_probabilities_of_a_knockout_are_those_of_playing_it():
    rng = np.random.default_rng(0)
    order = (1, 0, 2, 4, 3)
    beats = {}
    models = {}
    for k, a in enumerate(order):
        for b in order[k + 1 :]:
            models[a, b] = Fixed(p := rng.uniform(0.1, 0.9))
            beats[a, b], beats[b, a] = p, 1 - p
    cup = Knockout(order=order, models=models)
    found = np.exp(cup.log_proba(np.zeros((1, 3), np.float32)))[0]
    assert found.sum() == pytest.approx(1)
    # (1 - 0) - 2 on one side, 4 - 3 on the other
    one = {1: beats[1, 0], 0: beats[0, 1]}
    side = {a: p * beats[a, 2] for a, p in one.items()}
    side[2] = sum(p * beats[2, a] for a, p in one.items())
    other = {4: beats[4, 3], 3: beats[3, 4]}
    for mine, theirs in ((side, other), (other, side)):
        for a, p in mine.items():
            expected = p * sum(q * beats[a, b] for b, q in theirs.items())
            assert found[a] == pytest.approx(expected)


def lio_ids(**changes):
    tree = {"name": "extra_trees", "n_estimators": 5, "n_jobs": 1}
    model = {"name": "lio_ids", "gate": {"name": "lstm", "hidden": 8}}
    model |= {"frequent": tree, "rare": tree, **changes}
    return evenflow.Recipe.load(
        "synthetic/lio_ids-none",
        dataset={"name": "synthetic", "n_rows": 3000},
        model=model,
        training__epochs=1,
    )


def test_lio_ids_balances_the_second_layer_alone_each_pair_in_its_way():
    made = evenflow.train(lio_ids())
    parts = made.report.training["balanced_parts"]
    assert parts["gate"]["before"] == parts["gate"]["after"]
    pairs = {name: p for name, p in parts.items() if name != "gate"}
    assert len(pairs) == 6, "four classes of attacks"
    for part in pairs.values():
        assert len(set(part["after"].values())) == 1, "both classes as large"
    before, after = made.report.training["class_counts"].values()
    counts = sorted((c for c in before if c != "benign"), key=lambda c: -before[c])
    assert set(pairs["frequent"]["before"]) == set(counts[:2])
    assert sum(name.startswith("frequent") for name in pairs) == 1
    assert after == before


def test_a_pair_is_balanced_by_the_sampler_of_its_kind(rows):
    gate = {"gate": {"name": "logistic_regression"}}
    plain, other = (
        rows.fit("lio_ids", config=gate | more).second
        for more in ({}, {"mixed_sampler": {"name": "rus"}})
    )
    X = rows.X_valid
    changed = {
        pair: not np.array_equal(model.log_proba(X), other.models[pair].log_proba(X))
        for pair, model in plain.models.items()
    }
    frequent = plain.order[:2]
    assert changed == {(a, b): (a in frequent) != (b in frequent) for a, b in changed}


def test_a_system_that_balances_itself_takes_no_sampler_of_the_recipe():
    with pytest.raises(RecipeError, match="'lio_ids' balances no rows"):
        evenflow.Recipe.load("synthetic/lio_ids-smote")
    with pytest.raises(RecipeError, match="no plug-in 'smot'"):
        lio_ids(rare_sampler="smot")


# --- grid search ---


def test_a_grid_search_finds_what_that_of_scikit_learn_finds(rows):
    grid = {"C": [1e-4, 1e-2, 1.0]}
    fitted = rows.fit(
        "grid_search", config={"model": {"name": "logistic_regression"}, "grid": grid}
    )
    peer = GridSearchCV(
        LogisticRegression(max_iter=1000),
        grid,
        scoring="f1_macro",
        cv=PredefinedSplit(folds(rows.y, 3, 7)),
    ).fit(rows.X, rows.y)
    assert f"C = {peer.best_params_['C']} " in fitted.found
    assert f"{peer.best_score_:.4f}" in fitted.found
    alone = rows.fit("logistic_regression", config=peer.best_params_)
    assert np.array_equal(alone.log_proba(rows.X), fitted.log_proba(rows.X))


def test_each_class_is_dealt_out_to_all_folds():
    y = np.repeat([0, 1, 2], [30, 9, 4])
    found = folds(y, 3, 0)
    for code in range(3):
        counts = np.bincount(found[y == code], minlength=3)
        assert np.ptp(counts) <= 1
    assert not np.array_equal(found, folds(y, 3, 1))


def test_a_fold_held_out_is_not_balanced_with_the_others(rows):
    seen = []

    def balance(some):
        seen.append(len(some))
        return some

    config = {"model": Part(name="decision_tree"), "grid": {"max_depth": [2, 3]}}
    plug_in = registry.load("models", "grid_search")
    task = dataclasses.replace(rows.task(), balance=balance)
    fit_plug_in(plug_in, plug_in.Config(**config), task)
    whole = len(rows.y)
    assert seen[-1] == whole
    assert len(seen) == 2 * 3 + 1
    assert max(seen[:-1]) <= whole - whole // 3


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"num_leafs": [3]}, "unknown key 'num_leafs'"),
        ({"num_leaves": [31, 1]}, "num_leaves is 1"),
        ({"num_leaves": []}, "no value for 'num_leaves'"),
        ({"num_leaves": list(range(2, 203))}, "201 combinations; expected 200"),
    ],
)
def test_a_grid_that_the_model_cannot_have_is_refused_with_the_recipe(grid, message):
    with pytest.raises(RecipeError, match=message):
        evenflow.Recipe.load("synthetic/grid_search-none", model__grid=grid)


def test_a_grid_has_all_combinations():
    assert len(combinations({"a": [1, 2], "b": [1, 2, 3]})) == 6
    assert combinations({}) == [{}]


# --- TSODE ---


def test_tsode_classifies_what_the_last_layer_of_its_network_reads(rows):
    fitted = rows.fit("tsode", epochs=1)
    network = fitted.network.model
    last = network.head[-1]
    seen = []
    last.register_forward_hook(lambda _m, inputs, _out: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(torch.tensor(rows.X_valid))
    found = seen[0].numpy()
    assert found.shape[1] == len(fitted.mask)
    assert 0 < fitted.mask.sum() < len(fitted.mask)
    expected = fitted.model.log_proba(found[:, fitted.mask])
    np.testing.assert_allclose(fitted.log_proba(rows.X_valid), expected, atol=1e-5)
    assert isinstance(last, torch.nn.Linear), "the network itself is as it was"


def test_tsode_needs_a_network(rows):
    with pytest.raises(RecipeError, match="'decision_tree', which has no features"):
        rows.fit("tsode", config={"extractor": {"name": "decision_tree"}})


# --- distance among the features of a network ---


def test_the_distance_is_one_among_the_features_of_the_network(rows):
    fitted = rows.fit("latent_distance", epochs=1)
    found = features(fitted.inner, rows.X_valid)
    np.testing.assert_allclose(
        fitted.log_proba(rows.X_valid), fitted.model.log_proba(found)
    )
    benign = features(fitted.inner, rows.X[rows.y == 0])
    np.testing.assert_allclose(
        fitted.model.scorer.center, benign.mean(axis=0), atol=1e-3
    )
