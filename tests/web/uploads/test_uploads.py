"""Uploads: taken whole or in pieces, scored, shown, and only to whom they belong."""

import io
import json
import shutil
from types import SimpleNamespace

import polars as pl
import pytest

from evenflow.web.jobs import queue
from evenflow.web.jobs.kinds import TRAIN
from evenflow.web.models.detectors import Detectors
from evenflow.web.pages.uploads import sending
from evenflow.web.store.tables import Alert, Audit, Job, Setting


@pytest.fixture
def done(desk, people, sample):
    """A viewer and the id of an upload of theirs that is done."""
    client = people("viewer")
    job_id = desk.scored(client, sample)
    return client, job_id


def test_a_file_sent_by_the_form_is_scored_and_shown(desk, app, sample, viewer, left):
    assert "Nothing has been uploaded yet" in viewer.get("/uploads").text
    job_id = desk.id_of(desk.send(viewer, sample))
    waiting = viewer.get(f"/uploads/{job_id}").text
    assert "updates automatically" in waiting
    assert f'data-poll="/uploads/{job_id}/state"' in waiting
    desk.work_off(app)
    page = viewer.get(f"/uploads/{job_id}").text
    assert "Results" in page
    assert page.count(">why?<") == 50
    assert "flows.csv" in viewer.get("/uploads").text
    assert left() == []  # the file itself is not kept


def test_the_fragment_answers_304_while_nothing_changes(desk, app, sample, viewer):
    url = f"/uploads/{desk.id_of(desk.send(viewer, sample))}/state"
    first = viewer.get(url)
    again = viewer.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    desk.work_off(app)
    after = viewer.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert after.status_code == 200
    assert 'data-state="done"' in after.text


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd", "..\\..\\secret", "/etc/passwd", "a/../../b",
        "x" * 5000, "nul\0byte.csv", "....//....//x", "%2e%2e%2fx",
        "x%0d%0aSet-Cookie: x=1.csv",
    ],
)  # fmt: skip
def test_a_file_name_is_only_ever_shown(desk, app, sample, name, viewer, web):
    job_id = desk.id_of(desk.send(viewer, sample, name))
    folder = web.home.uploads / job_id
    assert sorted(web.home.uploads.rglob("*")) == [folder, folder / "data"]
    page = viewer.get(f"/uploads/{job_id}", expect=200)
    assert "Set-Cookie: x" not in str(page.headers)
    desk.work_off(app)
    for kind in ("csv", "jsonl"):
        sent = viewer.get(f"/uploads/{job_id}/download/{kind}")
        given = sent.headers["Content-Disposition"]
        assert given.startswith('attachment; filename="')
        assert not set(given) & set("\r\n/\\")


@pytest.mark.databases
@pytest.mark.parametrize(
    "job_id", ["..", "../../x", "%2e%2e", "x" * 500, "0" * 24, "a%00b", "\ud7ff"]
)
def test_an_id_that_is_none_is_not_there(job_id, admin):
    for part in ("", "/state", "/rejected", "/rows/1", "/download/csv"):
        admin.get(f"/uploads/{job_id}{part}", expect=404)
    admin.get(f"/uploads/parts/{job_id}", expect=404)


def test_markup_in_names_and_cells_stays_text(desk, rows, viewer):
    evil = '<img src=x onerror="alert(1)">'
    frame = rows["test"].frame.head(20)
    lines = frame.write_csv().splitlines()
    lines[0] += f',"{evil.replace(chr(34), chr(34) * 2)}"'
    cell = evil.replace('"', '""')
    lines[1:] = [f'{line},"{cell}"' for line in lines[1:]]
    lines.append(lines[1].replace(lines[1].split(",")[0], "<script>1</script>", 1))
    job_id = desk.scored(viewer, "\n".join(lines).encode(), f"{evil}.csv")
    parts = (f"/{job_id}", f"/{job_id}/rejected", f"/{job_id}/rows/2", "")
    texts = [viewer.get(f"/uploads{part}").text for part in parts]
    for text in texts:
        assert 'onerror="' not in text
        assert "<script>1" not in text
        assert "<img" not in text
    assert "&lt;script&gt;1" in texts[1]


def test_a_formula_in_a_cell_is_defused_in_the_download(desk, rows, viewer):
    lines = desk.csv_of(rows["test"], 5).decode().splitlines()
    lines[0] += ",note"
    lines[1:] = [f"{line},=cmd|' /C calc'!A0" for line in lines[1:]]
    job_id = desk.scored(viewer, "\n".join(lines).encode())
    sent = viewer.get(f"/uploads/{job_id}/download/csv")
    assert set(pl.read_csv(sent.data)["note"]) == {"'=cmd|' /C calc'!A0"}


def test_bad_rows_are_listed_with_line_column_and_reason(desk, rows, viewer):
    lines = desk.csv_of(rows["test"], 60).decode().splitlines()
    name = rows["test"].schema.numeric[0].name
    place = lines[0].split(",").index(name)
    for number in (3, 7):
        fields = lines[number].split(",")
        fields[place] = "lots"
        lines[number] = ",".join(fields)
    lines[9] = "too,few"
    job_id = desk.scored(viewer, "\n".join(lines).encode())
    told = "3 of 60 rows are invalid and were rejected"
    assert told in viewer.get(f"/uploads/{job_id}").text
    page = viewer.get(f"/uploads/{job_id}/rejected").text
    assert page.count("lots") >= 4
    assert name in page
    assert "too,few" in page
    sent = viewer.get(f"/uploads/{job_id}/download/rejected.jsonl").text
    found = [json.loads(line) for line in sent.splitlines()]
    places = [(row["line"], row["column"]) for row in found]
    assert places == [(4, name), (8, name), (10, "")]


