"""Who asks."""

from __future__ import annotations

from typing import Any

from evenflow.web.api import schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.operations import Call, Group

group = Group("You", "The caller, and the permissions of the key.")


@group.add("GET", "/me", summary="Show who you are", gives=schemas.Me)
def show_me(call: Call[Query, None]) -> dict[str, Any]:
    """Show the person a key acts for, and its scopes; no scope is required."""
    person = call.caller
    return {
        "id": person.id,
        "email": person.email,
        "role": person.role,
        "token": person,
    }
