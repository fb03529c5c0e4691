"""A real PostgreSQL for the tests: Debian's, in a folder of its own, gone afterwards.

``conftest.py`` loads this file; its fixtures are used by name.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest

from evenflow.web.models.detectors import ACTIVE
from evenflow.web.store import migrations
from evenflow.web.store.database import Database, sqlite_url
from evenflow.web.store.tables import Setting

BACKENDS = ("sqlite", "postgresql")
QUICK = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the machine's own crash is not what is tested
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
}


def _bin():
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return newest[-1].parent if newest else None


class Server:
    """One PostgreSQL server, which tests may kill and start again."""

    def __init__(self, programs, root):
        self.programs, self.data = programs, root / "data"
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.getuid())[0]
        if os.geteuid() == 0:
            shutil.chown(root, "postgres", "postgres")
        self.run("initdb", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def run(self, program, *words):
        """Run one of its programs as a user that is not root."""
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
        done = subprocess.run(
            [self.programs / program, "-D", self.data, *words],
            cwd=self.data.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would be held by the server
            stderr=subprocess.DEVNULL,
            check=False,
            **(who if os.geteuid() == 0 else {}),
        )
        assert done.returncode == 0, f"{program} {' '.join(words)}"

    def start(self):
        """Start it, or start it again where it was killed."""
        options = " ".join(f"-c {key}='{value}'" for key, value in QUICK.items())
        log = str(self.data.parent / "log")
        options += f" -p {self.port}"
        self.run("pg_ctl", "-w", "-t", "60", "-l", log, "-o", options, "start")

    def stop(self, mode="immediate"):
        """Stop it; ``immediate`` is what a crash is like."""
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    def is_running(self):
        """Return whether it runs."""
        return (self.data / "postmaster.pid").exists()

    def execute(self, statement):
        """Run one statement beside all databases."""
        with psycopg.connect(
            f"host=127.0.0.1 port={self.port} user={self.user} dbname=postgres",
            autocommit=True,
        ) as connection:
            connection.execute(statement)

    def url(self, name):
        """Return the address of a database."""
        return f"postgresql+psycopg://{self.user}@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgresql(saved_bundle):
    """A running server with a template in which the small bundle is active.

    Skipped where PostgreSQL is not installed.
    """
    programs = _bin()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    root = Path(tempfile.mkdtemp(prefix="evenflow-postgresql-"))
    try:
        server = Server(programs, root)
        server.start()
        try:
            server.execute("CREATE DATABASE template_evenflow")
            database = Database(server.url("template_evenflow"))
            migrations.upgrade(database)
            with database.session() as session:
                session.add(Setting(name=ACTIVE, value={"name": saved_bundle.name}))
            database.dispose()
            yield server
        finally:
            if server.is_running():
                server.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def empty_postgresql_url(postgresql):
    """The address of a database without a table."""
    yield from _made(postgresql, "template0")


@pytest.fixture
def postgresql_url(postgresql):
    """The address of a fresh, upgraded database in which the small bundle is active."""
    yield from _made(postgresql, "template_evenflow")


def _made(server, template):
    name = f"test_{uuid.uuid4().hex[:12]}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    if not server.is_running():  # a test left it killed
        server.start()
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=BACKENDS)
def empty_database(request, tmp_path):
    """A database without a table, of each kind in turn."""
    if request.param == "sqlite":
        database = Database(sqlite_url(tmp_path / "empty.db"))
    else:
        database = Database(request.getfixturevalue("empty_postgresql_url"))
    yield database
    database.dispose()


@pytest.fixture(params=BACKENDS)
def database(request, tmp_path):
    """An upgraded database, of each kind in turn."""
    if request.param == "sqlite":
        database = Database(sqlite_url(tmp_path / "evenflow.db"))
        migrations.upgrade(database)
    else:
        database = Database(request.getfixturevalue("postgresql_url"))
    yield database
    database.dispose()
