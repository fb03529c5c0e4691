"""A labelled upload gets a report that says which verdicts are wrong."""

import io
import json

import numpy as np
import polars as pl
import pytest

from evenflow.experiment.evaluate import evaluate_labelled
from evenflow.web.jobs import worker
from evenflow.web.uploads import labels
from evenflow.web.uploads.results import FILE, TRUTH, Filter, Results


def labelled(table, name="label", n=300):
    """Return rows with their attack types in a column."""
    return table.frame.with_columns(table.attack.alias(name)).head(n)


@pytest.fixture
def upload(analyst, desk, here):
    """Return a function: upload a frame; its job."""

    def upload(frame, name="flows.csv", **choices):
        data = frame if isinstance(frame, bytes) else frame.write_csv().encode()
        answer = analyst.send(
            "/uploads",
            {"file": (io.BytesIO(data), name), **choices},
            content_type="multipart/form-data",
        )
        job_id = desk.id_of(answer)
        desk.work_off(analyst.application)
        return desk.job_of(here, job_id)

    return upload


def test_the_report_is_what_evaluating_the_rows_gives(
    upload, analyst, here, bundle, rows
):
    job = upload(labelled(rows["test"]))
    found = job.result["labels"]
    assert (found["column"], found["rows"], found["unlabelled"]) == ("label", 300, 0)
    wanted, table, scores = evaluate_labelled(
        bundle, rows["test"].take(np.arange(300)), name="flows"
    )
    report = labels.read(here.home.results / job.id)
    assert report.binary == wanted.binary
    assert report.confusion == wanted.confusion
    assert report.intervals == wanted.intervals
    truth = pl.read_parquet(here.home.results / job.id / TRUTH)
    is_wrong = (truth["error"] != "").to_numpy()
    np.testing.assert_array_equal(is_wrong, table.labels != scores.code)
    page = analyst.get(f"/uploads/{job.id}/report", expect=200).text
    for words in ("Confusion matrix", "ROC curve", "detection rate", "recall"):
        assert words in page


def test_the_wrong_rows_lead_to_their_verdicts(upload, analyst, rows):
    job = upload(labelled(rows["test"]))
    wrong = job.result["labels"]["wrong"]
    kind = max(wrong, key=wrong.get)
    assert wrong[kind] > 0
    page = analyst.get(f"/uploads/{job.id}?error={kind}", expect=200)
    links = [
        a.get("href") for a in page.tree.iter("a") if "/rows/" in a.get("href", "")
    ]
    assert len(links) == min(wrong[kind], 50)
    assert "The label of this row is" in analyst.get(links[0], expect=200).text
    sent = analyst.get(f"/uploads/{job.id}/download/csv?error={kind}", expect=200).data
    frame = pl.read_csv(sent, infer_schema=False)
    assert frame.height == wrong[kind]
    assert frame["error"].unique().to_list() == [kind]


def test_a_cell_of_the_confusion_matrix_leads_to_its_rows(upload, analyst, rows):
    job = upload(labelled(rows["test"]))
    page = analyst.get(f"/uploads/{job.id}/report", expect=200)
    cells = {
        a.get("href"): int(a.text.replace(",", ""))
        for a in page.tree.iter("a")
        if "true=" in a.get("href", "")
    }
    assert sum(cells.values()) == 300
    for url, n in cells.items():
        sent = analyst.get(url.replace(job.id, f"{job.id}/download/csv"), expect=200)
        assert pl.read_csv(sent.data, infer_schema=False).height == n


def test_a_file_without_labels_has_no_report(upload, analyst, rows):
    job = upload(rows["test"].frame.head(50))
    assert job.result["labels"] == {}
    assert "Show the report" not in analyst.get(f"/uploads/{job.id}").text
    analyst.get(f"/uploads/{job.id}/report", expect=404)


