"""A conditional Wasserstein GAN with gradient penalty, for prepared rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evenflow.prepare.balance.gans._heads import Heads, Scale
from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import Contest, OnStep, slope_penalty

PENALTY = 10.0
"""Weight of the squared distance of the critic's gradient norm from 1."""

Points = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Real rows, made rows, noise -> where the critic's gradient is computed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of both networks and length of the training."""

    steps: int
    batch_size: int
    hidden: int
    n_latent: int


class Generator(nn.Module):  # type: ignore[misc]
    """Map noise and a class to a row.

    References
    ----------
    .. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS
       2017. arXiv:1704.00028
    .. [2] M. Mirza and S. Osindero, "Conditional generative adversarial nets",
       2014. arXiv:1411.1784
    """

    def __init__(
        self, n_classes: int, scale: Scale, *, hidden: int, n_latent: int
    ) -> None:
        super().__init__()
        self.n_latent = n_latent
        self.body = nn.Sequential(
            nn.Linear(n_latent + n_classes, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, len(scale.center)),
        )
        self.heads = Heads(scale)

    def forward(self, classes: Tensor, noise: torch.Generator) -> Tensor:
        """Map classes ``(B, n_classes)`` to rows on the scale ``(B, n_features)``."""
        z = torch.randn((len(classes), self.n_latent), generator=noise)
        rows: Tensor = self.heads(self.body(torch.cat([z, classes], dim=1)), noise)
        return rows


def critic(n_in: int, *, hidden: int) -> nn.Module:
    """Return a network that scores rows with their classes: ``(B, n_in)`` -> (B, 1).

    It has no batch statistics: the penalty is on each row's own gradient.
    """
    return nn.Sequential(
        nn.Linear(n_in, hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden, 1),
    )


def between(real: Tensor, made: Tensor, noise: torch.Generator) -> Tensor:
    """Return points between real and made rows, where the gradient is penalised."""
    return real + torch.rand((len(real), 1), generator=noise) * (made - real)


def critic_loss(
    judge: Callable[[Tensor], Tensor],
    real: Tensor,
    made: Tensor,
    points: Tensor,
    classes: Tensor,
) -> Tensor:
    """Return the loss of a critic: it scores real rows high and is smooth at points.

    Parameters
    ----------
    judge : callable
        Rows and classes, side by side, -> scores ``(B, 1)``.
    real, made, points : Tensor
        Shape ``(B, n)`` each.
    classes : Tensor
        Shape ``(B, n_classes)``, of all three.

    Examples
    --------
    A linear critic with a gradient of norm 5 is penalised by 10 times 16:

    >>> line, none = torch.tensor([[3.0], [4.0]]), torch.zeros(1, 0)
    >>> made = torch.tensor([[1.0, 0.0]])
    >>> real = torch.tensor([[0.0, 1.0]])
    >>> float(critic_loss(lambda x: x @ line, real, made, real, none))
    159.0
    """
    penalty = slope_penalty(judge, points, classes)
    both = torch.cat([torch.cat([real, made]), classes.repeat(2, 1)], dim=1)
    on_real, on_made = judge(both).chunk(2)
    loss: Tensor = on_made.mean() - on_real.mean() + PENALTY * penalty
    return loss


def train(
    source: Source, config: Config, on_step: OnStep, *, points: Points = between
) -> Trained:
    """Train on rows of the classes to be made, each class drawn equally often.

    Parameters
    ----------
    points : callable
        Where the critic's gradient is held to a norm of 1.
    """
    noise = source.noise
    sizes = {"hidden": config.hidden, "n_latent": config.n_latent}
    generator = Generator(source.n_classes, source.scale, **sizes)
    judge = critic(source.n_features + source.n_classes, hidden=config.hidden)

    def judge_loss(real: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        return critic_loss(judge, real, made, points(real, made, noise), classes)

    def maker_loss(real: Tensor, made: Tensor, classes: Tensor) -> Tensor:
        del real
        loss: Tensor = -judge(torch.cat([made, classes], dim=1)).mean()
        return loss

    Contest(
        steps=config.steps,
        batch_size=config.batch_size,
        n_judge=5,
        learning_rate=5e-4,
        betas=(0.5, 0.9),
    ).train(
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
