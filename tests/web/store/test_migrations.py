"""The database's versions: they make the tables of the code, whoever runs them when."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect, select, text

from evenflow.errors import StorageError
from evenflow.web.alerts import groups
from evenflow.web.store import migrations
from evenflow.web.store.database import Database, add_tallies, sqlite_url
from evenflow.web.store.tables import Alert, Base, Record, Tally, User

UPGRADE = """
import multiprocessing, sys
from evenflow.web.alerts import groups
from evenflow.web.store import migrations
from evenflow.web.store.database import Database

def server():
    database = Database(sys.argv[1])
    database.engine.connect().close()
    all_are_ready.wait(60)
    migrations.upgrade(database)

fork = multiprocessing.get_context("fork")
all_are_ready = fork.Barrier(4)
servers = [fork.Process(target=server) for _ in range(4)]
for one in servers:
    one.start()
for one in servers:
    one.join()
sys.exit(any(one.exitcode for one in servers))
"""


def difference(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, Base.metadata)


def test_the_versions_make_the_tables_of_the_code(empty_database):
    migrations.upgrade(empty_database)
    assert difference(empty_database) == []
    found = set(inspect(empty_database.engine).get_table_names())
    assert found == {*Base.metadata.tables, "alembic_version"}


def shape():
    """Return a digest of all tables: columns, keys and indexes."""
    lines = []
    for table in Base.metadata.sorted_tables:
        lines += [f"{c} {c.type} {c.nullable}" for c in table.columns]
        lines += [
            f"{k.parent} {k.target_fullname} {k.ondelete}" for k in table.foreign_keys
        ]
        for part in (*table.constraints, *table.indexes):
            kind = (type(part).__name__, getattr(part, "unique", None))
            names = sorted(c.name for c in part.columns)
            lines.append(f"{table.name} {kind} {part.name} {names}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def test_tables_that_change_come_with_a_version():
    """Else no database of the version before would be changed: add one, then this."""
    assert {migrations.newest(): shape()} == {"0007": "9d9ff5594efff7bc"}


def test_a_missing_column_would_be_seen(database):
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE alert DROP COLUMN src"))
    [(what, *_)] = difference(database)
    assert what == "add_column"


def test_upgrading_again_changes_nothing(database, stored, monkeypatch):
    # no table is made a second time, also where the newest version is a later one
    monkeypatch.setattr(Base.metadata, "create_all", None)
    stored.add(User(email="a@example.org", role="admin", fs_uniquifier="x"))
    for _ in range(2):
        migrations.upgrade(database)
    assert stored.one(User.email) == "a@example.org"


@pytest.mark.slow
def test_servers_that_start_at_once_upgrade_once(empty_database, python):
    url = empty_database.url.render_as_string(hide_password=False)
    python("-c", UPGRADE, url, timeout=60)
    migrations.check(empty_database)


def test_a_database_of_a_newer_evenflow_is_refused(database):
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (migrations.check, migrations.upgrade):
        with pytest.raises(StorageError, match=r"at version 9999.*upgrade evenflow"):
            refuse(database)


def test_an_empty_database_is_refused_with_what_to_do(empty_database):
    with pytest.raises(StorageError, match=r"is empty.*Run: evenflow db upgrade"):
        migrations.check(empty_database)


def test_an_upgrade_that_fails_changes_nothing(empty_database, monkeypatch):
    def fail(config, revision, real=command.stamp):
        real(config, revision)
        raise RuntimeError("the power failed")

    monkeypatch.setattr(command, "stamp", fail)
    with pytest.raises(RuntimeError, match="the power failed"):
        migrations.upgrade(empty_database)
    assert inspect(empty_database.engine).get_table_names() == []


def test_foreign_keys_count_again_after_an_upgrade(tmp_path):
    database = Database(sqlite_url(tmp_path / "evenflow.db"), pool_size=1)
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.dispose()


OLD = {
    "account": {"id": 1, "email": "a@b.org", "role": "viewer", "fs_uniquifier": "x"},
    "job": {"id": "j", "kind": "score", "lane": "score", "owner_id": 1},
    "record": {
        "id": 7, "source": "api", "bundle": "m", "label": "dos", "is_attack": True,
        "probability": 1, "threshold": 0.5, "service": "", "values": {}, "view": {},
    },
    "tally": {
        "id": 5, "owner_id": 0, "source": "api", "bundle": "m", "label": "dos",
        "facet": "all", "value": "", "n": 12,
    },
}  # fmt: skip
"""Rows of a database of version 0004; the others are alerts."""
ALERTS = [("new", None), ("open", "wrong"), ("new", "right"), ("new", None)]


@pytest.fixture
def database_0004(empty_database):
    """A database that the version before made, with rows."""
    kind = empty_database.url.get_backend_name()
    path = Path(__file__).with_name(f"version_0004.{kind}.sql")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    blank = {"active": True, "created_at": at, "at": at, "hour": at, "title": "",
             "state": "done", "payload": "{}", "progress": "{}", "result": "{}",
             "error": "", "attempts": 1, "worker": "",
             "stop_requested": False}  # fmt: skip
    with empty_database.engine.begin() as connection:
        for statement in path.read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0004')"))
        old = MetaData()
        old.reflect(connection)
        for name, row in OLD.items():
            table = old.tables[name]
            more = {k: v for k, v in blank.items() if k in table.c and k not in row}
            connection.execute(table.insert().values(row | more))
        for k, (state, judgement) in enumerate(ALERTS):
            row = {
                "id": k + 1, "owner_id": 1, "at": at, "job_id": "j", "line": k,
                "source": "upload", "bundle": "m", "label": "dos", "probability": 0.9,
                "threshold": 0.5, "service": "http", "src": "10.0.0.9",
                "values": {"dst_ip": "10.0.0.1", "port": k}, "state": state,
                "judgement": judgement, "version": 3,
            }  # fmt: skip
            if k == 3:
                row |= {"owner_id": None, "line": None, "job_id": None}
            connection.execute(old.tables["alert"].insert().values(row))
    return empty_database


def test_a_database_of_the_version_before_keeps_its_rows(database_0004):
    migrations.upgrade(database_0004)
    assert difference(database_0004) == []
    with database_0004.session() as session:
        alerts = session.scalars(select(Alert).order_by(Alert.id)).all()
        assert [a.state for a in alerts] == ["new", "closed", "closed", "new"]
        assert {(a.dst, a.n, a.version) for a in alerts} == {("10.0.0.1", 1, 3)}
        assert alerts[0].values == {"dst_ip": "10.0.0.1", "port": 0}
        mine, theirs = alerts[0].group, alerts[3].group
        assert [a.group_id for a in alerts] == [mine.id] * 3 + [theirs.id]
        common = (mine.label, mine.src, mine.dst, mine.service, mine.bundle)
        assert common == ("dos", "10.0.0.9", "10.0.0.1", "http", "m")
        row = {c.key: getattr(alerts[0], c.key) for c in Alert.__table__.columns}
        groups.assign(session, [row])  # an alert of today finds the group of before
        assert row["group_id"] == mine.id


def test_what_an_older_database_holds_happened_when_it_arrived(database_0004):
    migrations.upgrade(database_0004)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with database_0004.session() as session:
        for row in (session.get_one(Record, 7), session.get_one(Alert, 3)):
            assert (row.at, row.event_at) == (at, at)
        common = {"owner_id": None, "source": "api", "bundle": "m"}
        add_tallies(session, {("dos", "all", ""): 1}, at=at, **common)
        counted = session.query(Tally).filter_by(facet="all").one()
        assert (counted.hour, counted.arrived_at, counted.n) == (at, at, 13)
