"""Changes of alerts: their state, an analyst's feedback, rows to train on.

The pages and the API change alerts through :func:`change` alone, so that two people
(or two tabs) cannot overwrite each other: a change names the version it was made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session, selectinload

from evenflow.conform import conform, match_columns
from evenflow.errors import DataError
from evenflow.runtime.writers import OutputFormat, writer
from evenflow.schema import UNKNOWN_ATTACK, Schema
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import (
    ALERT_STATES,
    JUDGEMENTS,
    Alert,
    AlertNote,
    User,
    now,
)

LABEL = "label"
"""Column of an export that holds the class an analyst says it is."""
BATCH = 1_000
WITH_NOTES = selectinload(Alert.notes).joinedload(AlertNote.user)
"""Loads an alert's notes and who wrote them, in one query."""


class Stale(DataError):  # noqa: N818 (a state of things, not a fault)
    """Somebody else changed the alert since it was read."""


def change_alert(
    session: Session,
    alert: Alert,
    user: User,
    *,
    version: int,
    state: str | None = None,
    judgement: str | None = None,
    true_label: str | None = None,
) -> Alert:
    """Change an alert that is still of that version; the caller commits.

    Parameters
    ----------
    version : int
        Of the alert as the person saw it.
    state : {'new', 'open', 'closed'}, optional
        Without, feedback closes the alert and its removal opens it.
    judgement : {'right', 'wrong', ''}, optional
        Whether the model's verdict is right; ``''`` removes the feedback. Left as it
        is without.
    true_label : str, optional
        Class it really is, with ``wrong``; None where nobody knows. With ``right`` it
        is the model's class, unless that is an attack of an unknown kind.

    Raises
    ------
    Stale
        Another change came first.
    DataError
        The state or the feedback is unknown.
    """
    values: dict[str, Any] = {}
    if state is not None:
        values["state"] = _one_of(state, ALERT_STATES, "state")
    if judgement:
        values["judgement"] = _one_of(judgement, JUDGEMENTS, "judgement")
        own = None if alert.label == UNKNOWN_ATTACK else alert.label
        values["true_label"] = own if judgement == "right" else true_label
        values |= {"judged_by": user.id, "judged_at": now()}
        values.setdefault("state", "closed")
        values["close_reason"] = ""
    elif judgement is not None:
        values |= dict.fromkeys(("judgement", "true_label", "judged_by", "judged_at"))
        if alert.judgement is not None:
            values.setdefault("state", "open")
    changed = (
        update(Alert)
        .where(Alert.id == alert.id, Alert.version == version)
        .values(version=Alert.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if n_changed(session, changed) != 1:
        raise Stale(f"alert {alert.id} is no longer of version {version}")
    session.refresh(alert)
    told = {k: values[k] for k in ("state", "judgement", "true_label") if k in values}
    audit("alert.change", alert.id, user=user, **told)
    return alert


def everybodys() -> Select[Any]:
    """Return a query of the alerts of all people, for who owns the data folder."""
    return select(Alert)


def labelled(query: Select[Any]) -> Select[Any]:
    """Return a query of alerts less those whose class no analyst has said."""
    return query.where(Alert.judgement.is_not(None), Alert.true_label.is_not(None))


def export(
    session: Session,
    query: Select[Any],
    schema: Schema,
    sink: Path | BinaryIO,
    format: OutputFormat,  # noqa: A002
) -> int:
    """Write alerts with feedback as labelled rows to train on; return how many.

    The schema is that of the bundle whose columns are wanted. Alerts without one of
    them, made by a model of another data set, are left out. Parquet needs a path.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    ordered = labelled(query).order_by(None).order_by(Alert.id)
    found = iter(session.scalars(ordered.execution_options(yield_per=BATCH)))
    written = 0
    with writer(sink, format) as write:
        write(_frame(schema, []))
        while part := list(islice(found, BATCH)):
            frame = _frame(schema, list(_rows(schema, part)))
            if frame.height:
                write(frame)
                written += frame.height
    return written


def _one_of(value: str, known: Sequence[str], name: str) -> str:
    if value not in known:
        raise DataError(
            f"found the {name} {value[:40]!r}, expected one of {', '.join(known)}"
        )
    return value


def _rows(
    schema: Schema, alerts: Sequence[Alert]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each alert's values by the schema's names, and its class."""
    known: dict[tuple[str, ...], dict[str, str] | None] = {}
    for alert in alerts:
        keys = tuple(alert.values)
        if keys not in known:
            known[keys] = _names(schema, keys)
        names = known[keys]
        if names is not None and alert.true_label is not None:
            values = {name: alert.values[key] for name, key in names.items()}
            yield values, alert.true_label


def _names(schema: Schema, keys: Sequence[str]) -> dict[str, str] | None:
    """Return the key of each column among those of a record, None if one lacks."""
    try:
        return match_columns(schema, keys)
    except DataError:
        return None


def _frame(schema: Schema, rows: list[tuple[Mapping[str, Any], str]]) -> pl.DataFrame:
    """Return the rows as the schema types them, the class last."""
    given = {name: [_text(values[name]) for values, _ in rows] for name in schema.names}
    frame = pl.DataFrame(
        given | {LABEL: [label for _, label in rows]},
        schema_overrides=dict.fromkeys((*schema.names, LABEL), pl.String),
    )
    table, _ = conform(schema, frame)  # the class is no column of a schema
    return table.frame if table.extra is None else table.frame.hstack(table.extra)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