def test_a_file_of_bad_rows_alone_says_why(desk, rows, viewer):
    lines = desk.csv_of(rows["test"], 5).decode().splitlines()
    lines[1:] = ["x"] * 4
    job_id = desk.scored(viewer, "\n".join(lines).encode())
    assert "No row could be scored" in viewer.get(f"/uploads/{job_id}").text
    assert viewer.get(f"/uploads/{job_id}/rejected").text.count("<td") >= 4


def test_a_file_that_cannot_be_read_fails_with_words(desk, viewer, web):
    job_id = desk.scored(viewer, b"name,colour\nx,red\n", "colours.csv")
    page = viewer.get(f"/uploads/{job_id}").text
    assert "Scoring failed" in page
    assert "colours.csv: the first line has 2 fields" in page
    assert "Run again" in page
    assert str(web.home.root) not in page


def test_every_address_of_an_upload_is_404_for_others_and_open_to_the_team(
    people, done
):
    owner, job_id = done
    stranger, analyst = people("viewer"), people("analyst")
    gets = ["", "/state", "/rejected", "/rows/2", "/download/csv", "/download/jsonl",
            "/download/rejected.jsonl"]  # fmt: skip
    for path in gets:
        for who, status in ((stranger, 404), (owner, 200), (analyst, 200)):
            who.get(f"/uploads/{job_id}{path}", expect=status)
    for path in ("/stop", "/again", "/delete", "/rows/2/alert"):
        assert stranger.send(f"/uploads/{job_id}{path}").status_code == 404, path
        assert owner.post(f"/uploads/{job_id}{path}").status_code == 400, "no token"
    assert job_id not in stranger.get("/uploads").text
    assert job_id in analyst.get("/uploads").text
    assert job_id not in analyst.get("/uploads?whose=mine").text
    assert analyst.send(f"/uploads/{job_id}/delete").status_code == 403


def test_a_job_of_another_kind_is_no_upload(stored, admin):
    job = stored(queue.put, TRAIN, payload={})
    admin.get(f"/uploads/{job.id}", expect=404)
    admin.send(f"/uploads/{job.id}/delete", expect=404)


def test_rows_are_filtered_sorted_and_paged(done):
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


def test_a_row_is_explained_and_opened_as_an_alert_once(done, stored):
    client, job_id = done
    lines = set(stored.all(Alert.line, Alert.job_id == job_id))
    free = next(line for line in range(2, 202) if line not in lines)
    page = client.get(f"/uploads/{job_id}/rows/{free}", expect=200)
    assert "Open as alert" in page.text
    assert 'id="why"' in page.text
    first = client.send(f"/uploads/{job_id}/rows/{free}/alert")
    again = client.send(f"/uploads/{job_id}/rows/{free}/alert")
    assert first.location == again.location
    assert client.get(first.location).status_code == 200
    assert stored.count(Alert, Alert.line == free) == 1
    for none in (999999, 10**30):
        client.get(f"/uploads/{job_id}/rows/{none}", expect=404)


def test_a_waiting_upload_is_stopped_run_again_and_deleted(
    desk, app, sample, viewer, stored, web
):
    url = f"/uploads/{desk.id_of(desk.send(viewer, sample))}"
    viewer.send(f"{url}/delete")
    viewer.get(url, expect=200)  # stop it first
    viewer.send(f"{url}/stop")
    assert "Stopped" in viewer.get(url).text
    viewer.send(f"{url}/again")
    desk.work_off(app)
    assert "Results" in viewer.get(url).text
    viewer.send(f"{url}/again")  # is done: nothing happens
    desk.work_off(app)
    viewer.send(f"{url}/delete")
    viewer.get(url, expect=404)
    assert [*web.home.uploads.iterdir(), *web.home.results.iterdir()] == []
    assert stored.all(Job) == []
    assert stored.count(Alert) > 0
    done = set(stored.all(Audit.action))
    assert {"upload.accept", "upload.stop", "upload.again", "upload.delete"} <= done


def test_results_that_are_gone_are_told(done, web):
    client, job_id = done
    shutil.rmtree(web.home.results / job_id)
    assert "The results were deleted" in client.get(f"/uploads/{job_id}").text
    assert client.get(f"/uploads/{job_id}/download/csv").status_code == 422


def test_the_example_file_is_scored_without_a_bad_row(desk, viewer):
    sent = viewer.get("/uploads/example.csv")
    assert sent.mimetype == "text/csv"
    job_id = desk.scored(viewer, sent.data)
    assert "no row was rejected" in viewer.get(f"/uploads/{job_id}").text


def test_without_a_model_nothing_is_taken(desk, sample, viewer, web, stored):
    shutil.rmtree(next(web.home.bundles.iterdir()))
    stored.delete(stored.get(Setting, "active_bundle"))
    web.detectors._active = (-10.0, None)
    assert "No model is active" in viewer.get("/uploads").text
    assert desk.send(viewer, sample).status_code == 422
    assert viewer.get("/uploads/example.csv").status_code == 404


def test_the_example_file_has_no_cell_that_a_spreadsheet_would_run(
    people, bundle, monkeypatch
):
    odd = bundle.golden.frame.with_columns(
        service=pl.lit("\u200b＝cmd()"), flag=pl.lit("-")
    )
    detector = SimpleNamespace(golden=SimpleNamespace(frame=odd))
    monkeypatch.setattr(sending, "examples", lambda *_a, **_k: [SimpleNamespace(row=3)])
    monkeypatch.setattr(Detectors, "active", lambda _: detector)
    sent = people("viewer").get("/uploads/example.csv")
    row = pl.read_csv(io.BytesIO(sent.data)).row(0, named=True)
    assert row["service"] == "'\u200b＝cmd()"
    assert row["flag"] == "-"
