"""Figures that others published, each with its protocol and how sure we are.

They stand in ``published.toml``: a survey of systems, and two tables whole, as
printed, wrong rows included, which are marked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from evenflow import toml

Tag = Literal["V", "I"]
TAGS = {
    "V": "read in a published text",
    "I": "follows from a published figure by arithmetic",
}
NOT_STATED = "not stated"
IMPOSSIBLE = "cannot be right as printed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One published number, in per cent."""

    dataset: str
    """Name of the data set in this package, or as published where we have none."""
    test: str
    """Rows that judged: ``KDDTest+``, ``KDDTest-21``, ``random split``..."""
    metric: str
    value: float
    tag: Tag


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """One system of the survey."""

    name: str
    year: int
    what: str
    protocol: str
    figures: tuple[Figure, ...] = ()
    reference: str = ""
    """DOI, where it was read."""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """One row of a printed table, in per cent; None where nothing was printed."""

    method: str
    model: str = ""
    """Model and sampler of ours that the row names, where we have them."""
    balance: str = ""
    accuracy: float
    f1: float
    recall: float
    specificity: float | None = None
    precision: float | None = None

    @property
    def is_possible(self) -> bool:
        """Whether accuracy lies between recall and specificity, as it must.

        Accuracy is their mean, weighted by the shares of attacks and of benign rows.
        """
        if self.specificity is None:
            return True
        low, high = sorted((self.recall, self.specificity))
        return low <= self.accuracy <= high

    @property
    def mark(self) -> str:
        """Why the row cannot be right, or nothing."""
        if self.is_possible:
            return ""
        return f"{IMPOSSIBLE}: accuracy outside recall and specificity"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """All that is cited."""

    systems: tuple[System, ...]
    printed_comparison: tuple[Printed, ...]
    """Accuracy, recall, F1, specificity; data set and split not stated."""
    printed_performance: tuple[Printed, ...]
    """Accuracy, F1, recall, precision; data set and split not stated."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything published as plain JSON values."""
        return {
            "tags": dict(TAGS),
            "systems": [asdict(system) for system in self.systems],
            "printed_comparison": _marked(self.printed_comparison),
            "printed_performance": _marked(self.printed_performance),
        }


def _marked(rows: Sequence[Printed]) -> list[dict[str, Any]]:
    return [asdict(row) | {"mark": row.mark} for row in rows]


@cache
def read() -> Published:
    """Return what ``published.toml`` holds."""
    text = (resources.files("evenflow.judge") / "published.toml").read_text("utf-8")
    found = toml.loads(text)
    return Published(
        systems=tuple(map(_system, found["systems"])),
        printed_comparison=tuple(Printed(**r) for r in found["printed_comparison"]),
        printed_performance=tuple(Printed(**r) for r in found["printed_performance"]),
    )


def _system(value: dict[str, Any]) -> System:
    """Return a system; a table of its figures gives several of one data set."""
    figures = [
        Figure(metric=metric, value=percent, **where)
        for table in value.get("figures", ())
        for where in [{key: table[key] for key in ("dataset", "test", "tag")}]
        for metric, percent in table.items()
        if metric not in where
    ]
    return System(**value | {"figures": tuple(figures)})
