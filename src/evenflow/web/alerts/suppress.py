"""Suppressions: alerts of a group that are closed as they come, until a time.

A suppressed alert is stored like any other one, closed, and counted by its suppression:
it can be listed, opened again and judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from evenflow.web.store.database import AnySession, n_changed
from evenflow.web.store.tables import BulkAct, Suppression, now

CLOSED = {"state": "closed", "close_reason": "suppressed"}
"""What a suppressed alert is stored with."""
MAX_REASON = 200
MAX_DAYS = 365


def that_apply() -> Select[Any]:
    """Return the query of the suppressions in force."""
    return select(Suppression).where(
        Suppression.revoked_at.is_(None), Suppression.expires_at > now()
    )


def close(session: AnySession, rows: Sequence[dict[str, Any]]) -> None:
    """Close the alerts about to be stored whose group is suppressed, and count them."""
    groups = {row["group_id"] for row in rows if row["label"] != "benign"}
    its = that_apply().where(Suppression.group_id.in_(groups))
    found = {one.group_id: one.id for one in session.scalars(its)}
    counts: Counter[int] = Counter()
    for row in rows:
        if (number := found.get(row["group_id"])) is not None:
            row |= CLOSED
            counts[number] += row.get("n", 1)
    for number, n in sorted(counts.items()):
        counted = update(Suppression).where(Suppression.id == number)
        session.execute(counted.values(n=Suppression.n + n))


def add(
    session: AnySession,
    group_id: int,
    user: Any,
    reason: str,
    expires_at: datetime,
    act: BulkAct | None,
) -> None:
    """Suppress a group; one that is in force already ends.

    ``act`` closed the alerts that were there: its undoing revokes this.
    """
    revoke(session, Suppression.group_id == group_id)
    session.add(
        Suppression(
            group_id=group_id,
            user_id=user.id,
            reason=reason,
            expires_at=expires_at,
            act_id=None if act is None else act.id,
        )
    )


def revoke(session: AnySession, which: Any) -> int:
    """End the suppressions in force that a clause is about; return how many."""
    ended = update(Suppression).where(which, Suppression.revoked_at.is_(None))
    return n_changed(session, ended.values(revoked_at=now()))
