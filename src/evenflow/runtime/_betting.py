"""Bets against the claim that an event has at most its calibrated share.

Wealth begins at 1 and multiplies by a likelihood ratio at each row, so that under the
claim it is a supermartingale: by Ville's inequality it ever reaches 100 with a
probability of at most 1 %, whenever somebody looks. Because the share may rise at any
time, a part of the wealth is held back and bets from each row on.

References
----------
.. [1] V. Vovk, I. Nouretdinov, A. Gammerman, "Testing exchangeability on-line",
   ICML 2003. doi:10.5555/3041838.3041935.
.. [2] D. Volkhonskiy et al., "Inductive conformal martingales for change-point
   detection", COPA 2017. doi:10.48550/arXiv.1706.03415.
.. [3] V. Vovk, "Testing randomness online", Statistical Science 36, 2021.
   doi:10.1214/20-STS817.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

POWERS = (0.75, 0.5, 0.25)
"""A bet against a share of ``p`` is for one of ``p`` to these powers."""
GREATEST = 0.9
"""Greatest share that is bet against."""


class Bets:
    """Bets against several claims at once; wealth is the mean over all of them.

    Parameters
    ----------
    claims : sequence of float
        Share that each event has at most; one of ``GREATEST`` or more gets no bet.

    Attributes
    ----------
    n : ndarray of shape (n_claims,), int64
        Rows seen.
    """

    def __init__(self, claims: Sequence[float]) -> None:
        p = np.array(claims, dtype=np.float64)
        self.claims = p
        self._open = (p < GREATEST) & (p > 0)
        safe = np.where(self._open, p, 0.5)[:, None]
        q = safe ** np.array(POWERS)
        self._hit, self._miss = np.log(q / safe), np.log((1 - q) / (1 - safe))
        self._log = np.full(q.shape, -np.inf)
        self._best = np.zeros(q.shape)
        self._since = np.zeros((*q.shape, 3), dtype=np.int64)
        self.n = np.zeros(len(p), dtype=np.int64)

    def add(self, hits: Sequence[int], n: Sequence[int], at: int) -> None:
        """Take note of rows.

        Parameters
        ----------
        hits, n : sequence of int
            Of each claim, how many rows have the event, and how many there are.
        at : int
            Time of the first of the rows.
        """
        k, m = np.array(hits)[:, None], np.array(n)[:, None]
        gain = np.where(self._open[:, None], k * self._hit + (m - k) * self._miss, 0.0)
        before, after = self.n[:, None], self.n[:, None] + m
        with np.errstate(divide="ignore"):  # nothing is put in without rows
            new = np.log(1 / (before + 1) - 1 / (after + 1))
        self._log = np.logaddexp(self._log, new) + gain
        starts = (self._best <= 0) & (m > 0)
        self._since[starts] = (at, 0, 0)
        self._best = np.where(starts, 0.0, self._best) + gain
        self._since[..., 1] += k
        self._since[..., 2] += m
        self.n = self.n + np.array(n)

    @property
    def log_wealth(self) -> float:
        """The logarithm of the wealth."""
        held = np.log(1 / (self.n + 1))[:, None]
        return float(np.logaddexp.reduce(np.logaddexp(self._log, held), axis=None)) - (
            math.log(self._log.size)
        )

    @property
    def leading(self) -> tuple[int, int, int, int]:
        """The claim that is worst, since when, and its hits and rows since then."""
        worst = np.unravel_index(int(self._best.argmax()), self._best.shape)
        at, hits, n = self._since[worst].tolist()
        return int(worst[0]), at, hits, n

    def to_dict(self) -> dict[str, Any]:
        """Return the bets as JSON values."""
        return {
            "claims": self.claims.tolist(),
            "log": [None if x == -np.inf else x for x in self._log.ravel().tolist()],
            "best": self._best.ravel().tolist(),
            "since": self._since.ravel().tolist(),
            "n": self.n.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the bets of :meth:`to_dict`; ``ValueError`` for other values."""
        made = cls([float(p) for p in value["claims"]])

        def read(name: str, like: NDArray[Any]) -> NDArray[Any]:
            values = [-np.inf if x is None else x for x in value[name]]
            return np.array(values, dtype=like.dtype).reshape(like.shape)

        made._log, made._best = read("log", made._log), read("best", made._best)
        made._since, made.n = read("since", made._since), read("n", made.n)
        if np.isnan(made._log).any() or not np.isfinite(made._best).all():
            raise ValueError("bets that are not numbers")
        return made
