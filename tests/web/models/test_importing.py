"""Bundles that a server takes: verified, whole, under a name of their own."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from evenflow.errors import BundleError, DataError
from evenflow.web.models import importing
from evenflow.web.models.detectors import Detectors
from evenflow.web.settings import Settings
from evenflow.web.store import folder_lock, migrations
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.database import open_database


@pytest.fixture
def here(tmp_path):
    return open_home(tmp_path / "home")


@pytest.fixture
def database(here):
    database = open_database(Settings(home=here.root, secret_key="s" * 40))
    migrations.upgrade(database)
    yield database
    database.dispose()


@pytest.mark.slow
def test_bundles_are_taken_once_and_the_first_is_used(
    here, database, saved_bundle, tmp_path
):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("one", "two"):
        shutil.copytree(saved_bundle, shelf / name)
    assert importing.take(here, database, [shelf]) == ["one", "two"]
    assert importing.take(here, database, [shelf / "two"]) == ["two"]
    detectors = Detectors(here, database)
    assert sorted(detectors.names()) == ["one", "two"]
    assert detectors.active_name() == "one"
    assert not [p for p in here.bundles.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
def test_a_new_server_uses_the_shipped_detector_and_an_older_one_its_own(
    here, database, saved_bundle
):
    assert importing.take_shipped(here, database) == "lab-live"
    detectors = Detectors(here, database)
    assert detectors.active_name() == "lab-live"
    importing.take(here, database, [saved_bundle])
    with database.session() as session:
        detectors.activate(session, saved_bundle.name)
    assert importing.take_shipped(here, database) == ""
    assert detectors.active_name() == saved_bundle.name


def test_another_bundle_of_the_same_name_gets_a_name_of_its_own(
    here, database, saved_bundle
):
    [name] = importing.take(here, database, [saved_bundle])
    sums = here.bundles / name / "SHA256SUMS"
    sums.write_text(sums.read_text() + "\n")  # as if it were another one
    [other] = importing.take(here, database, [saved_bundle])
    assert other.startswith(f"{name}-")
    assert other != name


def test_a_damaged_bundle_is_not_taken(here, database, copy, tmp_path):
    (copy / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match=str(copy)):
        importing.take(here, database, [copy])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no bundle"):
        importing.take(here, database, [tmp_path / "empty"])
    assert list(here.bundles.iterdir()) == []


def pipe(path):
    path.unlink()
    os.mkfifo(path)


SPOILT = {
    "a device": lambda copy: (copy / "x").symlink_to("/dev/zero"),
    "a folder elsewhere": lambda copy: (copy / "x").symlink_to(copy.parent),
    "a pipe": lambda copy: pipe(copy / "SHA256SUMS"),
    "a link in place": lambda copy: (copy / "card.md").symlink_to(
        (copy / "card.md").rename(copy.parent / "card.md")
    ),
    "a folder": lambda copy: (copy / "more").mkdir(),
}


@pytest.fixture
def copy(saved_bundle, tmp_path):
    return shutil.copytree(saved_bundle, tmp_path / "copy")


@pytest.mark.parametrize("by", SPOILT)
def test_what_is_no_plain_file_is_refused_before_it_is_read(here, database, copy, by):
    SPOILT[by](copy)
    with pytest.raises(BundleError, match=str(copy)):
        importing.take(here, database, [copy])
    assert list(here.bundles.iterdir()) == []


def test_what_was_read_is_what_is_written(
    here, database, saved_bundle, copy, monkeypatch
):
    def changed_meanwhile(folder, verify=importing.verify):
        (copy / "model.onnx").write_bytes(b"another model")
        return verify(folder)

    monkeypatch.setattr(importing, "verify", changed_meanwhile)
    [name] = importing.take(here, database, [copy])
    taken, given = (
        {p.name: p.read_bytes() for p in folder.iterdir()}
        for folder in (here.bundles / name, saved_bundle)
    )
    assert taken == given


def test_a_bundle_that_ends_the_process_leaves_nothing_for_the_next_start(
    here, saved_bundle
):
    code = """
import os, signal, sys
from pathlib import Path
from evenflow.web.store.database import open_database
from evenflow.web.models import importing
from evenflow.web.store import migrations
from evenflow.web.store.data_folder import open_home
from evenflow.web.settings import Settings
importing.verify = lambda folder: os.kill(os.getpid(), signal.SIGSEGV)
home = open_home(Path(sys.argv[1]))
database = open_database(Settings(home=home.root, secret_key="s" * 40))
migrations.upgrade(database)
importing.take(home, database, [Path(sys.argv[2])])
"""
    words = [sys.executable, "-c", code, here.root, saved_bundle]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert len([*here.bundles.iterdir()]) == 1
    with folder_lock.shared(here.root):
        assert list(here.bundles.iterdir()) == []
