"""The common part of over-samplers: grow class by class, keep every row possible."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from evenflow.prepare.balance._sampler import Labels, Matrix, Rows
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress

Make = Callable[[int, Rows, int], Matrix]
"""Class code, its row numbers (two or more), rows to make -> new rows."""


def grow(
    X: Matrix,
    y: Labels,
    wanted: dict[int, int],
    make: Make,
    *,
    layout: Layout | None,
    notes: list[str],
    on_event: OnEvent,
) -> tuple[Matrix, Labels]:
    """Return the rows given, first and unchanged, then the new rows of each class.

    A class of one row has no neighbour to lean on: its row is copied, and a note
    says so.
    """
    parts, labels = [X], [y]
    done, total = 0, sum(wanted.values())
    for label, n_new in wanted.items():
        rows = np.flatnonzero(y == label)
        if len(rows) == 1:
            notes.append(f"class {label} has one row: copied {n_new} times")
            new = X[np.repeat(rows, n_new)]
        else:
            new = possible(make(label, rows, n_new), X, layout)
        parts.append(new)
        labels.append(np.full(len(new), label, dtype=np.int64))
        done += n_new
        on_event(Progress(step="balance", done=done, total=total))
    return np.concatenate(parts), np.concatenate(labels)


def possible(new: Matrix, X: Matrix, layout: Layout | None) -> Matrix:
    """Return the nearest possible rows to ``new``; ``X`` are real ones.

    Parameters
    ----------
    new : ndarray of shape (n_new, n_features), float32
    X : ndarray of shape (n_samples, n_features), float32
        Real rows. They show which value stands where one is missing.
    layout : Layout, optional
        Without it rows come back as they are.
    """
    if layout is None or not len(new):
        return new
    new = layout.snap(new)
    numeric = {name: j for j, name in enumerate(layout.names[: layout.n_numeric])}
    for i in range(layout.n_numeric, layout.n_numeric + layout.n_indicators):
        j = numeric.get(layout.names[i].removesuffix(" is missing"))
        real = np.flatnonzero(X[:, i] == 1)
        if j is not None and len(real):
            new[new[:, i] == 1, j] = X[real[0], j]
    return new


def fit_neighbors(k: int, n_rows: int, label: int, notes: list[str]) -> int:
    """Return ``k``, or fewer where the class has fewer other rows; note the change."""
    if k < n_rows:
        return k
    notes.append(f"class {label} has {n_rows} rows: {n_rows - 1} neighbours, not {k}")
    return n_rows - 1


def made_by(sampler: Any, X: Matrix, y: Labels) -> Matrix:
    """Return the rows an imbalanced-learn over-sampler adds to ``X``.

    Its warnings are about its own future, or about cases handled here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X_new, _ = sampler.fit_resample(X, y)
    new: Matrix = np.asarray(X_new[len(X) :], dtype=np.float32)
    return new


def interpolated(
    X: Matrix, rows: Rows, n_new: int, k: int, random_state: int | None
) -> Matrix:
    """Return ``n_new`` rows made by SMOTE between neighbours among ``X[rows]``.

    imbalanced-learn looks at these rows alone, whatever other rows it is given;
    one row of another class is there because it refuses to work without.
    """
    from imblearn.over_sampling import SMOTE

    other = np.zeros((1, X.shape[1]), dtype=np.float32)
    labels = np.r_[np.ones(len(rows), dtype=np.int64), 0]
    sampler = SMOTE(
        sampling_strategy={1: len(rows) + n_new},
        k_neighbors=k,
        random_state=random_state,
    )
    return made_by(sampler, np.concatenate([X[rows], other]), labels)
