"""The interface of every trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto


class Fitted(Protocol):
    """A trained model: a network, an estimator, a novelty detector or a system."""

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        ...

    @property
    def n_classes(self) -> int:
        """Classes it answers, benign first."""
        ...

    @property
    def history(self) -> tuple[Epoch, ...]:
        """One entry per epoch; empty for a model that has none."""
        ...

    @property
    def n_parameters(self) -> int:
        """Numbers learnt: the weights of a network, the nodes of trees."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read."""
        ...

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        ...

    def graph(self) -> ModelProto:
        """Return the model as ONNX: ``x`` (N, n_features) to ``log_proba``.

        :func:`evenflow.learn.export.to_onnx` compares it with :meth:`log_proba`.
        """
        ...
