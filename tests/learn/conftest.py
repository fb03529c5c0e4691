"""Prepared rows for models to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evenflow import registry
from evenflow.learn.fitted import Fitted
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.split import hold_out
from evenflow.recipe import Training
from evenflow.schema import Table

N_CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Training and validation rows."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_valid: NDArray[np.float32]
    y_valid: NDArray[np.int64]

    def fit(
        self, name: str, *, config: dict[str, Any] | None = None, **how: Any
    ) -> Fitted:
        """Fit the model of that name; settings of its training among ``how``."""
        thing, make = registry.load("models", name)
        seed, weight = how.pop("seed", 7), how.pop("class_weight", None)
        data = (self.X, self.y, self.X_valid, self.y_valid)
        common = {"n_classes": N_CLASSES, "seed": seed, "class_weight": weight}
        if not hasattr(thing, "forward"):
            from evenflow.learn.estimator import fit_estimator

            quick = {"n_jobs": 1} if hasattr(make(), "n_jobs") else {}
            if hasattr(make(), "n_estimators"):
                quick["n_estimators"] = 20
            return fit_estimator(
                thing, make(**(quick | (config or {}))), *data, **common, **how
            )
        from evenflow.learn.network import fit_network

        settings = {"epochs": 3, "batch_size": 128, "learning_rate": 3e-3}
        known = Training.model_fields
        settings |= {k: how.pop(k) for k in tuple(how) if k in known}
        return fit_network(
            thing,
            make(**(config or {})),
            *data,
            **common,
            training=Training(**settings),
            device=how.pop("device", "cpu"),
            **how,
        )


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small products are faster on one thread, and tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rows(small_table: Table) -> Rows:
    """The small table, prepared: about 1,600 rows to train and 400 to stop."""
    train, valid = hold_out(small_table, fraction=0.2, seed=1)
    a, b = small_table.take(train), small_table.take(valid)
    preprocessor = Preprocessor.fit(a)
    return Rows(
        X=preprocessor.transform(a),
        y=a.labels,
        X_valid=preprocessor.transform(b),
        y_valid=b.labels,
    )
