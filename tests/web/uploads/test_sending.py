"""Files sent whole by a form or in pieces by a script: all arrives, or nothing."""

import fcntl
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from evenflow.errors import StorageError
from evenflow.web.uploads import receive
from evenflow.web.uploads.job import SENT


class Pieces:
    """A browser's script that sends a file in pieces."""

    def __init__(self, client):
        self.client = client

    def call(self, method, url, **kwargs):
        headers = {"X-CSRFToken": self.client.csrf(), "Accept": "application/json"}
        return self.client.open(url, method=method, headers=headers, **kwargs)

    def begin(self, size, name="flows.csv"):
        return self.call("POST", "/uploads/parts", json={"name": name, "size": size})

    def put(self, begun, offset, data):
        return self.call("PUT", f"{begun['url']}?offset={offset}", data=data)


@pytest.fixture
def pieces(people):
    return Pieces(people("viewer"))


@pytest.fixture
def begun(pieces, sample):
    """What is answered to the beginning of an upload."""
    return pieces.begin(len(sample)).json


def test_pieces_make_the_file_whatever_was_lost_on_the_way(
    desk, app, pieces, sample, left, web, begun
):
    third = len(sample) // 3
    assert pieces.put(begun, 0, sample[:third]).json == {"offset": third}
    # the answer was lost, so the piece comes again; and one comes too early
    for offset in (0, 2 * third):
        wrong = pieces.put(begun, offset, sample[offset : offset + third])
        assert wrong.status_code == 409
        assert wrong.json["error"]["offset"] == third
    assert pieces.client.get(begun["url"]).json == {"offset": third}
    early = pieces.call("POST", begun["finish"])
    assert early.status_code == 422
    assert f"{third} of {len(sample)} bytes" in early.json["error"]["message"]
    assert pieces.put(begun, third, sample[third:]).json == {"offset": len(sample)}
    finished = pieces.call("POST", begun["finish"])
    again = pieces.call("POST", begun["finish"])
    assert finished.json == again.json
    assert left() == [finished.json["id"]]
    stored = web.home.uploads / finished.json["id"] / "data"
    assert stored.read_bytes() == sample
    desk.work_off(app)
    assert "Results" in pieces.client.get(finished.json["url"]).text


def test_an_end_that_is_asked_for_twice_at_once_loses_nothing(
    desk, app, sample, monkeypatch, viewer, web
):
    pieces = Pieces(viewer)
    begun = pieces.begin(len(sample)).json
    pieces.put(begun, 0, sample)
    checked, both = receive.check, threading.Barrier(2)

    def slow(path, name):
        checked(path, name)
        with suppress(threading.BrokenBarrierError):  # it may wait for this one
            both.wait(0.5)

    monkeypatch.setattr(receive, "check", slow)
    headers = {"X-CSRFToken": viewer.csrf()}
    cookie = viewer.get_cookie("evenflow").value

    def finish(_):
        client = app.test_client()
        client.set_cookie("evenflow", cookie)
        return client.post(begun["finish"], headers=headers)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(finish, range(2)))
    assert [a.status_code for a in answers] == [200, 200]
    assert [a.json["id"] for a in answers] == [begun["id"]] * 2
    assert (web.home.uploads / begun["id"] / "data").read_bytes() == sample
    desk.work_off(app)
    assert desk.job_of(web, begun["id"]).state == "done"


class Stream:
    """What a client sends, slowly: ``meanwhile`` is called before each read."""

    def __init__(self, data, meanwhile):
        self.data, self.meanwhile = data, meanwhile

    def read(self, size=-1, /):
        self.meanwhile()
        data, self.data = self.data[:size], self.data[size:]
        return data


def test_nothing_is_locked_while_a_client_sends_its_piece(
    app, pieces, sample, web, begun
):
    path = web.home.uploads / f"{begun['id']}.part" / "data"
    tried = []

    def meanwhile():
        with path.open("rb") as stream:  # another request gets the lock at once
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not web.db().in_transaction()
        tried.append(len(path.read_bytes()))

    with app.test_request_context():
        user = SimpleNamespace(id=pieces.client.user_id)
        stream = Stream(sample, meanwhile)
        assert receive.append(user, begun["id"], 0, stream) == len(sample)
    assert tried
    assert set(tried) == {0}
    assert path.read_bytes() == sample


