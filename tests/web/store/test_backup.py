"""The database into one file and back: whole, checked, or nothing is changed."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from evenflow.web.store import folder_lock
from evenflow.web.store.database import Database

PASSWORD = "three grey boats at noon"


@pytest.fixture
def saved(run, ann, tmp_path):
    """A backup of a database with one admin."""
    path = tmp_path / "saved.db"
    run("db", "backup", path)
    return path


def test_a_backup_is_one_whole_file_that_only_its_owner_reads(run, saved, tmp_path):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir() if "saved" in p.name] == ["saved.db"]
    again = run("db", "backup", saved, code=2)
    assert "already exists" in again.output
    run("db", "backup", saved, "--force")


@pytest.mark.slow
def test_a_backup_to_standard_output_holds_nothing_else(run, ann, home, tmp_path):
    saved = tmp_path / "saved.db"
    words = ("db", "backup", "--force", "/dev/stdout", "--home", home)
    command = [sys.executable, "-m", "evenflow", *words]
    with saved.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=True)
    assert b"Saved the database to /dev/stdout" in done.stderr
    run("db", "restore", saved, "--force")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_full_disk_is_one_line_and_leaves_the_database_and_no_part(
    run, ann, home, tmp_path, users, command, saved
):
    before, limits = users(), resource.getrlimit(resource.RLIMIT_FSIZE)
    words = ("backup", tmp_path / "new") if command == "backup" else ("restore", saved)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limits[1]))
    try:
        done = run("db", *words, "--force", code=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    [line] = done.output.splitlines()
    assert line.startswith("Error: cannot copy ")
    assert "Expected a whole database and a disk with room" in line
    assert users() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "saved.db"]
    assert not [*home.glob(".*.part*")]


def test_a_database_is_not_backed_up_onto_itself(run, ann, home):
    before = (home / "evenflow.db").stat().st_ino
    done = run("db", "backup", home / "evenflow.db", "--force", code=2)
    assert "expected another file" in done.output
    assert (home / "evenflow.db").stat().st_ino == before


def test_what_was_backed_up_comes_back(run, ann, home, users, saved):
    run("user", "add", "bob@example.org", "--password-stdin", input=PASSWORD + "\n")
    refused = run("db", "restore", saved, code=2)
    assert "not empty" in refused.output
    assert len(users()) == 2
    run("db", "restore", saved, "--force")
    assert users() == {ann: ("admin", True)}
    assert stat.S_IMODE((home / "evenflow.db").stat().st_mode) == 0o600


def test_a_backup_goes_into_an_empty_data_folder(run, ann, home, users, saved):
    shutil.rmtree(home)
    run("db", "restore", saved)
    assert users() == {ann: ("admin", True)}


@pytest.mark.slow
def test_a_backup_under_writes_is_whole(run, ann, home, tmp_path, users):
    writer = """
import sys, uuid
from evenflow.web.store.database import Database, sqlite_url
from evenflow.web.store.tables import User
from pathlib import Path
database = Database(sqlite_url(Path(sys.argv[1])))
print("ready", flush=True)
while True:
    with database.session() as session:
        session.add(User(email=uuid.uuid4().hex, fs_uniquifier=uuid.uuid4().hex))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", writer, home / "evenflow.db"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        saved = tmp_path / "saved.db"
        run("db", "backup", saved)
    finally:
        process.kill()
        process.communicate()
    n = len(users())
    run("db", "restore", saved, "--force")
    assert ann in users()
    assert 1 <= len(users()) <= n


def damaged(path):
    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def foreign(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")


def test_a_flipped_byte_of_a_backup_is_refused_wherever_it_is(
    run, ann, home, users, saved
):
    good, rng = saved.read_bytes(), random.Random(7)
    some = [rng.randrange(len(good)) for _ in range(40)]
    for place in [0, 20, 30, 60, len(good) - 1, len(good) - 30, len(good) - 80, *some]:
        data = bytearray(good)
        data[place] ^= 0x04
        saved.write_bytes(data)
        done = run("db", "restore", saved, "--force", code=2)
        assert "has a bug" not in done.output
    for data in (good[:-1], good[:-50], good[:-90], good + b"x"):
        saved.write_bytes(data)
        done = run("db", "restore", saved, "--force", code=2)
        assert "is damaged" in done.output
    assert users() == {ann: ("admin", True)}
    saved.write_bytes(good)
    run("db", "restore", saved, "--force")


def test_a_backup_is_also_a_database_that_sqlite_reads(run, ann, saved):
    with closing(sqlite3.connect(saved)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT email FROM account").fetchall() == [(ann,)]


def wrecks(good):
    yield b"hello" * 5000
    yield b"\0" * len(good)
    yield good[: len(good) // 2]
    yield good[:100]
    yield good[:16] + b"\xff\xff" + good[18:]
    yield good[:100] + b"\xff" * 3000 + good[3100:]
    rng = random.Random(1)
    for n in (2000, 8000):
        data = bytearray(good)
        for _ in range(n):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
        yield bytes(data)


def test_a_damaged_database_is_said_at_the_start_and_a_restore_mends_it(
    run, ann, home, users, saved
):
    good = (home / "evenflow.db").read_bytes()
    for data in wrecks(good):
        for path in home.glob("evenflow.db*"):
            path.unlink()
        (home / "evenflow.db").write_bytes(data)
        done = run("serve", "--port", "0", code=2)
        assert "evenflow.db is damaged" in done.output, done.output
        assert "evenflow db restore FILE --force" in done.output
        assert done.output.count("\n") == 1
        run("db", "restore", saved, code=2)
        run("db", "restore", saved, "--force")
        assert users() == {ann: ("admin", True)}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "damaged|cannot be read"),
        (newer, "version 9999"),
        (foreign, "not a database of evenflow"),
        (lambda path: path.write_bytes(b"hello" * 999), "cannot be read as a SQLite"),
        (lambda path: path.unlink(), "is not a file"),
    ],
    ids=["damaged", "newer", "foreign", "text", "gone"],
)
def test_what_is_no_good_backup_changes_nothing(
    run, ann, home, spoil, said, users, saved
):
    spoil(saved)
    done = run("db", "restore", saved, "--force", code=2)
    assert any(part in done.output for part in said.split("|")), done.output
    assert users() == {ann: ("admin", True)}


