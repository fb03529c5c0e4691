"""A supervised adversarial autoencoder: a critic holds its codes to a normal prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evenflow.prepare.balance.gans._autoencoder import Decoder, Encoder
from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import Contest, OnStep
from evenflow.prepare.balance.gans.wgan_gp import between, critic, critic_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of the networks and length of the training."""

    steps: int
    batch_size: int
    hidden: tuple[int, ...]
    n_latent: int
    adversary: float


def train(source: Source, config: Config, on_step: OnStep) -> Trained:
    """Train on rows of all classes, each class drawn equally often.

    The critic tells codes of rows from draws of the prior, class by class. The encoder
    lowers the loss of reconstruction and raises the critic's score of its codes; the
    decoder is given the class beside the code, so that the code need not hold it.
    """
    noise = source.noise
    encoder = Encoder(source.n_features, config.hidden, config.n_latent)
    decoder = Decoder(
        config.n_latent + source.n_classes,
        config.hidden,
        source.n_features,
        source.scale,
    )
    judge = critic(config.n_latent + source.n_classes, hidden=64)

    def prior(n: int) -> Tensor:
        return torch.randn((n, config.n_latent), generator=noise)

    def judge_loss(rows: Tensor, codes: Tensor, classes: Tensor) -> Tensor:
        del rows
        drawn = prior(len(codes))
        points = between(drawn, codes, noise)
        return critic_loss(judge, drawn, codes, points, classes)

    def maker_loss(rows: Tensor, codes: Tensor, classes: Tensor) -> Tensor:
        lost = decoder.loss(decoder(codes, classes), rows).mean()
        score = judge(torch.cat([codes, classes], dim=1)).mean()
        return lost - config.adversary * score

    Contest(
        steps=config.steps,
        batch_size=config.batch_size,
        n_judge=5,
        learning_rate=1e-3,
        betas=(0.5, 0.9),
    ).train(
        lambda rows, _: encoder.drawn(rows, noise)[0],
        source.draw,
        maker=[*encoder.parameters(), *decoder.parameters()],
        judge=list(judge.parameters()),
        maker_loss=maker_loss,
        judge_loss=judge_loss,
        on_step=on_step,
    )
    return Trained(
        source=source,
        generate=lambda classes: decoder.rows(
            decoder(prior(len(classes)), classes), noise
        ),
        encoder=encoder.layers(source.scale),
    )
