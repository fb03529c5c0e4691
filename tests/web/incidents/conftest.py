"""A watch of a capture that writes into a server's database."""

import pytest
from click.testing import CliRunner

from evenflow.cli import main


@pytest.fixture
def run_watch(detector, capture):
    """Return a function that watches the capture with further words."""

    def run_watch(*words):
        given = ["watch", "--bundle", str(detector), "-r", str(capture), *words]
        return CliRunner().invoke(main, given)

    return run_watch


@pytest.fixture
def watched(settings, run_watch, set_database):
    """Return a function that watches the capture into the server's database."""
    if settings.database:
        set_database()

    def watched():
        done = run_watch("--sink", f"database:{settings.home}")
        assert done.exit_code == 0, done.output

    return watched
