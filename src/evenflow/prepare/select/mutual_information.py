"""The columns that tell most about the class, each taken alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector

N_BINS = 64


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[select]`` in a recipe."""

    n_columns: int = 15
    """Columns to choose; all of them where there are fewer."""

    def __post_init__(self) -> None:
        if self.n_columns < 1:
            raise RecipeError(
                f"n_columns is {self.n_columns}; expected 1 or more. Change it in "
                "[select]"
            )


def choose(
    config: Config,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    layout: Layout,
    rng: np.random.Generator,
) -> list[str]:
    """Return the columns of the greatest mutual information with the class.

    A number is cut at its quantiles, so the figure of a column does not depend on how
    it is scaled; a missing one has a bin of its own.

    References
    ----------
    .. [1] R. Battiti, "Using mutual information for selecting features in supervised
       neural net learning", IEEE Transactions on Neural Networks 5, 1994.
       doi:10.1109/72.298224
    """
    del rng  # nothing is drawn
    found = {
        name: mutual_information(bins(X[:, where], where < layout.n_numeric), y)
        for name, where in layout.groups.items()
    }
    return sorted(found, key=lambda name: -found[name])[: config.n_columns]


def bins(X: NDArray[np.float32], is_number: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the bin of each row for one column, from its prepared features."""
    codes = np.zeros(len(X), dtype=np.int64)
    for x in X[:, is_number].T:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, N_BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, x, side="left")
    flags = X[:, ~is_number] > 0
    n_flags = flags.shape[1]
    # the one that is set: the value of a category, or that the number is missing
    place = np.where(flags, np.arange(1, n_flags + 1), 0).sum(axis=1)
    found: NDArray[np.int64] = codes * (n_flags + 1) + place
    return found


def mutual_information(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return the mutual information of two codes per row, in nats."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    width = int(b.max()) + 1
    joint = np.bincount(a * width + b).astype(np.float64)
    joint.resize((int(a.max()) + 1) * width, refcheck=False)
    joint = joint.reshape(-1, width) / len(a)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log(joint[some] / apart[some])).sum())


SELECTOR = Selector(choose, Config)
