"""The columns that repeat the others least: by correlation and by joint entropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.prepare.layout import Layout
from evenflow.prepare.select import Selector
from evenflow.prepare.select.mutual_information import bins


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[select]`` in a recipe."""

    n_columns: int = 10
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
    """Return the columns of little correlation and much joint entropy with the others.

    A column has the mean of its absolute Pearson correlations with the others, and the
    mean of its joint entropies with them, each brought to [0, 1] over the columns. The
    first ones by entropy less correlation are chosen; labels are not looked at.
    Deviations from [1]_: how both figures make one rank is not known to us, the
    difference stands in; numbers are cut into bins at quantiles for the entropy; a
    category is the number of its value.

    References
    ----------
    .. [1] N. Koroniotis, N. Moustafa, E. Sitnikova, B. Turnbull, "Towards the
       development of realistic botnet dataset in the Internet of Things for network
       forensic analytics: Bot-IoT dataset", Future Generation Computer Systems 100,
       2019. doi:10.1016/j.future.2019.05.041
    """
    del y, rng  # nothing is drawn
    names = list(layout.groups)
    if len(names) < 2:
        return names
    groups = [layout.groups[name] for name in names]
    codes = [bins(X[:, where], where < layout.n_numeric) for where in groups]
    numbers = np.stack(
        [
            X[:, where[0]] if where[0] < layout.n_numeric else code
            for where, code in zip(groups, codes, strict=True)
        ]
    )
    correlation = np.abs(pearson(numbers.astype(np.float64)))
    entropy = joint_entropies(codes)
    score = to_unit(mean_of_others(entropy)) - to_unit(mean_of_others(correlation))
    return [names[k] for k in np.argsort(-score, kind="stable")[: config.n_columns]]


def pearson(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlations between rows; 0 with a row that does not vary."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(length > 0, length, 1)
    found: NDArray[np.float64] = unit @ unit.T
    return found


def joint_entropies(codes: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the entropy of each pair of codes, in bits, ``(n_columns, n_columns)``."""
    small = [np.unique(code, return_inverse=True)[1] for code in codes]
    out = np.zeros((len(codes), len(codes)))
    for i, a in enumerate(small):
        for j, b in enumerate(small[: i + 1]):
            counts = np.bincount(a * (int(b.max()) + 1) + b)
            share = counts[counts > 0] / len(a)
            out[i, j] = out[j, i] = -(share * np.log2(share)).sum()
    return out


def mean_of_others(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row but for its entry on the diagonal."""
    total: NDArray[np.float64] = pairs.sum(axis=1) - np.diag(pairs)
    return total / (len(pairs) - 1)


def to_unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values moved and scaled to [0, 1]."""
    width = float(np.ptp(values))
    found: NDArray[np.float64] = (values - values.min()) / (width or 1.0)
    return found


SELECTOR = Selector(choose, Config)
