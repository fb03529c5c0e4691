"""Incidents that watches report: find, read, comment and close them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import Response, abort, make_response, render_template, request
from sqlalchemy import select

from evenflow.errors import DataError
from evenflow.knowledge import about
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.notes import Form
from evenflow.web.incidents import change as changes
from evenflow.web.incidents import queries, rules
from evenflow.web.pages import Entry, Pages
from evenflow.web.store.tables import ALERT_STATES, Incident, now
from evenflow.web.verdicts.wording import percent

bp = Pages("incidents", "/incidents", role="analyst")
NAV = (
    Entry(
        label="Incidents", endpoint="incidents.index", icon="target", order=12,
        role="analyst",
    ),
)  # fmt: skip
SEVERITIES = {1: "high", 2: "medium", 3: "low"}
SORTS = ("at", "severity", "connections", "label")
EXPIRES = timedelta(days=30)
"""Until when a rule holds, where no day is named."""


@bp.get("")
def index() -> str:
    """Show a page of the incidents; those that wait for an analyst, first."""
    choices = {
        "status": ("waiting", *ALERT_STATES, "any"),
        "ongoing": ("yes", "no"),
        "label": (*_classes(), lists.text("label", 80)),
    }
    criteria = lists.criteria(
        Incident, choices=choices, sorts=SORTS, default={"status": "waiting"}
    )
    hosts = {n: lists.text(n, queries.MAX_ADDRESS) for n in ("attacker", "victim")}
    criteria = replace(criteria, typed={**criteria.typed, **hosts})
    query = lists.listed(Incident, criteria, *_more(criteria))
    page = lists.paged(Incident, query, criteria)
    return render_template(
        "incidents/index.html",
        criteria=criteria,
        page=page,
        classes=_classes(),
        is_empty=not page.total and _has_none(),
        severities=SEVERITIES,
    )


@bp.get("/<name>")
def show(name: str) -> Response:
    """Show an incident: who attacks whom with what, and what to do next."""
    incident = _found(name)
    form = Form(version=incident.version, state=incident.state)
    return _page(incident, form)


@bp.post("/<name>")
def change(name: str) -> Response:
    """Take a new state and a note."""
    incident, form = _found(name), changes.sent(request.form)
    if form.errors:
        return _page(incident, form)
    if not changes.take(incident, form):
        return _page(_found(name), replace(form, is_stale=True))
    return see_other(".show", "Saved.", name=name)


def _page(incident: Incident, form: Form) -> Response:
    errors: dict[str, str] = {}
    typed = {
        "reason": lists.text("reason", rules.MAX_REASON),
        "expires": lists.text("expires", 10),
    }
    ends = lists.day(typed, "expires", errors)
    rule = ""
    if typed["reason"] and not errors:
        try:
            rule = rules.rule(
                incident, typed["reason"], (ends or now() + EXPIRES).date()
            )
        except DataError as error:  # of a log whose hosts are no addresses
            errors["reason"] = str(error)
    page = render_template(
        "incidents/show.html",
        incident=incident,
        what=incident.event["incident"],
        model=incident.event["ml"],
        known=about(incident.label),
        form=form,
        severity=SEVERITIES.get(incident.severity, "unknown"),
        rule=rule,
        typed={**typed, "expires": typed["expires"] or f"{now() + EXPIRES:%Y-%m-%d}"},
        rule_errors=errors,
        states=ALERT_STATES,
        percent=percent,
    )
    return make_response(page, form.status)


def _found(name: str) -> Incident:
    found = queries.found(name)
    if found is None:
        abort(404)
    return found


def _more(criteria: lists.Criteria) -> Iterator[Any]:
    typed = criteria.typed
    if typed["status"] == "waiting":
        yield Incident.state != "closed"
    elif typed["status"] in ALERT_STATES:
        yield Incident.state == typed["status"]
    if typed["ongoing"] in ("yes", "no"):
        yield Incident.is_ongoing.is_(typed["ongoing"] == "yes")
    if typed["attacker"]:
        yield queries.with_host(Incident.attackers, typed["attacker"])
    if typed["victim"]:
        yield queries.with_host(Incident.victims, typed["victim"])


def _classes() -> list[str]:
    found = select(Incident.label).distinct().order_by(Incident.label)
    return list(web.db.scalars(found.limit(lists.MAX_WORDS)))


def _has_none() -> bool:
    return web.db.scalar(select(Incident.id).limit(1)) is None
