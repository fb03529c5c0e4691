"""A graph network over hosts: a record is read with what its two hosts are like."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.network import Network
from evenflow.prepare.layout import Layout

NO_HOSTS = (
    "every host is unknown, so the network reads connections alone: the recipe names "
    "no columns of addresses (prepare.hosts)"
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    hidden: int = 128
    """Width of each layer."""
    n_layers: int = 2
    """Layers, each of which reads the host's connections again."""
    hidden_hosts: float = 0.2
    """Share of the hosts that are given as unknown ones while it trains, [0, 1)."""
    dropout: float = 0.2
    """Dropout rate of the head's inputs, [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("hidden", "n_layers"):
            if not getattr(self, name) > 0:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a number over 0. "
                    "Change it in [model]"
                )
        for name in ("hidden_hosts", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a share in [0, 1). "
                    "Change it in [model]"
                )


class EGraphSAGEHosts(nn.Module):  # type: ignore[misc]
    """Embed both hosts of a connection by their other connections, then classify it.

    The graph of [1]_: nodes are hosts, edges are connections with their features. All
    nodes start with the same constant; a layer reads a host's embedding and the mean of
    its edges' features; an edge is the concatenation of its hosts' embeddings. An
    address is not a feature: the same traffic between other addresses has equal scores.

    Deviations, so that what is measured is what a sensor would see: the edges are the
    training rows alone, not those that are scored, of which none changes another's
    score; a training row and its copies are not edges of its own hosts
    (``prepare.hosts``). As the mean then lacks the row, its features stand beside the
    embeddings, and a hidden layer reads them together. A host without training rows is
    an unknown one: the constant, and zeros for a mean. Hosts are hidden at random in
    training, so that the network learns what unknown means. A node is an address, in
    [1]_ an address and a port.

    A mean of rows nearly tells which host it is of. Where the hosts of an attack are in
    the training rows and in the test rows, figures are optimistic: the network may
    know the attacker again, not the attack. The split ``grouped`` by both addresses
    tells.

    Parameters
    ----------
    n_features, n_classes : int
    config : Config
    layout : Layout, optional
        Tells which features describe hosts. Without, every host is unknown.

    References
    ----------
    .. [1] W. W. Lo, S. Layeghy, M. Sarhan, M. Gallagher, M. Portmann, "E-GraphSAGE: a
       graph neural network based intrusion detection system for IoT", NOMS 2022.
       doi:10.48550/arXiv.2103.16329
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        config: Config,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        hosts = () if layout is None else layout.hosts
        self.notes = () if hosts else (NO_HOSTS,)
        self.hidden_hosts = config.hidden_hosts
        # products that pick columns: a bundle holds no Slice
        every = torch.eye(n_features)
        is_own = torch.ones(n_features, dtype=torch.bool)
        self.picks = []
        for j, (start, stop) in enumerate(hosts):
            is_own[start:stop] = False
            self.picks.append(f"host{j}")
            self.register_buffer(self.picks[-1], every[:, start:stop].clone())
        self.register_buffer("own", every[:, is_own])
        # before the first layer a host is a constant, which its bias stands for
        widths = [0] + [config.hidden] * (config.n_layers if hosts else 0)
        n_means = hosts[0][1] - hosts[0][0] if hosts else 0
        self.layers = nn.ModuleList(
            nn.Linear(n_in + n_means, n_out) for n_in, n_out in pairwise(widths)
        )
        edge = self.own.shape[1] + config.hidden * len(hosts)
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(edge, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        edge = x
        if self.picks:
            hosts = [self.embedded(x @ self.get_buffer(pick)) for pick in self.picks]
            edge = torch.cat([x @ self.own, *hosts], dim=1)
        logits: Tensor = self.head(edge)
        return logits

    def embedded(self, means: Tensor) -> Tensor:
        """Map what describes a host ``(B, n_means)`` to embeddings ``(B, hidden)``."""
        if self.training and self.hidden_hosts:
            hidden = torch.rand(len(means), 1, device=means.device) < self.hidden_hosts
            means = means.masked_fill(hidden, 0.0)
        reads = means
        for layer in self.layers:
            h = torch.relu(layer(reads))
            reads = torch.cat([h, means], dim=1)
        return h


MODEL = Network(EGraphSAGEHosts, Config)
