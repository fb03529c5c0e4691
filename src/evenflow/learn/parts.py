"""Fit the model that a recipe names, and the models that it is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evenflow import registry
from evenflow.learn.balancing import Balancing
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.parts import Part, configure


def fit_model(part: Part, task: Fitting) -> Fitted:
    """Fit the model that a part names, and the parts that it holds.

    Raises
    ------
    DataError
        The rows cannot train it.
    RecipeError
        Another distribution's plug-in failed.
    """
    plug_in = registry.load("models", part.name)
    config = configure("models", part.name, part.params)
    with registry.blamed("models", part.name):
        return fit_plug_in(plug_in, config, task)


def fit_plug_in(plug_in: Any, config: Any, task: Fitting) -> Fitted:
    """Fit a model by its plug-in, and the parts that its ``Config`` holds."""

    def inner(name: str, fit: Rows, valid: Rows) -> Fitted:
        balance = task.balance
        if isinstance(balance, Balancing):
            balance = balance.within(name)
        workdir = None if task.workdir is None else task.workdir / name
        if workdir is not None:
            workdir.mkdir(exist_ok=True)
        own = replace(task, fit=fit, valid=valid, balance=balance, workdir=workdir)
        return fit_model(getattr(config, name), own)

    fitted: Fitted = plug_in.fit(config, replace(task, part=inner))
    return fitted
