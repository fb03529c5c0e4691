"""Uploads: taken whole or in pieces, scored, shown, and only to whom they belong."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest
from sqlalchemy import func, select

from evenflow.web.context import KEY
from evenflow.web.jobs import queue
from evenflow.web.tables import Alert, Audit, Job

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def sample(desk, rows):
    return desk.csv_of(rows["test"], 200)


@pytest.fixture
def done(desk, app, people, sample):
    """A viewer and the id of an upload of theirs that is done."""
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, sample))
    desk.work_off(app)
    return client, job_id


def home_of(app):
    return app.extensions[KEY].home


def left(app):
    return sorted(p.name for p in home_of(app).uploads.iterdir())


class Pieces:
    """A browser's script that sends a file in pieces."""

    def __init__(self, client):
        self.client = client

    def call(self, method, url, **kwargs):
        headers = {"X-CSRFToken": self.client.csrf(), **kwargs.pop("headers", {})}
        return self.client.open(url, method=method, headers=headers, **kwargs)

    def begin(self, size, name="flows.csv"):
        return self.call("POST", "/uploads/parts", json={"name": name, "size": size})

    def put(self, begun, offset, data):
        return self.call("PUT", f"{begun['url']}?offset={offset}", data=data)


@pytest.fixture
def pieces(people):
    return Pieces(people("viewer"))


def test_a_file_sent_by_the_form_is_scored_and_shown(desk, app, people, sample):
    client = people("viewer")
    assert "Nothing has been uploaded yet" in client.get("/uploads").text
    job_id = desk.id_of(desk.send(client, sample))
    waiting = client.get(f"/uploads/{job_id}").text
    assert "It waits for the worker" in waiting
    assert f'data-poll="/uploads/{job_id}/state"' in waiting
    desk.work_off(app)
    page = client.get(f"/uploads/{job_id}").text
    assert "What was found" in page
    assert page.count(">why?<") == 50
    assert "flows.csv" in client.get("/uploads").text
    assert left(app) == []  # the file itself is not kept


def test_the_fragment_answers_304_while_nothing_changes(desk, app, people, sample):
    client = people("viewer")
    url = f"/uploads/{desk.id_of(desk.send(client, sample))}/state"
    first = client.get(url)
    again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    desk.work_off(app)
    after = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert after.status_code == 200
    assert 'data-state="done"' in after.text


def test_pieces_make_the_file_whatever_was_lost_on_the_way(desk, app, pieces, sample):
    begun = pieces.begin(len(sample)).json
    third = len(sample) // 3
    assert pieces.put(begun, 0, sample[:third]).json == {"offset": third}
    # the answer was lost, so the piece comes again; and one comes too early
    for offset in (0, 2 * third):
        wrong = pieces.put(begun, offset, sample[offset : offset + third])
        assert wrong.status_code == 409
        assert wrong.json["offset"] == third
    assert pieces.client.get(begun["url"]).json == {"offset": third}
    early = pieces.call("POST", begun["finish"])
    assert early.status_code == 422
    assert f"{third} of {len(sample)} bytes" in early.json["error"]["message"]
    assert pieces.put(begun, third, sample[third:]).json == {"offset": len(sample)}
    finished = pieces.call("POST", begun["finish"])
    again = pieces.call("POST", begun["finish"])
    assert finished.json == again.json
    assert left(app) == [finished.json["id"]]
    stored = home_of(app).uploads / finished.json["id"] / "data"
    assert stored.read_bytes() == sample
    desk.work_off(app)
    assert "What was found" in pieces.client.get(finished.json["url"]).text


def test_an_upload_in_pieces_is_nobody_elses(people, pieces, sample):
    begun = pieces.begin(len(sample)).json
    other = Pieces(people("admin"))
    assert other.client.get(begun["url"]).status_code == 404
    assert other.put(begun, 0, sample).status_code == 404
    assert other.call("POST", begun["finish"]).status_code == 404
    assert other.call("DELETE", begun["url"]).status_code == 404
    assert pieces.call("DELETE", begun["url"]).status_code == 204
    assert pieces.client.get(begun["url"]).status_code == 404


def test_a_piece_beyond_the_size_announced_is_refused(app, pieces):
    begun = pieces.begin(10).json
    refused = pieces.put(begun, 0, b"x" * 11)
    assert refused.status_code == 422
    assert "beyond the size" in refused.json["error"]["message"]
    assert pieces.client.get(begun["url"]).json == {"offset": 0}


