"""A multi-layer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.network import Network

Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    hidden: tuple[int, ...] = (256, 128, 64)
    """Units of each hidden layer."""
    batch_norm: bool = True
    """Normalise before each activation; folded into the layer when served."""
    dropout: float = 0.2
    """Dropout rate of each hidden layer, [0, 1)."""

    def __post_init__(self) -> None:
        if any(units < 1 for units in self.hidden):
            raise RecipeError(
                f"hidden is {list(self.hidden)}; expected numbers of 1 or more. "
                "Change it in [model]"
            )
        if not 0 <= self.dropout < 1:
            raise RecipeError(
                f"dropout is {self.dropout}; expected a share in [0, 1). "
                "Change it in [model]"
            )


class DNN(nn.Module):  # type: ignore[misc]
    """Dense layers with batch normalisation and dropout, narrowing to the classes.

    Where the sampler has an encoder, and its layers have the widths of the first hidden
    layers here, these start from its weights [2]_; the bias only without batch
    normalisation, which has its own.

    References
    ----------
    .. [1] R. Vinayakumar et al., "Deep learning approach for intelligent intrusion
       detection system", IEEE Access 7, 2019. doi:10.1109/ACCESS.2019.2895334
    .. [2] Y. Yang, K. Zheng, C. Wu and Y. Yang, "Improving the classification
       effectiveness of intrusion detection by using improved conditional variational
       autoencoder and deep neural network", Sensors 19(11), 2019.
       doi:10.3390/s19112528
    """

    notes: tuple[str, ...] = ()
    """Of how it starts, for whoever trains it."""

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        config: Config,
        encoder: Layers | None = None,
    ) -> None:
        super().__init__()
        widths = (n_features, *config.hidden)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [
                nn.Linear(n_in, n_out, bias=not config.batch_norm),
                *([nn.BatchNorm1d(n_out)] if config.batch_norm else []),
                nn.ReLU(inplace=True),
                nn.Dropout(config.dropout),
            ]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], n_classes))
        if encoder is not None:
            self._start_from(encoder)

    def _start_from(self, encoder: Layers) -> None:
        """Take an encoder's weights, if its layers fit the first ones here."""
        own = [part for part in self.net if isinstance(part, nn.Linear)][:-1]
        shapes = [weight.shape for weight, _ in encoder]
        mine = [tuple(part.weight.shape) for part in own]
        if shapes != mine[: len(shapes)]:
            widths = ", ".join(str(n_out) for n_out, _ in shapes)
            self.notes = (
                "the network starts from random weights, not from the sampler's "
                f"encoder: hidden layers of other widths than its {widths}",
            )
            return
        with torch.no_grad():
            for part, (weight, bias) in zip(own, encoder, strict=False):
                part.weight.copy_(torch.from_numpy(weight))
                if part.bias is not None:
                    part.bias.copy_(torch.from_numpy(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        logits: Tensor = self.net(x)
        return logits


MODEL = Network(DNN, Config)
