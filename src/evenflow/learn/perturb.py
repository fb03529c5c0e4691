"""Noise on a network's inputs while it trains, so that it relies on none of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evenflow.prepare.layout import Layout


class Perturb(nn.Module):  # type: ignore[misc]
    """Add noise to numbers and hide categories; change nothing once trained.

    Parameters
    ----------
    layout : Layout
        Of the rows.
    noise : float
        Standard deviation of what is added to the scaled numbers [1]_.
    hidden : float
        Share of the categories that are given as unseen ones.

    References
    ----------
    .. [1] C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization",
       Neural Computation 7, 1995. doi:10.1162/neco.1995.7.1.108
    """

    def __init__(self, layout: Layout, *, noise: float, hidden: float) -> None:
        super().__init__()
        self.noise, self.hidden = noise, hidden
        self.n_numeric, self.blocks = layout.n_numeric, layout.blocks

    def forward(self, x: Tensor) -> Tensor:
        """Return rows ``(B, n_features)``, perturbed during training."""
        if not self.training:
            return x
        x, n = x.clone(), self.n_numeric
        if self.noise:
            x[:, :n] += self.noise * torch.randn_like(x[:, :n])
        for start, stop in self.blocks if self.hidden else ():
            rows = torch.rand(len(x), device=x.device) < self.hidden
            x[rows, start:stop] = 0.0
            x[rows, stop - 1] = 1.0  # the bucket of unseen values
        return x
