"""An imbalanced GAN: it learns from features of rows, of the rare classes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evenflow.prepare.balance.gans._autoencoder import Decoder, dense
from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import Contest, OnStep, descend
from evenflow.prepare.balance.gans.cgan import taken_for_real, told_apart
from evenflow.prepare.balance.igan import STRIDE


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of the networks and lengths of both trainings."""

    steps: int
    batch_size: int
    feature_steps: int
    hidden: tuple[int, ...]
    n_features: int
    channels: int
    n_latent: int


class Generator(nn.Module):  # type: ignore[misc]
    """Map noise and a class to features, by convolution along them."""

    def __init__(self, n_classes: int, config: Config) -> None:
        super().__init__()
        self.n_latent, c = config.n_latent, config.channels
        n_places = config.n_features // STRIDE
        self.net = nn.Sequential(
            nn.Linear(config.n_latent + n_classes, 2 * c * n_places),
            nn.ReLU(),
            nn.Unflatten(1, (2 * c, n_places)),
            nn.ConvTranspose1d(2 * c, c, kernel_size=4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose1d(c, 1, kernel_size=4, stride=2, padding=1),
            nn.Flatten(),
            nn.Tanh(),
        )

    def forward(self, classes: Tensor, noise: torch.Generator) -> Tensor:
        """Map classes ``(B, n_classes)`` to features in (-1, 1), (B, n_features)."""
        z = torch.randn((len(classes), self.n_latent), generator=noise)
        made: Tensor = self.net(torch.cat([z, classes], dim=1))
        return made


class Discriminator(nn.Module):  # type: ignore[misc]
    """Map features and a class to a logit, by convolution along the features.

    The class is a channel beside the features at each place, so that what counts as
    real may differ between classes.
    """

    def __init__(self, n_classes: int, config: Config) -> None:
        super().__init__()
        c = config.channels
        self.body = nn.Sequential(
            nn.Conv1d(1 + n_classes, c, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(c, 2 * c, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * c * (config.n_features // STRIDE), 1),
        )

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Map ``(B, n_features)`` and ``(B, n_classes)`` to logits ``(B, 1)``."""
        planes = classes[:, :, None].expand(-1, -1, features.shape[1])
        logits: Tensor = self.body(torch.cat([features[:, None], planes], dim=1))
        return logits


def filtered(source: Source) -> Tensor:
    """Return the codes of the classes that pass the imbalanced-data filter.

    They are those that rows are wanted of; rows of the others never reach the GAN.
    """
    return torch.from_numpy(np.flatnonzero(np.isin(source.labels, source.growing)))


def train(source: Source, config: Config, on_step: OnStep) -> Trained:
    """Train the features on rows of all classes, then the GAN on the rare ones."""
    noise, codes = source.noise, filtered(source)
    widths = (source.n_features, *config.hidden)
    features = nn.Sequential(
        *dense(widths), nn.Linear(widths[-1], config.n_features), nn.Tanh()
    )
    classify = nn.Linear(config.n_features, source.n_classes)
    decoder = Decoder(config.n_features, config.hidden, source.n_features, source.scale)

    def both(rows: Tensor, classes: Tensor) -> Tensor:
        f = features(rows)
        lost = decoder.loss(decoder(f), rows).mean()
        return lost + functional.cross_entropy(classify(f), classes.argmax(dim=1))

    parts = (features, classify, decoder)
    descend(
        both,
        source.draw,
        [one for part in parts for one in part.parameters()],
        steps=config.feature_steps,
        batch_size=config.batch_size,
        on_step=on_step,
    )
    generator = Generator(source.n_classes, config)
    judge = Discriminator(source.n_classes, config)

    def draw(size: int) -> tuple[Tensor, Tensor]:
        rows, classes = source.draw_of(size, codes)
        with torch.no_grad():
            return features(rows), classes

    Contest(steps=config.steps, batch_size=config.batch_size).train(
        lambda _, classes: generator(classes, noise),
        draw,
        maker=list(generator.parameters()),
        judge=list(judge.parameters()),
        maker_loss=lambda _, made, classes: taken_for_real(judge(made, classes)),
        judge_loss=lambda real, made, classes: told_apart(
            judge(real, classes), judge(made, classes)
        ),
        on_step=on_step,
    )
    passed = ", ".join(f"class {label}" for label in source.labels[codes.numpy()])
    return Trained(
        source=source,
        generate=lambda classes: decoder.rows(
            decoder(generator(classes, noise)), noise
        ),
        notes=[
            f"the generator learnt from features of {passed} alone, in {config.steps} "
            "of the steps"
        ],
    )