def test_pieces_without_the_token_are_refused(app, pieces, sample):
    begun = pieces.begin(len(sample)).json
    client = pieces.client
    assert client.put(f"{begun['url']}?offset=0", data=sample).status_code == 400
    assert client.post(begun["finish"]).status_code == 400
    assert client.post("/uploads/parts", json={}).status_code == 400
    assert pieces.client.get(begun["url"]).json == {"offset": 0}


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
    assert "under way" in refused.json["error"]["message"]


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..\\..\\secret",
        "/etc/passwd",
        "a/../../b",
        "x" * 5000,
        "nul\0byte.csv",
        "....//....//x",
        "%2e%2e%2fx",
        "x%0d%0aSet-Cookie: x=1.csv",
    ],
)
def test_a_file_name_is_only_ever_shown(desk, app, people, sample, name):
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, sample, name))
    home = home_of(app)
    assert sorted(p.relative_to(home.uploads) for p in home.uploads.rglob("*")) == [
        (home.uploads / job_id).relative_to(home.uploads),
        (home.uploads / job_id / "data").relative_to(home.uploads),
    ]
    page = client.get(f"/uploads/{job_id}")
    assert page.status_code == 200
    assert "Set-Cookie: x" not in str(page.headers)
    desk.work_off(app)
    for kind in ("csv", "jsonl"):
        sent = client.get(f"/uploads/{job_id}/download/{kind}")
        given = sent.headers["Content-Disposition"]
        assert given.startswith('attachment; filename="')
        assert not set(given) & set("\r\n/\\")


@pytest.mark.parametrize("job_id", ["..", "../../x", "%2e%2e", "x" * 500, "0" * 24])
def test_an_id_that_is_none_is_not_there(people, job_id):
    client = people("admin")
    for url in (
        "/uploads/{}",
        "/uploads/{}/state",
        "/uploads/{}/rejected",
        "/uploads/{}/rows/1",
        "/uploads/{}/download/csv",
        "/uploads/parts/{}",
    ):
        assert client.get(url.format(job_id)).status_code == 404


def test_markup_in_names_and_cells_stays_text(desk, app, people, rows):
    evil = '<img src=x onerror="alert(1)">'
    frame = rows["test"].frame.head(20)
    lines = frame.write_csv().splitlines()
    lines[0] += f',"{evil.replace(chr(34), chr(34) * 2)}"'
    cell = evil.replace('"', '""')
    lines[1:] = [f'{line},"{cell}"' for line in lines[1:]]
    lines.append(lines[1].replace(lines[1].split(",")[0], "<script>1</script>", 1))
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, "\n".join(lines).encode(), f"{evil}.csv"))
    desk.work_off(app)
    pages = [
        f"/uploads/{job_id}",
        f"/uploads/{job_id}/rejected",
        f"/uploads/{job_id}/rows/2",
        "/uploads",
    ]
    for url in pages:
        text = client.get(url).text
        assert 'onerror="' not in text
        assert "<script>1" not in text
        assert "<img" not in text
    assert "&lt;script&gt;1" in client.get(pages[1]).text


def test_a_formula_in_a_cell_is_defused_in_the_download(desk, app, people, rows):
    lines = desk.csv_of(rows["test"], 5).decode().splitlines()
    lines[0] += ",note"
    lines[1:] = [f"{line},=cmd|' /C calc'!A0" for line in lines[1:]]
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, "\n".join(lines).encode()))
    desk.work_off(app)
    text = client.get(f"/uploads/{job_id}/download/csv").text
    assert [row["note"] for row in csv.DictReader(io.StringIO(text))] == [
        "'=cmd|' /C calc'!A0"
    ] * 5


def test_bad_rows_are_listed_with_line_column_and_reason(desk, app, people, rows):
    lines = desk.csv_of(rows["test"], 60).decode().splitlines()
    name = rows["test"].schema.numeric[0].name
    place = lines[0].split(",").index(name)
    for number in (3, 7):
        fields = lines[number].split(",")
        fields[place] = "lots"
        lines[number] = ",".join(fields)
    lines[9] = "too,few"
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, "\n".join(lines).encode()))
    desk.work_off(app)
    assert "3 of 60 rows could not be read" in client.get(f"/uploads/{job_id}").text
    page = client.get(f"/uploads/{job_id}/rejected").text
    assert page.count("lots") >= 4
    assert name in page
    assert "too,few" in page
    sent = client.get(f"/uploads/{job_id}/download/rejected.jsonl").text
    found = [json.loads(line) for line in sent.splitlines()]
    assert [(row["line"], row["column"]) for row in found] == [
        (4, name),
        (8, name),
        (10, ""),
    ]


