"""Measures of synthetic rows: whether they are possible, new, diverse and useful.

A sampler's new rows are compared, class by class, with the real training rows they
were made from and with real training rows that nothing has seen. Test rows are not
read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import datasets, registry
from evenflow.errors import DataError
from evenflow.metrics import confusion_matrix, multiclass_figures
from evenflow.metrics.synthetic import coverage, nearest, spread, statistics
from evenflow.plugins import Part
from evenflow.prepare import balance
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.layout import Layout
from evenflow.prepare.names import named
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe

Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]

MOST = 2000
"""Rows of a class that are compared, and that a classifier learns from."""
N_PAIRS = 500
"""Rows of a class of which all distances to each other are computed."""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Measures of the new rows of a sampler; every part holds JSON values only.

    Attributes
    ----------
    classes : list of dict
        One for each class that grew: ``name, n_real, n_new``, and

        * ``possible``: share of new rows with no fault; ``faults``: rows by fault, as
          ``Layout.faults``; ``unseen_combinations``: rows whose categories occur
          together in no training row;
        * ``copies``: share of new rows equal to a training row; ``nearest_new`` and
          ``nearest_real``: median distance of a new, and of a real row to the nearest
          real one of its class, but for itself; ``foreign``: share of new rows whose
          nearest training row is of another class;
        * ``distinct``: share of new rows that differ from each other; ``coverage``;
          ``spread_new`` and ``spread_real``: mean distance between two rows;
        * ``statistics`` and ``statistics_held``: the five statistics of new rows, and
          of unseen real rows, against the training rows; the latter is None where no
          row of the class is held out.
    useful : dict
        Macro F1 of the classes that grew by a random forest: ``trtr`` (trained on
        real rows, tested on unseen real rows), ``tstr`` (trained on new rows in their
        place, as many) and ``trts`` (trained on real rows, tested on new ones);
        ``recall`` has each class's.
    """

    recipe: str
    sampler: str
    seed: int
    seconds: float
    """Time that the sampler took."""
    most: int
    """Rows of a class that were compared."""
    classes: list[dict[str, Any]]
    useful: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return all parts as JSON values."""
        return dict(vars(self))


def synthesis(
    recipe: Recipe,
    *,
    folders: Sequence[Path],
    most: int = MOST,
    on_event: OnEvent = ignore,
) -> Synthesis:
    """Make the rows that a recipe's sampler makes, and measure them.

    The training rows are divided as a training divides them: those that would set the
    threshold are the unseen ones here. All columns are read, whatever the recipe's
    selector; the recipe's model takes no part.

    Parameters
    ----------
    recipe : Recipe
    folders : sequence of Path
        Where data sets are looked for, in order.
    most : int
        Rows of a class that are compared; drawn by the recipe's seed.
    on_event : callable

    Raises
    ------
    DataError
        The sampler makes no new row.
    """
    from evenflow.learn.training import with_target

    params = recipe.dataset.params
    load = partial(
        datasets.load,
        recipe.dataset.name,
        folders=folders,
        on_event=on_event,
        **params,
    )
    make = registry.load("splits", recipe.split.name)
    split = with_target(make(load, recipe.seed, **recipe.split.params), recipe)
    kept, held = hold_out(
        split.train,
        fraction=recipe.decide.fraction,
        seed=recipe.seed + 1,
        group=recipe.decide.group,
    )
    fit, unseen = split.train.take(kept), split.train.take(held)
    preprocessor = Preprocessor.fit(fit, **recipe.prepare.columns)
    X, y = preprocessor.transform(fit), fit.labels
    sampler = balance.make(recipe.balance.name, recipe.balance.params, recipe.seed)
    start = time.perf_counter()
    X_made, y_made = sampler.fit_resample(
        X, y, layout=preprocessor.layout, on_event=on_event
    )
    seconds = time.perf_counter() - start
    first = n_given(X_made, y_made, X, y)
    if first == len(X_made):
        raise DataError(
            f"{recipe.name}: the sampler {recipe.balance.name!r} makes no new row of "
            "these; expected one that grows classes, such as smote or gan"
        )
    judged = _Rows(
        X=X,
        y=y,
        X_new=X_made[first:],
        y_new=y_made[first:],
        X_held=preprocessor.transform(unseen),
        y_held=unseen.labels,
        layout=preprocessor.layout,
        classes=fit.schema.classes,
        most=most,
        rng=np.random.default_rng(recipe.seed),
    )
    return Synthesis(
        recipe=recipe.name,
        sampler=recipe.balance.name,
        seed=recipe.seed,
        seconds=seconds,
        most=most,
        classes=[judged.of_class(code) for code in judged.grown],
        useful=judged.useful(recipe.seed),
        notes=[named(text, fit.schema.classes) for text in sampler.notes_],
    )


def n_given(X_made: Matrix, y_made: Labels, X: Matrix, y: Labels) -> int:
    """Return how many of a sampler's rows are rows that it was given.

    Those come first and in their order, some of them left out; new rows follow. A new
    row that equals a given one beyond the last that stayed counts as given.

    Examples
    --------
    >>> X, y = np.arange(4, dtype=np.float32).reshape(4, 1), np.zeros(4, dtype=int)
    >>> n_given(X[[0, 2, 1, 1]], y, X, y)
    2
    """
    rows = zip((row.tobytes() for row in X), y.tolist(), strict=True)
    for number, made in enumerate(
        zip((row.tobytes() for row in X_made), y_made.tolist(), strict=True)
    ):
        if made not in rows:  # goes on where the last row was found
            return number
    return len(X_made)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Training rows, new rows and unseen real rows, prepared alike."""

    X: Matrix
    y: Labels
    X_new: Matrix
    y_new: Labels
    X_held: Matrix
    y_held: Labels
    layout: Layout
    classes: tuple[str, ...]
    most: int
    rng: np.random.Generator

    @property
    def grown(self) -> list[int]:
        """Codes of the classes that there are new rows of."""
        codes: list[int] = np.unique(self.y_new).tolist()
        return codes

    def of_class(self, code: int) -> dict[str, Any]:
        """Return what the new rows of one class are like."""
        real, made = self.X[self.y == code], self.X_new[self.y_new == code]
        held = self.X_held[self.y_held == code]
        some, few = self._some(made), self._some(real)
        layout = self.layout
        faults = layout.faults(made)
        wrong = np.any(list(faults.values()), axis=0)
        own = nearest(some, real)[0][:, 0]
        among = nearest(few, few, are_same=True)[0][:, 0] if len(few) > 1 else None
        near = self.y[nearest(some, self.X)[1][:, 0]]
        width = np.ptp(self.X[:, : layout.n_numeric], axis=0).astype(np.float64)
        compare = partial(statistics, width=width, blocks=layout.blocks)
        return {
            "name": self.classes[code],
            "n_real": len(real),
            "n_new": len(made),
            "possible": float(1 - wrong.mean()),
            "faults": {name: int(mask.sum()) for name, mask in faults.items()},
            "unseen_combinations": self._unseen(made),
            "copies": _share_in(made, self.X),
            "nearest_new": float(np.median(own)),
            "nearest_real": None if among is None else float(np.median(among)),
            "foreign": float((near != code).mean()),
            "distinct": len(np.unique(made, axis=0)) / len(made),
            "coverage": coverage(few, some),
            "spread_new": spread(some[:N_PAIRS]),
            "spread_real": spread(few[:N_PAIRS]),
            "statistics": compare(real, made),
            "statistics_held": compare(real, held) if len(held) else None,
        }

    def useful(self, seed: int) -> dict[str, Any]:
        """Return how well a forest learns from new rows, and how well it names them."""
        real, new, test, made = [], [], [], []
        for code in np.unique(self.y):
            mine = self._some(self.X[self.y == code])
            held = self._some(self.X_held[self.y_held == code])
            grew = self._some(self.X_new[self.y_new == code])
            real.append((mine, code))
            new.append((grew[: len(mine)] if len(grew) else mine, code))
            test.append((held, code))
            made.append((grew[: max(len(held), 1)] if len(grew) else held, code))
        on_real, on_new = (self._learnt(rows, seed) for rows in (real, new))
        found = {
            "trtr": on_real(test), "tstr": on_new(test), "trts": on_real(made)
        }  # fmt: skip
        recall = {
            name: {self.classes[code]: figures["recall"][code] for code in self.grown}
            for name, figures in found.items()
        }
        macro = {
            name: float(np.mean([figures["f1"][code] or 0.0 for code in self.grown]))
            for name, figures in found.items()
        }
        return {**macro, "recall": recall}

    def _learnt(self, parts: list[tuple[Matrix, int]], seed: int) -> Any:
        """Return a forest's figures on parts of rows, as a function of these."""
        from evenflow.learn.fit_model import fit_model
        from evenflow.learn.fitting import of_arrays

        names = list(range(len(self.classes)))
        X, y = _stacked(parts)
        task = of_arrays(X, y, n_classes=len(names), seed=seed)
        fitted = fit_model(Part(name="random_forest"), task)

        def figures(parts: list[tuple[Matrix, int]]) -> dict[str, Any]:
            X, y = _stacked(parts)
            decided = fitted.log_proba(X).argmax(axis=1)
            return multiclass_figures(
                confusion_matrix(y, decided, len(names)),
                names,  # type: ignore[arg-type]
            )

        return figures

    def _some(self, rows: Matrix) -> Matrix:
        """Return at most so many of the rows, in a random order."""
        return rows[self.rng.permutation(len(rows))[: self.most]]

    def _unseen(self, rows: Matrix) -> int:
        """Return how many rows combine categories as no training row does."""
        start = self.layout.n_numeric + self.layout.n_indicators
        known = {row.tobytes() for row in self.X[:, start:] > 0.5}
        return sum(row.tobytes() not in known for row in rows[:, start:] > 0.5)


def _share_in(rows: Matrix, others: Matrix) -> float:
    """Return the share of rows that are others, but for the last bits of float32."""
    known, mine = (np.round(part, 4) + 0.0 for part in (others, rows))
    there = {row.tobytes() for row in known}
    return sum(row.tobytes() in there for row in mine) / len(rows)


def _stacked(parts: list[tuple[Matrix, int]]) -> tuple[Matrix, Labels]:
    y = np.repeat([code for _, code in parts], [len(rows) for rows, _ in parts])
    return np.concatenate([rows for rows, _ in parts]), y.astype(np.int64)
