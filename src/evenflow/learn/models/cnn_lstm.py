"""Convolutions that shorten the feature axis, and an LSTM that reads what is left."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.models.cnn import check_convolution, convolutions
from evenflow.learn.network import Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    channels: tuple[int, ...] = (32, 64)
    """Filters of each convolution; multiples of 16 run fastest."""
    kernel_size: int = 3
    """Features that each filter of the second and later layers sees."""
    stem_kernel_size: int = 5
    """Features that each filter of the first layer sees."""
    stem_stride: int = 2
    """Stride of the first layer in features; 2 halves the steps of the LSTM."""
    batch_norm: bool = True
    """Normalise after each convolution; folded into it when exported."""
    hidden: int = 64
    """Width of the LSTM's state."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        check_convolution(self)
        if self.hidden < 1:
            raise RecipeError(
                f"hidden is {self.hidden}; expected 1 or more. Change it in [model]"
            )


class CNNLSTM(nn.Module):  # type: ignore[misc]
    """Convolve and pool along the feature axis, read it with an LSTM, classify.

    The head reads the state after every step, not after the last alone: the LSTM
    is no longer asked to carry the first features to the end.

    References
    ----------
    .. [1] R. Vinayakumar, K. P. Soman, P. Poornachandran, "Applying convolutional
       neural network for network intrusion detection", ICACCI 2017 (its CNN-LSTM).
       doi:10.1109/ICACCI.2017.8126009
    .. [2] S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural
       Computation 9(8), 1997. doi:10.1162/neco.1997.9.8.1735
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        config: Config,
        *,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.front, width = convolutions(n_features, config)
        self.lstm = nn.LSTM(
            config.channels[-1],
            config.hidden,
            batch_first=True,
            bidirectional=bidirectional,
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear((1 + bidirectional) * config.hidden * width, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        maps = self.front(x[:, None, None, :])  # (B, channels, 1, width)
        steps = maps.squeeze(2).transpose(1, 2)  # (B, width, channels)
        states, _ = self.lstm(steps)  # (B, width, hidden), twice as many both ways
        logits: Tensor = self.head(states)
        return logits


MODEL = Network(CNNLSTM, Config)