def test_a_file_of_bad_rows_alone_says_why(desk, app, people, rows):
    lines = desk.csv_of(rows["test"], 5).decode().splitlines()
    lines[1:] = ["x"] * 4
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, "\n".join(lines).encode()))
    desk.work_off(app)
    assert "No row could be scored" in client.get(f"/uploads/{job_id}").text
    assert client.get(f"/uploads/{job_id}/rejected").text.count("<td") >= 4


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"\xd4\xc3\xb2\xa1rest", "packet capture"),
        (b"%PDF-1.7", "PDF"),
        (b"", "empty"),
    ],
)
def test_what_is_no_file_of_records_is_refused_at_once(desk, app, people, start, told):
    client = people("viewer")
    answer = desk.send(client, start)
    assert answer.status_code == 422
    assert told in answer.text
    assert "expected CSV, JSON lines" in answer.text
    assert left(app) == []


def test_a_file_that_cannot_be_read_fails_with_words(desk, app, people):
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, b"name,colour\nx,red\n", "colours.csv"))
    desk.work_off(app)
    page = client.get(f"/uploads/{job_id}").text
    assert "It could not be scored" in page
    assert "colours.csv: the first line has 2 fields" in page
    assert "Run again" in page
    assert str(home_of(app).root) not in page


def test_a_form_without_a_file_says_so(people):
    answer = people("viewer").send("/uploads", {"x": "y"})
    assert answer.status_code == 422
    assert "No file was chosen" in answer.text


def test_a_file_over_the_limit_is_413_and_leaves_nothing(
    desk, build, settings, people, rows
):
    small = build(settings.model_copy(update={"max_upload_mb": 0.02}))
    client = people("viewer", app=small)
    # beyond the form's own frame too: not even read to its end
    for size in (30_000, 200_000):
        answer = desk.send(client, b"x" * size)
        assert answer.status_code == 413
    assert left(small) == []
    assert client.get("/uploads").status_code == 200
    assert Pieces(client).begin(30_000).status_code == 413


def test_a_large_form_is_read_for_nobody_who_is_not_logged_in(
    desk, build, settings, people
):
    app = build(settings.model_copy(update={"max_body_mb": 0.01}))
    stranger = people("viewer", app=app, is_logged_in=False)
    assert desk.send(stranger, b"x" * 200_000).status_code == 413
    known = people("viewer", app=app)
    assert desk.send(known, b"x" * 200_000).status_code == 303


def test_too_many_waiting_jobs_are_refused_before_anything_is_read(
    desk, build, settings, people, sample
):
    app = build(settings.model_copy(update={"max_waiting_jobs": 2}))
    client = people("viewer", app=app)
    for _ in range(2):
        assert desk.send(client, sample).status_code == 303
    answer = desk.send(client, sample)
    assert answer.status_code == 422
    assert "expected fewer than 2" in answer.text
    assert Pieces(client).begin(10).status_code == 422
    assert len(left(app)) == 2


