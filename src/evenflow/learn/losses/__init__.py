"""Losses that a network may minimise in place of cross-entropy; one file each.

A file holds ``LOSS = Loss(build, Config)``; its name is what a recipe writes under
``[loss]``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


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
    adapt : callable, optional
        ``adapt(config, network)`` returns the network to be trained and exported in
        place of the one given, for a loss that needs another last layer.
    """

    build: Callable[..., Callable[..., Any]]
    Config: type
    adapt: Callable[[Any, nn.Module], nn.Module] | None = None


def at_epoch(loss: Callable[..., Any], epoch: int, epochs: int) -> Callable[..., Any]:
    """Return a loss as it is in one epoch, counted from 0."""
    accepted = inspect.signature(loss).parameters
    known = {"epoch": epoch, "epochs": epochs}
    return functools.partial(loss, **{k: v for k, v in known.items() if k in accepted})


def mean(each: Tensor, y: Tensor, class_weight: Tensor | None) -> Tensor:
    """Return the mean over the weights of the losses of rows, as cross-entropy does.

    Parameters
    ----------
    each : Tensor of shape (B,)
        Loss of each row.
    y : Tensor of shape (B,)
        Class codes.
    class_weight : Tensor of shape (n_classes,), optional
        Weight of each class; equal ones without.
    """
    if class_weight is None:
        return each.mean()
    weight = class_weight[y]
    return (weight * each).sum() / weight.sum()
