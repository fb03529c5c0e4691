"""Expected behaviour: the rules by which watches suppress alerts."""

from __future__ import annotations

from datetime import timedelta

from flask import (
    Response,
    abort,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_security import current_user

from evenflow.errors import DataError
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit, found_or_404
from evenflow.web.incidents import rules
from evenflow.web.pages import Pages
from evenflow.web.store.tables import Expected, Incident, now

bp = Pages("expected", "/incidents/expected", role="analyst")
NAV = ()


@bp.get("")
def index() -> str:
    """List the rules that apply."""
    found = web.db.scalars(rules.that_apply()).all()
    return render_template("incidents/expected.html", rules=found)


@bp.post("")
def add() -> Response:
    """Apply the rule that an incident's page wrote."""
    form = {
        name: request.form.get(name, "").replace("\0", "").strip()
        for name in ("incident", "reason", "expires")
    }
    incident = web.db.get(Incident, form["incident"][:32])
    if incident is None:
        abort(404)
    ends = lists.day(form, "expires", {})
    try:
        if not (form["reason"] and ends):
            raise DataError("found no reason or no day, expected both")
        text = rules.rule(incident, form["reason"], ends.date())
    except DataError:  # the page of the incident says what is wrong
        where = url_for(
            "incidents.show", name=incident.id, reason=form["reason"],
            expires=form["expires"],
        )  # fmt: skip
        return redirect(f"{where}#expected", 303)  # type: ignore[return-value]
    if rules.n_that_apply(web.db) >= rules.MAX_RULES:
        text = f"There are {rules.MAX_RULES} rules already. Delete one first."
        return see_other(".index", text, "error")
    until = ends + timedelta(days=1)  # a day is over at its end
    web.db.add(
        Expected(
            incident_id=incident.id,
            user_id=current_user.id,
            expires_at=until,
            rule=text,
        )
    )
    audit("incident.expected", incident.id, rule=text, at=now().isoformat())
    web.db.commit()
    return see_other(".index", "Applied. Watches follow it within seconds.")


@bp.post("/<int:number>/delete")
def delete(number: int) -> Response:
    """Delete a rule."""
    rule = found_or_404(Expected, number)
    audit("incident.expected.delete", number, rule=rule.rule)
    web.db.delete(rule)
    web.db.commit()
    return see_other(".index", "Deleted. Watches report such alerts again.")
