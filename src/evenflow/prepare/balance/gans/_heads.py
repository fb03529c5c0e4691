"""The common part of generators: rows scaled to their range, and heads for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenflow.prepare.layout import Layout

REACH = 1.1
"""Numbers are ``REACH * tanh``: the ends of [-1, 1], where many rows sit (no byte
sent, no error), are reached by a finite input."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Map the numbers of prepared rows onto [-1, 1]; one-hot blocks stay."""

    center: NDArray[np.float32]
    """Shape ``(n_features,)``; 0 within one-hot blocks."""
    half: NDArray[np.float32]
    """Half the width of each column; 1 within one-hot blocks, never 0."""
    blocks: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, X: NDArray[np.float32], layout: Layout | None) -> Self:
        """Learn least and greatest values from rows ``(n_samples, n_features)``."""
        low, high = X.min(axis=0), X.max(axis=0)
        center, half = (low + high) / 2, (high - low) / 2
        half[half == 0] = 1
        blocks = () if layout is None else layout.blocks
        for start, stop in blocks:
            center[start:stop], half[start:stop] = 0, 1
        return cls(center=center, half=half, blocks=blocks)

    def encode(self, X: NDArray[np.float32]) -> Tensor:
        """Return prepared rows on the scale."""
        return torch.from_numpy((X - self.center) / self.half)

    def decode(self, rows: Tensor) -> NDArray[np.float32]:
        """Return rows of the scale as prepared rows, within the values seen."""
        X: NDArray[np.float32] = rows.clamp(-1, 1).numpy() * self.half + self.center
        return X


class Heads(nn.Module):  # type: ignore[misc]
    """End a generator: a bounded number or a choice, as the columns want it.

    A one-hot block is drawn by Gumbel-softmax, so that a choice stays sharp and
    gradients pass; everything else is ``REACH * tanh``.

    References
    ----------
    .. [1] E. Jang, S. Gu and B. Poole, "Categorical reparameterization with
       Gumbel-softmax", ICLR 2017. arXiv:1611.01144
    """

    def __init__(self, scale: Scale, *, temperature: float = 0.2) -> None:
        super().__init__()
        self.blocks = scale.blocks
        self.temperature = temperature
        is_number = torch.ones(len(scale.center), dtype=torch.bool)
        for start, stop in scale.blocks:
            is_number[start:stop] = False
        self.register_buffer("is_number", is_number)

    def forward(self, h: Tensor, noise: torch.Generator) -> Tensor:
        """Map ``(B, n_features)`` to rows on the scale, ``(B, n_features)``."""
        out = REACH * torch.tanh(h)
        if not self.blocks:
            return out
        uniform = torch.rand(h.shape, generator=noise).clamp(1e-20, 1 - 1e-7)
        gumbel = -torch.log(-torch.log(uniform))
        logits = (h + gumbel) / self.temperature
        parts = [logits[:, a:b].softmax(dim=1) for a, b in self.blocks]
        # blocks follow each other at the end of a prepared row
        first = self.blocks[0][0]
        return torch.cat([out[:, :first], *parts], dim=1)
