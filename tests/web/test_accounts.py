"""Promises about accounts: signing up, logging in, passwords."""

from __future__ import annotations

from evenflow.web.context import KEY
from evenflow.web.tables import User


def test_a_person_who_was_made_is_logged_in(app, people):
    viewer = people("viewer")
    with app.extensions[KEY].database.session() as session:
        assert session.get(User, viewer.user_id).role == "viewer"
    assert viewer.send("/logout").status_code == 302
