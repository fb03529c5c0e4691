"""Invertible scaling of numeric columns, learnt on training rows, in NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

Scaling = Literal["log1p_standard", "standard", "minmax", "quantile"]
SCALINGS: tuple[str, ...] = get_args(Scaling)
N_QUANTILES = 256


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """An invertible map of each numeric column onto a scale models like.

    ``z = (g(x) - center) / scale`` where ``g`` is the signed ``log1p`` for
    ``log1p_standard``, the empirical distribution function for ``quantile`` and the
    identity otherwise.
    """

    kind: Scaling
    center: NDArray[np.float64]
    """Shape ``(n_numeric,)``."""
    scale: NDArray[np.float64]
    """Shape ``(n_numeric,)``; never zero."""
    quantiles: NDArray[np.float64]
    """Shape ``(n_numeric, N_QUANTILES)`` for ``quantile``, else ``(n_numeric, 0)``."""

    @classmethod
    def fit(cls, kind: Scaling, x: NDArray[np.float64]) -> Self:
        """Learn the map from rows ``(n_samples, n_numeric)`` without missing values."""
        n = x.shape[1]
        quantiles = np.empty((n, 0))
        with np.errstate(all="ignore"):  # Preprocessor.check refuses what overflowed
            if kind == "minmax":
                center, scale = x.min(axis=0), np.ptp(x, axis=0)
            elif kind == "quantile":
                levels = np.linspace(0.0, 1.0, N_QUANTILES)
                quantiles = np.quantile(x, levels, axis=0).T.copy()
                center, scale = np.zeros(n), np.ones(n)
            else:
                g = signed_log1p(x) if kind == "log1p_standard" else x
                center, scale = g.mean(axis=0), g.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        return cls(kind=kind, center=center, scale=scale, quantiles=quantiles)

    @property
    def is_finite(self) -> NDArray[np.bool_]:
        """Whether the map of each column was learnt without overflow."""
        found: NDArray[np.bool_] = (
            np.isfinite(self.center)
            & np.isfinite(self.scale)
            & np.isfinite(self.quantiles).all(axis=1)
        )
        return found

    def keeping(self, columns: list[int]) -> Self:
        """Return the map of some of the columns, by number."""
        return replace(
            self,
            center=self.center[columns],
            scale=self.scale[columns],
            quantiles=self.quantiles[columns],
        )

    def forward(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map raw values ``(n_samples, n_numeric)`` onto the scale."""
        if self.kind == "quantile":
            levels = np.linspace(0.0, 1.0, N_QUANTILES)
            columns = [
                # the middle of a plateau: a value shared by half the rows has one level
                (np.interp(c, q, levels) + 1 - np.interp(-c, -q[::-1], levels)) / 2
                for c, q in zip(x.T, self.quantiles, strict=True)
            ]
            return np.stack(columns, axis=1) if columns else x.copy()
        g = signed_log1p(x) if self.kind == "log1p_standard" else x.copy()
        g -= self.center  # in place: half the memory traffic
        g /= self.scale
        return g

    def inverse(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map values on the scale ``(n_samples, n_numeric)`` back to raw values."""
        if self.kind == "quantile":
            levels = np.linspace(0.0, 1.0, N_QUANTILES)
            columns = [
                np.interp(c, levels, q)
                for c, q in zip(z.T, self.quantiles, strict=True)
            ]
            return np.stack(columns, axis=1) if columns else z.copy()
        g = z * self.scale + self.center
        return signed_expm1(g) if self.kind == "log1p_standard" else g


def signed_log1p(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``sign(x) log(1 + |x|)``."""
    out = np.abs(x)
    np.log1p(out, out=out)
    np.copysign(out, x, out=out)
    return out


def signed_expm1(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of :func:`signed_log1p`."""
    return np.copysign(np.expm1(np.abs(g)), g)
