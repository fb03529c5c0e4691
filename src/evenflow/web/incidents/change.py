"""Changes of incidents by analysts: their state, and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_security import current_user
from sqlalchemy import update

from evenflow.web.frame.context import web
from evenflow.web.frame.lists import whole
from evenflow.web.frame.notes import add_note, too_long
from evenflow.web.frame.permissions import audit
from evenflow.web.store.database import n_changed
from evenflow.web.store.tables import ALERT_STATES, Incident, IncidentNote


@dataclass(frozen=True, kw_only=True)
class IncidentForm:
    """The form about an incident, as it is shown or was sent."""

    version: int
    """Of the incident as the person saw it."""
    state: str
    note: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    is_stale: bool = False
    """Somebody else changed the incident since the person saw it."""

    @property
    def status(self) -> int:
        """Status of the page with this form."""
        return 409 if self.is_stale else 422 if self.errors else 200


def sent(form: Mapping[str, str]) -> IncidentForm:
    """Return what was sent, with what is wrong about it."""
    version, state, note = (
        form.get(name, "").replace("\0", "").strip()
        for name in ("version", "state", "note")
    )
    errors: dict[str, str] = {}
    if state not in ALERT_STATES:
        errors["state"] = f"Expected one of {', '.join(ALERT_STATES)}. Choose one."
    if problem := too_long(note):
        errors["note"] = problem
    return IncidentForm(
        version=whole(version) or 0, state=state, note=note, errors=errors
    )


def take(incident: Incident, form: IncidentForm) -> bool:
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
