"""The plug-ins keep the promises that evenflow's own keep."""

from campusflow.campus import DATASET
from campusflow.class_means import SELECTOR
from campusflow.distance import MODEL as DISTANCE
from campusflow.jitter import SAMPLER
from campusflow.one_tree import MODEL as ONE_TREE
from campusflow.perceptron import MODEL as PERCEPTRON
from campusflow.smoothed import LOSS
from evenflow import testing


def test_the_data_set():
    testing.check_dataset(DATASET)


def test_the_selector():
    testing.check_selector(SELECTOR)


def test_the_sampler():
    testing.check_sampler(SAMPLER)


def test_the_loss():
    testing.check_loss(LOSS)


def test_the_models():
    for model in (PERCEPTRON, ONE_TREE, DISTANCE):
        testing.check_model(model)
