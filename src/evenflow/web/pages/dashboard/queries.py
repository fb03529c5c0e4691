"""Queries of the dashboard on the hourly counts: few, however many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, extract, func, select
from sqlalchemy.orm import Session

from evenflow.judge.charts import class_colors
from evenflow.knowledge import about
from evenflow.schema import ATTACK, BENIGN
from evenflow.web.alerts.queue import WAITING
from evenflow.web.charts import daily
from evenflow.web.frame import ranges
from evenflow.web.frame.permissions import visible
from evenflow.web.frame.polling import word
from evenflow.web.frame.ranges import Bars, Range
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.jobs.queue import LIVE
from evenflow.web.pages.dashboard.span import fine_ends
from evenflow.web.store.database import FINE_S, floor
from evenflow.web.store.tables import Alert, Audit, Job, Record, Tally, now

HOUR_S = 3600
SIDES = (BENIGN, ATTACK)
TOP = 8
"""Services and sources that are named."""
LOOKED_AT = 20_000
"""Newest alerts whose feedback is counted."""
MAX_JOBS = 6
CHANGES = ("alert.change", "alert.bulk", "alert.undo")
"""Actions in the log that change alerts."""
STILL_COUNTED = timedelta(hours=2)
"""Age of the hours whose counts may still grow."""
Counts = Counter[tuple[datetime, str]]
"""Verdicts by the start of a bar and the class."""


def verdicts(session: Session, shown: Range, classes: Sequence[str]) -> dict[str, Any]:
    """Return the verdicts of a range that the current person may see.

    Parameters
    ----------
    shown : Range
        With both ends, as :func:`.span.resolved` gives it.
    classes : sequence of str
        Of the model in use: the order of the colours.

    Returns
    -------
    dict
        ``by_class`` holds class and count, benign first, then the most common attack;
        ``traffic``, ``attacks`` and ``shares`` are charts, the last two of attacks and
        None without any; ``bars`` says how they are cut, ``rows`` what each bar holds,
        ``peak`` which one has the most attacks, and ``outside`` how many verdicts a
        range that the data chose does not show.
    """
    assert shown.since is not None  # noqa: S101
    assert shown.until is not None  # noqa: S101
    bars, counts = _counted(session, shown.since, shown.until)
    totals: Counter[str] = Counter()
    for (_, label), n in counts.items():
        totals[label] += n
    by_class = sorted(totals.items(), key=lambda pair: (pair[0] != BENIGN, -pair[1]))
    attacks = [(label, n) for label, n in by_class if label != BENIGN]
    domain = list(dict.fromkeys([*classes, *sorted(totals)]))
    names = {label: about(label).name for label in domain}
    colours = class_colors.scale(domain, names.__getitem__)
    axis: dict[str, Any] = {"start": bars.start, "end": bars.end}
    rows = _rows(counts, bars)
    found: dict[str, Any] = {
        "n": totals.total(),
        "n_attacks": sum(n for _, n in attacks),
        "by_class": by_class,
        "bars": bars,
        "rows": rows,
        "traffic": daily.over_time(
            list(_sides(rows)),
            class_colors.scale(SIDES),
            shown=SIDES,
            title="verdicts",
            **axis,
        ),
        "services": _top(session, "service", bars),
        "sources": _top(session, "src", bars),
        "peak": max(rows, key=lambda row: (row["attack"], row["at"]), default=None),
        "outside": _outside(session, bars) if shown.is_chosen else 0,
        "attacks": None,
        "shares": None,
    }
    if attacks:
        found["attacks"] = daily.over_time(
            list(_attacks(counts, bars, domain, names)),
            colours,
            shown=[names[label] for label in domain if label in dict(attacks)],
            title="attacks",
            **axis,
        )
        named = [(names[label], n) for label, n in attacks]
        found["shares"] = daily.shares(named, colours, title="verdicts")
    return found


def _counted(session: Session, since: datetime, until: datetime) -> tuple[Bars, Counts]:
    """Return the bars of a range and the verdicts in them.

    Where not all are counted finer than by the hour, no bar is shorter.
    """
    bars = ranges.bars(since, until, least_s=FINE_S)
    if bars.step_s < HOUR_S and fine_ends(session, bars.start, bars.end):
        return bars, _sums(session, "fine", bars)
    bars = ranges.bars(since, until, least_s=HOUR_S)
    return bars, _sums(session, "all", bars)


def _outside(session: Session, bars: Bars) -> int:
    """Return how many verdicts are older or newer than all bars, by whole hours."""
    beyond = (Tally.hour < floor(bars.start, HOUR_S)) | (Tally.hour >= bars.end)
    n = select(func.sum(Tally.n)).where(Tally.facet == "all", beyond)
    return int(session.scalar(visible(n, Tally)) or 0)


def _sums(session: Session, facet: str, bars: Bars) -> Counts:
    seconds = cast(extract("epoch", Tally.hour), BigInteger)
    start = (seconds // bars.step_s).label("start")
    rows = session.execute(
        visible(select(start, Tally.label, func.sum(Tally.n)), Tally)
        .where(Tally.facet == facet, Tally.hour >= bars.start, Tally.hour < bars.end)
        .group_by("start", Tally.label)
    )
    return Counter(
        {
            (datetime.fromtimestamp(at * bars.step_s, UTC), label): int(n)
            for at, label, n in rows
        }
    )


def work(session: Session) -> dict[str, Any]:
    """Return what waits and what runs, as far as the current person may see it.

    That is ``states`` of alerts with their counts, the ``groups`` of those that wait,
    ``feedback`` on them, and ``jobs``.
    """
    waiting = visible(select(Alert.group_id), Alert).where(Alert.state.in_(WAITING))
    states = session.execute(
        visible(select(Alert.state, func.sum(Alert.n)), Alert).group_by(Alert.state)
    ).all()
    return {
        "states": {state: int(n) for state, n in states},
        "groups": session.scalar(
            select(func.count()).select_from(waiting.distinct().subquery())
        ),
        "feedback": _feedback(session),
        "jobs": session.scalars(_live(Job)).all(),
    }


def _live(*what: Any) -> Select[Any]:
    """Return the query of the first jobs that wait or run."""
    mine = visible(select(*what), Job).where(Job.state.in_(LIVE))
    return mine.order_by(Job.created_at).limit(MAX_JOBS)


def _feedback(session: Session) -> list[dict[str, Any]]:
    """Return the feedback by class, most feedback first, benign last."""
    newest = visible(select(Alert.id), Alert).order_by(Alert.id.desc()).limit(LOOKED_AT)
    judged = session.execute(
        visible(select(Alert.label, Alert.judgement, func.count()), Alert)
        .where(Alert.judgement.is_not(None), Alert.id.in_(newest))
        .group_by(Alert.label, Alert.judgement)
    ).all()
    counts: dict[str, Counter[str]] = {}
    for label, judgement, n in judged:
        counts.setdefault(label, Counter())[str(judgement)] = int(n)
    ordered = sorted(counts, key=lambda c: (c == BENIGN, -counts[c].total()))
    return [
        {
            "label": label,
            "name": about(label).name,
            "judged": counts[label].total(),
            "wrong": counts[label]["wrong"],
            "share": counts[label]["wrong"] / counts[label].total(),
        }
        for label in ordered
    ]


def verdicts_revision(session: Session, *more: object) -> str:
    """Return a word that changes when :func:`verdicts` would: one cheap query.

    Counts change in the hours that run; the hour is in the word, for all that leaves.
    """
    hour = floor(now(), HOUR_S)
    seen = session.execute(
        visible(
            select(func.count(), func.max(Tally.id), func.sum(Tally.n)), Tally
        ).where(Tally.facet == "all", Tally.arrived_at >= hour - STILL_COUNTED)
    ).one()
    return word(hour, *seen, *more)


def work_revision(session: Session, *more: object) -> str:
    """Return a word that changes when :func:`work` would: a few cheap queries."""
    ends = [
        session.scalar(visible(select(Alert.id), Alert).order_by(order).limit(1))
        for order in (Alert.id, Alert.id.desc())
    ]
    jobs = session.execute(_live(Job.id, Job.state, Job.progress)).all()
    return word(*ends, _changes(session), *map(tuple, jobs), *more)


def _changes(session: Session) -> int | None:
    """Return the number of the last change of an alert: each is in the log."""
    return session.scalar(select(func.max(Audit.id)).where(Audit.action.in_(CHANGES)))


def is_new(session: Session) -> bool:
    """Return whether the current person has nothing yet: no record, no upload."""
    kept = session.scalar(visible(select(Record.id), Record).limit(1))
    put = session.scalar(
        visible(select(Job.id), Job).where(Job.kind.in_(UPLOADS)).limit(1)
    )
    return kept is None and put is None


def _top(session: Session, facet: str, bars: Bars) -> list[dict[str, Any]]:
    """Return the most frequent services or sources, and their share of attacks.

    They are counted by whole hours.
    """
    n = func.sum(Tally.n)
    attacks = func.sum(case((Tally.label != BENIGN, Tally.n), else_=0))
    start = floor(bars.start, HOUR_S)
    rows = session.execute(
        visible(select(Tally.value, n, attacks), Tally)
        .where(Tally.facet == facet, Tally.hour >= start, Tally.hour < bars.end)
        .group_by(Tally.value)
        .order_by(n.desc(), Tally.value)
        .limit(TOP)
    ).all()
    return [
        {"value": v, "n": int(n), "attacks": int(a), "share": int(a) / int(n)}
        for v, n, a in rows
    ]


def _rows(counts: Counts, bars: Bars) -> list[dict[str, Any]]:
    """Return the bars that hold something: both ends, and the verdicts of each side."""
    summed: dict[datetime, Counter[str]] = {}
    for (at, label), n in counts.items():
        side = "benign" if label == BENIGN else "attack"
        summed.setdefault(at, Counter())[side] += n
    step = timedelta(seconds=bars.step_s)
    return [
        {"at": at, "end": at + step, "benign": n["benign"], "attack": n["attack"]}
        for at, n in sorted(summed.items())
    ]


def _sides(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for rank, side in enumerate(("benign", "attack")):
            if n := row[side]:
                ends = {"at": row["at"], "end": row["end"]}
                yield ends | {"class": side, "n": n, "rank": rank}


def _attacks(
    counts: Counts, bars: Bars, domain: Sequence[str], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    step = timedelta(seconds=bars.step_s)
    for (at, label), n in sorted(counts.items()):
        if label != BENIGN:
            bar = {"class": names[label], "n": n, "rank": domain.index(label)}
            yield bar | {"at": at, "end": at + step, "label": label}
