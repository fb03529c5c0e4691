"""Prepared rows for models to learn."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from evenflow import registry
from evenflow.inference import open_session
from evenflow.learn.export import to_onnx
from evenflow.learn.fit_model import fit_model
from evenflow.learn.fitting import of_arrays
from evenflow.plugins import Part
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.stages import Training

N_CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Training and validation rows."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_valid: NDArray[np.float32]
    y_valid: NDArray[np.int64]

    def fit(self, name, *, config=None, **how):
        """Fit the model of that name; settings of its training among ``how``."""
        plug_in = registry.load("models", name)
        rows = self
        if not plug_in.names_classes:
            rows, how = self.binary(), how | {"n_classes": 2}
        settings = {"epochs": 3, "batch_size": 128, "learning_rate": 3e-3}
        settings |= {k: how.pop(k) for k in tuple(how) if k in Training.model_fields}
        forest = {"name": "extra_trees", "n_estimators": 10, "n_jobs": 1}
        quick = {"n_jobs": 1, "n_estimators": 20, "n_blocks": 1}
        quick["width"] = 2 if name.startswith("image") else 16
        quick |= {"n_rotations": 3, "n_bagged": 2, "frequent": forest, "rare": forest}
        quick |= {"population": 4, "iterations": 1, "n_rows": 400}
        quick |= {"n_reference": 500, "n_components": 4}
        known = {field.name for field in dataclasses.fields(plug_in.Config)}
        params = {k: v for k, v in quick.items() if k in known} | (config or {})
        return fit_model(
            Part(name=name, params=params),
            rows.task(**{"training": Training(**settings), "device": "cpu"} | how),
        )

    def task(self, n_classes=N_CLASSES, **how):
        """Return a fit of these rows."""
        return of_arrays(
            self.X, self.y, self.X_valid, self.y_valid, n_classes=n_classes, **how
        )

    def binary(self):
        """Return the rows as benign or attack."""
        y, y_valid = (np.minimum(part, 1) for part in (self.y, self.y_valid))
        return dataclasses.replace(self, y=y, y_valid=y_valid)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small products are faster on one thread, and tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def served():
    """Return a function of a model and rows: the probabilities of its graph."""

    def served(fitted, X):
        (found,) = open_session(to_onnx(fitted)).run(["log_proba"], {"x": X})
        return np.exp(found)

    return served


@pytest.fixture(scope="session")
def parts(small_table):
    """The small table in two: about 1,600 rows to train and 400 to stop."""
    train, valid = hold_out(small_table, fraction=0.2, seed=1)
    return small_table.take(train), small_table.take(valid)


@pytest.fixture(scope="session")
def layout(parts):
    """The meaning of the columns of ``rows``."""
    return Preprocessor.fit(parts[0]).layout


@pytest.fixture(scope="session")
def rows(parts):
    """The small table, prepared."""
    a, b = parts
    preprocessor = Preprocessor.fit(a)
    return Rows(
        X=preprocessor.transform(a),
        y=a.labels,
        X_valid=preprocessor.transform(b),
        y_valid=b.labels,
    )
