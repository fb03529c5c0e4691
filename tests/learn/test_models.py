"""Checks that every model passes the moment its file exists."""

import dataclasses
import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits
from torch.nn import functional

from evenflow import registry
from evenflow.decision import FLOOR
from evenflow.errors import DataError, RecipeError
from evenflow.learn.fitting import Rows
from evenflow.learn.models import TREES
from evenflow.learn.models._image import ToImage
from evenflow.learn.models.e_graphsage import drawn, mean_nearest
from evenflow.learn.models.ft_transformer import token_mask
from evenflow.learn.models.image_googlenet import Inception
from evenflow.learn.models.image_resnet import Residual
from evenflow.learn.models.rotation_forest import rotated
from evenflow.learn.network import Network
from evenflow.learn.systems import System
from evenflow.stages import Training
from evenflow.testing import check_model
from evenflow.testing.promises import made_up

ALL = registry.names("models")
MODELS = [m for m in ALL if registry.load("models", m).names_classes]
NETWORKS = [m for m in ALL if isinstance(registry.load("models", m), Network)]
SYSTEMS = [m for m in ALL if isinstance(registry.load("models", m), System)]
MANY_STEPS = {
    "ft_transformer": Training(epochs=8, patience=8, batch_size=32, learning_rate=3e-3)
}
"""How to train a network that learns little in the few steps of the common check."""
DRAW_NOTHING = {"logistic_regression", "linear_svm", "naive_bayes", "decision_tree"}
"""Models of which a seed changes nothing; of a tree, the order of equal splits."""
WITH_CONFIG = [
    kind for kind in registry.KINDS
    if registry.KINDS[kind].expected and kind not in ("datasets", "balance")
]  # fmt: skip


def built(name, n_features, n_classes=3, **config):
    """Return a network before its training."""
    network = registry.load("models", name)
    return network.build(n_features, n_classes, network.Config(**config)).eval()


def source(module):
    return Path(importlib.util.find_spec(module).origin).read_text("utf-8")


def test_every_model_of_trees_is_listed_as_one():
    graphs = "from evenflow.learn.trees import"
    found = {n for n, m in registry.modules("models").items() if graphs in source(m)}
    others = {"isolation_forest", "decision_tree", "rotation_forest"}
    others |= {"fusion", "view"}  # tables
    assert found - others == set(TREES)


PLUG_INS = [(kind, n) for kind in WITH_CONFIG for n in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUG_INS)
def test_every_field_of_a_config_has_a_docstring_line(kind, name):
    config = registry.load(kind, name).Config
    source = inspect.getsource(config)
    for field in dataclasses.fields(config):
        after = source.split(f"    {field.name}: ", 1)[1].split("\n", 2)[1]
        assert after.strip().startswith('"""'), f"{name}.{field.name}"


@pytest.mark.parametrize(
    # the user names the columns: there is no method
    ("kind", "name"),
    [one for one in PLUG_INS if one != ("select", "columns")],
)
def test_a_plug_in_cites_where_it_comes_from(kind, name):
    plug_in = registry.load(kind, name)
    functions = (getattr(plug_in, key, None) for key in ("build", "choose", "fit"))
    text = next(function for function in functions if function).__doc__
    assert "References" in text
    assert "doi:" in text or "https://" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_model_keeps_the_promises_of_every_model(name):
    plug_in = registry.load("models", name)
    known = {field.name for field in dataclasses.fields(plug_in.Config)}
    small = {"n_jobs": 1, "n_estimators": 20, "n_blocks": 1}
    small["width"] = 4 if name.startswith("image") else 32
    small |= {"n_rotations": 5, "n_bagged": 4, "population": 4, "iterations": 1}
    quick = {k: v for k, v in small.items() if k in known}
    check_model(plug_in, plug_in.Config(**quick), training=MANY_STEPS.get(name))


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(NETWORKS)))
def test_a_class_absent_from_training_has_the_least_probability(name, rows):
    seen = rows.y != 2
    some = dataclasses.replace(rows, X=rows.X[seen], y=rows.y[seen])
    log_proba = some.fit(name, epochs=1).log_proba(rows.X_valid)
    np.testing.assert_allclose(log_proba[:, 2], np.log(FLOOR))


@pytest.mark.parametrize(
    # a fusion needs rows to measure evidence by
    "name",
    [*NETWORKS, "lightgbm", *(name for name in SYSTEMS if name != "fusion")],
)
def test_a_note_says_that_there_were_no_rows_to_stop_by(name, rows):
    none = dataclasses.replace(rows, X_valid=rows.X_valid[:0], y_valid=rows.y_valid[:0])
    notes = none.fit(name, epochs=1).notes
    assert any("no validation rows" in note for note in notes)


