"""Models as people choose them: by their titles, without those that are retired."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from evenflow.errors import DataError
from evenflow.runtime.bundle import Bundle
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit
from evenflow.web.jobs import queue
from evenflow.web.models.catalog import listed
from evenflow.web.store.tables import Job, ModelNote, now

MAX_TITLE = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """One model to choose."""

    name: str
    label: str
    """Its title and name, as a list of choices shows it."""


def notes(session: Session) -> dict[str, ModelNote]:
    """Return title and retirement of models, by name; most have neither."""
    return {note.name: note for note in session.scalars(select(ModelNote))}


def offered() -> list[Offered]:
    """Return the models that may be chosen, the active one first."""
    known, active = notes(web.db()), web.detectors.active_name()
    found = [
        Offered(name=one.name, label=_label(one.name, known.get(one.name), active))
        for one in listed(web.home)
        if not one.reason and one.has_address and not _is_retired(known.get(one.name))
    ]
    return sorted(found, key=lambda one: one.name != active)


def chosen(name: str) -> Bundle | None:
    """Return the model of that name, the active one without; None if there is none.

    Raises
    ------
    DataError
        There is no such model, it is retired, or it is damaged.
    """
    if not name:
        return web.detectors.active()
    refuse_retired(web.db(), name)
    web.detectors.path(name)
    bundle = web.detectors.find(name)
    if bundle is None:
        raise DataError(f"the model {name} is damaged, expected one that can be loaded")
    return bundle


def refuse_retired(session: Session, name: str) -> None:
    """Refuse a model that is retired.

    Raises
    ------
    DataError
        It is.
    """
    if _is_retired(session.get(ModelNote, name)):
        raise DataError(
            f"the model {name[:80]} is retired, expected one that is offered. Choose "
            "another one"
        )


def title(session: Session, name: str, text: str) -> None:
    """Give a model a title, or take it away with an empty one."""
    text = "".join(c for c in text if c.isprintable()).strip()[:MAX_TITLE]
    _note(session, name).title = text
    audit("model.title", name, title=text)


def retire(session: Session, name: str, *, is_retired: bool) -> None:
    """Retire a model, which is then no longer offered, or offer it again.

    Raises
    ------
    DataError
        It is the active one.
    """
    if is_retired and web.detectors.active_name() == name:
        raise DataError(
            f"{name} is active, expected a model that is not. Activate another first"
        )
    _note(session, name).retired_at = now() if is_retired else None
    audit("model.retire" if is_retired else "model.offer", name)


def refuse_in_use(session: Session, name: str) -> None:
    """Refuse to delete a model that is in use.

    Raises
    ------
    DataError
        It is active, or a job uses it.
    """
    if web.detectors.active_name() == name:
        raise DataError(
            f"{name} is active, expected a model that is not. Activate another first"
        )
    for job in session.scalars(select(Job).where(Job.state.in_(queue.LIVE))):
        if name in (job.payload.get("bundle"), job.payload.get("name")):
            raise DataError(
                f"a job uses {name} ({job.title}), expected none. Wait for its end, or "
                "stop it"
            )


def forget(session: Session, name: str) -> None:
    """Delete title and retirement of a model that is deleted."""
    if (note := session.get(ModelNote, name)) is not None:
        session.delete(note)


def _note(session: Session, name: str) -> ModelNote:
    note = session.get(ModelNote, name)
    if note is None:
        note = ModelNote(name=name, title="")
        session.add(note)
    return note


def _is_retired(note: ModelNote | None) -> bool:
    return note is not None and note.retired_at is not None


def _label(name: str, note: ModelNote | None, active: str | None) -> str:
    text = f"{note.title} ({name})" if note is not None and note.title else name
    return f"{text}, active" if name == active else text
