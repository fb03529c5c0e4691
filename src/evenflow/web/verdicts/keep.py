"""Keep a verdict: the history, the alert if it is an attack, the counts.

All of it in the caller's transaction, so that none can be there without the others.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.web.alerts import groups
from evenflow.web.store.database import (
    FINE_S,
    add_timed_tallies,
    floor,
    serialize,
    upsert,
)
from evenflow.web.store.tables import Alert, Record, now
from evenflow.web.verdicts import event_time
from evenflow.web.verdicts.facets import (
    DESTINATIONS,
    MAX_FACETS,
    SERVICES,
    SOURCES,
    facet,
)
from evenflow.web.verdicts.reason import first_reason
from evenflow.web.verdicts.view import VerdictView

RECORD_ONLY = frozenset({"is_attack", "client_id", "view"})
"""Columns of a record that its alert has not."""
MAX_OTHERS, MAX_TEXT = 100, 500
"""Columns stored beside the bundle's own, and characters of a text: untrusted rows have
any number."""


def keep_record(
    session: Session,
    bundle: Bundle,
    values: Mapping[str, Any],
    verdict: Verdict,
    *,
    owner_id: int | None,
    source: str,
    view: VerdictView | None = None,
    client_id: str | None = None,
    time_column: str = "",
) -> Record:
    """Add a record to the history and, if it is an attack, to the alerts.

    With an id of the client nothing is added a second time: of two calls, also at the
    same moment, one adds the record and the other one returns it.

    Parameters
    ----------
    values : mapping
        The record's raw values by column name, and whatever else came with it.
    source : {'form', 'api'}
    view : VerdictView, optional
        The verdict as it was shown.
    client_id : str, optional
        What the sender calls this record, unlike all others of the same owner and
        source.
    time_column : str
        Column that holds the event time; empty to look for one.
    """
    of: dict[str, Any] = {"owner_id": owner_id, "at": now(), "source": source}
    [happened] = event_time.of_records([values], of["at"], time_column)
    row = _row(bundle, values, verdict, client_id, of, happened)
    record: Record | None = session.scalar(
        upsert(session, Record)
        .values(row | {"view": {} if view is None else view.to_dict()})
        .on_conflict_do_nothing(index_elements=["owner_id", "source", "client_id"])
        .returning(Record)
    )
    if record is None:
        found = sent_as(session, owner_id, source, client_id)
        assert found is not None  # noqa: S101 (it is why the row was not added)
        return found
    if verdict.is_attack:
        alert = _alert(row, record.id)
        groups.assign(session, [alert], lambda _: first_reason(bundle, values, view))
        session.add(Alert(**alert))
    _tally(session, bundle, [row], of)
    return record


def keep_records(
    session: Session,
    bundle: Bundle,
    rows: Sequence[tuple[str | None, Mapping[str, Any], Verdict]],
    *,
    owner_id: int | None,
    source: str,
    time_column: str = "",
) -> list[tuple[int, int | None]]:
    """Add many records as :func:`keep_record` adds one; return their numbers.

    Parameters
    ----------
    rows : sequence of (client_id, values, verdict)
        None of them was kept before; see :func:`sent_together`.

    Returns
    -------
    list of (int, int or None)
        The number of each record, and that of its alert.
    """
    if not rows:
        return []
    of: dict[str, Any] = {"owner_id": owner_id, "at": now(), "source": source}
    happened = event_time.of_records(
        [values for _, values, _ in rows], of["at"], time_column
    )
    made = [
        _row(bundle, values, verdict, name, of, event_at) | {"view": {}}
        for (name, values, verdict), event_at in zip(rows, happened, strict=True)
    ]
    ids = _inserted(session, Record, made)
    pairs = list(zip(made, ids, strict=True))
    attacks = [_alert(row, number) for row, number in pairs if row["is_attack"]]
    groups.assign(session, attacks, lambda row: first_reason(bundle, row["values"]))
    opened = iter(_inserted(session, Alert, attacks))
    _tally(session, bundle, made, of)
    return [(n, next(opened) if row["is_attack"] else None) for row, n in pairs]


def _inserted(session: Session, table: Any, rows: list[dict[str, Any]]) -> list[int]:
    """Insert rows; return their numbers, in their order."""
    if not rows:
        return []
    numbers = insert(table).returning(table.id, sort_by_parameter_order=True)
    return list(session.scalars(numbers, rows))


def _row(
    bundle: Bundle,
    values: Mapping[str, Any],
    verdict: Verdict,
    client_id: str | None,
    of: Mapping[str, Any],
    event_at: datetime,
) -> dict[str, Any]:
    """Return a row of the table of records, without its view."""
    kept = bounded(values, bundle.schema.names)
    return {
        **of,
        "event_at": event_at,
        "bundle": bundle.path.name,
        "label": verdict.label,
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "service": facet(kept, SERVICES),
        "values": kept,
        "is_attack": verdict.is_attack,
        "client_id": client_id,
    }


def _alert(row: Mapping[str, Any], record_id: int) -> dict[str, Any]:
    """Return the row of the alert of a record."""
    same = {k: v for k, v in row.items() if k not in RECORD_ONLY}
    hosts = {"src": SOURCES, "dst": DESTINATIONS}
    return (
        same
        | {name: facet(row["values"], known)[:64] for name, known in hosts.items()}
        | {"record_id": record_id}
    )


def _tally(
    session: Session,
    bundle: Bundle,
    rows: Sequence[Mapping[str, Any]],
    of: Mapping[str, Any],
) -> None:
    """Count rows, each in its hour and half minute."""
    timed: dict[tuple[datetime, str, str, str], int] = {}
    for step_s in (3600, FINE_S):
        starts: dict[datetime, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            starts[floor(row["event_at"], step_s)].append(row)
        for start, its in sorted(starts.items()):
            counts = _counts(its)
            if step_s == FINE_S:
                counts = {
                    (k[0], "fine", ""): n for k, n in counts.items() if k[1] == "all"
                }
            timed |= {(start, *key): n for key, n in counts.items()}
    add_timed_tallies(
        session,
        timed,
        arrived=of["at"],
        owner_id=of["owner_id"],
        source=of["source"],
        bundle=bundle.path.name,
    )


def _counts(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], int]:
    """Return rows counted by class, and by the most frequent services and sources."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        label = row["label"]
        found[label, "all"][""] += 1
        named = (("service", row["service"]), ("src", facet(row["values"], SOURCES)))
        for name, value in named:
            if value:
                found[label, name][value] += 1
    return {
        (label, name, value): n
        for (label, name), counter in found.items()
        for value, n in counter.most_common(MAX_FACETS)
    }


