"""What every trained model can do, whatever it is made of."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.progress import Epoch


class Fitted(Protocol):
    """A trained model: a network or an estimator."""

    @property
    def history(self) -> tuple[Epoch, ...]:
        """One entry per epoch; empty for a model that has none."""
        ...

    @property
    def n_parameters(self) -> int:
        """Numbers learnt: the weights of a network, the nodes of trees."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read."""
        ...

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        ...

    def to_onnx(self) -> bytes:
        """Return the model as ONNX: ``x`` (N, n_features) to ``log_proba``."""
        ...


def check_rows(X: NDArray[np.float32], y: NDArray[np.int64], *, n_classes: int) -> None:
    """Refuse training rows no model can learn from.

    Raises
    ------
    DataError
        No row, one class only, or a value that is not finite.
    """
    present = np.unique(y)
    if len(present) < 2:
        found = f"class {present[0]} only" if len(present) else "no row"
        raise DataError(
            f"the training part holds {found}; expected rows of two classes or "
            "more. Bring rows of another class, or change [split]"
        )
    if len(X) != len(y) or present[0] < 0 or present[-1] >= n_classes:
        raise ValueError(f"X has {len(X)} rows, y {len(y)} codes up to {present[-1]}")
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        raise DataError(
            f"row {row}, feature {column} of the prepared training rows is "
            f"{X[row, column]}; expected finite numbers. Clean the data set, or "
            "report this if evenflow prepared it"
        )
