"""The recipe's sampler, as a fit may call it on its own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import registry
from evenflow.errors import DataError
from evenflow.learn.fitting import Rows
from evenflow.learn.log import Log
from evenflow.plugins import Part
from evenflow.prepare import balance, balanced_cache
from evenflow.prepare.names import named
from evenflow.progress import Event, Note
from evenflow.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Balancing:
    """Balances rows as the recipe says: seeded, cached, its notes in the log."""

    recipe: Recipe
    cache: Path | None
    """Folder that keeps balanced rows for the next run."""
    log: Log
    part: str = ""
    """Part of the model that balances, such as ``second``; empty for the whole."""
    counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """Part -> ``before`` and ``after`` -> class -> rows, filled by each call."""

    def within(self, name: str) -> Balancing:
        """Return the balancing of a part's rows, counted under its name."""
        return replace(self, part=f"{self.part}.{name}" if self.part else name)

    def by(self, sampler: Part) -> Balancing:
        """Return the balancing by another sampler than the recipe's."""
        return replace(self, recipe=self.recipe.model_copy(update={"balance": sampler}))

    def __call__(self, rows: Rows) -> Rows:
        """Return balanced rows and, from samplers that weigh, class weights.

        Raises
        ------
        DataError
            The rows cannot be balanced so.
        """
        with self.log.step("balance"):
            try:
                made = self._balanced(rows)
            except DataError as error:
                error.args = (self._named(str(error), rows),)
                raise
        self.counts[self.part] = {"before": counted(rows), "after": counted(made)}
        return made

    def _balanced(self, rows: Rows) -> Rows:
        part, seed = self.recipe.balance, self.recipe.seed
        sampler = balance.make(part.name, part.params, seed)

        def on_event(event: Event) -> None:
            if isinstance(event, Note):
                event = replace(event, text=self._named(event.text, rows))
            self.log.on_event(event)

        def resample() -> balanced_cache.Made:
            made = sampler.fit_resample(
                rows.X, rows.y, layout=rows.layout, on_event=on_event
            )
            layers = getattr(sampler, "encoder_", None) or ()
            flat = [array for layer in layers for array in layer]
            return *made, list(getattr(sampler, "notes_", ())), flat

        # nothing made, or made by code that may change: nothing to keep
        copies = sampler.kind in {"none", "weight"}
        copies |= registry.is_added("balance", part.name)
        cache = None if copies else self.cache
        name = (
            balanced_cache.key(rows.X, rows.y, part.flat() | {"s": seed})
            if cache
            else ""
        )
        X, y, notes, flat = balanced_cache.rows(cache, name, resample)
        self.log.notes(self._named(text, rows) for text in notes)
        encoder = tuple(zip(flat[::2], flat[1::2], strict=True)) or None
        weight = weights(sampler, rows)
        return replace(rows, X=X, y=y, class_weight=weight, encoder=encoder)

    def _named(self, text: str, rows: Rows) -> str:
        text = named(text, rows.classes)
        return f"{self.part}: {text}" if self.part else text


def weights(sampler: Any, rows: Rows) -> NDArray[np.float64] | None:
    """Return class weights of a sampler that weighs, once it saw these rows."""
    found = getattr(sampler, "class_weight_", None)
    if found is None:
        return None
    full = np.ones(rows.n_classes)  # classes without a training row are not weighed
    full[: len(found)] = found
    return full


def plainly(part: Part, seed: int) -> Callable[[Rows], Rows]:
    """Return a sampler as a function of rows, where no recipe keeps account of it."""

    def balanced(rows: Rows) -> Rows:
        sampler = balance.make(part.name, part.params, seed)
        X, y = sampler.fit_resample(rows.X, rows.y, layout=rows.layout)
        return replace(rows, X=X, y=y, class_weight=weights(sampler, rows))

    return balanced


def counted(rows: Rows) -> dict[str, int]:
    """Return class -> number of rows."""
    found: list[Any] = np.bincount(rows.y, minlength=rows.n_classes).tolist()
    return dict(zip(rows.classes, found, strict=True))
