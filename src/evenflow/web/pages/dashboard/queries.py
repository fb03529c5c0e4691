"""Queries of the dashboard on the hourly counts: few, however many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from evenflow.judge.charts import class_colors
from evenflow.knowledge import about
from evenflow.schema import ATTACK, BENIGN
from evenflow.web.charts import daily
from evenflow.web.frame.permissions import visible
from evenflow.web.frame.polling import word
from evenflow.web.jobs.kinds import UPLOADS
from evenflow.web.jobs.queue import LIVE
from evenflow.web.store.tables import Alert, Audit, Job, Record, Tally, now

RANGES = {"24h": (24, 1), "7d": (7 * 24, 6), "30d": (30 * 24, 24)}
"""Name of a range -> its hours, and the hours of one bar."""
BARS = {1: "hour", 6: "six hours", 24: "day"}
SIDES = (BENIGN, ATTACK)
TOP = 8
"""Services and sources that are named."""
LOOKED_AT = 20_000
"""Newest alerts whose feedback is counted."""
MAX_JOBS = 6
STILL_COUNTED = timedelta(hours=2)
"""Age of the hours whose counts may still grow."""
Counts = Counter[tuple[datetime, str]]
"""Verdicts by the start of a bar and the class."""


def verdicts(
    session: Session, range_name: str, classes: Sequence[str]
) -> dict[str, Any]:
    """Return the verdicts of a range that the current person may see.

    Parameters
    ----------
    range_name : {'24h', '7d', '30d'}
    classes : sequence of str
        Of the model in use: the order of the colours.

    Returns
    -------
    dict
        ``by_class`` holds class and count, benign first, then the most common attack;
        ``traffic``, ``attacks`` and ``shares`` are charts, the last two of attacks and
        None without any; ``peak`` says when the most attacks were.
    """
    hours, step = RANGES[range_name]
    end = _bar(now(), step) + timedelta(hours=step)
    start = end - timedelta(hours=hours)
    rows = session.execute(
        visible(select(Tally.hour, Tally.label, func.sum(Tally.n)), Tally)
        .where(Tally.facet == "all", Tally.hour >= start)
        .group_by(Tally.hour, Tally.label)
    ).all()
    counts: Counts = Counter()
    totals: Counter[str] = Counter()
    for hour, label, n in rows:
        counts[_bar(hour, step), label] += int(n)
        totals[label] += int(n)
    by_class = sorted(totals.items(), key=lambda pair: (pair[0] != BENIGN, -pair[1]))
    attacks = [(label, n) for label, n in by_class if label != BENIGN]
    domain = list(dict.fromkeys([*classes, *sorted(totals)]))
    names = {label: about(label).name for label in domain}
    colours = class_colors.scale(domain, names.__getitem__)
    axis: dict[str, Any] = {"start": start, "end": end}
    shown: dict[str, Any] = {
        "n": totals.total(),
        "n_attacks": sum(n for _, n in attacks),
        "by_class": by_class,
        "traffic": daily.over_time(
            list(_sides(counts, step)),
            class_colors.scale(SIDES),
            shown=SIDES,
            title="verdicts",
            **axis,
        ),
        "services": _top(session, "service", start),
        "sources": _top(session, "src", start),
        "peak": _peak(counts, step),
        "attacks": None,
        "shares": None,
    }
    if attacks:
        shown["attacks"] = daily.over_time(
            list(_attacks(counts, step, domain, names)),
            colours,
            shown=[names[label] for label in domain if label in dict(attacks)],
            title="attacks",
            **axis,
        )
        named = [(names[label], n) for label, n in attacks]
        shown["shares"] = daily.shares(named, colours, title="verdicts")
    return shown


def work(session: Session) -> dict[str, Any]:
    """Return what waits and what runs, as far as the current person may see it.

    That is ``states`` of alerts with their counts, ``feedback`` on them, and ``jobs``.
    """
    states = session.execute(
        visible(select(Alert.state, func.count()), Alert).group_by(Alert.state)
    ).all()
    return {
        "states": {state: int(n) for state, n in states},
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
    hour = _hour(now())
    seen = session.execute(
        visible(
            select(func.count(), func.max(Tally.id), func.sum(Tally.n)), Tally
        ).where(Tally.facet == "all", Tally.hour >= hour - STILL_COUNTED)
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
    query = select(Audit.id).where(Audit.action == "alert.change")
    return session.scalar(query.order_by(Audit.id.desc()).limit(1))


def is_new(session: Session) -> bool:
    """Return whether the current person has nothing yet: no record, no upload."""
    kept = session.scalar(visible(select(Record.id), Record).limit(1))
    put = session.scalar(
        visible(select(Job.id), Job).where(Job.kind.in_(UPLOADS)).limit(1)
    )
    return kept is None and put is None


def _top(session: Session, facet: str, start: datetime) -> list[dict[str, Any]]:
    """Return the most frequent services or sources, and their share of attacks."""
    n = func.sum(Tally.n)
    attacks = func.sum(case((Tally.label != BENIGN, Tally.n), else_=0))
    rows = session.execute(
        visible(select(Tally.value, n, attacks), Tally)
        .where(Tally.facet == facet, Tally.hour >= start)
        .group_by(Tally.value)
        .order_by(n.desc(), Tally.value)
        .limit(TOP)
    ).all()
    return [
        {"value": v, "n": int(n), "attacks": int(a), "share": int(a) / int(n)}
        for v, n, a in rows
    ]


def _sides(counts: Counts, step: int) -> Iterator[dict[str, Any]]:
    summed: Counter[tuple[datetime, bool]] = Counter()
    for (at, label), n in counts.items():
        summed[at, label != BENIGN] += n
    for (at, is_attack), n in sorted(summed.items()):
        side = "attack" if is_attack else "benign"
        yield _when(at, step) | {"class": side, "n": n, "rank": int(is_attack)}


def _attacks(
    counts: Counts, step: int, domain: Sequence[str], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for (at, label), n in sorted(counts.items()):
        if label != BENIGN:
            bar = {"class": names[label], "n": n, "rank": domain.index(label)}
            yield _when(at, step) | bar


def _when(at: datetime, step: int) -> dict[str, Any]:
    """Return where a bar begins and ends; a gap tells it from the next one."""
    end = at + timedelta(hours=step) - timedelta(minutes=6 * step)
    return {"at": at.isoformat(), "to": end.isoformat(), "from": _time_text(at, step)}


def _peak(counts: Counts, step: int) -> str:
    summed: Counter[datetime] = Counter()
    for (at, label), n in counts.items():
        if label != BENIGN:
            summed[at] += n
    if not summed:
        return ""
    at = max(summed, key=lambda moment: (summed[moment], moment))
    return f"{summed[at]:,} on {_time_text(at, step)}"


def _time_text(at: datetime, step: int) -> str:
    return at.strftime("%d %B" if step == 24 else "%d %B, %H:%M UTC")


def _bar(at: datetime, step: int) -> datetime:
    """Return when the bar begins that a moment is in."""
    return _hour(at).replace(hour=at.hour - at.hour % step)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
