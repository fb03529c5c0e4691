"""The time that the dashboard shows: as it is asked for, or chosen by the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import BigInteger, cast, extract, func, select
from sqlalchemy.orm import Session

from evenflow.web.frame.permissions import visible
from evenflow.web.frame.ranges import ALL, PRESETS, Range
from evenflow.web.store.database import FINE_S, floor
from evenflow.web.store.tables import Tally, now

DAY_S, HOUR_S = 86_400, 3600
HOUR = timedelta(hours=1)
LEAST = timedelta(minutes=15)
GAP = 0.9
"""Share of the whole time above which a gap in the data is not shown."""
BURST = 20
"""A range of which the data fill less than 1/BURST is cut to the data."""


def resolved(session: Session, asked: Range) -> Range:
    """Return the range with both ends; chosen by the data where none is asked.

    Then it is the shortest of the usual ranges that holds all verdicts, or, where some
    are older, the time of most of them without a gap that would fill the chart.
    """
    at = now()
    if asked.name in PRESETS:
        return replace(asked, until=at)
    if not asked.is_asked:
        return replace(_chosen(session, asked, at), is_chosen=True)
    first, last = _ends(session)
    end = last + timedelta(hours=1) if last else at
    until = asked.until or (end if asked.name == ALL else max(at, end))
    start = min(first or at, until) - (timedelta() if first else LEAST)
    since = asked.since or start
    return replace(asked, since=min(since, until - timedelta(seconds=1)), until=until)


def _chosen(session: Session, asked: Range, at: datetime) -> Range:
    first, last = _ends(session)
    if first is None or last is None:
        return replace(asked, name="24h", since=at - PRESETS["24h"], until=at)
    step = timedelta(hours=1)
    if first < at - PRESETS["30d"]:
        first, last = _stretch(_days(session))
        step = timedelta(days=1)
    if (fine := fine_ends(session, first, last + step)) is not None:
        first, last, step = *fine, timedelta(seconds=FINE_S)
    last += step
    for name, length in PRESETS.items():
        if first >= at - length and last <= at + step:
            if last - first < length / BURST and length > LEAST:
                break
            return replace(asked, name=name, since=at - length, until=at)
    pad = max((last - first) / 50, (LEAST - (last - first)) / 2)
    return replace(asked, since=first - pad, until=last + pad)


def fine_ends(
    session: Session, since: datetime, until: datetime
) -> tuple[datetime, datetime] | None:
    """Return the first and last half minute with verdicts in the hours of a range.

    None without verdicts, and where some are counted by the hour alone, as those of a
    long upload or of an older version.
    """
    counts = session.execute(
        visible(
            select(
                Tally.facet,
                func.sum(Tally.n),
                func.min(Tally.hour),
                func.max(Tally.hour),
            ),
            Tally,
        )
        .where(
            Tally.facet.in_(("all", "fine")),
            Tally.hour >= floor(since, HOUR_S),
            Tally.hour < floor(until + HOUR - timedelta(microseconds=1), HOUR_S),
        )
        .group_by(Tally.facet)
    )
    found = {facet: (n, first, last) for facet, n, first, last in counts}
    if "fine" not in found or found["fine"][0] != found.get("all", (0,))[0]:
        return None
    return found["fine"][1:]


def _ends(session: Session) -> tuple[datetime | None, datetime | None]:
    """Return the first and last start of all counts, None without any."""
    ends = select(func.min(Tally.hour), func.max(Tally.hour))
    query = visible(ends, Tally).where(Tally.facet == "all")
    first, last = session.execute(query).one()
    return first, last


def _days(session: Session) -> list[tuple[datetime, int]]:
    """Return the days that have verdicts, and how many."""
    seconds = cast(extract("epoch", Tally.hour), BigInteger)
    day = (seconds // DAY_S).label("day")
    rows = session.execute(
        visible(select(day, func.sum(Tally.n)), Tally)
        .where(Tally.facet == "all")
        .group_by("day")
        .order_by("day")
    )
    return [(datetime.fromtimestamp(d * DAY_S, UTC), int(n)) for d, n in rows]


def _stretch(days: Sequence[tuple[datetime, int]]) -> tuple[datetime, datetime]:
    """Return the first and last day of the most verdicts without an overlong gap."""
    while len(days) > 1:
        whole = days[-1][0] - days[0][0]
        gap, cut = max((b[0] - a[0], k) for k, (a, b) in enumerate(pairwise(days), 1))
        if gap <= GAP * whole or whole <= PRESETS["30d"]:
            break
        older, newer = days[:cut], days[cut:]
        is_newer = sum(n for _, n in newer) >= sum(n for _, n in older)
        days = newer if is_newer else older
    return days[0][0], days[-1][0]