def test_a_piece_that_came_first_wins_over_one_that_is_still_being_sent(
    app, pieces, sample, begun
):
    user = SimpleNamespace(id=pieces.client.user_id)

    def meanwhile():
        if not pieces.client.get(begun["url"]).json["offset"]:
            assert pieces.put(begun, 0, sample[:100]).json == {"offset": 100}

    with app.test_request_context(), pytest.raises(receive.OffsetError) as caught:
        receive.append(user, begun["id"], 0, Stream(sample, meanwhile))
    assert caught.value.more == {"offset": 100}
    assert pieces.client.get(begun["url"]).json == {"offset": 100}


def test_a_locked_upload_is_answered_409_and_holds_no_thread(
    pieces, sample, monkeypatch, web, begun
):
    monkeypatch.setattr(receive, "FINISH_S", 0.2)
    path = web.home.uploads / f"{begun['id']}.part" / "data"
    with path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for answer in (
            pieces.put(begun, 0, sample),
            pieces.call("POST", begun["finish"]),
        ):
            assert answer.status_code == 409
            assert "is being received" in answer.json["error"]["message"]
            assert "offset" not in answer.json["error"]
    assert pieces.put(begun, 0, sample).json == {"offset": len(sample)}
    assert pieces.call("POST", begun["finish"]).status_code == 200


def test_a_piece_that_breaks_off_leaves_what_was_here(app, pieces, sample, begun):
    pieces.put(begun, 0, sample[:100])

    def breaks():
        raise ConnectionResetError

    user = SimpleNamespace(id=pieces.client.user_id)
    with app.test_request_context(), pytest.raises(ConnectionResetError):
        receive.append(user, begun["id"], 100, Stream(sample[100:], breaks))
    assert pieces.client.get(begun["url"]).json == {"offset": 100}


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b'{"size": ' + b"9" * 5_000 + b"}", b'"\\ud800"', b"[\xff"]
)
def test_what_begins_an_upload_is_read_within_limits(pieces, body):
    for data, status in ((body, 400), (b" " * 2**17, 413)):
        how = {"content_type": "application/json", "expect": status}
        pieces.call("POST", "/uploads/parts", data=data, **how)


def test_an_upload_in_pieces_is_nobody_elses(people, pieces, sample, begun):
    other = Pieces(people("admin"))
    answers = [
        other.client.get(begun["url"]),
        other.put(begun, 0, sample),
        other.call("POST", begun["finish"]),
        other.call("DELETE", begun["url"]),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    pieces.call("DELETE", begun["url"], expect=204)
    pieces.client.get(begun["url"], expect=404)


def test_a_piece_beyond_the_size_announced_is_refused(pieces):
    begun = pieces.begin(10).json
    refused = pieces.put(begun, 0, b"x" * 11)
    assert refused.status_code == 422
    assert "more than the declared file size" in refused.json["error"]["message"]
    assert pieces.client.get(begun["url"]).json == {"offset": 0}


def test_a_zip_in_pieces_is_refused_at_its_first_piece(pieces, left):
    begun = pieces.begin(100).json
    refused = pieces.put(begun, 0, b"PK\x03\x04" + bytes(40))
    assert refused.status_code == 422
    assert "zip" in refused.json["error"]["message"]
    assert left() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"name": "x"}, 400),
        ({"name": "x", "size": "1"}, 400),
        ({"name": "x", "size": True}, 400),
        ({"name": 5, "size": 1}, 400),
        ({"name": "x", "size": 0}, 422),
        ({"name": "x", "size": -5}, 422),
        ({"name": "x", "size": 2**40}, 413),
    ],
)
def test_a_wrong_beginning_is_told(pieces, body, status):
    answer = pieces.call("POST", "/uploads/parts", json=body)
    assert answer.status_code == status
    assert answer.json["error"]["message"]


