"""The tables of what a team brings: its own data sets, and what it says of models."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from evenflow.web.store.base import Base, Owner, RowId, now

if TYPE_CHECKING:
    from evenflow.web.store.tables import User


class OwnDataset(Base):
    """A labelled file of the team, kept in the data folder."""

    __tablename__ = "own_dataset"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(40), unique=True)
    """Stands in addresses and recipes, and names the files."""
    title: Mapped[str] = mapped_column(String(200), default="")
    owner_id: Mapped[Owner]
    created_at: Mapped[datetime] = mapped_column(default=now)
    params: Mapped[dict[str, Any]]
    """Parameters of ``table_file``: ``path``, and ``test``, ``label``, ``benign``."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of its files."""

    owner: Mapped[User | None] = relationship()


class ModelNote(Base):
    """A model's title that people gave it, and whether it is retired."""

    __tablename__ = "model_note"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Of the bundle's folder."""
    title: Mapped[str] = mapped_column(String(120), default="")
    retired_at: Mapped[datetime | None]
