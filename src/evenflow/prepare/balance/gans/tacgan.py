"""A tabular auxiliary-classifier GAN with two losses of information."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import Contest, OnStep
from evenflow.prepare.balance.gans.cgan import taken_for_real, told_apart
from evenflow.prepare.balance.gans.wgan_gp import Generator

TINY = 1e-8


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of both networks, length of the training, weight of the information."""

    steps: int
    batch_size: int
    hidden: int
    n_latent: int
    information: float


class Judge(nn.Module):  # type: ignore[misc]
    """Map rows to features, and these to a logit of being real and to classes."""

    def __init__(self, n_features: int, n_classes: int, hidden: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_features, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
        )
        self.source = nn.Linear(hidden, 1)
        self.label = nn.Linear(hidden, n_classes)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``(B, n_features)`` to features, logits of real, logits of classes."""
        f = self.body(rows)
        return f, self.source(f), self.label(f)


def information(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far means and spreads of the features of real and made rows differ.

    Parameters
    ----------
    real, made : Tensor
        Features ``(B, n)``.

    Returns
    -------
    tuple of (Tensor, Tensor)
        Euclidean norms of the difference of means, and of standard deviations.

    Examples
    --------
    >>> real = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    >>> made = torch.tensor([[4.0, 4.0], [4.0, 4.0]])
    >>> [round(float(part), 3) for part in information(real, made)]
    [5.0, 1.0]
    """
    mean = (real.mean(dim=0) - made.mean(dim=0)).norm()
    return mean, (_spread(real) - _spread(made)).norm()


def _spread(features: Tensor) -> Tensor:
    # the root of zero has no gradient
    return (features.var(dim=0, correction=0) + TINY).sqrt()


def train(source: Source, config: Config, on_step: OnStep) -> Trained:
    """Train on rows of the classes to be made, each class drawn equally often."""
    noise = source.noise
    generator = Generator(
        source.n_classes,
        source.scale,
        hidden=config.hidden,
        n_latent=config.n_latent,
    )
    judge = Judge(source.n_features, source.n_classes, config.hidden)

    def named(logits: Tensor, classes: Tensor) -> Tensor:
        loss: Tensor = functional.cross_entropy(logits, classes.argmax(dim=1))
        return loss

    def judge_loss(real: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        _, on_real, of_real = judge(real)
        _, on_made, of_made = judge(made)
        return (
            told_apart(on_real, on_made)
            + named(of_real, classes)
            + named(of_made, classes)
        )

    def maker_loss(real: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        with torch.no_grad():
            wanted, _, _ = judge(real)
        features, on_made, of_made = judge(made)
        mean, spread = information(wanted, features)
        return (
            taken_for_real(on_made)
            + named(of_made, classes)
            + config.information * (mean + spread)
        )

    Contest(steps=config.steps, batch_size=config.batch_size).train(
        lambda _, classes: generator(classes, noise),
        source.draw,
        maker=list(generator.parameters()),
        judge=list(judge.parameters()),
        maker_loss=maker_loss,
        judge_loss=judge_loss,
        on_step=on_step,
    )
    generator.eval()
    return Trained(source=source, generate=lambda classes: generator(classes, noise))