def test_rows_that_no_model_can_learn_from_are_refused_by_their_place(rows):
    one = dataclasses.replace(rows, y=np.ones_like(rows.y))
    with pytest.raises(DataError, match=r"'1' only.*expected.*two classes"):
        one.fit("logistic_regression")
    X = rows.X.copy()
    X[5, 3] = np.nan
    with pytest.raises(DataError, match="row 5, feature 3 .* nan"):
        dataclasses.replace(rows, X=X).fit("logistic_regression")


@pytest.mark.parametrize("name", sorted(set(ALL) - DRAW_NOTHING))
def test_another_seed_gives_another_model(name, rows):
    one, other = (
        rows.fit(name, seed=seed, epochs=1).log_proba(rows.X_valid) for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("cnn", {"channels": ()}),
        ("cnn", {"channels": (8, 0)}),
        ("cnn", {"kernel_size": 0}),
        ("cnn", {"stem_stride": 0}),
        ("cnn", {"stem_stride": 4}),
        ("cnn_lstm", {"stem_stride": 9}),
        ("cnn", {"dropout": 1.0}),
        ("cnn_lstm", {"hidden": 0}),
        ("cnn_lstm", {"dropout": -0.1}),
        ("dnn", {"hidden": (8, -1)}),
        ("dnn", {"dropout": 1.5}),
        ("lightgbm", {"num_leaves": 1}),
        ("lightgbm", {"learning_rate": 0.0}),
        ("random_forest", {"n_estimators": 0}),
        ("random_forest", {"max_features": 1.5}),
        ("extra_trees", {"min_samples_leaf": 0}),
        ("logistic_regression", {"C": 0.0}),
        ("linear_svm", {"C": 0.0}),
        ("decision_tree", {"max_depth": 0}),
        ("naive_bayes", {"var_smoothing": 1e-3}),
        ("k_means", {"n_clusters": 0}),
        ("k_means", {"sharpness": 0.0}),
        ("rnn", {"features_per_step": 0}),
        ("lstm", {"hidden": 0}),
        ("lstm", {"dropout": 1.0}),
        ("image_resnet", {"width": 0}),
        ("image_googlenet", {"dropout": 1.0}),
        ("rotation_forest", {"group_size": 0}),
        ("tsode", {"population": 3}),
        ("e_graphsage", {"n_references": 0}),
        ("e_graphsage", {"sharpness": 0.0}),
        ("ft_transformer", {"n_blocks": 0}),
        ("ft_transformer", {"width": 30, "n_heads": 4}),
        ("ft_transformer", {"dropout": 1.0}),
    ],
)
def test_an_impossible_setting_is_refused_with_its_name(name, wrong):
    config = registry.load("models", name).Config
    with pytest.raises(RecipeError, match=next(iter(wrong)).split("_")[0]):
        config(**wrong)


