"""A conditional variational autoencoder that rejects rows it cannot reconstruct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenflow.prepare.balance.gans._autoencoder import Decoder, Encoder
from evenflow.prepare.balance.gans._source import CHUNK, Source, Trained, one_hot
from evenflow.prepare.balance.gans._training import OnStep, descend, one_thread

ROUNDS = 4
"""Times that rows which were rejected are made again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Sizes of both networks, length of the training, and the test of new rows."""

    steps: int
    batch_size: int
    hidden: tuple[int, ...]
    n_latent: int
    loss_scale: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested(Trained):
    """A generator that keeps the rows with a small loss of reconstruction."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """Rows on the scale and their classes -> loss of each, ``(B,)``."""
    most: Tensor
    """Greatest loss that a row of each class may have, ``(n_classes,)``."""

    def make(self, label: int, n: int) -> NDArray[np.float32]:
        """Return ``n`` new prepared rows of a class, ``(n, n_features)``."""
        code = int(np.flatnonzero(self.source.labels == label)[0])
        kept: list[Tensor] = []
        others, their_loss, n_kept, n_made = [], [], 0, 0
        with torch.no_grad(), one_thread():
            while n_kept < n and n_made < ROUNDS * n:
                codes = torch.full((min(CHUNK, n - n_kept),), code)
                classes = one_hot(codes, self.source.n_classes)
                rows = self.generate(classes)
                loss = self.loss(rows, classes)
                is_good = loss <= self.most[code]
                kept.append(rows[is_good])
                others.append(rows[~is_good])
                their_loss.append(loss[~is_good])
                n_kept, n_made = n_kept + int(is_good.sum()), n_made + len(rows)
        self.notes.append(
            f"class {label}: {n_made - n_kept} of {n_made} rows made have a loss of "
            f"reconstruction over {float(self.most[code]):.4g}, the most allowed"
        )
        if n_kept < n:
            best = torch.cat(their_loss).argsort(stable=True)[: n - n_kept]
            kept.append(torch.cat(others)[best])
            self.notes.append(
                f"class {label}: {n - n_kept} of them are kept, those of the least "
                f"loss, since {n} rows are wanted"
            )
        return self.source.scale.decode(torch.cat(kept))


def train(source: Source, config: Config, on_step: OnStep) -> Tested:
    """Train on rows of all classes, each class drawn equally often."""
    noise = source.noise
    encoder = Encoder(source.n_features, config.hidden, config.n_latent)
    decoder = Decoder(
        config.n_latent + source.n_classes,
        config.hidden,
        source.n_features,
        source.scale,
    )

    def bound(rows: Tensor, classes: Tensor) -> Tensor:
        z, gap = encoder.drawn(rows, noise)
        loss: Tensor = (decoder.loss(decoder(z, classes), rows) + gap).mean()
        return loss

    descend(
        bound,
        source.draw,
        [*encoder.parameters(), *decoder.parameters()],
        steps=config.steps,
        batch_size=config.batch_size,
        on_step=on_step,
    )

    def loss(rows: Tensor, classes: Tensor) -> Tensor:
        mean, _ = encoder(rows)
        return decoder.loss(decoder(mean, classes), rows)

    def generate(classes: Tensor) -> Tensor:
        z = torch.randn((len(classes), config.n_latent), generator=noise)
        return decoder.rows(decoder(z, classes), noise)

    return Tested(
        source=source,
        generate=generate,
        encoder=encoder.layers(source.scale),
        loss=loss,
        most=config.loss_scale * greatest(source, loss),
    )


def greatest(source: Source, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the greatest loss among the training rows of each class."""
    found = torch.zeros(source.n_classes)
    with torch.no_grad():
        for code, mine in enumerate(source.members):
            for part in mine.split(CHUNK):
                classes = one_hot(torch.full((len(part),), code), source.n_classes)
                here = loss(source.rows[part], classes).max()
                found[code] = torch.maximum(found[code], here)
    return found
