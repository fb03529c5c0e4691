"""An encoder and a decoder of prepared rows, as variational autoencoders have them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evenflow.prepare.balance.gans._heads import Scale
from evenflow.prepare.balance.gans._source import Encoder as Layers


def dense(widths: Sequence[int]) -> list[nn.Module]:
    """Return dense layers of those widths, inputs first, each with a ReLU."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers


class Encoder(nn.Module):  # type: ignore[misc]
    """Map rows on the scale to the mean and spread of their codes."""

    def __init__(self, n_features: int, hidden: Sequence[int], n_latent: int) -> None:
        super().__init__()
        widths = (n_features, *hidden)
        self.body = nn.Sequential(*dense(widths))
        self.mean = nn.Linear(widths[-1], n_latent)
        self.log_variance = nn.Linear(widths[-1], n_latent)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Map rows ``(B, n_features)`` to means and log variances ``(B, n_latent)``."""
        h = self.body(rows)
        return self.mean(h), self.log_variance(h).clamp(-10, 10)

    def drawn(self, rows: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return codes ``(B, n_latent)`` and their divergence from the prior, (B,).

        The divergence is that of Kullback and Leibler from a standard normal.
        """
        mean, log_variance = self(rows)
        z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=noise)
        gap = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        return z, gap

    def layers(self, scale: Scale) -> Layers:
        """Return the layers up to the mean, reading prepared rows off the scale."""
        linear = [part for part in self.body if isinstance(part, nn.Linear)]
        found = [
            (part.weight.detach().numpy().copy(), part.bias.detach().numpy().copy())
            for part in (*linear, self.mean)
        ]
        weight, bias = found[0]
        weight = weight / scale.half
        found[0] = (weight, (bias - weight @ scale.center).astype(np.float32))
        return tuple(found)


class Decoder(nn.Module):  # type: ignore[misc]
    """Map codes and classes back to rows.

    A number has a sigmoid over its range, a one-hot block a softmax.
    """

    def __init__(
        self, n_in: int, hidden: Sequence[int], n_features: int, scale: Scale
    ) -> None:
        super().__init__()
        widths = (n_in, *reversed(hidden))
        self.net = nn.Sequential(*dense(widths), nn.Linear(widths[-1], n_features))
        self.blocks = scale.blocks
        self.n_numbers = scale.blocks[0][0] if scale.blocks else n_features

    def forward(self, *parts: Tensor) -> Tensor:
        """Map codes and classes, side by side, to logits ``(B, n_features)``."""
        logits: Tensor = self.net(torch.cat(parts, dim=1))
        return logits

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return the cross-entropy of each row, ``(B,)``, summed over its columns."""
        n = self.n_numbers
        wanted = ((rows[:, :n] + 1) / 2).clamp(0, 1)
        total = functional.binary_cross_entropy_with_logits(
            logits[:, :n], wanted, reduction="none"
        ).sum(dim=1)
        for start, stop in self.blocks:
            total = total - (
                logits[:, start:stop].log_softmax(dim=1) * rows[:, start:stop]
            ).sum(dim=1)
        return total

    def rows(self, logits: Tensor, noise: torch.Generator) -> Tensor:
        """Return rows on the scale: numbers as expected, categories drawn."""
        n = self.n_numbers
        out = torch.zeros_like(logits)
        out[:, :n] = torch.tanh(logits[:, :n] / 2)
        for start, stop in self.blocks:
            share = logits[:, start:stop].softmax(dim=1)
            drawn = torch.multinomial(share, 1, generator=noise)
            out[:, start:stop].scatter_(1, drawn, 1.0)
        return out
