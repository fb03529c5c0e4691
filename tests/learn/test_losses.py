"""Losses are what their papers say."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from evenflow import registry
from evenflow.errors import RecipeError
from evenflow.learn.training import train
from evenflow.recipe import Recipe
from evenflow.testing import check_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-4.0, 4.0, 0.0]])
Y = torch.tensor([0, 2, 1])
WEIGHT = torch.tensor([1.0, 2.0, 5.0])


def loss(name, weight=None, **params):
    plug_in = registry.load("losses", name)
    return plug_in.build(
        plug_in.Config(**params), n_rows=np.array([90, 9, 1]), class_weight=weight
    )


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_loss_keeps_the_promises_of_every_loss(name):
    check_loss(registry.load("losses", name))


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_focal_loss_without_focus_is_cross_entropy(weight):
    expected = functional.cross_entropy(LOGITS, Y, weight=weight)
    assert loss("focal", weight, gamma=0.0)(LOGITS, Y).item() == pytest.approx(
        expected.item()
    )


def test_focal_loss_is_the_papers():
    p = functional.softmax(LOGITS, dim=1)[torch.arange(3), Y]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    assert loss("focal")(LOGITS, Y).item() == pytest.approx(expected.item())


def test_a_model_without_a_loss_refuses_one():
    with pytest.raises(RecipeError, match="'lightgbm' does not use a loss; expected"):
        Recipe.load("synthetic/lightgbm-none", loss="focal")


def test_an_impossible_focus_is_refused():
    with pytest.raises(RecipeError, match=r"gamma is -1.0; expected 0 or more"):
        Recipe.load("synthetic/dnn-none", loss={"name": "focal", "gamma": -1})


def test_a_loss_that_names_the_epoch_may_change_at_one(monkeypatch, small_table):
    seen = []

    def build(config, *, n_rows, class_weight):
        def loss(logits, y, *, epoch, epochs):
            seen.append((epoch, epochs))
            # no weight lowers it: what changes is the epoch alone
            return (100.0 if epoch >= 2 else 1.0) + 0 * logits.sum()

        return loss

    focal = registry.load("losses", "focal")
    later = dataclasses.replace(focal, build=build)
    monkeypatch.setattr("evenflow.learn.losses.focal.LOSS", later)
    recipe = Recipe.load("synthetic/dnn-none", training__epochs=4, loss="focal")
    rows = {"train": small_table, "test": small_table.take(np.arange(300))}
    history = train(recipe, load=rows.__getitem__, device="cpu").fitted.history
    assert [epoch.loss for epoch in history] == pytest.approx([1, 1, 100, 100])
    assert set(seen) == {(0, 4), (1, 4), (2, 4), (3, 4)}


def test_a_loss_is_checked_in_its_first_and_its_last_epoch():
    def build(config, *, n_rows, class_weight):
        def loss(logits, y, *, epoch, epochs):
            value = functional.cross_entropy(logits, y)
            return -value if epoch == epochs - 1 else value

        return loss

    focal = registry.load("losses", "focal")
    with pytest.raises(AssertionError, match="Correct its sign"):
        check_loss(dataclasses.replace(focal, build=build))
