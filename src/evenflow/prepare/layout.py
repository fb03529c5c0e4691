"""The layout of a prepared matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.scaling import Scaler


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout of a prepared matrix, so that a synthetic row could be real.

    The matrix holds the scaled numeric columns, then one 0/1 indicator for each
    column that may be missing, then a one-hot block for each category, then what is
    known of the hosts of each address column.
    """

    names: tuple[str, ...]
    """Feature names, shape ``(n_features,)``: ``service=http`` within a block."""
    n_numeric: int
    blocks: tuple[tuple[int, int], ...]
    """First and one-past-last column of each one-hot block."""
    hosts: tuple[tuple[int, int], ...] = ()
    """First and one-past-last column of what describes the host of each address."""
    low: NDArray[np.float64]
    """Least raw value of each numeric column among the training rows."""
    high: NDArray[np.float64]
    step: NDArray[np.float64]
    """Distance between possible raw values; 0 for a continuous column."""
    scaler: Scaler
    groups: Mapping[str, NDArray[np.int64]]
    """Raw column -> its features in the prepared matrix."""

    @property
    def n_features(self) -> int:
        """Number of columns of the prepared matrix."""
        return len(self.names)

    @cached_property
    def n_indicators(self) -> int:
        """Number of 0/1 indicator columns, which follow the numeric ones."""
        others = sum(b - a for a, b in (*self.blocks, *self.hosts))
        return self.n_features - self.n_numeric - others

    @cached_property
    def continuous(self) -> NDArray[np.bool_]:
        """True for the scaled numeric columns, shape ``(n_features,)``."""
        return np.arange(self.n_features) < self.n_numeric

    def features_of(self, columns: Collection[str]) -> NDArray[np.int64]:
        """Return the features of those raw columns, in the order of the matrix."""
        return np.sort(np.concatenate([self.groups[name] for name in columns]))

    def keeping(self, columns: Collection[str]) -> Layout:
        """Return the layout of the features of those raw columns alone."""
        kept = self.features_of(columns)
        place = {int(old): new for new, old in enumerate(kept)}
        numeric = kept[kept < self.n_numeric].tolist()

        def moved(blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
            return tuple((place[a], place[a] + b - a) for a, b in blocks if a in place)

        return Layout(
            names=tuple(self.names[j] for j in kept),
            n_numeric=len(numeric),
            blocks=moved(self.blocks),
            hosts=moved(self.hosts),
            low=self.low[numeric],
            high=self.high[numeric],
            step=self.step[numeric],
            scaler=self.scaler.keeping(numeric),
            groups={
                name: np.array([place[int(j)] for j in where])
                for name, where in self.groups.items()
                if name in columns
            },
        )

    def snap(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the nearest possible rows to ``X``.

        Counts become whole, rates get their two decimals, values stay within what
        training rows showed, and each one-hot block names exactly one category.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
        """
        out = np.zeros_like(X)
        k, m = self.n_numeric, self.n_numeric + self.n_indicators
        raw = self.scaler.inverse(X[:, :k].astype(np.float64))
        stepped = np.flatnonzero(self.step > 0)
        # steps to the unit: dividing 7 by 100 gives the very 0.07 that a file holds,
        # multiplying 7 by 0.01 does not
        per_unit = 1 / self.step[stepped]
        raw[:, stepped] = np.round(raw[:, stepped] * per_unit) / per_unit
        out[:, :k] = self.scaler.forward(np.clip(raw, self.low, self.high))
        out[:, k:m] = X[:, k:m] > 0.5
        rows = np.arange(len(X))
        for start, stop in self.blocks:
            out[rows, start + X[:, start:stop].argmax(axis=1)] = 1.0
        return out

    def faults(self, X: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
        """Return which rows could not be, by what is wrong with them.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32

        Returns
        -------
        dict of {str: ndarray of shape (n_samples,), bool}
            ``one_hot``: a category column does not name exactly one category;
            ``range``: a number is outside what training rows showed; ``step``: a count
            is not whole, a rate has more decimals, an indicator is neither 0 nor 1.
        """
        k, m = self.n_numeric, self.n_numeric + self.n_indicators
        one_hot = np.zeros(len(X), dtype=bool)
        for start, stop in self.blocks:
            block = X[:, start:stop]
            is_one = ((block == 0) | (block == 1)).all(axis=1) & (
                block.sum(axis=1) == 1
            )
            one_hot |= ~is_one
        # the last bits of float32 are no fault
        is_moved = ~np.isclose(self.snap(X)[:, :m], X[:, :m], rtol=1e-5, atol=1e-5)
        raw = self.scaler.inverse(X[:, :k].astype(np.float64))
        is_out = np.zeros_like(is_moved)
        is_out[:, :k] = (raw < self.low) | (raw > self.high)
        return {
            "one_hot": one_hot,
            "range": np.any(is_moved & is_out, axis=1),
            "step": np.any(is_moved & ~is_out, axis=1),
        }
