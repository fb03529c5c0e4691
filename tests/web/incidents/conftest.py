"""A watch of a capture that writes into a server's database."""

import json

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
def watched(settings, run_watch):
    """Return a function that watches the capture into the server's database."""
    if settings.database:
        path = settings.home / "settings.toml"
        path.write_text(f"database = {json.dumps(settings.database)}\n")
        path.chmod(0o600)

    def watched():
        done = run_watch("--sink", f"database:{settings.home}")
        assert done.exit_code == 0, done.output

    return watched
