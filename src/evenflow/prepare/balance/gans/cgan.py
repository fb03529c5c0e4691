"""A conditional GAN with the loss of the first GAN, for prepared rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import Contest, OnStep
from evenflow.prepare.balance.gans.wgan_gp import Generator, critic


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of both networks and length of the training."""

    steps: int
    batch_size: int
    hidden: int
    n_latent: int


def told_apart(on_real: Tensor, on_made: Tensor) -> Tensor:
    """Return the loss of a discriminator whose logits say how real rows are.

    Examples
    --------
    The cross-entropy of guessing is ln 2 for each side:

    >>> round(float(told_apart(torch.zeros(1), torch.zeros(1))), 3)
    1.386
    """
    loss: Tensor = softplus(-on_real).mean() + softplus(on_made).mean()
    return loss


def taken_for_real(on_made: Tensor) -> Tensor:
    """Return the loss of a generator, the one that does not saturate.

    Examples
    --------
    >>> round(float(taken_for_real(torch.zeros(1))), 3)
    0.693
    """
    loss: Tensor = softplus(-on_made).mean()
    return loss


def train(source: Source, config: Config, on_step: OnStep) -> Trained:
    """Train on rows of the classes to be made, each class drawn equally often."""
    noise = source.noise
    generator = Generator(
        source.n_classes,
        source.scale,
        hidden=config.hidden,
        n_latent=config.n_latent,
    )
    judge = critic(source.n_features + source.n_classes, hidden=config.hidden)

    def judged(rows: Tensor, classes: Tensor) -> Tensor:
        logits: Tensor = judge(torch.cat([rows, classes], dim=1))
        return logits

    Contest(steps=config.steps, batch_size=config.batch_size).train(
        lambda _, classes: generator(classes, noise),
        source.draw,
        maker=list(generator.parameters()),
        judge=list(judge.parameters()),
        maker_loss=lambda _, made, classes: taken_for_real(judged(made, classes)),
        judge_loss=lambda real, made, classes: told_apart(
            judged(real, classes), judged(made, classes)
        ),
        on_step=on_step,
    )
    generator.eval()
    return Trained(source=source, generate=lambda classes: generator(classes, noise))
