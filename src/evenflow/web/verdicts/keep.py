"""Keep a verdict: the history, the alert if it is an attack, the counts.

All of it in the caller's transaction, so that none can be there without the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict
from evenflow.web.store.database import add_tallies, upsert
from evenflow.web.store.tables import Alert, Record, now
from evenflow.web.verdicts import event_time
from evenflow.web.verdicts.view import VerdictView

SERVICES = ("service", "proto_service", "l7_proto", "dst_port", "destination_port")
"""Columns that say what service was spoken, the first one found is used."""
SOURCES = ("src_ip", "srcip", "saddr", "ipv4_src_addr", "source_ip")
"""Columns that say where a connection came from."""
LONGEST = 80
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
    at = now()
    event_at = event_time.of_record(values, at, time_column)
    kept = bounded(values, bundle.schema.names)
    service, src = facet(kept, SERVICES), facet(kept, SOURCES)
    common: dict[str, Any] = {
        "owner_id": owner_id,
        "at": at,
        "event_at": event_at,
        "source": source,
        "bundle": bundle.path.name,
        "label": verdict.label,
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "service": service,
        "values": kept,
    }
    row = common | {
        "is_attack": verdict.is_attack,
        "view": {} if view is None else view.to_dict(),
        "client_id": client_id,
    }
    record: Record | None = session.scalar(
        upsert(session, Record)
        .values(row)
        .on_conflict_do_nothing(index_elements=["owner_id", "source", "client_id"])
        .returning(Record)
    )
    if record is None:
        found = sent_as(session, owner_id, source, client_id)
        assert found is not None  # noqa: S101 (it is why the row was not added)
        return found
    if verdict.is_attack:
        session.add(Alert(**common, record_id=record.id, src=src[:64]))
    facets = [("all", "")] + [
        (name, value) for name, value in (("service", service), ("src", src)) if value
    ]
    counts = {(verdict.label, name, value): 1 for name, value in facets}
    given = {k: common[k] for k in ("owner_id", "source", "bundle")}
    add_tallies(session, counts, at=event_at, arrived=at, **given)
    return record


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


def facet(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of those columns that a record has, as text; else nothing."""
    folded = {str(key).strip().casefold(): value for key, value in values.items()}
    for name in names:
        value = folded.get(name)
        if value is not None and value != "":
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value)[:LONGEST]
    return ""
