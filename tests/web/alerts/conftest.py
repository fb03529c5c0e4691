"""Alerts, and what a person says of them."""

import pytest
from sqlalchemy import select

from evenflow.web.store.tables import Alert


@pytest.fixture
def kept(app, kept, stored):
    """Return a maker of alerts: owner, class, changed values; returns the number."""

    def alert(*args, **changes):
        record_id = kept(*args, **changes)
        return stored.scalar(select(Alert.id).where(Alert.record_id == record_id))

    return alert


@pytest.fixture
def number(kept, viewer):
    """The number of an alert of the viewer."""
    return kept(viewer)
