"""A network starts from the encoder that its sampler learnt."""

import numpy as np
import pytest
import torch

from evenflow.learn.models.dnn import DNN, Config
from evenflow.learn.training import train
from evenflow.recipe import Recipe


@pytest.fixture
def encoder():
    """Return layers 6 - 4 - 2 of random numbers."""
    rng = np.random.default_rng(0)
    shapes = [(4, 6), (2, 4)]
    return tuple(
        (rng.normal(size=s).astype(np.float32), rng.normal(size=s[0]).astype("f4"))
        for s in shapes
    )


def linear(network):
    return [part for part in network.net if isinstance(part, torch.nn.Linear)]


@pytest.mark.parametrize("hidden", [(4, 2), (4, 2, 3)])
def test_hidden_layers_of_the_same_widths_start_as_the_encoder(hidden, encoder):
    config = Config(hidden=hidden, batch_norm=False, dropout=0.0)
    network = DNN(6, 3, config, encoder=encoder)
    for part, (weight, bias) in zip(linear(network), encoder, strict=False):
        np.testing.assert_array_equal(part.weight.detach(), weight)
        np.testing.assert_array_equal(part.bias.detach(), bias)
    x = torch.randn(5, 6)
    (w, b), (v, c) = encoder
    codes = np.maximum(x.numpy() @ w.T + b, 0) @ v.T + c
    # up to the code, the network is the encoder
    np.testing.assert_allclose(network.net[:4](x).detach(), codes, atol=1e-5)


@pytest.mark.parametrize("hidden", [(5, 2), (4,), (2, 4)])
def test_layers_of_other_widths_start_as_ever(hidden, encoder):
    config = Config(hidden=hidden)
    torch.manual_seed(1)
    plain = DNN(6, 3, config)
    torch.manual_seed(1)
    given = DNN(6, 3, config, encoder=encoder)
    for one, other in zip(plain.parameters(), given.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not plain.notes
    assert "other widths than its 4, 2" in given.notes[0]


@pytest.mark.parametrize("name", ["cvae", "savaer"])
def test_a_training_starts_from_the_encoder_of_its_sampler(name, small_table, tmp_path):
    recipe = Recipe.load(
        f"synthetic/dnn-{name}",
        model={"name": "dnn", "hidden": [8, 4], "batch_norm": False, "dropout": 0.0},
        balance={"name": name, "steps": 3, "hidden": [8], "n_latent": 4},
        training__epochs=1,
        training__learning_rate=1e-12,
    )
    rows = {"train": small_table, "test": small_table.take(np.arange(0, 2000, 7)[:280])}
    first, again = (
        train(recipe, load=rows.__getitem__, cache=tmp_path, device="cpu")
        for _ in range(2)
    )
    (path,) = tmp_path.glob("balanced-*.npz")
    with np.load(path, allow_pickle=False) as kept:
        wanted = [kept[f"layer{i}"] for i in range(4)]
    # made by the sampler, then read from the cache
    for trained in (first, again):
        parts = linear(trained.fitted.model)[:2]
        found = [array for part in parts for array in (part.weight, part.bias)]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.detach(), other, atol=1e-6)
