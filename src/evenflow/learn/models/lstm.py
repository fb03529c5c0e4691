"""An LSTM that reads a record a few features at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.models._places import places
from evenflow.learn.network import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    features_per_step: int = 8
    """Features of each step; the last step is filled up with zeros."""
    hidden: int = 64
    """Width of the state."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("features_per_step", "hidden"):
            if getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected 1 or more. "
                    "Change it in [model]"
                )
        if not 0 <= self.dropout < 1:
            raise RecipeError(
                f"dropout is {self.dropout}; expected a share in [0, 1). "
                "Change it in [model]"
            )


class Recurrent(nn.Module):  # type: ignore[misc]
    """Read the features of a record in order, step by step, and classify.

    The head reads the state after every step: the first features need not be carried
    to the end.

    Parameters
    ----------
    kind : type
        ``torch.nn.LSTM`` or ``torch.nn.RNN``.
    n_features, n_classes : int
    config : Config
    """

    def __init__(
        self, kind: Any, n_features: int, n_classes: int, config: Config
    ) -> None:
        super().__init__()
        width = config.features_per_step
        n_steps = math.ceil(n_features / width)
        self.steps = (-1, n_steps, width)
        filled = places(n_features, n_steps * width)
        self.register_buffer("filled", filled, persistent=False)
        self.cells = kind(width, config.hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden * n_steps, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        states, _ = self.cells((x @ self.filled).reshape(self.steps))
        logits: Tensor = self.head(states)  # of (B, n_steps, hidden)
        return logits


def build(n_features: int, n_classes: int, config: Config) -> nn.Module:
    """Return an LSTM over the features of a record.

    It is the LSTM of the BoT-IoT baselines [2]_ and of the first layer of LIO-IDS [3]_.
    Deviation: the sizes of their layers are not known to us, ours stand in.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural
       Computation 9(8), 1997. doi:10.1162/neco.1997.9.8.1735
    .. [2] N. Koroniotis, N. Moustafa, E. Sitnikova, B. Turnbull, "Towards the
       development of realistic botnet dataset in the Internet of Things for network
       forensic analytics: Bot-IoT dataset", Future Generation Computer Systems 100,
       2019. doi:10.1016/j.future.2019.05.041
    .. [3] N. Gupta, V. Jindal, P. Bedi, "LIO-IDS: handling class imbalance using LSTM
       and improved one-vs-one technique in intrusion detection system", Computer
       Networks 192, 2021. doi:10.1016/j.comnet.2021.108076
    """
    return Recurrent(nn.LSTM, n_features, n_classes, config)


MODEL = Network(build, Config)