@pytest.mark.parametrize(
    "name", ["cnn", "cnn_lstm", "cnn_bilstm", "image_resnet", "image_googlenet", "rnn"]
)
def test_a_network_fits_few_and_odd_numbers_of_features(name):
    for n_features in (1, 2, 3, 7, 28, 119, 122):
        x = torch.zeros(2, n_features)
        assert built(name, n_features)(x).shape == (2, 3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n_features", [5, 28, 117, 118, 119, 120, 121, 122])
def test_no_feature_is_left_over(name, n_features):
    x = torch.randn(64, n_features, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    built(name, n_features)(x)[:, 0].sum().backward()
    assert (x.grad.abs().sum(dim=0) > 0).all()


def test_a_list_from_a_recipe_serves_as_well_as_a_tuple(rows):
    fitted = rows.fit("cnn", epochs=1, config={"channels": [16, 16]})
    assert fitted.log_proba(rows.X[:2]).shape == (2, 5)


def test_the_scores_of_a_linear_svm_are_the_softmax_of_its_margins(rows):
    for y, n_classes in ((rows.y, 5), (rows.binary().y, 2)):
        some = dataclasses.replace(rows, y=y, y_valid=np.minimum(rows.y_valid, 1))
        fitted = some.fit("linear_svm", n_classes=n_classes)
        peer = LinearSVC(dual=False, random_state=7).fit(rows.X, y)
        margin = peer.decision_function(rows.X_valid).astype(np.float64)
        if n_classes == 2:  # the logistic function, as Platt's
            expected = 1 / (1 + np.exp(-np.stack([-margin, margin], axis=1)))
        else:
            expected = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(
            np.exp(fitted.log_proba(rows.X_valid)), expected, atol=1e-6
        )


def test_k_means_answers_the_shares_of_the_nearest_cluster_where_it_is_sharp(rows):
    fitted = rows.fit("k_means", config={"n_clusters": 12, "sharpness": 1e5})
    with threadpool_limits(limits=1):
        peer = KMeans(n_clusters=12, n_init=1, random_state=7).fit(rows.X)
    shares = np.stack(
        [
            np.bincount(rows.y[peer.labels_ == k], minlength=5)
            / (peer.labels_ == k).sum()
            for k in range(12)
        ]
    )
    found = np.exp(fitted.log_proba(rows.X_valid))
    expected = shares[peer.predict(rows.X_valid)]
    agree = np.abs(found - expected).max(axis=1) < 1e-6
    assert agree.mean() > 0.99, "but for rows between two clusters"


def test_naive_bayes_refuses_class_weights_and_says_what_to_use(rows):
    with pytest.raises(RecipeError, match='expected a sampler.*balance = "ros"'):
        rows.fit("naive_bayes", class_weight=np.ones(5))


def test_naive_bayes_is_served_as_scikit_learn_has_it_whatever_its_smoothing(
    rows, served
):
    for smoothing in (1e-2, 1.0):
        fitted = rows.fit("naive_bayes", config={"var_smoothing": smoothing})
        peer = GaussianNB(var_smoothing=smoothing).fit(rows.X, rows.y)
        expected = peer.predict_proba(rows.X_valid)
        np.testing.assert_allclose(served(fitted, rows.X_valid), expected, atol=1e-4)


def test_a_category_is_one_token_and_each_number_another():
    # two numbers, an indicator, categories of three and of two values
    mask = token_mask(8, ((3, 6), (6, 8)))
    assert mask.shape == (8, 6)
    assert mask.argmax(dim=1).tolist() == [1, 2, 3, 4, 4, 4, 5, 5]
    assert torch.equal(mask.sum(dim=1), torch.ones(8))
    assert mask[:, 0].sum() == 0, "nothing makes the class token"


def test_ft_transformer_is_that_of_a_plain_implementation():
    """Tokens, attention, ReGLU and head of the paper, by PyTorch's own parts."""
    torch.manual_seed(0)
    model = built("ft_transformer", 4, width=8, n_heads=2, n_blocks=2)
    x = torch.randn(5, 4)
    feature = x[:, :, None] * model.weight[:, 0] + model.bias[1:]
    tokens = torch.cat([model.bias[:1].expand(5, 1, 8), feature], dim=1)
    for number, block in enumerate(model.blocks):
        z = tokens if number == 0 else functional.layer_norm(
            tokens, (8,), block.before.weight, block.before.bias
        )  # fmt: skip
        parts = (block.query, block.key, block.value)
        seen, _ = functional.multi_head_attention_forward(
            *(z.transpose(0, 1),) * 3, 8, 2,
            torch.cat([part.weight for part in parts]),
            torch.cat([part.bias for part in parts]),
            None, None, False, 0.0, block.join.weight, block.join.bias,
            training=False, need_weights=False,
        )  # fmt: skip
        tokens = tokens + seen.transpose(0, 1)
        z = functional.layer_norm(
            tokens, (8,), block.between.weight, block.between.bias
        )
        tokens = tokens + block.down[1](functional.relu(block.gate(z)) * block.up(z))
    expected = model.head(tokens[:, 0])
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)


def test_a_network_that_names_the_layout_is_given_that_of_the_rows(rows):
    X, y, layout = made_up()
    task = dataclasses.replace(rows, X=X, y=y, X_valid=X[:50], y_valid=y[:50])
    fitted = task.fit(
        "ft_transformer", config={"width": 4, "n_blocks": 1}, epochs=1, layout=layout
    )
    n_columns = layout.n_numeric + layout.n_indicators + len(layout.blocks)
    assert fitted.model.bias.shape == (1 + n_columns, 4)


def test_a_bidirectional_lstm_reads_a_record_from_both_ends():
    for name, is_read in (("cnn_lstm", False), ("cnn_bilstm", True)):
        model = built(name, 64, batch_norm=False)
        x = torch.randn(8, 64, requires_grad=True)
        steps = model.front(x[:, None, None, :]).squeeze(2).transpose(1, 2)
        first = model.lstm(steps)[0][:, 0]  # the states after the first step
        (grad,) = torch.autograd.grad(first.sum(), x)
        assert (grad[:, -8:].abs().sum() > 0) == is_read, name


def test_a_recurrent_network_is_that_of_its_equations():
    model = built("rnn", 5, 2, features_per_step=2, hidden=3)
    x = torch.randn(4, 5)
    steps = torch.cat([x, torch.zeros(4, 1)], dim=1).reshape(4, 3, 2)
    cells, state, states = model.cells, torch.zeros(4, 3), []
    for step in range(3):
        state = torch.tanh(
            steps[:, step] @ cells.weight_ih_l0.T + cells.bias_ih_l0
            + state @ cells.weight_hh_l0.T + cells.bias_hh_l0
        )  # fmt: skip
        states.append(state)
    expected = model.head[2](torch.stack(states, dim=1).flatten(1))
    torch.testing.assert_close(model(x), expected)


def test_a_record_is_an_image_of_one_pixel_a_feature():
    image = ToImage(11)(torch.arange(1.0, 12.0)[None])
    assert image.shape == (1, 1, 4, 4)
    assert image.flatten().tolist() == [*range(1, 12), 0, 0, 0, 0, 0]


def test_a_residual_block_adds_to_what_it_is_given():
    block = Residual(4, 4, 1).eval()
    maps = torch.rand(2, 4, 6, 6)
    for part in block.change.parameters():
        torch.nn.init.zeros_(part)
    torch.testing.assert_close(block(maps), maps)


def test_an_inception_module_has_each_of_its_four_branches_side_by_side():
    module = Inception(3, 2).eval()
    maps = torch.randn(2, 3, 5, 5)
    found = module(maps)
    assert found.shape == (2, 8, 5, 5)
    for k, branch in enumerate(module.branches):
        part = found[:, 2 * k : 2 * k + 2]
        torch.testing.assert_close(part, torch.relu(branch(maps)))
    sizes = [b[-1][0].kernel_size[0] if len(b) > 2 else 1 for b in module.branches]
    assert sizes == [1, 3, 5, 1]


def test_a_rotation_has_the_principal_axes_of_its_groups_and_keeps_distances():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 7)).astype(np.float32) @ np.diag([1, 2, 3, 4, 5, 6, 7])
    X = X.astype(np.float32)
    y = rng.integers(0, 2, 300)
    Z = rotated(X, y, 3, rng)(X)
    np.testing.assert_allclose(
        np.linalg.norm(Z[:50] - Z[50:100], axis=1),
        np.linalg.norm(X[:50] - X[50:100], axis=1), rtol=1e-5,
    )  # fmt: skip
    # of one group and all rows, the axes are those of a principal component analysis
    one = rotated(X, np.zeros(300, int), 7, np.random.default_rng(1))
    rows = np.random.default_rng(1)
    rows.permutation(7), rows.random(1)
    drawn = rows.choice(300, size=225, replace=False)
    axes = PCA().fit(X[drawn].astype(np.float64)).components_
    found = np.abs(one(X).astype(np.float64))[:, ::-1]
    expected = np.abs(X.astype(np.float64) @ axes.T)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_rotated_features_fall_on_the_same_side_when_served(rows, served):
    """Bit for bit: a tree turns on the last bit of a sum."""
    fitted = rows.fit("rotation_forest", config={"n_rotations": 6, "n_bagged": 3})
    X = np.repeat(rows.X, 3, axis=0)
    X += np.random.default_rng(0).normal(0, 1e-6, X.shape).astype(np.float32)
    expected = np.exp(fitted.log_proba(X))
    np.testing.assert_allclose(served(fitted, X), expected, rtol=0, atol=2e-6)


