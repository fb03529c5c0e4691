"""Fit the model that a recipe names, and the models that it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from evenflow import registry
from evenflow.learn.balancing import Balancing, plainly
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.plugins import Part, configure, part_at, within


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
    """Fit a model by its plug-in, and the parts that its ``Config`` holds.

    A part that is fitted more than once, such as one for each pair of classes, keeps a
    checkpoint and counts for each time.

    Raises
    ------
    ValueError
        What was fitted is of other rows.
    """
    times: Counter[str] = Counter()

    def inner(
        name: str,
        fit: Rows,
        valid: Rows,
        *,
        sampler: Part | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Fitted:
        part = part_at(config, name)
        if params:
            changed = part.params | dict(params)
            part = part.model_copy(update={"params": changed})
        times[name] += 1
        if times[name] > 1:
            name = f"{name}-{times[name]}"
        balance = task.balance
        if isinstance(balance, Balancing):
            balance = balance.within(name)
            balance = balance.by(sampler) if sampler else balance
        elif sampler:
            balance = plainly(sampler, task.seed)
        workdir = None if task.workdir is None else task.workdir / name
        if workdir is not None:
            workdir.mkdir(exist_ok=True)
        return fit_model(
            part, replace(task, fit=fit, valid=valid, balance=balance, workdir=workdir)
        )

    fitted: Fitted = plug_in.fit(config, replace(task, part=inner))
    found = (fitted.n_features, fitted.n_classes)
    expected = (task.fit.X.shape[1], task.fit.n_classes)
    if found != expected:
        raise ValueError(
            f"the model has {found[0]} features and {found[1]} classes; expected "
            f"{expected[0]} and {expected[1]}, those of the rows"
        )
    return fitted


def added_models(part: Part) -> list[str]:
    """Return the other distributions' models among a part and those within it."""
    found = [part.name] if registry.is_added("models", part.name) else []
    for mark, inner in within("models", part):
        found += added_models(inner) if mark.kind == "models" else []
    return found


@contextmanager
def blamed(part: Part) -> Iterator[None]:
    """Turn what another distribution's model raises, once fitted, into an error.

    Raises
    ------
    RecipeError
        It raised something else than an error of evenflow.
    """
    names = added_models(part) or [part.name]
    with registry.blamed("models", names[0]):
        yield
