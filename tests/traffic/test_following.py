"""Logs that grow: every line once, whatever happens to the file."""

import gzip
import io
import json
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evenflow.errors import DataError
from evenflow.traffic.sources import SOURCES, Position, follow
from evenflow.traffic.sources._tail import Tail

LOGS = Path(__file__).with_name("logs")
HEAD = (
    "#separator \\x09\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n"
)
OTHER = (
    "#separator \\x09\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tproto\tid.resp_h\tid.resp_p\tid.orig_h\tid.orig_p\tconn_state\n"
)


def line(number):
    return (
        f"{1767225600 + number}.5\tC{number}\t192.0.2.1\t4000\t192.0.2.2\t80\ttcp\tSF\n"
    )


def other(number):
    return (
        f"{1767225600 + number}.5\tC{number}\ttcp\t192.0.2.2\t80\t192.0.2.1\t4000\tSF\n"
    )


def names(*numbers):
    return [f"C{number}" for number in numbers]


def test_a_byte_order_mark_costs_no_line(tmp_path):
    path = tmp_path / "conn.log"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + line(0) + line(1)).encode())
    assert Follower(path).step() == names(0, 1)


class Follower:
    """Reads a log to where it stands now, step by step."""

    def __init__(self, path, kind="zeek", position=None):
        self.path, self.kind, self.position = path, SOURCES[kind], position
        self.frames, self.uids, self.notes = [], [], []

    # as a threading.Event: a log without new lines ends the step
    def is_set(self):
        return self._is_done

    def wait(self, _seconds):
        self._n_waits += 1
        self._is_done = self._n_waits > 1

    def step(self):
        """Read what is new; return the names of its connections."""
        self._is_done, self._n_waits = False, 0
        before = len(self.uids)
        found = follow(
            self.path, self.kind, stop=self, position=self.position,
            on_event=lambda note: self.notes.append(note.text),
        )  # fmt: skip
        for frame, position in found:
            self.frames.append(frame)
            self.uids += frame["uid"].to_list()
            self.position = Position.from_json(position.to_json())
        return self.uids[before:]


class Live:
    """Follows a log in a thread."""

    def __init__(self, path, kind="zeek", position=None):
        self.uids, self.notes, self.position = [], [], position
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(path, SOURCES[kind], position)
        )
        self._thread.start()

    def _run(self, path, kind, position):
        found = follow(
            path, kind, stop=self._stop, position=position, poll_s=0.005,
            on_event=lambda note: self.notes.append(note.text),
        )  # fmt: skip
        for frame, now in found:
            self.uids += frame["uid"].to_list()
            self.position = now

    def until(self, n):
        """Wait until there are ``n`` connections."""
        end = time.monotonic() + 10
        while len(self.uids) < n and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(0.02)  # a line that is doubled would come now
        return self.uids

    def end(self):
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture(params=["in one run", "by a new run for each step"])
def waiting(request, tmp_path):
    """A log that is not there yet, a function that reads until there are ``n``
    connections, and what has the notes."""
    path = tmp_path / "conn.log"
    if request.param == "in one run":
        live = Live(path)
        yield path, live.until, live
        live.end()
    else:
        steps = Follower(path)

        def until(_n):
            steps.step()
            return steps.uids

        yield path, until, steps


@pytest.fixture
def reader(waiting):
    """The same of a log of which one line is read."""
    path, until, _ = waiting
    add(path, HEAD + line(1))
    assert until(1) == names(1)
    return waiting


def add(path, text):
    with path.open("ab") as stream:
        stream.write(text.encode() if isinstance(text, str) else text)


def age(path, seconds):
    """Make a file older, as rotated files are."""
    when = path.stat().st_mtime - seconds
    os.utime(path, (when, when))


def test_a_log_that_is_not_there_yet_is_waited_for(waiting):
    path, until, _ = waiting
    assert until(0) == []
    add(path, HEAD + line(1))
    assert until(1) == names(1)
    add(path, line(2) + line(3))
    assert until(3) == names(1, 2, 3)


def test_a_line_is_held_back_until_its_end_comes(reader):
    path, until, found = reader
    whole = line(2)
    add(path, whole[:20])
    assert until(1) == names(1)
    add(path, whole[20:30])
    assert until(1) == names(1)
    add(path, whole[30:])
    assert until(2) == names(1, 2)
    assert found.notes == []


def test_a_header_that_changes_is_followed(reader):
    path, until, found = reader
    add(path, OTHER + other(2))
    assert until(2) == names(1, 2)
    add(path, other(3))
    assert until(3) == names(1, 2, 3)
    assert found.notes == []


