"""Invitations: links by which one person each signs up, with a role."""

from __future__ import annotations

from typing import Any

from flask import abort, render_template, request, url_for
from flask_security import current_user

from evenflow.errors import DataError
from evenflow.web.accounts import invitations as inviting
from evenflow.web.accounts import links
from evenflow.web.accounts.redirects import recent
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.lists import whole
from evenflow.web.pages.admin._blueprint import bp
from evenflow.web.store.tables import ROLES


@bp.get("/invitations")
def invitations() -> str:
    """List invitations, and make one."""
    return _page()


@bp.post("/invitations")
@recent
def invite() -> Any:
    """Make an invitation and show its link, once."""
    typed = {n: request.form.get(n, "")[:300] for n in ("email", "role", "days")}
    days = whole(typed["days"]) or 0
    asked = {**typed, "days": days, "made_by": current_user.id}
    try:
        made, token = inviting.make(web.db, **asked)
        web.db.commit()
    except DataError as error:
        web.db.rollback()
        return _page(typed=typed, error=str(error)), 422
    return render_template(
        "admin/link.html",
        title="Invitation",
        lead=f"For {made.email or 'one person'} as {made.role}; valid once, for {days} "
        f"day{'' if days == 1 else 's'}.",
        address=links.link("sign_up.invited", token=token),
        back=url_for("admin.invitations"),
    )


@bp.post("/invitations/<int:number>/revoke")
def revoke(number: int) -> Any:
    """Make a link worthless."""
    if number >= 2**31 or not inviting.revoke(web.db, number):
        abort(404)
    web.db.commit()
    return see_other("admin.invitations", "Invitation revoked.")


def _page(*, typed: dict[str, str] | None = None, error: str = "") -> str:
    return render_template(
        "admin/invitations.html",
        rows=inviting.waiting(web.db),
        roles=ROLES,
        days=inviting.DAYS,
        typed=typed or {"email": "", "role": "viewer", "days": "7"},
        error=error,
        policy=web.settings.sign_up,
    )
