"""Bundles that a server takes: verified, whole, under a name of their own."""

from __future__ import annotations

import shutil

import pytest

from evenflow.errors import BundleError, DataError
from evenflow.web import intake, migrations, open_database
from evenflow.web.detectors import Detectors
from evenflow.web.home import open_home
from evenflow.web.settings import Settings


@pytest.fixture
def here(tmp_path):
    return open_home(tmp_path / "home")


@pytest.fixture
def database(here):
    database = open_database(Settings(home=here.root, secret_key="s" * 40))
    migrations.upgrade(database)
    yield database
    database.dispose()


def test_bundles_are_taken_once_and_the_first_is_used(
    here, database, saved_bundle, tmp_path
):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("one", "two"):
        shutil.copytree(saved_bundle, shelf / name)
    assert intake.take(here, database, [shelf]) == ["one", "two"]
    assert intake.take(here, database, [shelf / "two"]) == ["two"]
    detectors = Detectors(here, database)
    assert sorted(detectors.names()) == ["one", "two"]
    assert detectors.active_name() == "one"
    assert not [p for p in here.bundles.iterdir() if p.name.startswith(".")]


def test_another_bundle_of_the_same_name_gets_a_name_of_its_own(
    here, database, saved_bundle
):
    [name] = intake.take(here, database, [saved_bundle])
    sums = here.bundles / name / "SHA256SUMS"
    sums.write_text(sums.read_text() + "\n")
    [other] = intake.take(here, database, [saved_bundle])
    assert other.startswith(f"{name}-")
    assert other != name


def test_a_damaged_bundle_is_not_taken(here, database, saved_bundle, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(saved_bundle, broken)
    (broken / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match=str(broken)):
        intake.take(here, database, [broken])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no bundle"):
        intake.take(here, database, [tmp_path / "empty"])
    assert list(here.bundles.iterdir()) == []
