"""Checks for plug-ins: the promises that every one of evenflow's own keeps.

A test of your package calls the function for its kind of plug-in. The rows are made up,
so a check needs no file and no test framework.

Examples
--------
>>> from evenflow.prepare.balance.ros import RandomOverSampler
>>> check_sampler(RandomOverSampler())
"""

from evenflow.testing.datasets import check_dataset
from evenflow.testing.losses import check_loss
from evenflow.testing.models import check_model
from evenflow.testing.samplers import check_sampler
from evenflow.testing.selectors import check_selector

__all__ = [
    "check_dataset",
    "check_loss",
    "check_model",
    "check_sampler",
    "check_selector",
]
