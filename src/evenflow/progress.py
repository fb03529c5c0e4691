"""Progress as data: what a long step tells whoever listens.

The command line draws it, the web application stores it, tests collect it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a step has come."""

    step: str
    """What is being done, in a few words: ``balance``, ``score``."""
    done: float
    total: float | None = None
    """None where the end is not known."""
    unit: str = "rows"


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """The figures of one pass over the training rows."""

    number: int
    """Counted from 1."""
    epochs: int
    loss: float
    valid_loss: float
    valid_macro_f1: float
    seconds: float
    rows_per_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A fact the user should read: a fallback, a guess, a cap."""

    text: str
    is_warning: bool = False
    """Whether a result may be wrong or worthless if the fact is ignored."""


Event = Progress | Epoch | Note
OnEvent = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""