def test_a_log_that_is_renamed_is_read_to_its_end_before_the_new_one(reader):
    path, until, found = reader
    old = path.with_name("conn.log.1")
    path.rename(old)
    add(old, line(2))  # the writer has it open still
    path.touch()  # made by the rotation, before the writer knows
    assert until(2) == names(1, 2)
    add(old, line(3))
    add(path, OTHER + other(4))
    assert until(4) == names(1, 2, 3, 4)
    assert found.notes == []


def test_the_rest_of_a_log_that_was_copied_and_truncated_is_read_from_the_copy(reader):
    path, until, found = reader
    add(path, line(2))
    path.with_name("conn.log.1").write_bytes(path.read_bytes())
    with path.open("r+b") as stream:
        stream.truncate(0)
    assert until(2) == names(1, 2)
    add(path, line(3))  # without a header: the writer does not know
    assert until(3) == names(1, 2, 3)
    assert found.notes == []


def test_a_truncated_log_that_has_grown_again_is_read_from_its_beginning(reader):
    path, until, _ = reader
    path.write_text(OTHER + "".join(map(other, range(2, 9))))
    assert until(8) == names(*range(1, 9))


def test_a_hole_that_a_writer_left_after_a_truncation_is_skipped(reader):
    path, until, found = reader
    path.write_bytes(b"\0" * 5000 + line(2).encode())
    assert until(2) == names(1, 2)
    [note] = found.notes
    assert "lines" in note
    assert "may be missing" in note


def test_a_line_that_is_too_long_does_not_stop_what_follows(reader):
    path, until, found = reader
    add(path, "x" * (2**20 + 5))
    assert until(1) == names(1)
    add(path, "x" * 100)
    assert until(1) == names(1)
    add(path, "x\n" + line(2))
    assert until(2) == names(1, 2)
    assert any(
        "line 6: 1,048,581 bytes and more; expected lines" in n for n in found.notes
    )


def test_bytes_that_are_not_text_do_not_stop_what_follows(waiting):
    path, until, found = waiting
    add(path, HEAD.encode() + b"\xff\xff\n" + line(1).encode() + b"a\0b\n")
    assert until(1) == names(1)
    add(path, line(2))
    assert until(2) == names(1, 2)
    assert any("line 5: the byte 0xff" in n for n in found.notes)


def test_what_a_writer_adds_before_it_opens_the_new_log_is_read(first, monkeypatch):
    path, old = first.path, first.path.with_name("conn.log.1")
    path.rename(old)
    looks = Tail._is_replaced

    def late(tail, file):
        if not path.exists():
            add(old, line(2))
            add(path, HEAD + line(3))
        return looks(tail, file)

    monkeypatch.setattr(Tail, "_is_replaced", late)
    live = Live(path, position=first.position)
    assert live.until(2) == names(2, 3)
    live.end()


# -- from one run to the next


@pytest.fixture
def first(tmp_path):
    """A run that has read one line."""
    first = Follower(tmp_path / "conn.log")
    add(first.path, HEAD + line(1))
    assert first.step() == names(1)
    return first


def test_a_run_resumes_where_the_one_before_it_ended_across_rotations(first, tmp_path):
    path = first.path
    add(path, line(2)[:10])
    assert first.step() == []
    add(path, line(2)[10:])
    path.rename(tmp_path / "conn.log.2")
    age(tmp_path / "conn.log.2", 20)
    add(path, OTHER + other(3))
    path.rename(tmp_path / "conn.log.1")
    age(tmp_path / "conn.log.1", 10)
    (tmp_path / "conn.log.bak").write_text(HEAD + line(99))
    add(path, HEAD + line(4))
    after = Follower(path, position=first.position)
    assert after.step() == names(2, 3, 4)
    assert after.notes == []
    assert after.step() == []


def test_a_run_resumes_in_the_copy_of_a_log_that_was_truncated(tmp_path):
    path = tmp_path / "eve.json"
    record = json.loads((LOGS / "eve.json").read_bytes().splitlines()[0])

    def event(number):
        return json.dumps({**record, "flow_id": number}) + "\n"

    first = Follower(path, "eve")
    add(path, event(1))
    assert first.step() == ["1"]
    add(path, event(2))
    (tmp_path / "eve-20260101.json").write_bytes(path.read_bytes())
    path.write_text(event(3))
    after = Follower(path, "eve", first.position)
    assert after.step() == ["2", "3"]


def test_a_log_whose_file_is_gone_is_read_from_its_beginning_and_said_so(first):
    first.path.unlink()
    add(first.path, OTHER + other(2))
    after = Follower(first.path, position=first.position)
    assert after.step() == names(2)
    [note] = after.notes
    assert "lines after that may be missing" in note


