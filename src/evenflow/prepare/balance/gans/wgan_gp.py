"""A conditional Wasserstein GAN with gradient penalty, for prepared rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenflow.prepare.balance.gans._adversary import Adversary, one_thread
from evenflow.prepare.balance.gans._heads import Heads, Scale
from evenflow.prepare.layout import Layout


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

    def __init__(self, n_classes: int, scale: Scale, config: Config) -> None:
        super().__init__()
        width, self.n_latent = config.hidden, config.n_latent
        self.body = nn.Sequential(
            nn.Linear(config.n_latent + n_classes, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Linear(width, len(scale.center)),
        )
        self.heads = Heads(scale)

    def forward(self, classes: Tensor, noise: torch.Generator) -> Tensor:
        """Map classes ``(B, n_classes)`` to rows on the scale ``(B, n_features)``."""
        z = torch.randn((len(classes), self.n_latent), generator=noise)
        rows: Tensor = self.heads(self.body(torch.cat([z, classes], dim=1)), noise)
        return rows


def critic(n_in: int, config: Config) -> nn.Module:
    """Return a network that scores rows with their classes: ``(B, n_in)`` -> (B, 1).

    It has no batch statistics: the penalty is on each row's own gradient.
    """
    return nn.Sequential(
        nn.Linear(n_in, config.hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(config.hidden, config.hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(config.hidden, 1),
    )


class Wgan:
    """A trained generator that makes rows of any class it has seen."""

    def __init__(
        self,
        generator: Generator,
        classes: NDArray[np.int64],
        scale: Scale,
        noise: torch.Generator,
    ) -> None:
        self._generator = generator
        self._classes = classes
        self._scale = scale
        self._noise = noise

    def make(self, label: int, n: int) -> NDArray[np.float32]:
        """Return ``n`` new prepared rows of a class, ``(n, n_features)``."""
        code = int(np.flatnonzero(self._classes == label)[0])
        parts = []
        with torch.no_grad(), one_thread():
            for start in range(0, n, 8192):
                size = min(8192, n - start)
                classes = torch.zeros((size, len(self._classes)))
                classes[:, code] = 1
                parts.append(self._scale.decode(self._generator(classes, self._noise)))
        return np.concatenate(parts)


def train(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    layout: Layout | None,
    config: Config,
    seed: int,
    on_step: Callable[[int], None],
) -> Wgan:
    """Train on rows of the classes to be made, each class drawn equally often.

    Runs on one thread of the CPU, on purpose: networks this small gain little from
    more, and the same seed then gives the same rows wherever the model itself is
    trained.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
    y : ndarray of shape (n_samples,), int64
    seed : int
    on_step : callable
        Told the number of each generator step.
    """
    scale = Scale.of(X, layout)
    rows = scale.encode(X)
    labels, code = np.unique(y, return_inverse=True)
    members = [torch.from_numpy(np.flatnonzero(code == c)) for c in range(len(labels))]
    noise = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(len(labels), scale, config)
        judge = critic(X.shape[1] + len(labels), config)

    def draw(size: int) -> tuple[Tensor, Tensor]:
        drawn = torch.randint(len(labels), (size,), generator=noise)
        picked = torch.empty(size, dtype=torch.int64)
        for c, mine in enumerate(members):
            here = drawn == c
            n = int(here.sum())
            picked[here] = mine[torch.randint(len(mine), (n,), generator=noise)]
        return rows[picked], nn.functional.one_hot(drawn, len(labels)).float()

    with one_thread():
        Adversary(steps=config.steps, batch_size=config.batch_size).train(
            lambda classes: generator(classes, noise),
            judge,
            list(generator.parameters()),
            draw,
            noise,
            on_step,
        )
    return Wgan(generator.eval(), labels, scale, noise)
