"""A graph network: a record gathers what the training rows near to it are like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.fitting import Rows
from evenflow.learn.network import Network

FARTHEST = 8.0
"""Bound of a feature in distances: rounding grows with their square."""
SAME = 1e-3
"""Squared distance below which two rows are one."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_references: int = 1000
    """Training rows that others are attached to; of each class as many, where it has
    them."""
    hidden: int = 64
    """Width of each layer."""
    sharpness: float = 4.0
    """How fast the weight of a neighbour falls with its distance: the greater, the
    fewer neighbours count."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("n_references", "hidden", "sharpness"):
            if not getattr(self, name) > 0:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a number over 0. "
                    "Change it in [model]"
                )
        if not 0 <= self.dropout < 1:
            raise RecipeError(
                f"dropout is {self.dropout}; expected a share in [0, 1). "
                "Change it in [model]"
            )


class EGraphSAGE(nn.Module):  # type: ignore[misc]
    """Gather the neighbours of a record twice, then classify it.

    A layer reads a node and the mean of its neighbours, as in [1]_ and [2]_; the second
    one reads what the first made of both. Deviations from [1]_, whose nodes are hosts
    and whose edges are connections: addresses are left out here, so that nodes are
    records, and edges lead to training rows alone. No record that is scored is a
    neighbour. All references are neighbours, weighed by
    ``softmax(-sharpness d**2 / m)``, where ``m`` is the mean squared distance between a
    reference and the nearest different one, in place of a fixed number drawn at random;
    a reference is its own neighbour, too.

    Parameters
    ----------
    n_features, n_classes : int
    config : Config
    rows : Rows, optional
        Training rows, among which the references are drawn. Without them a row of
        zeros stands for all.

    References
    ----------
    .. [1] W. W. Lo, S. Layeghy, M. Sarhan, M. Gallagher, M. Portmann, "E-GraphSAGE: a
       graph neural network based intrusion detection system for IoT", NOMS 2022.
       doi:10.48550/arXiv.2103.16329
    .. [2] W. L. Hamilton, R. Ying, J. Leskovec, "Inductive representation learning on
       large graphs", NIPS 2017. doi:10.48550/arXiv.1706.02216
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        config: Config,
        rows: Rows | None = None,
    ) -> None:
        super().__init__()
        near = torch.zeros(1, n_features)
        if rows is not None:
            near = torch.tensor(rows.X[drawn(rows, config.n_references)])
        self.register_buffer("references", near)
        bounded = near.clamp(-FARTHEST, FARTHEST)
        scale = config.sharpness / mean_nearest(bounded)
        self.register_buffer("towards", 2 * scale * bounded.T.contiguous())
        self.register_buffer("offset", -scale * (bounded**2).sum(dim=1))
        self.first = nn.Linear(2 * n_features, config.hidden)
        self.second = nn.Linear(2 * config.hidden, config.hidden)
        self.head = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(2 * config.hidden, n_classes)
        )

    def weights(self, x: Tensor) -> Tensor:
        """Return the weight of each reference for rows, ``(B, n_references)``."""
        # the square of x itself is the same for all references
        near = x.clamp(-FARTHEST, FARTHEST) @ self.towards + self.offset
        return torch.softmax(near, dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        weights = self.weights(x)
        its = self.layer(self.references, self.weights(self.references))
        own = self.layer(x, weights)
        gathered = torch.cat([own, weights @ its], dim=1)
        both = torch.cat([own, torch.relu(self.second(gathered))], dim=1)
        logits: Tensor = self.head(both)
        return logits

    def layer(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the first layer of rows whose neighbours have these weights."""
        gathered = torch.cat([x, weights @ self.references], dim=1)
        return torch.relu(self.first(gathered))


def drawn(rows: Rows, n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return places of ``n`` rows, of each class as many where it has them."""
    order = torch.randperm(len(rows)).numpy()
    y = rows.y[order]
    turn = np.empty(len(y), dtype=np.int64)  # how many of its class came before a row
    for code in np.unique(y):
        mine = y == code
        turn[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turn, kind="stable")[:n]])


def mean_nearest(near: Tensor) -> float:
    """Return the mean squared distance to the nearest different row, 0.1 at least."""
    apart = torch.cdist(near, near) ** 2
    apart[apart < SAME] = torch.inf
    least = apart.min(dim=1).values
    least = least[torch.isfinite(least)]
    return max(float(least.mean()), 0.1) if len(least) else 1.0


MODEL = Network(EGraphSAGE, Config)
