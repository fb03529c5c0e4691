"""LDAM: a larger margin for a rarer class, and weights late in the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evenflow.errors import RecipeError
from evenflow.learn.losses import Loss, mean
from evenflow.learn.losses.class_balanced import check_beta, effective_weights


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[loss]`` in a recipe."""

    max_margin: float = 0.5
    """Margin of the rarest class, a difference of cosines in (0, 1]; that of another
    class falls with the fourth root of its rows."""
    scale: float = 30.0
    """Factor from a cosine to a logit."""
    defer: float = 0.8
    """Share of the epochs without weights, [0, 1]; 1 never weighs. Let
    ``training.patience`` be as large as ``training.epochs``, or a training may stop
    before."""
    beta: float = 0.9999
    """How much of a row is new, [0, 1): weights are inverse effective numbers of
    rows."""

    def __post_init__(self) -> None:
        check_beta(self.beta)
        if not 0 < self.max_margin <= 1:
            raise RecipeError(
                f"max_margin is {self.max_margin}; expected a number in (0, 1]. "
                "Change it in [loss]"
            )
        if not self.scale > 0:
            raise RecipeError(
                f"scale is {self.scale}; expected a number over 0. Change it in [loss]"
            )
        if not 0 <= self.defer <= 1:
            raise RecipeError(
                f"defer is {self.defer}; expected a share in [0, 1]. "
                "Change it in [loss]"
            )


def build(
    config: Config, *, n_rows: NDArray[np.int64], class_weight: Tensor | None
) -> Callable[..., Tensor]:
    """Return cross-entropy with the margin ``max_margin (n_min / n_y)**(1/4)``.

    ``scale * margin`` is taken from the logit of the true class. From the share
    ``defer`` of the epochs on, rows weigh by the effective numbers of rows of their
    class (deferred re-weighting). The network's last layer answers ``scale`` times the
    cosine between what it reads and a class, without a bias, as in the authors' code.

    The exported scores are the softmax of these logits without the margin. They lean to
    rare classes, by margin and weight; calibration brings back the shares of the
    training rows, and a temperature.

    References
    ----------
    .. [1] K. Cao et al., "Learning imbalanced datasets with label-distribution-aware
       margin loss", NeurIPS 2019, its equations 12 and 13 and algorithm 1.
       doi:10.48550/arXiv.1906.07413
    """
    quarter = np.maximum(n_rows, 1) ** -0.25
    margin = torch.tensor(
        config.scale * config.max_margin * quarter / quarter[n_rows > 0].max(),
        dtype=torch.float32,
    )
    late = torch.tensor(effective_weights(n_rows, config.beta), dtype=torch.float32)

    def loss(logits: Tensor, y: Tensor, *, epoch: int, epochs: int) -> Tensor:
        hit = functional.one_hot(y, logits.shape[1])
        each = functional.cross_entropy(
            logits - hit * margin.to(logits), y, reduction="none"
        )
        weight = class_weight
        if epoch >= config.defer * epochs:
            weight = late.to(logits)
            weight = weight if class_weight is None else weight * class_weight
        return mean(each, y, weight)

    return loss


class Cosines(nn.Module):  # type: ignore[misc]
    """A last layer that answers cosines, scaled to logits."""

    def __init__(self, layer: nn.Linear, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = layer.weight, scale

    def forward(self, x: Tensor) -> Tensor:
        """Map what the network found ``(B, n)`` to logits ``(B, n_classes)``."""
        logits: Tensor = self.scale * (_unit(x) @ _unit(self.weight).T)
        return logits


def _unit(x: Tensor) -> Tensor:
    """Return rows of length 1, in the operators that a bundle may hold."""
    return x / ((x * x).sum(dim=1, keepdim=True) + 1e-12).pow(0.5)


def adapt(config: Config, network: nn.Module) -> nn.Module:
    """Return the network with its last linear layer replaced by one of cosines.

    Raises
    ------
    RecipeError
        The network's last layer is not linear.
    """
    *_, (path, last) = network.named_modules()
    if not isinstance(last, nn.Linear):
        raise RecipeError(
            f"loss 'ldam': the last layer of the network is a {type(last).__name__}; "
            "expected a Linear one, to be replaced by cosines. Use another model, or "
            "'logit_adjustment'"
        )
    changed = Cosines(last, config.scale)
    if last is network:
        return changed
    holder, _, name = path.rpartition(".")
    setattr(network.get_submodule(holder), name, changed)
    return network


LOSS = Loss(build, Config, adapt)
