"""The training rows of a generator, and the rows that it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenflow.prepare.balance.gans._heads import Scale
from evenflow.prepare.balance.gans._training import one_thread
from evenflow.prepare.layout import Layout

CHUNK = 8192
"""Rows that are made at a time."""

Encoder = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
"""Weights ``(n_out, n_in)`` and bias ``(n_out,)`` of each layer that reads rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Training rows on a generator's scale, drawn class by class."""

    scale: Scale
    rows: Tensor
    """Shape ``(n_samples, n_features)``."""
    labels: NDArray[np.int64]
    """Label of each class, ascending, shape ``(n_classes,)``."""
    members: list[Tensor]
    """Numbers of the rows of each class."""
    growing: NDArray[np.int64]
    """Labels of the classes that rows are wanted of."""
    noise: torch.Generator
    """All that is random while training and making comes from it."""

    @classmethod
    def of(
        cls,
        X: NDArray[np.float32],
        y: NDArray[np.int64],
        *,
        layout: Layout | None,
        growing: NDArray[np.int64],
        seed: int,
    ) -> Self:
        """Return the source of prepared rows ``(n_samples, n_features)``."""
        scale = Scale.of(X, layout)
        labels, code = np.unique(y, return_inverse=True)
        return cls(
            scale=scale,
            rows=scale.encode(X),
            labels=labels,
            members=[
                torch.from_numpy(np.flatnonzero(code == c)) for c in range(len(labels))
            ],
            growing=growing,
            noise=torch.Generator().manual_seed(seed),
        )

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return int(self.rows.shape[1])

    @property
    def n_classes(self) -> int:
        """Classes that there are rows of."""
        return len(self.labels)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Return rows and their classes, each class drawn equally often.

        Returns
        -------
        rows : Tensor of shape (size, n_features)
        classes : Tensor of shape (size, n_classes)
            One-hot.
        """
        return self.draw_of(size, torch.arange(self.n_classes))

    def draw_of(self, size: int, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return what :meth:`draw` does, of some classes alone."""
        drawn = codes[torch.randint(len(codes), (size,), generator=self.noise)]
        picked = torch.empty(size, dtype=torch.int64)
        for c, mine in enumerate(self.members):
            here = drawn == c
            n = int(here.sum())
            picked[here] = mine[torch.randint(len(mine), (n,), generator=self.noise)]
        return self.rows[picked], one_hot(drawn, self.n_classes)


def one_hot(codes: Tensor, n_classes: int) -> Tensor:
    """Return class codes ``(B,)`` as ``(B, n_classes)``."""
    return nn.functional.one_hot(codes, n_classes).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained generator that makes rows of any class that it has seen."""

    source: Source
    generate: Callable[[Tensor], Tensor]
    """Classes ``(B, n_classes)`` -> rows on the scale, ``(B, n_features)``."""
    notes: list[str] = field(default_factory=list)
    """Facts about the rows made so far."""
    encoder: Encoder | None = None
    """Layers that read prepared rows, where the method has them."""

    def make(self, label: int, n: int) -> NDArray[np.float32]:
        """Return ``n`` new prepared rows of a class, ``(n, n_features)``."""
        code = int(np.flatnonzero(self.source.labels == label)[0])
        parts = []
        with torch.no_grad(), one_thread():
            for start in range(0, n, CHUNK):
                codes = torch.full((min(CHUNK, n - start),), code)
                rows = self.generate(one_hot(codes, self.source.n_classes))
                parts.append(self.source.scale.decode(rows))
        return np.concatenate(parts)
