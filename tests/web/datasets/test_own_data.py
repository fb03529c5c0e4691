"""Labelled files of the team: kept, explored, warned of, trained on, deleted."""

import io

import numpy as np
import polars as pl
import pytest

from evenflow.web.jobs import worker
from evenflow.web.store.tables import Audit, Job, OwnDataset

FIELDS = {"form": "fields", "model": "decision_tree", "balance": "none"}


@pytest.fixture
def file(rows):
    """600 labelled rows as CSV."""
    table = rows["train"]
    frame = table.frame.with_columns(table.attack.alias("label")).head(600)
    return frame.write_csv().encode()


def add(client, data, name="campus", test=None, **more):
    """Send the form that adds a data set."""
    files = {"file": (io.BytesIO(data), "flows.csv")}
    if test is not None:
        files["test_file"] = (io.BytesIO(test), "later.csv")
    return client.send(
        "/datasets",
        {"name": name, **files, **more},
        content_type="multipart/form-data",
    )


@pytest.fixture
def work(here):
    """Run the jobs that wait, as the training worker would."""

    def work():
        while worker.run_one(here, "train"):
            pass

    return work


def test_a_labelled_file_becomes_a_data_set_that_trains(
    analyst, file, work, stored, here
):
    assert add(analyst, file, title="Our campus").status_code == 303
    assert "not explored yet" in analyst.get("/experiments/new?dataset=campus").text
    work()
    page = analyst.get("/explore/campus", expect=200).text
    assert "guessed: the label is the column" in page
    assert ".table: " not in page  # the server's own name of the file
    assert "Our campus" in analyst.get("/explore").text
    sent = {**FIELDS, "dataset": "campus", "split": "stratified", "seen": "campus"}
    answer = analyst.send("/experiments/new", sent, expect=303)
    work()
    job = stored.get(Job, answer.location.rsplit("/", 1)[-1])
    assert (job.state, job.error) == ("done", "")
    assert job.result["bundle"].startswith("campus-decision_tree-none-")
    assert "campus" in analyst.get(f"/models/{job.result['bundle']}", expect=200).text
    # the recipe of the model trains a variant of it
    text = analyst.get(f"/experiments/new?model={job.result['bundle']}").text
    assert "campus." in text


def test_warnings_come_before_a_training(analyst, rows, work, stored):
    table = rows["train"].take(np.arange(600))
    frame = table.frame.with_columns(
        table.attack.alias("label"),
        verdict_id=pl.Series(table.labels.astype(float) * 3 + 1),
    )
    add(analyst, frame.write_csv().encode(), name="leaky")
    sent = {**FIELDS, "dataset": "leaky"}
    assert "not explored yet" in analyst.send("/experiments/new", sent, expect=422).text
    work()
    page = analyst.send("/experiments/new", sent, expect=422).text
    assert "verdict_id" in page
    assert stored.count(Job, Job.kind == "train") == 0
    assert "verdict_id" in analyst.get("/experiments/new?dataset=leaky").text
    analyst.send("/experiments/new", {**sent, "seen": "leaky"}, expect=303)


def test_a_second_file_is_the_test(analyst, file, rows, work, stored):
    table = rows["test"]
    later = table.frame.with_columns(table.attack.alias("label")).head(300)
    add(analyst, file, test=later.write_csv().encode())
    work()
    sent = {**FIELDS, "dataset": "campus", "seen": "campus"}
    answer = analyst.send("/experiments/new", sent, expect=303)
    work()
    job = stored.get(Job, answer.location.rsplit("/", 1)[-1])
    assert job.error == ""
    assert job.result["protocol"] == "official"


@pytest.mark.parametrize("split", ["kfold", "blocks"])
def test_other_splits_are_offered(analyst, file, work, stored, split):
    add(analyst, file)
    work()
    sent = {**FIELDS, "dataset": "campus", "split": split, "seen": "campus"}
    answer = analyst.send("/experiments/new", sent, expect=303)
    work()
    assert stored.get(Job, answer.location.rsplit("/", 1)[-1]).error == ""


def test_a_recipe_names_no_other_file_of_the_folder(analyst, file, work, settings):
    add(analyst, file)
    work()
    (settings.home / "datasets" / "other.table").write_bytes(file)
    for dataset in ('{ name = "table_file", path = "other.table" }',
                    '{ name = "table_file", path = "campus.table" }'):  # fmt: skip
        text = f'dataset = {dataset}\nmodel = "decision_tree"\nbalance = "none"\n'
        sent = {"form": "toml", "toml": text, "seen": "campus"}
        assert "any file" in analyst.send("/experiments/new", sent, expect=422).text
    named = 'dataset = "campus"\nmodel = "decision_tree"\nbalance = "none"\n'
    sent = {"form": "toml", "toml": named, "seen": "campus"}
    analyst.send("/experiments/new", sent, expect=303)


def test_labels_can_be_named_anew(analyst, file, work):
    renamed = file.replace(b",label", b",truth", 1)
    add(analyst, renamed)
    work()
    assert "no column looks like a label" in analyst.get("/explore/campus").text
    sent = {"label": "truth", "time_column": "duration"}  # of uploads alone
    analyst.send("/datasets/campus/labels", sent, expect=303)
    work()
    assert "Rows of each class" in analyst.get("/explore/campus").text


def test_a_deleted_data_set_leaves_no_file(analyst, file, work, settings, stored):
    add(analyst, file)
    page = analyst.send("/datasets/campus/delete", follow_redirects=True).text
    assert "queued or running" in page
    work()
    analyst.send("/datasets/campus/delete", expect=303)
    assert [*(settings.home / "datasets").iterdir()] == []
    assert not (settings.home / "explore" / "campus.json").exists()
    analyst.get("/explore/campus", expect=404)
    said = [a.action for a in stored.all(Audit) if a.action.startswith("dataset.")]
    assert said == ["dataset.create", "dataset.delete"]


def test_who_may_do_what(people, analyst, file, viewer, work):
    assert add(viewer, file).status_code == 403
    add(analyst, file)
    work()
    assert viewer.get("/explore/campus").status_code == 200
    other = people("analyst")
    assert other.send("/datasets/campus/delete").status_code == 403
    assert "Delete the data set" not in other.get("/explore/campus").text
    assert people("admin").send("/datasets/campus/delete").status_code == 303


@pytest.mark.parametrize("name", ["nsl_kdd", "campus", "../x", "A", "a b", ""])
def test_a_name_that_cannot_be_is_refused(analyst, file, name, stored, settings):
    add(analyst, file)
    answer = add(analyst, file, name=name)
    assert answer.status_code == 422
    assert "Choose another" in answer.text
    assert stored.count(OwnDataset) == 1
    assert len([*(settings.home / "datasets").iterdir()]) == 1


def test_a_person_keeps_no_more_than_allowed(build, settings, people, file):
    app = build(settings.model_copy(update={"max_own_datasets": 1}))
    person = people("analyst", app=app)
    assert add(person, file).status_code == 303
    answer = add(person, file, name="second")
    assert answer.status_code == 422
    assert "the maximum" in answer.text
    assert len([*(settings.home / "datasets").iterdir()]) == 1


def test_what_is_no_table_is_refused_and_leaves_nothing(analyst, settings):
    assert add(analyst, b"%PDF-1.4 nothing").status_code == 422
    assert add(analyst, b"").status_code == 422
    assert [*(settings.home / "datasets").iterdir()] == []
