"""Networks and trees, and the story of their training in order.

A model is one file in ``models``, ``novelty`` or ``systems`` that holds ``MODEL``. The
kinds of models are here by name, for other distributions too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenflow.learn.estimator import Estimator
    from evenflow.learn.fitting import Fitting, Rows
    from evenflow.learn.losses import Loss
    from evenflow.learn.network import Network
    from evenflow.learn.novelty import Novelty
    from evenflow.learn.systems import System

__all__ = [
    "Estimator",
    "Fitting",
    "Loss",
    "Network",
    "Novelty",
    "Rows",
    "System",
]

_HOMES = {
    "Estimator": "estimator",
    "Fitting": "fitting",
    "Loss": "losses",
    "Network": "network",
    "Novelty": "novelty",
    "Rows": "fitting",
    "System": "systems",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")  # PyTorch is slow
    return getattr(home, name)
