"""Reports of drift: as a sentence, and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

NAMED = 5
"""Columns that a sentence names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A share of rows that has risen."""

    tail: float | None
    """Share of the highest scores of rows decided to be benign; None: the rows over
    the threshold."""
    before: float
    """In calibration."""
    now: float
    n: int
    """Rows since then."""
    since: int
    """Time in nanoseconds, or row of a file."""

    def since_at(self, at: int) -> Share:
        """Return the share as one that rose at that time."""
        return replace(self, since=at)

    def to_dict(self) -> dict[str, Any]:
        """Return the share as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A column whose distribution has moved."""

    name: str
    psi: float
    """Population stability index."""
    ks: float
    """Greatest difference of the distribution functions."""

    def __str__(self) -> str:
        return f"{self.name} (PSI {self.psi:.2f}, KS {self.ks:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The state of drift at one time."""

    status: Literal["began", "joined", "ended"]
    at: int
    """Time in nanoseconds, or row of a file."""
    is_live: bool
    rows: int
    """Rows seen."""
    share: Share | None
    columns: tuple[Moved, ...]
    """Those that have moved, the farthest first."""
    classes: Mapping[str, Mapping[str, float]]
    """Share of each class in calibration, and its estimate now; may be empty."""

    @property
    def is_drifted(self) -> bool:
        """Whether something has drifted."""
        return self.share is not None or bool(self.columns)

    def __str__(self) -> str:
        noun = "connections" if self.is_live else "records"
        if not self.is_drifted:
            return f"drift has ended: {noun} look as in calibration again"
        parts = []
        if self.share is not None:
            parts.append(self._share(self.share, noun))
        if self.columns:
            named = ", ".join(map(str, self.columns[:NAMED]))
            more = len(self.columns) - NAMED
            parts.append(
                f"columns whose values moved most since calibration: {named}"
                f"{f' and {more} more' if more > 0 else ''}"
            )
        cause = f"the model may not fit these {noun}"
        if self.share is not None and self.share.tail is None:
            cause = f"many hosts attack, or {cause}"
        return f"drift: {'; '.join(parts)}; {cause}"

    def _share(self, share: Share, noun: str) -> str:
        which = "over the threshold"
        if share.tail is not None:
            which = (
                f"decided to be benign that score like the highest {share.tail:.0%} in "
                "calibration"
            )
        since = moment(share.since) if self.is_live else f"row {share.since:,}"
        return (
            f"the share of {noun} {which} was {share.before:.1%} in calibration and is "
            f"{share.now:.1%} of {share.n:,} since {since}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        share = None
        if self.share is not None:
            share = self.share.to_dict()
            if self.is_live:
                share["since"] = moment(self.share.since)
        return {
            "is_drifted": self.is_drifted,
            "rows": self.rows,
            "share": share,
            "columns": [
                {"name": one.name, "psi": round(one.psi, 4), "ks": round(one.ks, 4)}
                for one in self.columns
            ],
            "classes": {name: dict(share) for name, share in self.classes.items()},
        }


def moment(ns: int) -> str:
    """Return nanoseconds since 1970 as a time to the minute."""
    return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%d %H:%M} UTC"
