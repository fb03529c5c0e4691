"""Samplers of other distributions, brought under the contract of our own.

Any class with ``fit_resample(X, y)`` will do, such as those of imbalanced-learn.
``layout`` and ``on_event`` are passed to a method that names them, and
``random_state`` to a constructor that does.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import registry
from evenflow.errors import RecipeError
from evenflow.prepare.balance._sampler import Labels, Matrix, Sampler
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


def make(name: str, params: Mapping[str, Any], seed: int) -> Sampler:
    """Return the sampler of that name, ours or another distribution's.

    Parameters
    ----------
    name : str
        A plug-in of ``balance``.
    params : mapping
        Its parameters, as a recipe has them.
    seed : int
        Of its random draws.

    Raises
    ------
    RecipeError
        Another distribution's sampler does not take the parameters.
    """
    cls = registry.load("balance", name)
    given = dict(params)
    if "random_state" in inspect.signature(cls).parameters:
        given["random_state"] = seed
    with registry.blamed("balance", name):
        sampler = cls(**given)
    is_checked = isinstance(sampler, Sampler) and not registry.is_added("balance", name)
    return sampler if is_checked else Outside(name, sampler)


class Outside(Sampler):
    """Another distribution's sampler, called with what it takes, and checked.

    Parameters
    ----------
    name : str
        The plug-in's name, for messages.
    sampler : object
        Has ``fit_resample(X, y)``; may set ``notes_`` and ``class_weight_``.
    """

    kind = "both"

    def __init__(self, name: str, sampler: Any) -> None:
        self.name = name
        self.sampler = sampler
        if isinstance(sampler, Sampler):
            self.min_classes = sampler.min_classes  # type: ignore[misc]

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        method = self.sampler.fit_resample
        accepted = inspect.signature(method).parameters
        offered = {"layout": layout, "on_event": on_event}
        given = {key: value for key, value in offered.items() if key in accepted}
        with registry.blamed("balance", self.name):
            made = method(X.copy(), y.copy(), **given)
        X_new, y_new = self._checked(made, X, y)
        self.notes_ = [str(text) for text in getattr(self.sampler, "notes_", ())]
        if "layout" not in accepted and layout is not None and _has_new(X_new, X):
            self.notes_.append(
                f"{self.name} takes no layout of the columns: rows that it makes may "
                "hold fractions of counts and mixtures of categories"
            )
        weights = getattr(self.sampler, "class_weight_", None)
        if weights is not None:
            self.class_weight_ = self._weights(weights, n_classes=int(y.max()) + 1)
        return X_new, y_new

    def _weights(self, given: Any, *, n_classes: int) -> NDArray[np.float64]:
        weights = np.asarray(given)
        if (
            weights.shape != (n_classes,)
            or weights.dtype.kind not in "fiu"
            or not (np.isfinite(weights).all() and (weights > 0).all())
        ):
            raise self._wrong(
                f"class_weight_ {weights.tolist()}", f"{n_classes} positive numbers"
            )
        return weights.astype(np.float64)

    def _checked(self, made: Any, X: Matrix, y: Labels) -> tuple[Matrix, Labels]:
        """Return the rows made, or say what is wrong with them."""
        wanted = f"(X, y) with {X.shape[1]} finite numbers in each row of X"
        if not (isinstance(made, tuple) and len(made) == 2):
            raise self._wrong(f"{type(made).__name__}", wanted)
        X_new, y_new = (np.asarray(part) for part in made)
        if (
            X_new.ndim != 2
            or X_new.shape[1] != X.shape[1]
            or X_new.dtype.kind not in ("fiub")
        ):
            raise self._wrong(f"X of shape {X_new.shape} and {X_new.dtype}", wanted)
        if y_new.shape != X_new.shape[:1]:
            raise self._wrong(
                f"{len(X_new)} rows and labels of shape {y_new.shape}",
                "one label for each row",
            )
        strange = np.setdiff1d(y_new, y)
        if len(strange) or len(np.unique(y_new)) < self.min_classes:
            raise self._wrong(
                f"labels {np.unique(y_new).tolist()[:9]}",
                f"two or more of the codes {np.unique(y).tolist()}",
            )
        X_new = X_new.astype(np.float32)
        if not np.isfinite(X_new).all():
            raise self._wrong("NaN or infinity in X", wanted)
        return X_new, y_new.astype(np.int64)

    def _wrong(self, found: str, expected: str) -> RecipeError:
        return RecipeError(
            f"the sampler {self.name!r} returned {found}; expected {expected}. Correct "
            "its fit_resample, or balance with another sampler"
        )


def _has_new(X_new: Matrix, X: Matrix) -> bool:
    """Return whether there are rows that were not given."""
    given = {row.tobytes() for row in X}
    return any(row.tobytes() not in given for row in X_new[::-1])
