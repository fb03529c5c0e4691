"""The database's versions: they make the tables of the code, whoever runs them when."""

import hashlib
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from evenflow.errors import StorageError
from evenflow.web.store import migrations
from evenflow.web.store.database import Database, add_tallies, sqlite_url
from evenflow.web.store.tables import Alert, Base, Record, Tally, User

UPGRADE = """
import multiprocessing, sys
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
    assert {migrations.newest(): shape()} == {"0005": "d5c1e477b9805337"}


TO_0004 = """
DROP INDEX alert_list;
DROP INDEX ix_alert_event_at;
DROP INDEX ix_record_event_at;
ALTER TABLE alert DROP COLUMN event_at;
ALTER TABLE record DROP COLUMN event_at;
CREATE INDEX alert_list ON alert (state, at);
DROP TABLE tally;
CREATE TABLE tally (
  id {number} PRIMARY KEY, hour {moment} NOT NULL, owner_id INTEGER NOT NULL,
  source VARCHAR(12) NOT NULL, bundle VARCHAR(120) NOT NULL, label VARCHAR(80) NOT NULL,
  facet VARCHAR(12) NOT NULL, value VARCHAR(80) NOT NULL, n BIGINT NOT NULL,
  UNIQUE (hour, owner_id, source, bundle, label, facet, value));
CREATE INDEX tally_facet ON tally (facet, hour);
INSERT INTO record (id, at, source, bundle, label, is_attack, probability, threshold,
  service, "values", view) VALUES
  (7, '2026-03-01 10:20:30.000000', 'api', 'm', 'dos', {true}, 1, 0.5, '', '{{}}', '{{}}');
INSERT INTO alert (id, at, source, bundle, label, probability, threshold, service, src,
  "values", state, version, record_id) VALUES
  (3, '2026-03-01 10:20:30.000000', 'api', 'm', 'dos', 1, 0.5, '', '', '{{}}', 'new', 1, 7);
INSERT INTO tally (id, hour, owner_id, source, bundle, label, facet, value, n) VALUES
  (5, '2026-03-01 10:00:00.000000', 0, 'api', 'm', 'dos', 'all', '', 12);
UPDATE alembic_version SET version_num = '0004'
"""  # noqa: E501


def test_what_an_older_database_holds_happened_when_it_arrived(empty_database):
    migrations.upgrade(empty_database)
    is_sqlite = empty_database.is_sqlite
    words = {
        "number": "INTEGER" if is_sqlite else "BIGSERIAL",
        "moment": "DATETIME" if is_sqlite else "TIMESTAMP WITH TIME ZONE",
        "true": "1" if is_sqlite else "true",
    }
    with empty_database.engine.begin() as connection:
        if not is_sqlite:
            connection.execute(text("SET TIME ZONE 'UTC'"))
        for statement in TO_0004.format(**words).split(";\n"):
            connection.exec_driver_sql(statement)
    assert difference(empty_database)
    migrations.upgrade(empty_database)
    assert difference(empty_database) == []
    at = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
    with empty_database.session() as session:
        assert session.get_one(Record, 7).event_at == at
        alert = session.get_one(Alert, 3)
        assert (alert.at, alert.event_at, alert.record_id) == (at, at, 7)
        common = {"owner_id": None, "source": "api", "bundle": "m"}
        add_tallies(session, {("dos", "all", ""): 1}, at=at, **common)
        counted = session.query(Tally).filter_by(facet="all").one()
        hour = at.replace(minute=0, second=0)
        assert (counted.hour, counted.arrived_at, counted.n) == (hour, hour, 13)


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
