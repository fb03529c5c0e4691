"""Promises about trainings under way: watched, killed, stopped, resumed."""

import subprocess
import sys
import time

import pytest
from sqlalchemy import update

from evenflow.recipe import Recipe
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.kinds import SCORE, TRAIN
from evenflow.web.jobs.task import Lease, Stopped
from evenflow.web.models.detectors import ACTIVE
from evenflow.web.store.tables import Audit, Job, Setting, now
from evenflow.web.trainings import job as train_job
from evenflow.web.trainings import manage

SMALL = {"dataset__n_rows": 600, "training__epochs": 1, "training__batch_size": 128}
FIELDS = {"form": "fields", "dataset": "synthetic", "model": "dnn", "balance": "none"}


def small(**changes):
    return Recipe.load("synthetic/dnn-none", **{**SMALL, **changes})


def put(here, recipe, owner_id=None):
    with here.database.session() as session:
        job = manage.start(
            session, here.home, recipe, owner_id=owner_id, most_waiting=20
        )
        return job.id


def forget_active(here):
    with here.database.session() as session:
        session.delete(session.get(Setting, ACTIVE))


# ---------------------------------------------------------------- training


def test_a_training_becomes_a_model(analyst, here, stored):
    job_id = put(here, small(), analyst.user_id)
    waiting = analyst.get(f"/experiments/{job_id}/state").text
    assert "the worker starts it within seconds" in waiting
    assert worker.run_one(here, "train") == job_id
    job = stored.get(Job, job_id)
    assert (job.state, job.error) == ("done", "")
    name = job.result["bundle"]
    assert name == job.payload["name"]
    assert [e["number"] for e in job.result["history"]] == [1]
    steps = {s["name"] for s in job.result["steps"]}
    assert {"load and split", "balance", "fit"} <= steps
    assert not (here.home.bundles / f"{name}.partial").exists()
    page = analyst.get(f"/experiments/{job_id}").text
    assert f'href="/models/{name}"' in page
    assert "Loss by epoch" in page
    assert name in analyst.get("/models").text
    shown = analyst.get(f"/models/{name}?view=training", expect=200)
    assert "Loss by epoch" in shown.text
    # another model was in use: it still is
    assert here.detectors.active_name() == "small"


def test_the_first_model_is_put_to_use(people, here, stored):
    forget_active(here)
    job_id = put(here, small())
    assert worker.run_one(here, "train") == job_id
    name = stored.get(Setting, ACTIVE).value["name"]
    said = stored.all(Audit, Audit.action == "bundle.activate")
    assert name == stored.get(Job, job_id).result["bundle"]
    assert said[-1].object == name


def test_what_the_page_asks_for_again_is_sent_only_when_it_has_changed(analyst, here):
    job_id = put(here, small())
    parts = [f"/experiments/{job_id}/{part}" for part in ("state", "curves")]

    def ask_twice(again, **known):
        for url in parts:
            first = analyst.get(url, headers=known, expect=200)
            known = {"If-None-Match": first.headers["ETag"]}
            analyst.get(url, headers=known, expect=again)
        return known

    known = ask_twice(304)
    assert worker.run_one(here, "train")
    ask_twice(204, **known)
    analyst.get("/experiments/list", expect=200)


def test_a_stopped_training_keeps_its_checkpoint_and_goes_on(
    analyst, here, monkeypatch, stored
):
    job_id = put(here, small(training__epochs=3, training__patience=10))

    def stop_after_an_epoch(lease):
        if lease._progress.get("epochs"):
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "check", stop_after_an_epoch)
        assert worker.run_one(here, "train") == job_id
    job = stored.get(Job, job_id)
    assert job.state == "stopped"
    partial = here.home.bundles / f"{job.payload['name']}.partial"
    assert (partial / "checkpoint.npz").exists()
    assert "Stopped" in analyst.get(f"/experiments/{job_id}").text
    assert analyst.send(f"/experiments/{job_id}/resume").status_code == 303
    assert analyst.send(f"/experiments/{job_id}/resume").status_code == 409
    assert worker.run_one(here, "train") == job_id
    job = stored.get(Job, job_id)
    assert job.state == "done"
    assert [e["number"] for e in job.result["history"]] == [1, 2, 3]
    assert not partial.exists()