def sent_together(
    session: Session, owner_id: int | None, source: str, client_ids: Sequence[str]
) -> dict[str, tuple[Record, int | None]]:
    """Return the records that were kept under some ids, each with its alert's number.

    The ids are ``BATCH:LINE``; other calls for the same batch wait until the caller's
    transaction ends.
    """
    serialize(session, "records", owner_id, source, client_ids[0].rpartition(":")[0])
    query = select(Record, Alert.id).outerjoin(Alert, Alert.record_id == Record.id)
    its = (Record.owner_id == owner_id, Record.source == source)
    found = session.execute(query.where(*its, Record.client_id.in_(client_ids)))
    return {str(record.client_id): (record, number) for record, number in found}


def sent_as(
    session: Session, owner_id: int | None, source: str, client_id: str | None
) -> Record | None:
    """Return the record that was kept under an id of the client."""
    its = {"owner_id": owner_id, "source": source, "client_id": client_id}
    return session.scalar(select(Record).filter_by(**its))


def bounded(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a row's values as any database keeps them, and not too many of them.

    The bundle's columns, ``names``, come first, and all of them are kept.
    """
    first = {name.casefold(): k for k, name in enumerate(names)}
    ours: list[tuple[int, str, Any]] = []
    others: dict[str, Any] = {}
    for name, value in values.items():
        key, kept = _text(name), _plain(value)
        place = first.get(name.strip().casefold())
        if place is not None:
            ours.append((place, key, kept))
        elif len(others) < MAX_OTHERS:
            others[key] = kept
    ours.sort(key=lambda each: each[0])
    return {key: kept for _, key, kept in ours} | others


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _text(value)


def _text(value: object) -> str:
    return str(value).replace("\0", "")[:MAX_TEXT]
