"""A check that another distribution's model can be exported, before its training.

A bundle holds a model as ONNX, and not every estimator can be written so. Whether it
can is found out on a few made-up rows.
"""

from __future__ import annotations

import textwrap

import numpy as np

from evenflow.errors import BundleError, RecipeError
from evenflow.learn.fit_model import added_models, fit_model
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import of_arrays
from evenflow.recipe import Recipe


def try_export(recipe: Recipe, *, n_features: int, n_classes: int) -> None:
    """Fit another distribution's model on made-up rows and write it as ONNX.

    Parameters
    ----------
    recipe : Recipe
    n_features : int
        Columns of the prepared rows.
    n_classes : int

    Raises
    ------
    RecipeError
        The plug-in is not called as models are, or what it makes cannot be saved.
    """
    added = added_models(recipe.model)
    if not added:
        return
    name = " or ".join(map(repr, added))
    try:
        fitted = _fitted(recipe, n_features, n_classes)
    except Exception as error:
        # made-up rows may not suit it where real ones do; a wrong call always is one
        if isinstance(error.__cause__, TypeError | AttributeError):
            raise
        return
    from evenflow.learn.export import to_onnx

    try:
        to_onnx(fitted)
        return
    except BundleError as error:
        reason = str(error).partition(". Expected")[0].partition("; expected")[0]
    except Exception as error:  # noqa: BLE001 (whatever an estimator lacks)
        reason = f"{type(error).__name__}: {error}"
    reason = textwrap.shorten(reason, 300, placeholder=" ...")
    raise RecipeError(
        f"the model {name} cannot be saved, as a trial on made-up rows before "
        f"the training showed: {reason}. Expected a PyTorch network, or an "
        "estimator with predict_proba that skl2onnx writes in the operators that a "
        "bundle may hold. Use another model"
    )


def _fitted(recipe: Recipe, n_features: int, n_classes: int) -> Fitted:
    from evenflow.learn.export import probe

    X = probe(n_features)
    y = (np.arange(len(X)) % n_classes).astype(np.int64)
    task = of_arrays(
        X,
        y,
        X[::8],
        y[::8],
        n_classes=n_classes,
        training=recipe.training.model_copy(
            update={"epochs": 1, "input_noise": 0.0, "hidden_categories": 0.0}
        ),
        seed=recipe.seed,
        device="cpu",
    )
    return fit_model(recipe.model, task)
