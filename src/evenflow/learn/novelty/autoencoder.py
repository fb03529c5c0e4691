"""Small autoencoders of benign rows: rows that they reconstruct badly are novel."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn import devices, loop
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.network import logits_of
from evenflow.learn.novelty import BOUND, Novelty
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from evenflow.learn.graphs import Graph

SOFTENING = 1e-4
"""Addend of the mean squared error, so that its logarithm is finite."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_networks: int = 5
    """Autoencoders, each with weights and a half of the features of its own."""
    hidden: int = 32
    """Units of the layers around the narrowest."""
    narrowest: int = 8
    """Units that a row passes through."""

    def __post_init__(self) -> None:
        for name in ("n_networks", "hidden", "narrowest"):
            if getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected 1 or more. Change it "
                    "in [model]"
                )


class Ensemble(nn.Module):  # type: ignore[misc]
    """Logarithm of the mean squared error with which autoencoders repeat a row."""

    def __init__(self, n_features: int, config: Config) -> None:
        super().__init__()
        n_read = max(1, math.ceil(n_features / 2))
        self.n_read = n_read
        for k in range(config.n_networks):
            pick = torch.zeros(n_features, n_read)
            pick[torch.randperm(n_features)[:n_read], torch.arange(n_read)] = 1.0
            self.register_buffer(f"pick_{k}", pick)
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(n_read, config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, config.narrowest),
                nn.ReLU(),
                nn.Linear(config.narrowest, config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, n_read),
            )
            for _ in range(config.n_networks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to scores ``(B, 1)``."""
        x = x.clamp(-BOUND, BOUND)
        total = 0.0
        for k, network in enumerate(self.networks):
            read = x @ getattr(self, f"pick_{k}")
            squares = (network(read) - read) ** 2
            total = total + squares.sum(dim=1, keepdim=True) / self.n_read
        return torch.log(total / len(self.networks) + SOFTENING)


def build(config: Config, rows: Rows, task: Fitting) -> ReconstructionScorer:
    """Return autoencoders trained on benign rows.

    References
    ----------
    .. [1] Y. Mirsky et al., "Kitsune: an ensemble of autoencoders for online network
       intrusion detection", NDSS 2018. doi:10.14722/ndss.2018.23204 (there, features
       are grouped by correlation and a further autoencoder weighs the errors; here
       each reads a random half, and the mean counts).
    """
    where = devices.resolve(task.device)
    X = torch.tensor(rows.X, device=where)
    X_valid = torch.tensor(task.valid.X, device=where)
    n_features = rows.X.shape[1]

    def judge(network: nn.Module) -> tuple[float, float]:
        if not len(X_valid):
            return math.nan, math.nan
        return float(logits_of(network, X_valid).double().mean()), math.nan

    run = loop.run(
        functools.partial(Ensemble, n_features, config),
        loop.Objective(
            tensors=(X,), loss=lambda scores: scores.exp().mean(), judge=judge
        ),
        task,
        arrays={"X": rows.X, "Xv": task.valid.X},
        settings={"model": "autoencoder", "config": repr(config)},
    )
    return ReconstructionScorer(
        network=run.model,
        n_features=n_features,
        history=run.history,
        notes=loop.notes(run, task),
    )


@dataclass(frozen=True, kw_only=True)
class ReconstructionScorer:
    """Scores a row by the error of its reconstruction."""

    network: nn.Module
    n_features: int
    history: tuple[Epoch, ...]
    notes: tuple[str, ...]

    @property
    def n_parameters(self) -> int:
        """Number of weights learnt."""
        return sum(p.numel() for p in self.network.parameters())

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike benign rows each row is, ``(n_samples,)``."""
        scores = logits_of(self.network, torch.tensor(np.ascontiguousarray(X)))
        found: NDArray[np.float64] = scores.double().numpy()[:, 0]
        return found

    def graph(self) -> Graph:
        """Return a graph that turns ``x`` into ``score``."""
        from evenflow.learn.graphs import of_scorer

        return of_scorer(self.network, self.n_features)


MODEL = Novelty(build, Config)