def test_nothing_is_restored_under_a_running_server(run, ann, home, saved, monkeypatch):
    monkeypatch.setattr(folder_lock, "WAIT_S", 0.1)
    with folder_lock.shared(home), folder_lock.shared(home):
        done = run("db", "restore", saved, "--force", code=2)
    assert "a server or a watch is running on it" in done.output
    with folder_lock.alone(home):
        done = run("serve", "--port", "0", code=2)
    assert "a restore is at work" in done.output


@pytest.mark.slow
def test_what_a_killed_restore_left_is_deleted_by_the_next_who_uses_the_folder(
    run, ann, home, users, saved
):
    code = """
import os, signal, sys
from evenflow.cli import main
from evenflow.web.store import backup
copy = backup._copy
def killed(*args, **kwargs):
    copy(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
backup._copy = killed
main(sys.argv[1:])
"""
    words = ["db", "restore", saved, "--force", "--home", home]
    for use in (folder_lock.shared, folder_lock.alone):
        done = subprocess.run([sys.executable, "-c", code, *words], check=False)
        assert done.returncode == -signal.SIGKILL
        assert [*home.glob(".evenflow.db.*.part")]
        with use(home):
            assert [*home.glob(".evenflow.db.*.part*")] == []
    assert users() == {ann: ("admin", True)}


def test_only_what_nobody_writes_is_deleted(home, tmp_path):
    (home / "bundles" / ".small.4194304999.part").mkdir(parents=True)
    (home / "bundles" / ".small.x8d_k3aq.part").mkdir()
    (home / "bundles" / "small.partial").mkdir()
    running = home / f".backup.{os.getppid()}.part"
    others = [home / ".mine.part", home / ".a.b.part.txt", home / "a.1.part", running]
    for path in others:
        path.write_text("")
    with folder_lock.shared(home):
        late = home / ".evenflow.db.4194304999.part"
        late.write_text("")
        with folder_lock.shared(home):  # not alone: somebody may be writing it
            assert late.exists()
    assert {*home.iterdir()} == {*others, late, home / ".lock", home / "bundles"}
    assert [path.name for path in (home / "bundles").iterdir()] == ["small.partial"]


@pytest.mark.slow
def test_postgresql_is_backed_up_and_restored(run, postgresql_url, tmp_path):
    if shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not on PATH (Debian: apt install postgresql-client)")
    here = ("--database", postgresql_url)
    add = ("user", "add", "--password-stdin", *here)
    run(*add, "ann@example.org", input=PASSWORD)
    saved = tmp_path / "saved.dump"
    done = run("db", "backup", saved, *here)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    run(*add, "bob@example.org", input=PASSWORD)
    assert "not empty" in run("db", "restore", saved, *here, code=2).output
    beside = Database(postgresql_url)
    with beside.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        done = run("db", "restore", saved, "--force", *here, code=2)
        assert "connections of an evenflow server are open" in done.output
    beside.dispose()
    good = saved.read_bytes()
    for place in range(5, len(good), len(good) // 20):
        saved.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        run("db", "restore", saved, "--force", *here, code=2)
    saved.write_bytes(good)
    done = run("db", "restore", saved, "--force", *here)
    listed = json.loads(run("user", "list", "--json", *here).stdout)
    assert [u["email"] for u in listed] == ["ann@example.org"]
    (tmp_path / "text").write_text("hello")
    done = run("db", "restore", tmp_path / "text", "--force", *here, code=2)
    assert "is not a backup of a PostgreSQL database" in done.output


def test_a_database_that_is_away_is_said_in_a_line_without_the_password(run):
    url = "postgresql+psycopg://ann:hunter2@127.0.0.1:1/evenflow"
    done = run("db", "upgrade", "--database", url, code=2)
    assert "is not responding" in done.output
    assert "hunter2" not in done.output
    assert done.output.count("\n") == 1
