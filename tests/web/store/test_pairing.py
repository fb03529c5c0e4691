"""A data folder and its database belong together; neither is used with another."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import select

from evenflow.errors import StorageError
from evenflow.web.jobs import retention
from evenflow.web.settings import Settings
from evenflow.web.store import migrations, pairing
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.database import Database, sqlite_url
from evenflow.web.store.tables import Audit, Job, now

OLD = 3 * 86_400


def database_at(path):
    found = Database(sqlite_url(path))
    migrations.upgrade(found)
    return found


def old_result(home, name):
    folder = home.results / name
    folder.mkdir()
    (folder / "verdicts.parquet").write_bytes(b"kept")
    when = time.time() - OLD
    for path in (folder / "verdicts.parquet", folder):
        os.utime(path, (when, when))
    return folder


@pytest.fixture
def here(tmp_path):
    """A data folder with results, tied to its database."""
    home = open_home(tmp_path / "home")
    database = database_at(home.database)
    pairing.tie(home, database)
    old_result(home, "a" * 24)
    with database.session() as session:
        session.add(Job(id="a" * 24, kind="score", lane="score", state="done",
                        ended_at=now()))  # fmt: skip
    yield home, database
    database.dispose()


def refuses(home, database):
    for use in (pairing.check, pairing.tie):
        with pytest.raises(StorageError, match="evenflow db adopt"):
            use(home, database)


def test_a_folder_and_its_database_go_on_together(here):
    home, database = here
    for _ in range(2):
        pairing.tie(home, database)


def test_a_new_database_is_refused(here, tmp_path):
    home, _ = here
    other = database_at(tmp_path / "other.db")
    refuses(home, other)
    other.dispose()
    missing = Database(sqlite_url(tmp_path / "missing.db"))
    with pytest.raises(StorageError, match="new or was emptied"):
        pairing.check(home, missing)
    assert not (tmp_path / "missing.db").exists()
    missing.dispose()


def test_the_database_of_another_folder_is_refused(here, tmp_path):
    home, _ = here
    second = open_home(tmp_path / "second")
    other = database_at(second.database)
    pairing.tie(second, other)
    refuses(home, other)
    other.dispose()


def test_a_folder_that_lost_its_id_is_refused_if_it_holds_anything(here):
    home, database = here
    (home.root / pairing.FILE).unlink()
    refuses(home, database)


def test_an_empty_folder_takes_the_id_of_its_database(here, tmp_path):
    _, database = here
    new = open_home(tmp_path / "new")
    pairing.tie(new, database)
    pairing.tie(new, database)


def test_servers_that_start_at_once_agree_on_one_id(tmp_path):
    home = open_home(tmp_path / "home")
    database_at(home.database).dispose()
    code = """
import multiprocessing, sys
from pathlib import Path
from evenflow.web.store import pairing
from evenflow.web.store.database import Database, sqlite_url
from evenflow.web.store.data_folder import open_home

def server():
    home = open_home(Path(sys.argv[1]))
    database = Database(sqlite_url(home.database))
    database.engine.connect().close()
    all_are_ready.wait(60)
    pairing.tie(home, database)

fork = multiprocessing.get_context("fork")
all_are_ready = fork.Barrier(4)
servers = [fork.Process(target=server) for _ in range(4)]
for one in servers:
    one.start()
for one in servers:
    one.join()
