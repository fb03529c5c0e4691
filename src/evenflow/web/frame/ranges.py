"""Ranges of time: as an address names them, and cut into the bars of a chart.

An address has ``range``, one of :data:`PRESETS`, or ``since`` and ``until``, in UTC
where they name no zone. A day as the end is included whole, a time is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import request, url_for

from evenflow.web.store.database import floor
from evenflow.web.store.tables import now

PRESETS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
ALL = "all"
WORDS = {
    "15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 days", "30d": "30 days",
    ALL: "All",
}  # fmt: skip
"""Range -> what the picker calls it."""
STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
    43_200, 86_400, 2 * 86_400, 5 * 86_400, 10 * 86_400, 30 * 86_400, 60 * 86_400,
    120 * 86_400, 365 * 86_400,
)  # fmt: skip
"""Seconds that a bar may stand for; each is at most three times the one before."""
MOST_BARS = 60
NAMES = ("range", "since", "until")


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Some time, as it is asked for or chosen."""

    name: str = ""
    """One of :data:`PRESETS`, ``all``, or empty for a range of its own or none."""
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    typed: Mapping[str, str]
    """``since`` and ``until`` as they were typed."""
    errors: Mapping[str, str]
    is_chosen: bool = False
    """Whether the data chose it, since nothing was asked."""

    @property
    def is_asked(self) -> bool:
        """Whether the address names a range."""
        return bool(self.name or self.since or self.until)

    @property
    def args(self) -> dict[str, str]:
        """The range as an address names it; empty if the address names none."""
        if self.is_chosen or not self.is_asked:
            return {}
        if self.name:
            return {"range": self.name}
        ends = {"since": self.since, "until": self.until}
        return {name: stamp(at) for name, at in ends.items() if at}

    def field(self, name: str) -> str:
        """Return the value of a field of the picker's form."""
        at = self.since if name == "since" else self.until
        if name in self.errors or at is None:
            return self.typed.get(name, "")
        return at.strftime("%Y-%m-%dT%H:%M:%S")

    def links(self, others: Mapping[str, Any], current: str) -> list[dict[str, Any]]:
        """Return all named ranges as links to this page with its other filters."""
        kept = {k: v for k, v in others.items() if v and k not in NAMES}
        kept |= request.view_args or {}
        endpoint = str(request.endpoint)
        return [
            {
                "url": url_for(endpoint, **kept, range=name),
                "text": text,
                "is_current": name == current,
            }
            for name, text in WORDS.items()
        ]


def asked(at: datetime | None = None) -> Range:
    """Return the range that the address of this request names.

    Times of their own win over the name of a range; what is wrong is an error at its
    field and limits nothing.
    """
    typed = {n: request.args.get(n, "").replace("\0", "").strip()[:60] for n in NAMES}
    errors: dict[str, str] = {}
    since, until = moment(typed, "since", errors), moment(typed, "until", errors)
    if since and until and since >= until:
        errors["until"] = "Found a time before the start, expected a later one."
        until = None
    name = typed["range"]
    if typed["since"] or typed["until"] or name not in (*PRESETS, ALL):
        name = ""
    if name in PRESETS:
        since = (at or now()) - PRESETS[name]
    ends = {n: typed[n] for n in ("since", "until")}
    return Range(name=name, since=since, until=until, typed=ends, errors=errors)


def moment(
    typed: Mapping[str, str], name: str, errors: dict[str, str]
) -> datetime | None:
    """Return a time that was typed; what is wrong goes into ``errors``.

    A day is its start; as ``until`` it is the end of the day.
    """
    text = typed[name]
    if not text:
        return None
    try:
        if "T" not in text and " " not in text:
            day = date.fromisoformat(text)
            found = datetime(day.year, day.month, day.day, tzinfo=UTC)
            found += timedelta(days=name == "until")
        else:
            found = datetime.fromisoformat(text)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
            found = found.astimezone(UTC)
        if not 1970 <= found.year < 2200:
            raise ValueError
    except (ValueError, OverflowError):
        errors[name] = (
            f"Found {text[:40]!r}, expected a day such as 2026-03-31 or a time such as "
            "2026-03-31T14:30."
        )
        return None
    return found


def stamp(at: datetime) -> str:
    """Return a time in an address: UTC, to the second where that is all."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """The bars of a chart over a range: all of one length, on round times."""

    start: datetime
    end: datetime
    step_s: int

    @property
    def words(self) -> str:
        """How long a bar is: ``1 hour``."""
        for length, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
            if self.step_s % length == 0:
                n = self.step_s // length
                return f"{n} {word}{'' if n == 1 else 's'}"
        return f"{self.step_s} second{'' if self.step_s == 1 else 's'}"


def bars(since: datetime, until: datetime, *, least_s: int = 1) -> Bars:
    """Return at most 60 bars for a range, and 20 or more unless they are the shortest.

    Parameters
    ----------
    least_s : int
        Seconds of the shortest bar there is.

    Examples
    --------
    >>> week = bars(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
    >>> week.words
    '3 hours'
    """
    span_s = (until - since).total_seconds()
    fitting = (s for s in STEPS_S if s >= least_s and span_s / s <= MOST_BARS)
    step = next(fitting, STEPS_S[-1] * math.ceil(span_s / STEPS_S[-1] / MOST_BARS))
    start = floor(since, step)
    n = max(1, math.ceil((until - start).total_seconds() / step))
    return Bars(start=start, end=start + timedelta(seconds=n * step), step_s=step)
