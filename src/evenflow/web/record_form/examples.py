"""Records to try, one or more of each class: training rows a bundle keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evenflow.knowledge import about
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict, verdicts
from evenflow.web.record_form.fields import Value

PER_CLASS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One golden row as an example: what it is, and what the model says of it."""

    row: int
    """Number of the golden row; stays the same for a bundle."""
    label: str
    """Class it truly is; empty where the bundle did not keep it."""
    name: str
    """That class in plain words."""
    verdict: Verdict
    is_right: bool | None
    """Whether the model decides its class; None where that is not known."""
    n_right: int
    """Golden rows of its class the model gets right, ..."""
    n_rows: int
    """... of so many."""
    record: Mapping[str, Value]
    """Raw values by column."""

    @property
    def text(self) -> str:
        """The verdict to expect of it."""
        says = about(self.verdict.label).name.lower()
        if self.is_right is None:
            return f"A training row; the model calls it {says}."
        if self.is_right:
            return f"The model calls it {says}, and it is."
        missed = (
            "The model misses this class"
            if not self.n_right and self.n_rows > 1
            else "The model is wrong here"
        )
        return f"{missed}: it says {says}."


def examples(bundle: Bundle, *, per_class: int = PER_CLASS) -> tuple[Example, ...]:
    """Return examples of every class, in class order, those the model gets right first.

    They are rows the model was trained on, so they say nothing of how good it is.
    Where the bundle keeps no classes, they are chosen by what the model says of them.
    """
    golden, schema = bundle.golden, bundle.schema
    scores = bundle.decide(golden)
    decided = list(verdicts(scores, schema, bundle.decision, bands=bundle.bands))
    code = scores.code if golden.y is None else golden.y
    found = []
    for k, label in enumerate(schema.classes):
        rows = np.flatnonzero(code == k)
        right = scores.verdict[rows] == k
        best = np.lexsort((-scores.proba[rows, k], ~right))[:per_class]
        for i in rows[best].tolist():
            record = golden.frame.row(i, named=True)
            found.append(
                Example(
                    row=i,
                    label="" if golden.y is None else label,
                    name=about(label).name if golden.y is not None else "Training row",
                    verdict=decided[i],
                    is_right=None if golden.y is None else bool(scores.verdict[i] == k),
                    n_right=int(right.sum()),
                    n_rows=len(rows),
                    record={n: _finite(v) for n, v in record.items()},
                )
            )
    return tuple(found)


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