sys.exit(any(one.exitcode for one in servers))
"""
    subprocess.run([sys.executable, "-c", code, home.root], check=True, timeout=60)
    database = Database(sqlite_url(home.database))
    pairing.check(home, database)
    database.dispose()


def test_adopt_ties_a_folder_to_another_database_and_unties_the_first(here, tmp_path):
    home, first = here
    other = database_at(tmp_path / "other.db")
    pairing.adopt(home, other)
    pairing.tie(home, other)
    refuses(home, first)
    other.dispose()


def test_what_no_job_knows_is_set_aside_and_said_never_deleted(here, caplog):
    home, database = here
    settings = Settings(home=home.root, secret_key="k" * 40)
    old_result(home, "b" * 24)
    (home.uploads / "notes.txt").write_text("mine")
    os.utime(home.uploads / "notes.txt", (time.time() - OLD,) * 2)
    with caplog.at_level("WARNING", logger="evenflow"):
        assert retention.run(database, home, settings) == {"set_aside": 2}
    assert (home.set_aside / "uploads" / "notes.txt").read_text() == "mine"
    aside = home.set_aside / "results" / ("b" * 24)
    assert (aside / "verdicts.parquet").read_bytes() == b"kept"
    assert (home.results / ("a" * 24) / "verdicts.parquet").exists()
    assert str(aside) in caplog.text
    with database.session() as session:
        log = session.scalars(select(Audit)).one()
    assert log.action == "retention.set_aside"
    # a second one of the same name displaces nothing
    old_result(home, "b" * 24)
    retention.run(database, home, settings)
    assert len([*(home.set_aside / "results").iterdir()]) == 2


def test_what_somebody_deleted_is_deleted_by_the_sweep(here):
    home, database = here
    old_result(home, "c" * 24)
    with database.session() as session:
        session.add(Audit(action=retention.DELETED, object="c" * 24))
    settings = Settings(home=home.root, secret_key="k" * 40)
    assert retention.run(database, home, settings) == {"unfinished": 1}
    assert not (home.results / ("c" * 24)).exists()
    assert not home.set_aside.exists()


def tied(folder):
    """Return a data folder that is tied to a database of its own."""
    home = open_home(folder)
    database = database_at(home.database)
    pairing.tie(home, database)
    database.dispose()
    return home


def test_an_old_backup_keeps_the_newer_results(run, ann, home, tmp_path):
    saved = tmp_path / "saved.db"
    here = tied(home)
    run("db", "backup", saved)
    old_result(here, "d" * 24)
    run("db", "restore", saved, "--force")
    database = Database(sqlite_url(here.database))
    pairing.tie(here, database)
    retention.run(database, here, Settings(home=home, secret_key="k" * 40))
    database.dispose()
    kept = here.set_aside / "results" / ("d" * 24) / "verdicts.parquet"
    assert kept.read_bytes() == b"kept"


@pytest.mark.parametrize("emptied", ["deleted", "truncated", "named"])
def test_commands_refuse_a_database_of_another_folder(
    run, ann, home, tmp_path, emptied
):
    tied(home)
    more = ()
    if emptied == "deleted":
        (home / "evenflow.db").unlink()
    elif emptied == "truncated":
        for path in home.glob("evenflow.db*"):
            path.write_bytes(b"")
    else:
        more = ("--database", f"sqlite:///{tmp_path}/other.db")
    for words in (("serve", "--port", "0"), ("worker",), ("user", "list")):
        done = run(*words, *more, code=2)
        assert "new or was emptied" in done.output
        assert "evenflow db adopt" in done.output
    run("db", "adopt", *more)
    run("user", "list", *more)


def test_a_backup_of_another_folder_says_what_to_do(run, ann, home, tmp_path):
    saved, other = tmp_path / "saved.db", tmp_path / "other"
    tied(home)
    run("db", "backup", saved)
    database = f"sqlite:///{tied(other).database}"
    done = run("db", "restore", saved, "--force", "--database", database)
    assert "evenflow db adopt" not in done.output  # the folder is ours
    shutil.copy(other / pairing.FILE, home / pairing.FILE)
    done = run("db", "restore", saved, "--force")
    assert "evenflow db adopt" in done.output


@pytest.mark.slow
def test_a_server_started_on_another_database_deletes_nothing(
    tmp_path, made_home, saved_bundle
):
    root = tmp_path / "home"
    shutil.copytree(made_home, root)
    home = open_home(root)

    def serve(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "evenflow", "serve", "--home", root, "--port", "0",
             "--workers", "1", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    first = serve()
    try:
        assert any("evenflow is at" in line for line in first.stdout)
        old_result(home, "e" * 24)
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    second = serve("--database", f"sqlite:///{tmp_path}/other.db")
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 2, said
    assert (home.results / ("e" * 24)).is_dir()
