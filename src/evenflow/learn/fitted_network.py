"""A trained network and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evenflow.progress import Epoch

SCORE_BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """A trained network, on the CPU, its best weights in place."""

    model: nn.Module
    n_features: int
    n_classes: int
    history: tuple[Epoch, ...]
    best_epoch: int
    """The epoch whose weights these are."""
    notes: tuple[str, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of weights learnt."""
        return sum(p.numel() for p in self.model.parameters())

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        if not len(X):
            return np.empty((0, self.n_classes))
        x = torch.tensor(np.ascontiguousarray(X, dtype=np.float32))
        logits = logits_of(self.model, x).double()
        proba: NDArray[np.float64] = functional.log_softmax(logits, dim=1).numpy()
        return proba

    def to_onnx(self) -> bytes:
        """Return the network as ONNX: ``x`` (N, n_features) to ``log_proba``.

        Raises
        ------
        BundleError
            What ONNX Runtime computes differs from what this object computes.
        """
        from evenflow.learn.export import network_to_onnx

        return network_to_onnx(self)


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Return float32 logits of rows, as they will be served."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in x.split(SCORE_BATCH)])
