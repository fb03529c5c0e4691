"""Losses that a network may minimise in place of cross-entropy; one file each.

A file holds ``LOSS = Loss(build, Config)``; its name is what a recipe writes under
``[loss]``.
"""

from __future__ import annotations

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
        trained on; ``class_weight`` is a tensor ``(n_classes,)``, or None.
    Config : dataclass
        The parameters that a recipe may set.
    """

    build: Callable[..., Callable[..., Any]]
    Config: type