def test_an_offset_that_is_no_number_is_told(pieces):
    begun = pieces.begin(10).json
    for offset in ("", "-1", "x", "1e3", "\u0661"):
        assert pieces.put(begun, offset, b"x").status_code == 400


def test_only_a_few_unfinished_uploads_are_taken(pieces):
    for _ in range(5):
        assert pieces.begin(10).status_code == 201
    refused = pieces.begin(10)
    assert refused.status_code == 422
    assert "are unfinished" in refused.json["error"]["message"]


def test_uploads_that_were_left_keep_nobody_from_a_new_one(people, pieces, web):
    folder = web.home.uploads
    other = Pieces(people("viewer"))
    theirs = other.begin(10).json["id"]
    begun = [pieces.begin(10).json["id"] for _ in range(5)]
    for upload_id in (theirs, *begun[:4]):
        os.utime(folder / f"{upload_id}.part" / SENT, (0, 0))
    assert pieces.begin(10).status_code == 201
    here = {path.name.removesuffix(".part") for path in folder.iterdir()}
    assert {theirs, begun[4]} < here
    assert not here & set(begun[:4])


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\xd8\xff\xe0", "image"),
        (b"\x89PNG\r\n", "image"),
        (b"", "empty"),
    ],
)
def test_what_is_no_file_of_records_is_refused_at_once(desk, start, told, viewer, left):
    answer = desk.send(viewer, start)
    assert answer.status_code == 422
    assert told in answer.text
    assert "expected records as text" in answer.text
    assert left() == []


def test_a_form_without_a_file_says_so(people):
    answer = people("viewer").send("/uploads", {"x": "y"}, expect=422)
    assert "No file was chosen" in answer.text


def test_a_file_over_the_limit_is_413_and_leaves_nothing(
    desk, build, settings, people, rows, left
):
    small = build(settings.model_copy(update={"max_upload_mb": 0.02}))
    client = people("viewer", app=small)
    # beyond the form's own frame too: not even read to its end
    for size in (30_000, 200_000):
        answer = desk.send(client, b"x" * size)
        assert answer.status_code == 413
        assert "larger than 0 MiB, the maximum size. Split it" in answer.text
    assert left() == []
    page, begun = client.get("/uploads"), Pieces(client).begin(30_000)
    assert begun.status_code == 413
    assert f'data-too-large="{begun.json["error"]["message"]}."' in page.text


def test_a_large_form_is_read_for_nobody_who_is_not_logged_in(
    desk, build, settings, people
):
    app = build(settings.model_copy(update={"max_body_mb": 0.01}))
    stranger = people("viewer", app=app, is_logged_in=False)
    assert desk.send(stranger, b"x" * 200_000).status_code == 413
    known = people("viewer", app=app)
    assert desk.send(known, b"x" * 200_000).status_code == 303


def test_too_many_waiting_jobs_are_refused_before_anything_is_read(
    desk, build, settings, people, sample, left
):
    app = build(settings.model_copy(update={"max_waiting_jobs": 2}))
    client = people("viewer", app=app)
    for _ in range(2):
        assert desk.send(client, sample).status_code == 303
    answer = desk.send(client, sample)
    assert answer.status_code == 422
    assert "expected fewer than 2" in answer.text
    assert Pieces(client).begin(10).status_code == 422
    assert len(left()) == 2


def test_a_full_disk_is_507_and_leaves_nothing(
    desk, sample, monkeypatch, viewer, left, web
):
    pieces = Pieces(viewer)
    begun = pieces.begin(len(sample)).json
    full = shutil.disk_usage("/")._replace(free=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert pieces.begin(1000).status_code == 507
    monkeypatch.undo()

    monkeypatch.setattr(receive, "copy", Mock(side_effect=StorageError("no room")))
    assert pieces.put(begun, 0, sample).status_code == 507
    assert desk.send(viewer, sample).status_code == 507
    assert left() == []
