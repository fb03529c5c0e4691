"""Files are written whole or not at all, and one run owns a folder."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from evenflow.errors import BusyError, StorageError
from evenflow.files import is_stream, owned, replacing, write_json, write_text
from evenflow.runtime.writers import binary, writer


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


def write_frame(form):
    def write(path):
        with writer(path, form) as put:
            put(pl.DataFrame({"a": [1, 2]}))

    return write


def write_binary(path):
    with binary(path) as stream:
        stream.write(b"text")


WRITERS = {
    "text": lambda path: write_text(path, "text"),
    "json": lambda path: write_json(path, {"a": 1}),
    "binary": write_binary,
    "csv": write_frame("csv"),
    "jsonl": write_frame("jsonl"),
    "parquet": write_frame("parquet"),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
to_streams = pytest.mark.parametrize(
    "write", [w for n, w in WRITERS.items() if n != "parquet"],
    ids=[n for n in WRITERS if n != "parquet"],
)  # fmt: skip


@every_writer
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_followed_and_stays(tmp_path, write, is_there):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "file"
    if is_there:
        target.write_text("old")
    (tmp_path / "first").symlink_to("real/file")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    write(tmp_path / "second")
    assert (tmp_path / "second").is_symlink()
    assert (tmp_path / "first").is_symlink()
    assert target.is_file()
    assert target.read_bytes() not in (b"", b"old")
    assert {p.name for p in tmp_path.iterdir()} == {"real", "first", "second"}
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["file"]


@every_writer
def test_links_in_a_loop_are_named(tmp_path, write):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "a" / "file"):
        with pytest.raises(StorageError, match=r"links.*choose another path"):
            write(path)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


@to_streams
def test_a_pipe_is_written_to(tmp_path, write):
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert heard[0]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@to_streams
@pytest.mark.parametrize("name", ["file", "pipe"])
@pytest.mark.parametrize("way", ["/proc/self/fd/{}", "/dev/fd/{}", "/proc/{pid}/fd/{}"])
def test_an_open_descriptor_is_written_to_and_goes_on(tmp_path, write, name, way):
    link, out = tmp_path / "link", tmp_path / "out"
    if name == "pipe":
        reading, writing = os.pipe()
    else:
        writing = os.open(out, os.O_RDWR | os.O_CREAT)
        reading = os.open(out, os.O_RDONLY)
    try:
        os.write(writing, b"before ")
        link.symlink_to(way.format(writing, pid=os.getpid()))
        write(link)
        os.write(writing, b" after")
        found = os.read(reading, 10_000)
    finally:
        os.close(reading)
        os.close(writing)
    assert found.startswith(b"before ")
    assert found.endswith(b" after")
    assert len(found) > len(b"before  after")
    assert link.is_symlink()


@to_streams
def test_a_device_stays_a_device(tmp_path, write):
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        path.write_text("")
    except OSError:
        pytest.skip("no device can be made here")
    write(path)
    assert path.is_char_device()
    assert is_stream(Path("/dev/null"))


@to_streams
def test_a_descriptor_of_another_process_is_not_cut(tmp_path, write):
    out = tmp_path / "out"
    out.write_text("before ")
    code = "import sys; sys.stdin.read()"
    with (
        out.open("a") as stream,
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=stream, stdin=subprocess.PIPE
        ) as other,
    ):
        write(Path(f"/proc/{other.pid}/fd/1"))
        other.communicate(b"")
    assert out.read_text().startswith("before ")
    assert len(out.read_text()) > len("before ")


def test_what_looks_like_a_descriptor_is_a_file(tmp_path):
    (tmp_path / "fd").mkdir()
    for path in (tmp_path / "fd" / "1", tmp_path / "stdout", Path("/proc/self/fd/x")):
        assert not is_stream(path)
    with pytest.raises(StorageError):
        write_text(Path("/proc/self/fd/987654"), "")
    with pytest.raises(StorageError, match="Parquet for a stream"):
        write_frame("parquet")(Path("/dev/fd/1"))
