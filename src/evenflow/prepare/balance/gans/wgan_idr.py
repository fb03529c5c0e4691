"""A Wasserstein GAN whose critic is held smooth around real rows alone."""

from __future__ import annotations

import torch
from torch import Tensor

from evenflow.prepare.balance.gans import wgan_gp
from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import OnStep

SPREAD = 0.5
"""Greatest distance of a point from its real row, in standard deviations."""

Config = wgan_gp.Config


def around(real: Tensor, made: Tensor, noise: torch.Generator) -> Tensor:
    """Return points near real rows, wherever the made rows are.

    Each column of a row is moved by up to half the standard deviation of the batch.

    Examples
    --------
    >>> real = torch.tensor([[0.0], [2.0]])
    >>> near = around(real, torch.full((2, 1), 99.0), torch.Generator())
    >>> bool(((near - real >= 0) & (near - real <= 0.5 * real.std())).all())
    True
    """
    del made
    part = torch.rand(real.shape, generator=noise)
    return real + SPREAD * real.std() * part


def train(source: Source, config: wgan_gp.Config, on_step: OnStep) -> Trained:
    """Train as the GAN with gradient penalty, the penalty near real rows."""
    return wgan_gp.train(source, config, on_step, points=around)
