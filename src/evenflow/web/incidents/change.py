"""Changes of incidents by analysts: their state, and notes."""

from __future__ import annotations

from collections.abc import Mapping

from flask_security import current_user
from sqlalchemy import update

from evenflow.web.frame.context import web
from evenflow.web.frame.notes import Form, add_note, read
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import Incident, IncidentNote


def sent(form: Mapping[str, str]) -> Form:
    """Return what was sent, with what is wrong about it."""
    typed, errors = read(form)
    return Form(**typed, errors=errors)


def take(incident: Incident, form: Form) -> bool:
    """Do what a form says and commit it; False if it was about an older version.

    A note alone is always taken: notes do not overwrite each other.
    """
    if form.state != incident.state:
        changed = (
            update(Incident)
            .where(Incident.id == incident.id, Incident.version == form.version)
            .values(version=Incident.version + 1, state=form.state)
            .execution_options(synchronize_session=False)
        )
        if n_changed(web.db, changed) != 1:
            web.db.rollback()
            return False
        audit("incident.change", incident.id, state=form.state)
    if form.note:
        add_note(IncidentNote, form.note, current_user, incident_id=incident.id)
    web.db.commit()
    return True