@pytest.mark.parametrize("kind", ["argus", "nfdump"])
def test_a_run_that_resumes_under_a_header_knows_its_columns(kind, tmp_path):
    log = {"argus": "argus_flags.csv", "nfdump": "nfdump_both_ways.csv"}[kind]
    lines = (LOGS / log).read_text().splitlines(keepends=True)
    stream = io.BytesIO("".join(lines).encode())
    whole = pl.concat(list(SOURCES[kind].read(stream, source=log)))
    assert whole["known"].is_sorted()
    path = tmp_path / log
    frames, position = [], None
    for text in lines:
        add(path, text)
        run = Follower(path, kind, position)
        run.step()
        frames, position = frames + run.frames, run.position
    assert pl.concat(frames).equals(whole)


def test_a_position_that_cannot_be_one_is_refused():
    for text in ("", "[]", "{}", '{"device": -1}', "[" * 5000):
        with pytest.raises(DataError, match="expected the position of a log as JSON"):
            Position.from_json(text)


def test_a_stop_ends_the_following_of_a_log_that_is_silent(tmp_path):
    path = tmp_path / "conn.log"
    add(path, HEAD + line(1))
    live = Live(path)
    assert live.until(1) == names(1)
    live.end()
    add(path, line(2))
    again = Live(path, position=live.position)
    assert again.until(1) == names(2)
    again.end()


def test_what_cannot_be_followed_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match="is not a plain file"):
            Follower(path).step()


def test_a_log_of_another_kind_is_refused_once_that_is_sure(tmp_path):
    path = tmp_path / "conn.log"
    follower = Follower(path)
    add(path, "the end of a line\n")
    follower.step()
    add(path, HEAD + line(1))
    assert follower.step() == names(1)
    other_kind = Follower(tmp_path / "other.log")
    add(tmp_path / "other.log", "hello\n" * 200)
    with pytest.raises(DataError, match="expected Zeek's conn.log"):
        other_kind.step()


def test_a_writer_that_writes_in_pieces_and_rotates_loses_no_line(tmp_path):
    path = tmp_path / "conn.log"
    live = Live(path)
    n = 0
    for turn in range(6):
        text = HEAD + "".join(line(n + k) for k in range(40))
        n += 40
        for at in range(0, len(text), 97):
            add(path, text[at : at + 97])
        live.until(n)
        if turn % 2:
            path.rename(tmp_path / f"conn.log.{turn}")
        else:
            (tmp_path / f"conn.log.{turn}").write_bytes(path.read_bytes())
            os.truncate(path, 0)
    assert live.until(n) == names(*range(n))
    live.end()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    acts=st.lists(
        st.sampled_from(["line", "half", "read", "rename", "copy", "restart"]),
        max_size=25,
    )
)
@example(acts=["copy", "half", "read", "copy"])
def test_no_line_is_lost_or_doubled_whatever_happens_between(acts):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "conn.log"
        follower = Follower(path)
        add(path, HEAD + line(0))
        follower.step()
        done = [*follower.uids]
        n, rest, turn, n_read = 1, "", 0, 1
        for act in acts:
            if act in ("line", "half") or (rest and act in ("rename", "copy")):
                if not rest:
                    rest = line(n)
                    n += 1
                now, rest = (rest[:9], rest[9:]) if act == "half" else (rest, "")
                add(path, now)
            if act == "copy" and not n_read:
                # truncated now it would look like a log that was not
                done += follower.step()
            if act in ("rename", "copy"):
                turn, n_read = turn + 1, 0
                old = path.with_name(f"conn.log.{turn}")
                if act == "rename":
                    path.rename(old)
                    add(path, HEAD + f"#open\t{turn}\n")  # Zeek's has its time
                else:
                    old.write_bytes(path.read_bytes())
                    os.truncate(path, 0)
                age(old, 1000 - turn)
            if act == "read":
                done += follower.step()
                n_read = path.read_text().count("tcp\tSF\n")
            if act == "restart":
                follower = Follower(path, position=follower.position)
        add(path, rest)
        done += follower.step()
        assert done == names(*range(n))


def test_a_packed_log_is_not_followed_but_refused(tmp_path):
    path = tmp_path / "conn.log"
    path.write_bytes(gzip.compress((HEAD + line(0)).encode()))
    with pytest.raises(DataError, match="packed by gzip; .*leave out --state"):
        Follower(path).step()


def test_a_finished_log_s_last_line_without_its_end_is_counted(tmp_path):
    path = tmp_path / "conn.log"
    path.write_text(HEAD + line(0) + line(1)[:-1])
    notes = []
    found = follow(
        path, SOURCES["zeek"], stop=threading.Event(), until_end=True,
        on_event=lambda note: notes.append(note.text),
    )  # fmt: skip
    frames, positions = zip(*found, strict=True)
    assert pl.concat(frames)["uid"].to_list() == names(0)
    assert any("incomplete" in text for text in notes)
    with path.open("a") as stream:
        stream.write("\n" + line(2))
    assert Follower(path, position=positions[-1]).step() == names(1, 2)
