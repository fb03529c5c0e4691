"""Promises about trainings: started from a form, watched, killed, stopped, resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import select

from evenflow.recipe import Recipe
from evenflow.web import explorations, recipe_form, trainings
from evenflow.web.context import KEY
from evenflow.web.detectors import ACTIVE
from evenflow.web.home import open_home
from evenflow.web.jobs import queue, train, worker
from evenflow.web.jobs.task import Lease, Stopped
from evenflow.web.tables import Audit, Job, Setting

SMALL = {"dataset__n_rows": 600, "training__epochs": 1, "training__batch_size": 128}
FIELDS = {"form": "fields", "dataset": "synthetic", "model": "dnn", "balance": "none"}
KNOWN = explorations.sources(())


def small(**changes):
    return Recipe.load("synthetic/dnn-none", **{**SMALL, **changes})


def toml_of(recipe):
    from evenflow import toml

    return toml.dumps(recipe.to_dict())


@pytest.fixture
def here(settings):
    found = worker.Workplace.open(settings)
    yield found
    found.database.dispose()


@pytest.fixture
def analyst(people):
    return people("analyst")


def put(here, recipe, owner_id=None):
    with here.database.session() as session:
        job = trainings.start(
            session, here.home, recipe, owner_id=owner_id, most_waiting=20
        )
        return job.id


def job_of(here, job_id):
    with here.database.session() as session:
        return session.get(Job, job_id)


def only_job(app):
    with app.extensions[KEY].database.session() as session:
        return session.scalars(select(Job)).one()


def forget_active(here):
    with here.database.session() as session:
        session.delete(session.get(Setting, ACTIVE))


# ---------------------------------------------------------------- who may


def test_trainings_are_for_analysts(app, people):
    viewer = people("viewer")
    assert 'href="/experiments"' not in viewer.get("/models").text
    for url in ("/experiments", "/experiments/new", "/experiments/list"):
        assert viewer.get(url).status_code == 403
        assert app.test_client().get(url).status_code == 302
    assert viewer.send("/experiments/new", FIELDS).status_code == 403
    assert people("admin").get("/experiments").status_code == 200


@pytest.mark.parametrize("do", ["stop", "resume", "discard"])
def test_a_viewer_changes_no_training(app, people, here, do):
    job_id = put(here, small())
    assert people("viewer").send(f"/experiments/{job_id}/{do}").status_code == 403
    assert job_of(here, job_id).state == "queued"


def test_a_job_of_another_kind_is_no_training(analyst, here):
    with here.database.session() as session:
        job = queue.put(session, "score", lane="score", payload={})
    for url in (
        f"/experiments/{job.id}",
        "/experiments/x%00y",
        "/experiments/" + "a" * 99,
    ):
        assert analyst.get(url).status_code == 404
    assert analyst.send(f"/experiments/{job.id}/stop").status_code == 404


# ---------------------------------------------------------------- the form


def test_the_form_offers_what_there_is(analyst):
    page = analyst.get("/experiments/new").text
    assert '<option value="cnn_lstm"' in page
    assert '<option value="smote_enn"' in page
    assert "A multi-layer perceptron" in page
    assert 'value="synthetic"' in page
    assert 'value="table_file"' not in page
    assert 'value="nsl_kdd"' not in page  # its files are not here


def test_a_form_starts_a_training_with_what_was_typed(app, analyst):
    typed = FIELDS | {"epochs": "3", "seed": "11", "title": "<b>mine</b>"}
    answer = analyst.send("/experiments/new", typed)
    job = only_job(app)
    assert answer.headers["Location"].endswith(f"/experiments/{job.id}")
    assert (job.kind, job.lane, job.owner_id) == ("train", "train", analyst.user_id)
    recipe = Recipe.from_dict(job.payload["recipe"])
    assert (recipe.seed, recipe.training.epochs) == (11, 3)
    assert job.payload["name"].startswith("synthetic-dnn-none-seed11-")
    page = analyst.get("/experiments").text + analyst.get(f"/experiments/{job.id}").text
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "<b>mine" not in page
    with app.extensions[KEY].database.session() as session:
        (said,) = session.scalars(
            select(Audit).where(Audit.action == "experiment.start")
        )
        assert said.object == job.id


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("epochs", "0", "greater than or equal to 1"),
        ("epochs", "many", "a valid integer"),
        ("seed", "-1", "greater than or equal to 0"),
        ("learning_rate", "fast", "a valid number"),
        ("batch_size", "1.5", "a valid integer"),
        ("patience", "", ""),
        ("false_alarm_budget", "2", "less than 1"),
        ("max_rows_per_class", "9", "takes no such number"),
        ("scaling", "best", "expected"),
        ("target", "all", "expected"),
        ("split", "mine", ""),
        ("model", "resnet", "one of the list"),
        ("balance", "../none", "one of the list"),
        ("dataset", "kdd", "one of the list"),
        ("dataset", "nsl_kdd", "evenflow data fetch nsl_kdd"),
        ("dataset", "table_file", "from the command line"),
    ],
)
def test_an_error_stands_at_its_field_and_keeps_what_was_typed(
    app, analyst, field, value, told
):
    typed = FIELDS | {"title": "kept words", field: value}
    answer = analyst.send("/experiments/new", typed)
    if not value:
        assert answer.status_code == 303
        return
    assert answer.status_code == 422
    assert "kept words" in answer.text
    if field != "split":
        start = answer.text.index(f'id="f-{field}-error"')
        assert told in answer.text[start : start + 700]
    with app.extensions[KEY].database.session() as session:
        assert session.scalar(select(Job)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml at all",
        "[" * 5000,
        "a = 1",
        'dataset = "synthetic"',
        'dataset = "synthetic"\nmodel = "dnn"\nepochs = 3',
        'dataset = "synthetic"\nmodel = "dnn"\n[training]\nepoch = 3',
        'dataset = "synthetic"\nmodel = "dnn"\n[training]\nlearning_rate = inf',
        'dataset = "synthetic"\n[model]\nname = "dnn"\ndropout = nan',
        'dataset = "synthetic"\n[model]\nname = "dnn"\nhidden = ["a"]',
        'dataset = 3\nmodel = "dnn"',
        'dataset = ["synthetic"]\nmodel = "dnn"',
        'model = "dnn"\n[dataset]\nname = "table_file"\npath = "/etc/passwd"',
        'model = "dnn"\n[dataset]\nname = "table_file"\nparams = {path = "/x"}',
        'model = "dnn"\n[dataset]\nname = "synthetic"\npath = "/etc/passwd"',
        'model = "dnn"\n[dataset]\nname = "../../etc"',
        'dataset = "synthetic"\nmodel = "dnn"\n[split]\nname = "official"\ntest = "/x"',
        "seed = " + "9" * 4000,
        "x" * 30_000,
    ],
)
def test_a_recipe_that_cannot_be_is_refused_in_words_and_kept(app, analyst, text):
    answer = analyst.send("/experiments/new", {"form": "toml", "toml": text})
    assert answer.status_code == 422
    assert 'id="f-toml-error"' in answer.text
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text
    with app.extensions[KEY].database.session() as session:
        assert session.scalar(select(Job)) is None


def test_every_data_set_whose_parameters_name_files_is_kept_from_the_web():
    assert recipe_form.takes_files("table_file")
    free = [s.name for s in KNOWN if not recipe_form.takes_files(s.name)]
    assert {"synthetic", "nsl_kdd", "unsw_nb15", "bot_iot"} <= set(free)


def test_the_form_becomes_toml_that_describes_the_same(analyst):
    answer = analyst.send("/experiments/new", FIELDS | {"epochs": "2", "do": "edit"})
    assert "epochs = 2" in answer.text
    filled = recipe_form.from_fields(FIELDS | {"epochs": "2"}, KNOWN)
    again = recipe_form.from_toml(toml_of(filled.recipe), KNOWN)
    assert again.recipe == filled.recipe


def test_a_model_s_recipe_can_be_varied(analyst):
    page = analyst.get("/experiments/new?model=small").text
    assert "logistic_regression" in page
    assert analyst.get("/experiments/new?model=nonsense").status_code == 404


def test_the_same_recipe_is_not_trained_twice(app, analyst, here):
    analyst.send("/experiments/new", FIELDS)
    again = analyst.send("/experiments/new", FIELDS)
    assert again.status_code == 422
    assert "in the list already" in again.text
    name = only_job(app).payload["name"]
    (here.home.bundles / name).mkdir()
    assert "this very recipe" in analyst.send("/experiments/new", FIELDS).text


def test_without_the_training_parts_the_page_says_how_to_get_them(
    app, analyst, monkeypatch
):
    monkeypatch.setattr("evenflow.web.pages.experiments.can_train", lambda: False)
    for url in ("/experiments", "/experiments/new"):
        assert "evenflow[train]" in analyst.get(url).text
    assert analyst.send("/experiments/new", FIELDS).status_code == 303
    with app.extensions[KEY].database.session() as session:
        assert session.scalar(select(Job)) is None


# ---------------------------------------------------------------- training


def test_a_training_becomes_a_model(app, analyst, here):
    job_id = put(here, small(), analyst.user_id)
    assert "It waits for the worker" in analyst.get(f"/experiments/{job_id}/state").text
    assert worker.run_one(here, "train") == job_id
    job = job_of(here, job_id)
    assert (job.state, job.error) == ("done", "")
    name = job.result["bundle"]
    assert name == job.payload["name"]
    assert [e["number"] for e in job.result["history"]] == [1]
    assert {"load and split", "balance", "fit"} <= {
        s["name"] for s in job.result["steps"]
    }
    assert not (here.home.bundles / f"{name}.partial").exists()
    page = analyst.get(f"/experiments/{job_id}").text
    assert f'href="/models/{name}"' in page
    assert "Loss by epoch" in page
    assert name in analyst.get("/models").text
    shown = analyst.get(f"/models/{name}?view=training")
    assert shown.status_code == 200
    assert "Loss by epoch" in shown.text
    # another model was in use: it still is
    assert here.detectors.active_name() == "small"


def test_the_first_model_is_put_to_use(app, people, here):
    forget_active(here)
    job_id = put(here, small())
    assert worker.run_one(here, "train") == job_id
    with here.database.session() as session:
        name = session.get(Setting, ACTIVE).value["name"]
        said = session.scalars(
            select(Audit).where(Audit.action == "bundle.activate")
        ).all()
    assert name == job_of(here, job_id).result["bundle"]
    assert said[-1].object == name


def test_what_the_page_asks_for_again_is_sent_only_when_it_has_changed(analyst, here):
    job_id = put(here, small())
    for part in ("state", "curves"):
        first = analyst.get(f"/experiments/{job_id}/{part}")
        asked = {"If-None-Match": first.headers["ETag"]}
        assert (
            analyst.get(f"/experiments/{job_id}/{part}", headers=asked).status_code
            == 304
        )
    assert worker.run_one(here, "train")
    for part in ("state", "curves"):
        last = analyst.get(f"/experiments/{job_id}/{part}", headers=asked)
        asked_last = {"If-None-Match": last.headers["ETag"]}
        assert last.status_code == 200
        over = analyst.get(f"/experiments/{job_id}/{part}", headers=asked_last)
        assert over.status_code == 204  # nothing more will come
    assert analyst.get("/experiments/list").status_code == 200


def test_a_stopped_training_keeps_its_checkpoint_and_goes_on(
    app, analyst, here, monkeypatch
):
    job_id = put(here, small(training__epochs=3, training__patience=10))

    def stop_after_an_epoch(lease):
        if lease._progress.get("epochs"):
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "check", stop_after_an_epoch)
        assert worker.run_one(here, "train") == job_id
    job = job_of(here, job_id)
    assert job.state == "stopped"
    partial = here.home.bundles / f"{job.payload['name']}.partial"
    assert (partial / "checkpoint.npz").exists()
    assert "It was stopped" in analyst.get(f"/experiments/{job_id}").text
    assert analyst.send(f"/experiments/{job_id}/resume").status_code == 303
    assert analyst.send(f"/experiments/{job_id}/resume").status_code == 409
    assert worker.run_one(here, "train") == job_id
    job = job_of(here, job_id)
    assert job.state == "done"
    assert [e["number"] for e in job.result["history"]] == [1, 2, 3]
    assert not partial.exists()


def test_a_training_that_waits_is_stopped_at_once_and_discarded(app, analyst, here):
    job_id = put(here, small())
    assert analyst.send(f"/experiments/{job_id}/discard").status_code == 409
    analyst.send(f"/experiments/{job_id}/stop")
    assert job_of(here, job_id).state == "stopped"
    partial = here.home.bundles / f"{job_of(here, job_id).payload['name']}.partial"
    partial.mkdir()
    assert analyst.send(f"/experiments/{job_id}/discard").status_code == 303
    assert job_of(here, job_id) is None
    assert not partial.exists()
    assert analyst.get(f"/experiments/{job_id}").status_code == 404


def test_a_training_that_fails_says_why_without_folders(analyst, here):
    with here.database.session() as session:
        job = queue.put(
            session,
            "train",
            lane="train",
            payload={"recipe": "nsl_kdd/dnn-none"},
        )
    assert worker.run_one(here, "train") == job.id
    found = job_of(here, job.id)
    assert found.state == "failed"
    assert "KDDTrain+" in found.error
    assert str(here.home.root) not in found.error
    assert "KDDTrain+" in analyst.get(f"/experiments/{job.id}").text


def test_a_bundle_that_was_made_just_before_the_worker_died_is_taken(here):
    job_id = put(here, small())
    assert worker.run_one(here, "train") == job_id
    name = job_of(here, job_id).result["bundle"]
    made = (here.home.bundles / name / "SHA256SUMS").stat().st_mtime_ns
    with here.database.session() as session:
        session.get(Job, job_id).state = "queued"
    assert worker.run_one(here, "train") == job_id
    assert job_of(here, job_id).state == "done"
    assert (here.home.bundles / name / "SHA256SUMS").stat().st_mtime_ns == made


WORK = """
import sys
from evenflow.web.jobs import worker
from evenflow.web.settings import Settings
here = worker.Workplace.open(Settings.model_validate_json(sys.argv[1]))
worker.run_one(here, "train")
"""


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on(here, analyst):
    quick = here.settings.model_copy(update={"lease_s": 2.0})
    job_id = put(
        here,
        small(
            training__epochs=12, training__patience=50, dataset__n_rows=8_000,
            training__batch_size=64,
        ),
    )  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", WORK, quick.model_dump_json()])
    until = time.monotonic() + 90
    while len((job_of(here, job_id).progress or {}).get("epochs", ())) < 2:
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.1)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    killed = job_of(here, job_id)
    assert killed.state == "running"
    before = killed.progress["epochs"]
    time.sleep(2.5)  # its lease runs out
    assert worker.run_one(here, "train") == job_id
    job = job_of(here, job_id)
    assert (job.state, job.attempts) == ("done", 2)
    history = job.result["history"]
    assert [e["number"] for e in history] == list(range(1, 13))
    # the first epochs are those of the worker that died: nothing was learnt twice
    assert [e["seconds"] for e in history[: len(before)]] == [
        e["seconds"] for e in before
    ]


# ---------------------------------------------------------------- the first start


def test_a_new_server_trains_a_first_model_once(here, people, monkeypatch):
    with here.database.session() as session:
        assert train.first_training(session) is None  # one is in use
    forget_active(here)
    with here.database.session() as session:
        job = train.first_training(session)
        assert (job.id, job.state, job.lane) == (train.FIRST, "queued", "train")
        assert train.first_training(session) is None
    viewer = people("viewer")
    assert "The first model" in viewer.get("/record/progress").text
    with here.database.session() as session:
        session.get(Job, train.FIRST).state = "stopped"
    with here.database.session() as session:
        assert train.first_training(session) is None
        session.get(Job, train.FIRST).state = "failed"
    with here.database.session() as session:
        assert train.first_training(session) is not None
    assert job_of(here, train.FIRST).state == "queued"


def test_without_the_training_parts_no_first_model_is_queued(here, monkeypatch):
    forget_active(here)
    monkeypatch.setattr(train, "can_train", lambda: False)
    with here.database.session() as session:
        assert train.first_training(session) is None
        assert session.scalar(select(Job)) is None


@pytest.mark.slow
def test_the_first_model_is_there_within_a_minute(here):
    forget_active(here)
    with here.database.session() as session:
        train.first_training(session)
    began = time.process_time()
    assert worker.run_one(here, "train") == train.FIRST
    assert time.process_time() - began < 2 * 60  # on two cores
    job = job_of(here, train.FIRST)
    assert job.state == "done"
    assert job.result["figures"]["detection_rate"] > 0.8
    assert open_home(here.settings.home).bundles.joinpath(job.result["bundle"]).is_dir()


@pytest.mark.databases
def test_starting_and_taking_a_training_works_in_every_database(app, analyst, settings):
    forget = app.extensions[KEY].database
    with forget.session() as session:
        if (chosen := session.get(Setting, ACTIVE)) is not None:
            session.delete(chosen)
    with forget.session() as session:
        assert train.first_training(session) is not None
        assert train.first_training(session) is None
    assert analyst.send("/experiments/new", FIELDS).status_code == 303
    assert "synthetic/dnn-none" in analyst.get("/experiments").text


def test_of_many_epochs_evenly_many_are_kept_and_the_last_always():
    epochs = []
    for number in range(1, 2_001):
        epochs = train.thinned([*epochs, {"number": number}])
        assert len(epochs) <= train.MOST_EPOCHS
        assert epochs[-1]["number"] == number
    assert epochs[0]["number"] == 1
