"""Matrices that put the features of a row at places, the rest of which is zero.

A bundle holds no ``Pad``: a product with a matrix of zeros and ones is as exact.
"""

from __future__ import annotations

import torch
from torch import Tensor


def places(n_features: int, n_places: int) -> Tensor:
    """Return what moves features to the first places, ``(n_features, n_places)``.

    Examples
    --------
    >>> places(2, 3).int().tolist()
    [[1, 0, 0], [0, 1, 0]]
    """
    return torch.eye(n_places)[:n_features].contiguous()