def test_a_full_disk_is_507_and_leaves_nothing(desk, app, people, sample, monkeypatch):
    client = people("viewer")
    pieces = Pieces(client)
    begun = pieces.begin(len(sample)).json
    full = shutil.disk_usage("/")._replace(free=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert pieces.begin(1000).status_code == 507
    monkeypatch.undo()

    from evenflow.errors import StorageError
    from evenflow.web import uploads

    def no_room(*_args, **_kwargs):
        raise StorageError("no room")

    monkeypatch.setattr(uploads, "_copy", no_room)
    assert pieces.put(begun, 0, sample).status_code == 507
    assert desk.send(client, sample).status_code == 507
    assert left(app) == []


def test_every_address_of_an_upload_is_404_for_others_and_open_to_the_team(
    app, people, done
):
    owner, job_id = done
    stranger, analyst = people("viewer"), people("analyst")
    gets = ["", "/state", "/rejected", "/rows/2", "/download/csv", "/download/jsonl",
            "/download/rejected.jsonl"]  # fmt: skip
    for path in gets:
        url = f"/uploads/{job_id}{path}"
        assert stranger.get(url).status_code == 404, url
        assert owner.get(url).status_code == 200, url
        assert analyst.get(url).status_code == 200, url
    for path in ("/stop", "/again", "/delete", "/rows/2/alert"):
        assert stranger.send(f"/uploads/{job_id}{path}").status_code == 404, path
        assert owner.post(f"/uploads/{job_id}{path}").status_code == 400, "no token"
    assert job_id not in stranger.get("/uploads").text
    assert job_id in analyst.get("/uploads").text
    assert job_id not in analyst.get("/uploads?whose=mine").text
    assert analyst.send(f"/uploads/{job_id}/delete").status_code == 403
    out = people("viewer", is_logged_in=False)
    for path in gets:
        assert out.get(f"/uploads/{job_id}{path}").status_code == 302


def test_a_job_of_another_kind_is_no_upload(app, people):
    client = people("admin")
    with app.extensions[KEY].database.session() as session:
        job = queue.put(session, "train", lane="train", payload={})
        job_id = job.id
    assert client.get(f"/uploads/{job_id}").status_code == 404
    assert client.send(f"/uploads/{job_id}/delete").status_code == 404


def test_rows_are_filtered_sorted_and_paged(app, done):
    client, job_id = done
    page = client.get(f"/uploads/{job_id}?attacks=1&sort=probability&down=1").text
    assert "Normal: " not in page.split("<tbody>")[-1]
    for query in ("label=nothing", "page=99999999999", "page=-1", "sort=x", "page=2"):
        assert client.get(f"/uploads/{job_id}?{query}").status_code == 200
    sent = client.get(f"/uploads/{job_id}/download/jsonl?attacks=1").text
    found = [json.loads(line) for line in sent.splitlines()]
    assert found
    assert all(row["is_attack"] for row in found)
    whole = client.get(f"/uploads/{job_id}/download/jsonl").text
    assert len(whole.splitlines()) == 200


def test_a_row_is_explained_and_opened_as_an_alert_once(app, done):
    client, job_id = done
    with app.extensions[KEY].database.session() as session:
        lines = set(session.scalars(select(Alert.line).where(Alert.job_id == job_id)))
    free = next(line for line in range(2, 202) if line not in lines)
    page = client.get(f"/uploads/{job_id}/rows/{free}")
    assert page.status_code == 200
    assert "Open as alert" in page.text
    assert 'id="why"' in page.text
    first = client.send(f"/uploads/{job_id}/rows/{free}/alert")
    again = client.send(f"/uploads/{job_id}/rows/{free}/alert")
    assert first.location == again.location
    assert client.get(first.location).status_code == 200
    with app.extensions[KEY].database.session() as session:
        one = select(func.count()).select_from(Alert).where(Alert.line == free)
        assert session.scalar(one) == 1
    assert client.get(f"/uploads/{job_id}/rows/999999").status_code == 404
    assert client.get(f"/uploads/{job_id}/rows/{10**30}").status_code == 404


def test_a_waiting_upload_is_stopped_run_again_and_deleted(desk, app, people, sample):
    client = people("viewer")
    job_id = desk.id_of(desk.send(client, sample))
    client.send(f"/uploads/{job_id}/delete")
    assert client.get(f"/uploads/{job_id}").status_code == 200  # stop it first
    client.send(f"/uploads/{job_id}/stop")
    assert "It was stopped" in client.get(f"/uploads/{job_id}").text
    client.send(f"/uploads/{job_id}/again")
    desk.work_off(app)
    assert "What was found" in client.get(f"/uploads/{job_id}").text
    client.send(f"/uploads/{job_id}/again")  # is done: nothing happens
    desk.work_off(app)
    client.send(f"/uploads/{job_id}/delete")
    assert client.get(f"/uploads/{job_id}").status_code == 404
    home = home_of(app)
    assert [*home.uploads.iterdir(), *home.results.iterdir()] == []
    with app.extensions[KEY].database.session() as session:
        assert session.scalars(select(Job)).all() == []
        assert session.scalar(select(func.count()).select_from(Alert)) > 0
        done = set(session.scalars(select(Audit.action)))
    assert {"upload.accept", "upload.stop", "upload.again", "upload.delete"} <= done


def test_results_that_are_gone_are_told(app, done):
    client, job_id = done
    shutil.rmtree(home_of(app).results / job_id)
    assert "The results are gone" in client.get(f"/uploads/{job_id}").text
    assert client.get(f"/uploads/{job_id}/download/csv").status_code == 422


def test_the_example_file_is_scored_without_a_bad_row(desk, app, people):
    client = people("viewer")
    sent = client.get("/uploads/example.csv")
    assert sent.mimetype == "text/csv"
    job_id = desk.id_of(desk.send(client, sent.data))
    desk.work_off(app)
    assert "every row kept the contract" in client.get(f"/uploads/{job_id}").text


def test_without_a_model_nothing_is_taken(desk, app, people, sample):
    client = people("viewer")
    shutil.rmtree(next(home_of(app).bundles.iterdir()))
    with app.extensions[KEY].database.session() as session:
        from evenflow.web.tables import Setting

        session.delete(session.get(Setting, "active_bundle"))
    app.extensions[KEY].detectors._active = (-10.0, None)
    assert "No model is in use yet" in client.get("/uploads").text
    assert desk.send(client, sample).status_code == 422
    assert client.get("/uploads/example.csv").status_code == 404
