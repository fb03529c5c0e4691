"""Losses that a network may minimise in place of cross-entropy; one file each.

A file holds ``LOSS = Loss(build, Config)``; its name is what a recipe writes under
``[loss]``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Loss:
    """A plug-in of ``losses``.

    Parameters
    ----------
    build : callable
        ``build(config, *, n_rows, class_weight)`` returns ``loss(logits, y)``: the mean
        loss of a batch, from float32 logits ``(B, n_classes)`` and codes ``(B,)``.
        ``n_rows`` ``(n_classes,)`` counts the rows of each class that the network is
        trained on; ``class_weight`` is a tensor ``(n_classes,)``, or None. A loss that
        names them, ``loss(logits, y, *, epoch, epochs)``, is given the number of the
        epoch, from 0, and the maximum number of epochs.
    Config : dataclass
        The parameters that a recipe may set.
    """

    build: Callable[..., Callable[..., Any]]
    Config: type


def at_epoch(loss: Callable[..., Any], epoch: int, epochs: int) -> Callable[..., Any]:
    """Return a loss as it is in one epoch, counted from 0."""
    accepted = inspect.signature(loss).parameters
    known = {"epoch": epoch, "epochs": epochs}
    return functools.partial(loss, **{k: v for k, v in known.items() if k in accepted})
