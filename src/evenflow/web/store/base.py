"""The base of all tables: their times and numbers, the same in both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Integer
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """An aware time in UTC, also in SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> datetime | None:
        """Return what is stored."""
        if value is None:
            return None
        # libraries that write a naive time (a user's creation, say) mean UTC
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        utc: datetime = aware.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """Return what was stored, aware."""
        del dialect
        if value is None:
            return None
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


# SQLite counts up Integer alone
Number = BigInteger().with_variant(Integer(), "sqlite")
RowId = Annotated[int, mapped_column(Number, primary_key=True)]
Owner = Annotated[
    int | None, mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
]
"""Whose object it is; nobody's once the account is deleted."""


def _arrival(context: Any) -> datetime:
    """Return the arrival of the row that is being inserted."""
    found: datetime = context.get_current_parameters()["at"]
    return found


EventTime = Annotated[datetime, mapped_column(nullable=True, default=_arrival)]
"""When it happened: the event time of the record, its arrival ``at`` where it has none.

No row is without it; the column may be null because an older database gets it later.
"""
Writer = Annotated[
    int | None, mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
]
"""Who made it or said it; nobody once the account is deleted."""
Holder = Annotated[
    int, mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
]
"""Whose it is, deleted with the account."""


class Base(DeclarativeBase):
    """Parent of all tables."""

    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012