def test_a_graph_network_attaches_rows_to_training_rows_alone(rows):
    fitted = rows.fit("e_graphsage", config={"n_references": 40}, epochs=1)
    known = {row.tobytes() for row in rows.X}
    references = fitted.model.references.numpy()
    assert len(references) == 40
    assert all(row.tobytes() in known for row in references)
    alone = np.concatenate([fitted.log_proba(row[None]) for row in rows.X_valid[:20]])
    together = fitted.log_proba(rows.X_valid)[:20]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_references_are_of_all_classes_in_equal_numbers_where_they_can_be(rows):
    y = np.repeat([0, 1, 2], [100, 20, 3])
    some = Rows(X=np.zeros((123, 2), np.float32), y=y, classes=("a", "b", "c"))
    assert np.bincount(y[drawn(some, 23)]).tolist() == [10, 10, 3]


def test_a_graph_network_is_that_of_its_equations(rows):
    network = registry.load("models", "e_graphsage")
    config = network.Config(n_references=6, hidden=3, sharpness=2.0)
    some = Rows(X=rows.X, y=rows.y, classes=tuple("abcde"))
    model = network.build(rows.X.shape[1], 5, config, rows=some).eval()
    near, x = model.references, torch.tensor(rows.X_valid[:4])

    def weights(x):
        square = torch.cdist(x, near) ** 2
        return torch.softmax(-2.0 * square / mean_nearest(near), dim=1)

    def first(x):
        return torch.relu(model.first(torch.cat([x, weights(x) @ near], dim=1)))

    own = first(x)
    second = torch.relu(model.second(torch.cat([own, weights(x) @ first(near)], dim=1)))
    expected = model.head(torch.cat([own, second], dim=1))
    torch.testing.assert_close(model(x), expected, rtol=1e-3, atol=1e-4)
