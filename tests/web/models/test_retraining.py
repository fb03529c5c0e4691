"""Feedback trains a model again, and a comparison comes before its use."""

import numpy as np
import polars as pl
import pytest

from evenflow import datasets
from evenflow.web.alerts import groups
from evenflow.web.jobs import worker
from evenflow.web.store.tables import Alert, Audit, Job


@pytest.fixture(scope="module")
def backups(bundle):
    """90 records that the model takes for attacks and an analyst for benign."""
    table = datasets.load("synthetic", "train", n_rows=8_000)
    floods = table.frame.filter(pl.Series(table.labels == 1))
    found = floods.with_columns(
        service=pl.lit("backup"),
        num_access_files=pl.lit(7.0),
        dst_bytes=pl.lit(5_000.0) + np.arange(floods.height),
    )
    decided = bundle.predict(found)
    return found.filter(pl.Series(decided != "benign"))[:90].to_dicts()


@pytest.fixture
def judge(here, analyst):
    """Return a function: store alerts that an analyst gave feedback on."""

    def judge(records, true_label="benign", by=None):
        common = {
            "owner_id": None, "source": "api", "bundle": "small", "label": "dos",
            "probability": 0.9, "threshold": 0.5, "judgement": "wrong",
            "true_label": true_label, "state": "closed",
            "judged_by": by or analyst.user_id,
        }  # fmt: skip
        rows = [common | {"values": values} for values in records]
        with here.database.session() as session:
            groups.assign(session, rows)
            session.add_all(Alert(**row) for row in rows)

    return judge


def retrain(client, here):
    answer = client.send("/retrainings", {"model": "small"}, expect=303)
    assert "/retrainings/" in answer.location, answer.location
    while worker.run_one(here, "train"):
        pass
    return answer.location


def test_feedback_trains_a_model_that_is_activated_after_the_comparison(
    analyst, admin, here, judge, backups, stored, programs
):
    judge(backups)
    assert "90 alerts with feedback" in analyst.get("/models/small", expect=200).text
    page = retrain(analyst, here)
    job = stored.get(Job, page.rsplit("/", 1)[-1])
    assert (job.state, job.error) == ("done", "")
    assert (job.result["rows"], job.result["fitted"]) == (90, 63)
    checks = {check["name"]: check for check in job.result["checks"]}
    feedback = checks["feedback: decided rightly"]
    assert feedback["rows"] == 27
    assert feedback["retrained"] > feedback["in_use"]
    new = job.result["bundle"]
    # the model in use is the same until somebody has seen the comparison
    assert here.detectors.active_name() == "small"
    answer = admin.send(f"/models/{new}/activate", expect=303)
    assert answer.location == page
    program, path = programs("admin"), f"/bundles/{new}/activate"
    program.ask("POST", path, expect=409)
    assert here.detectors.active_name() == "small"
    assert "Compare and activate" in admin.get(f"/models/{new}").text
    shown = admin.get(page, expect=200).text
    assert "Both models on the same rows" in shown
    assert f'name="compared" value="{job.id}"' in shown
    admin.send(f"/models/{new}/activate", {"compared": job.id}, expect=303)
    said = stored.all(Audit, Audit.action == "bundle.activate")[-1]
    assert said.object == new
    program.ask("POST", f"{path}?compared={job.id}", expect=200)
    assert not (here.home.uploads / job.id).exists()


def test_feedback_of_viewers_trains_no_model(analyst, viewer, judge, backups):
    judge(backups, by=viewer.user_id)
    assert "No alert has feedback" in analyst.get("/models/small", expect=200).text


def test_a_model_that_is_not_better_says_why(analyst, here, judge, backups, stored):
    judge(backups, "dos")  # what the model says already
    page = retrain(analyst, here)
    job = stored.get(Job, page.rsplit("/", 1)[-1])
    assert job.error == ""
    assert not job.result["is_better"]
    shown = analyst.get(page, expect=200).text
    assert "The retrained model is not better" in shown
    assert "An administrator can activate it" in shown


def test_too_little_feedback_fails_in_words(analyst, here, judge, backups, stored):
    judge(backups[:12])
    page = retrain(analyst, here)
    assert stored.get(Job, page.rsplit("/", 1)[-1]).state == "failed"
    assert "Collect more feedback" in analyst.get(page, expect=200).text


def test_without_feedback_nothing_is_queued(analyst, stored, settings):
    assert "No alert has feedback" in analyst.get("/models/small").text
    answer = analyst.send("/retrainings", {"model": "small"}, follow_redirects=True)
    assert "Found no feedback" in answer.text
    assert stored.count(Job) == 0
    assert [*(settings.home / "uploads").iterdir()] == []


def test_one_retraining_of_a_model_at_a_time(analyst, judge, backups, stored):
    judge(backups[:3])
    analyst.send("/retrainings", {"model": "small"}, expect=303)
    again = analyst.send("/retrainings", {"model": "small"}, follow_redirects=True)
    assert "is being retrained" in again.text
    assert stored.count(Job) == 1


def test_feedback_in_classes_of_another_model_does_not_count(analyst, judge, backups):
    judge(backups[:4], "mirai")
    assert "No alert has feedback" in analyst.get("/models/small").text


def test_a_viewer_retrains_nothing(viewer):
    assert "Retrain with feedback" not in viewer.get("/models/small").text
    assert viewer.send("/retrainings", {"model": "small"}).status_code == 403
