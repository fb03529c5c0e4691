"""The share of attacks among test rows, by how far their score is from the threshold.

A probability is only as good as its calibration, and the calibration rows resemble the
training rows. This table counts on the rows that judged the model: those that neither
fitted nor calibrated it. The report makes it and a verdict reads it by the same
function, :meth:`Bands.place`, so that what is served is what was judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import TIE, Scores
from evenflow.metrics import LEVEL, wilson

FACTORS = (2.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Edges of the bands on either side: odds so many times the threshold's."""
CLEAR = 0.01
"""A benign verdict is clear if the upper bound of the interval of the share of attacks
in its band is under this, an attack if the lower bound is over 1 less this. It takes
381 rows without an exception."""
FAIR = 0.1
"""The same, for a verdict that is fairly sure."""

Sureness = Literal["clear", "fair", "unsure", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """The test rows whose scores lie between two edges."""

    low: float | None
    """Log odds less the threshold, from here (not included); None without an edge."""
    high: float | None
    """The upper edge, which is included."""
    rows: int
    attacks: int

    @property
    def is_attack(self) -> bool:
        """Whether rows of this band are called attacks."""
        return self.low is not None and self.low >= 0

    @property
    def share(self) -> float | None:
        """Share of attacks among the rows; None without rows."""
        return self.attacks / self.rows if self.rows else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval of :attr:`share` at the level of a report."""
        return wilson(self.attacks, self.rows)

    @property
    def sureness(self) -> Sureness:
        """How sure a verdict in this band is, by the bound that speaks against it."""
        if self.interval is None:
            return "unknown"
        low, high = self.interval
        wrong = 1 - low if self.is_attack else high
        return "clear" if wrong < CLEAR else "fair" if wrong < FAIR else "unsure"

    @property
    def name(self) -> str:
        """Where the band lies, in words."""
        side = "over" if self.is_attack else "under"
        ends = [e for e in (self.low, self.high) if e is not None]
        near, far = sorted(round(math.exp(abs(e))) for e in (ends * 2)[:2])
        if len(ends) < 2:
            return f"more than {near:,} times {side}"
        return (
            f"{near:,} to {far:,} times {side}"
            if near > 1
            else f"up to {far:,} times {side}"
        )

    @property
    def text(self) -> str:
        """The share of attacks with its interval, in a sentence."""
        if self.share is None or self.interval is None:
            return (
                "No test row was scored like this, so how often such rows are attacks "
                "is not known."
            )
        low, high = (percent(edge) for edge in self.interval)
        return (
            f"Of test rows scored like this, {percent(self.share)} % were attacks "
            f"({self.attacks:,} of {self.rows:,} rows; {100 * LEVEL:.0f} % interval "
            f"{low} to {high} %)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the band as plain JSON values."""
        low, high = self.interval or (None, None)
        return {
            "from": self.low,
            "to": self.high,
            "rows": self.rows,
            "attacks": self.attacks,
            "share": self.share,
            "low": low,
            "high": high,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the band that :meth:`to_dict` described."""
        return cls(
            low=value["from"],
            high=value["to"],
            rows=value["rows"],
            attacks=value["attacks"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bands:
    """The bands of a model, lowest scores first: each begins where another ends."""

    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        edges = [band.high for band in self.bands[:-1]]
        if edges != [band.low for band in self.bands[1:]] or not edges:
            raise ValueError("the bands of scores do not join")
        if self.bands[0].low is not None or self.bands[-1].high is not None:
            raise ValueError("the bands of scores leave out scores")
        if None in edges or sorted(set(edges)) != edges or 0 not in edges:  # type: ignore[type-var]
            raise ValueError("the edges of the bands are not in order around 0")
        if any(not 0 <= band.attacks <= band.rows for band in self.bands):
            raise ValueError("a band of scores holds more attacks than rows")
        if not any(band.rows for band in self.bands):
            raise ValueError("the bands of scores hold no rows")

    @classmethod
    def of(
        cls, scores: Scores, threshold: float, is_true: NDArray[np.bool_]
    ) -> Self | None:
        """Return the bands of scored rows; None unless benign and attacks are there.

        Parameters
        ----------
        scores : Scores
            Of rows that neither fitted nor calibrated the model.
        threshold : float
            Log odds above which a row is called an attack.
        is_true : ndarray of shape (n_samples,), bool
            Whether each row is an attack.
        """
        if is_true.all() or not is_true.any():
            return None
        over = [math.log(factor) for factor in FACTORS]
        edges = [*(-edge for edge in reversed(over)), 0.0, *over]
        found = _place(np.array(edges), scores.attack - threshold)
        rows, attacks = (
            np.bincount(found[kept], minlength=len(edges) + 1).tolist()
            for kept in (slice(None), is_true)
        )
        return cls(
            bands=tuple(
                Band(low=low, high=high, rows=n, attacks=k)
                for low, high, n, k in zip(
                    [None, *edges], [*edges, None], rows, attacks, strict=True
                )
            )
        )

    def place(self, margin: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of each score's band, ``(n_samples,)``.

        Parameters
        ----------
        margin : ndarray of shape (n_samples,), float64
            Log odds less the threshold. Over 0 is an attack, as
            :meth:`~evenflow.decision.Decision.apply` decides; of the other edges, what
            is over by less than ``TIE`` counts as on the edge, which the band below
            includes: processors differ by that much.
        """
        return _place(np.array([band.high for band in self.bands[:-1]]), margin)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the bands as plain JSON values."""
        return [band.to_dict() for band in self.bands]

    @classmethod
    def from_dict(cls, value: Sequence[Mapping[str, Any]]) -> Self:
        """Return the bands that :meth:`to_dict` described.

        Raises
        ------
        ValueError
            They leave out scores, or hold more attacks than rows.
        """
        return cls(bands=tuple(map(Band.from_dict, value)))


def about(report: Mapping[str, Any]) -> str:
    """Return which rows the bands of a bundle's report counted, in a sentence or two.

    Examples
    --------
    >>> about({"bands": None})
    'No table of test rows came with this model, so how often rows scored like this \
are attacks is not known.'
    """
    if not (bands := report.get("bands")):
        return (
            "No table of test rows came with this model, so how often rows scored like "
            "this are attacks is not known."
        )
    rows, attacks = (sum(band[key] for band in bands) for key in ("rows", "attacks"))
    text = (
        f"The model was tested on {rows:,} rows of {report.get('dataset')!r}, protocol "
        f"{report.get('protocol')}; {percent(attacks / rows)} % of them are attacks. "
        "Where attacks are rarer, so are they at each score."
    )
    if report.get("is_optimistic"):
        text += " The protocol is optimistic: expect worse on new traffic."
    return text


def percent(share: float) -> str:
    """Return a share in per cent, never rounded to 0 or 100 unless it is.

    Examples
    --------
    >>> percent(0.5678), percent(0.00234), percent(0.99995), percent(0.00001)
    ('57', '0.23', '99.995', '0.001')
    """
    value = 100 * share
    if value in (0, 100) or 10 <= value <= 90:
        return f"{value:.0f}"
    rest = min(value, 100 - value)
    if rest >= 1:
        return f"{value:.1f}"
    return f"{value:.{1 - math.floor(math.log10(rest))}f}".rstrip("0")


def _place(
    edges: NDArray[np.float64], margin: NDArray[np.float64]
) -> NDArray[np.int64]:
    return np.searchsorted(edges + np.where(edges == 0, 0.0, TIE), margin, side="left")