def test_rows_without_a_label_and_unknown_labels_are_counted(upload, analyst, rows):
    frame = labelled(rows["test"], n=100)
    words = frame["label"].to_list()
    words[:5], words[5:9] = [""] * 5, ["brand new worm"] * 4
    job = upload(frame.with_columns(pl.Series("label", words)))
    found = job.result["labels"]
    assert (found["unlabelled"], found["rows"]) == (5, 95)
    assert found["unknown"] == {"brand new worm": 4}
    page = analyst.get(f"/uploads/{job.id}/report", expect=200).text
    assert "5 rows have no label" in page
    assert "brand new worm (4)" in page


def test_the_column_and_its_benign_values_can_be_named(upload, rows):
    is_attack = pl.Series(np.where(rows["test"].labels[:100] > 0, "bad", "fine"))
    frame = rows["test"].frame.head(100).with_columns(verified=is_attack)
    assert upload(frame).result["labels"] == {}
    unclear = upload(frame, label="verified").result["labels"]
    assert "benign" in unclear["problem"]
    found = upload(frame, label="verified", benign="fine").result["labels"]
    assert (found["column"], found["rows"]) == ("verified", 100)
    missing = upload(frame, label="nosuch").result["labels"]
    assert "nosuch" in missing["problem"]


def test_rows_that_trained_the_model_get_no_report(upload, analyst, rows):
    job = upload(labelled(rows["train"]))
    assert job.state == "done"
    assert "training row" in job.result["labels"]["problem"]
    assert "No report on the labels" in analyst.get(f"/uploads/{job.id}").text


def test_json_lines_and_parquet_get_the_same_report(upload, here, rows, tmp_path):
    frame = labelled(rows["test"], n=120)
    frame.write_parquet(tmp_path / "x.parquet")
    files = (frame.write_csv().encode(), frame.write_ndjson().encode(),
             (tmp_path / "x.parquet").read_bytes())  # fmt: skip
    jobs = [upload(data, "x") for data in files]
    found = [labels.read(here.home.results / job.id).confusion for job in jobs]
    assert found[0] == found[1] == found[2]


def test_the_report_can_be_kept(upload, analyst, rows):
    job = upload(labelled(rows["test"]))
    page = analyst.get(f"/uploads/{job.id}/report.html", expect=200)
    assert page.headers["Content-Disposition"].startswith("attachment")
    value = json.loads(analyst.get(f"/uploads/{job.id}/report.json", expect=200).data)
    assert value["n_rows"] == 300


def test_another_viewer_does_not_see_the_report(upload, people, rows):
    job = upload(labelled(rows["test"], n=60))
    people("viewer").get(f"/uploads/{job.id}/report", expect=404)


def test_a_filter_by_label_keeps_the_rows_it_names(upload, here, rows):
    job = upload(labelled(rows["test"]))
    results = Results(here.home.results / job.id / FILE, list(job.result["counts"]))
    for kept in (Filter(true_class="dos"), Filter(error="any"),
                 Filter(true_class="dos", error="missed", label="benign")):  # fmt: skip
        page = results.page(kept, n_rows=200)
        parts = pl.concat(results.parts(kept))
        assert page.total == parts.height == results.n_kept(kept)
        assert [row["line"] for row in page.rows] == parts["line"].to_list()[:200]


def test_a_labelled_upload_becomes_a_data_set(upload, analyst, here, rows):
    job = upload(labelled(rows["test"]))
    link = f"/datasets/new?upload={job.id}"
    assert link in analyst.get(f"/uploads/{job.id}").text
    form = analyst.get(link, expect=200).text
    assert 'value="flows"' in form
    sent = {"upload": job.id, "name": "flows", "label": "label"}
    analyst.send("/datasets", sent, expect=303)
    while worker.run_one(here, "train"):
        pass
    page = analyst.get("/explore/flows", expect=200).text
    assert "Rows of each class" in page
    [path] = (here.home.datasets).iterdir()
    frame = pl.read_parquet(path)
    assert frame.columns == [*rows["test"].frame.columns, "label"]
    assert frame.height == 300


def test_the_upload_of_another_person_becomes_no_data_set(upload, viewer, people, rows):
    job = upload(labelled(rows["test"], n=60))
    assert viewer.get(f"/datasets/new?upload={job.id}").status_code == 403
    assert people("analyst").get(f"/datasets/new?upload={job.id}").status_code == 200
