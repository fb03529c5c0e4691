"""Files are written whole or not at all, and one run owns a folder."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evenflow.errors import BusyError, StorageError
from evenflow.files import owned, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "figures.json"
    write_text(path, "old")

    def fail_half_way():
        with replacing(path) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["figures.json"]


def test_not_a_number_never_reaches_a_json_file(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "figures.json", {"f1": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    def write():
        with replacing(tmp_path / "report.html"), Path("/dev/full").open("w") as full:
            full.write("x")
            full.flush()

    with pytest.raises(StorageError, match=r"No space left on device.*free some space"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(StorageError, match="runs"):
        write_text(tmp_path / "runs" / "report.html", "")


def test_two_runs_cannot_own_one_folder(tmp_path):
    with (
        owned(tmp_path),
        pytest.raises(BusyError, match="another run"),
        owned(tmp_path),
    ):
        pass
    with owned(tmp_path):
        pass


def test_a_run_that_made_nothing_leaves_no_folder(tmp_path):
    def fail():
        with owned(tmp_path / "made"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not (tmp_path / "made").exists()
    (tmp_path / "given").mkdir()
    with owned(tmp_path / "given"), owned(tmp_path / "work"):
        (tmp_path / "work" / "checkpoint").write_text("")
    assert (tmp_path / "given").is_dir()
    assert (tmp_path / "work" / "checkpoint").is_file()


def test_a_lock_on_a_folder_that_was_just_removed_is_no_lock(tmp_path, monkeypatch):
    """The owner removes its folder while another run stands between open and lock."""
    folder = tmp_path / "run"

    def too_late(stream, how):
        shutil.rmtree(folder)
        flock(stream, how)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", too_late)
    with pytest.raises(BusyError), owned(folder):
        pass
    monkeypatch.undo()
    with owned(folder):
        pass


def test_a_name_too_long_for_a_file_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="name too long"):
        write_text(tmp_path / ("a" * 300), "")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_gives_its_folder_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from evenflow.files import owned\n"
        "with owned(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(BusyError), owned(tmp_path):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    deadline = time.monotonic() + 5
    while True:
        try:
            with owned(tmp_path):
                break
        except BusyError:
            assert time.monotonic() < deadline
