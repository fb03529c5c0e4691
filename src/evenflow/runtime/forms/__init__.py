"""The forms in which events leave: EVE, ECS and OCSF, a file each.

A form says what its schema has a field for. What it has none for stays under the name
that the schema gives to such values.
"""

from __future__ import annotations

from collections.abc import Callable

from evenflow.runtime.events import Event
from evenflow.runtime.forms import ecs, ocsf

Form = Callable[[Event], Event]


def eve(event: Event) -> Event:
    """Return the event as it is."""
    return event


FORMS: dict[str, Form] = {"eve": eve, "ecs": ecs.form, "ocsf": ocsf.form}
"""Functions from an EVE event to an object of the form, by name."""