def test_a_training_that_waits_is_stopped_at_once_and_discarded(analyst, here, stored):
    job_id = put(here, small())
    assert analyst.send(f"/experiments/{job_id}/discard").status_code == 409
    analyst.send(f"/experiments/{job_id}/stop")
    assert stored.get(Job, job_id).state == "stopped"
    partial = here.home.bundles / f"{stored.get(Job, job_id).payload['name']}.partial"
    partial.mkdir()
    assert analyst.send(f"/experiments/{job_id}/discard").status_code == 303
    assert stored.get(Job, job_id) is None
    assert not partial.exists()
    assert analyst.get(f"/experiments/{job_id}").status_code == 404


def test_a_training_that_fails_says_why_without_folders(analyst, here, stored):
    recipe = Recipe.load("nsl_kdd/dnn-none").to_dict()
    job = stored(queue.put, TRAIN, payload={"recipe": recipe})
    assert worker.run_one(here, "train") == job.id
    found = stored.get(Job, job.id)
    assert found.state == "failed"
    assert "KDDTrain+" in found.error
    assert str(here.home.root) not in found.error
    assert "KDDTrain+" in analyst.get(f"/experiments/{job.id}").text


def test_a_bundle_that_was_made_just_before_the_worker_died_is_taken(here, stored):
    job_id = put(here, small())
    assert worker.run_one(here, "train") == job_id
    name = stored.get(Job, job_id).result["bundle"]
    made = (here.home.bundles / name / "SHA256SUMS").stat().st_mtime_ns
    stored.execute(update(Job).values(state="queued"))
    assert worker.run_one(here, "train") == job_id
    assert stored.get(Job, job_id).state == "done"
    assert (here.home.bundles / name / "SHA256SUMS").stat().st_mtime_ns == made


WORK = """
import sys, threading
from evenflow.web.jobs import task, worker
from evenflow.web.settings import Settings

def hang_after_two_epochs(lease):
    if len(lease._progress.get("epochs", ())) == 2:
        threading.Event().wait()

task.Lease.check = hang_after_two_epochs
here = worker.Workplace.open(Settings.model_validate_json(sys.argv[1]))
worker.run_one(here, "train")
"""


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on(here, stored):
    job_id = put(here, small(training__epochs=4, training__patience=50))
    words = [sys.executable, "-c", WORK, here.settings.model_dump_json()]
    child = subprocess.Popen(words)
    until = time.monotonic() + 90
    while len((stored.get(Job, job_id).progress or {}).get("epochs", ())) < 2:
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.1)
    child.kill()
    child.wait()
    killed = stored.get(Job, job_id)
    assert killed.state == "running"
    stored.execute(update(Job).values(lease_until=now()))  # its lease runs out
    assert worker.run_one(here, "train") == job_id
    job = stored.get(Job, job_id)
    assert (job.state, job.attempts) == ("done", 2)
    history, before = job.result["history"], killed.progress["epochs"]
    assert [e["number"] for e in history] == [1, 2, 3, 4]
    # the first epochs are those of the worker that died: nothing was learnt twice
    assert [e["seconds"] for e in history[:2]] == [e["seconds"] for e in before]


def test_a_job_of_another_kind_is_no_training(analyst, here, stored):
    job = stored(queue.put, SCORE, payload={})
    for name in (job.id, "x%00y", "a" * 99):
        analyst.get(f"/experiments/{name}", expect=404)
    analyst.send(f"/experiments/{job.id}/stop", expect=404)


def test_of_many_epochs_evenly_many_are_kept_and_the_last_always():
    epochs = []
    for number in range(1, 2_001):
        epochs = train_job.thinned([*epochs, {"number": number}])
        assert len(epochs) <= train_job.MAX_EPOCHS
        assert epochs[-1]["number"] == number
    assert epochs[0]["number"] == 1
