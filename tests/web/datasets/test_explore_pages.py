"""Promises about the pages of data sets: what is here, what is in it, who may look."""

import json
from functools import cache

import pytest
from sqlalchemy import delete, update

from evenflow import datasets
from evenflow.prepare.explore import explore
from evenflow.web.datasets import explorations
from evenflow.web.datasets.job import queue_missing
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.kinds import EXPLORE
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.tables import Audit, Job


@pytest.fixture(scope="module", autouse=True)
def looked_once():
    """Look at each data set once; what is kept of it is each test's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorations, "look", cache(explorations.look))
        yield


@pytest.fixture
def work(here):
    """Run the jobs that wait, as a worker would."""

    def run():
        while worker.run_one(here, "train"):
            pass

    return run


def test_every_data_set_is_listed_with_what_is_here(people):
    page = people("viewer").get("/explore").text
    for name in datasets.names():
        is_listed = f'href="/explore/{name}"' in page
        assert is_listed == (not datasets.get(name).takes_rows)
    assert people("viewer").get("/explore/memory").status_code == 404
    assert "built in" in page
    assert "not here" in page
    assert "synthetic" in page


@pytest.mark.slow
def test_the_embedded_rows_are_explored_at_once_and_kept(settings, viewer):
    page = viewer.get("/explore/synthetic").text
    assert "20,000" in page
    assert "Synthetic rows" in page
    assert "Rows of each class" in page
    kept = settings.home / "explore" / "synthetic.json"
    before = kept.stat().st_mtime_ns
    assert viewer.get("/explore/synthetic?view=columns").status_code == 200
    assert kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_each_view_shows_its_part(viewer):
    for view, holds in (
        ("overview", "Warnings"),
        ("columns", "src_bytes"),
        ("together", "Columns that go together (Pearson)"),
    ):
        page = viewer.get(f"/explore/synthetic?view={view}").text
        assert holds in page
        assert 'class="spec"' in page


@pytest.mark.slow
def test_the_page_in_one_file_is_kept_and_never_opened_as_ours(viewer):
    assert viewer.get("/explore/synthetic/page.html").status_code == 404
    viewer.get("/explore/synthetic")
    answer = viewer.get("/explore/synthetic/page.html")
    assert b"SYNTHETIC ROWS" in answer.data
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("url", ["/explore/nonsense", "/explore/..", "/explore/_kdd"])
def test_what_is_no_data_set_is_not_found(people, url):
    assert people("viewer").get(url).status_code in (301, 308, 404)


def test_an_unknown_view_is_not_found(people):
    assert people("viewer").get("/explore/synthetic?view=x").status_code == 404


def test_files_that_are_not_here_are_named_with_what_to_do(people, settings):
    page = people("analyst").get("/explore/nsl_kdd").text
    assert "KDDTrain+" in page
    assert "evenflow data fetch nsl_kdd" in page
    assert "Start exploration" not in page
    assert str(settings.home) not in page


def test_a_file_of_the_server_is_never_looked_at(analyst, stored):
    assert "from the command line" in analyst.get("/explore/table_file").text
    analyst.send("/explore/table_file/look", {"path": "/etc/passwd"}, expect=422)
    assert not stored.all(Job)


def test_a_viewer_starts_an_exploration_and_it_is_audited(work, viewer, stored):
    assert viewer.post("/explore/synthetic/look").status_code == 400  # no token
    for _ in range(2):  # the second click starts no second one
        viewer.send("/explore/synthetic/look", expect=303)
    job = stored.one(Job)
    assert (job.kind, job.lane, job.owner_id) == ("explore", "train", viewer.user_id)
    assert stored.one(Audit.object, Audit.action == "explore.start") == "synthetic"

    def polled(says, again):
        first = viewer.get("/explore/synthetic/state")
        assert says in first.text
        same = {"If-None-Match": first.headers["ETag"]}
        viewer.get("/explore/synthetic/state", headers=same, expect=again)

    polled("queued", again=304)
    work()
    job = stored.one(Job)
    assert (job.state, job.error) == ("done", "")
    polled("Exploration finished", again=204)


@pytest.mark.slow
@pytest.mark.data
def test_a_published_data_set_is_looked_at_by_a_worker(
    build, people, settings, data_folders
):
    settings = settings.model_copy(update={"data_folders": tuple(data_folders)})
    app = build(settings)
    analyst = people("analyst", app=app)
    assert "Start exploration" in analyst.get("/explore/nsl_kdd").text
    analyst.send("/explore/nsl_kdd/look")
    here = worker.Workplace.open(settings)
    assert worker.run_one(here, "train")
    here.database.dispose()
    page = analyst.get("/explore/nsl_kdd").text
    assert "125,973" in page
    assert "17 attack types" in page


@pytest.mark.databases
def test_data_sets_that_are_here_are_queued_once_for_exploration(here, work, stored):
    for _ in range(2):
        queue_missing(here)
    job = stored.one(Job)
    assert (job.payload, job.owner_id) == ({"dataset": "lab"}, None)
    stored.execute(update(Job).values(state="failed"))
    queue_missing(here)
    assert stored.count(Job) == 1, "what failed is not tried at each start"
    stored.execute(delete(Job))
    few = explore(datasets.load("synthetic", "train", n_rows=500), split="train")
    explorations.write(here.home, "lab", few)
    queue_missing(here)
    assert stored.count(Job) == 0, "what is explored already is not explored again"


def test_a_failed_look_says_why_without_folders(people, settings, work, stored):
    stored(queue.put, EXPLORE, payload={"dataset": "nsl_kdd"})
    work()
    job = stored.one(Job)
    assert job.state == "failed"
    assert "KDDTrain+" in job.error
    assert str(settings.home) not in job.error
    page = people("viewer").get("/explore/nsl_kdd/state")
    assert "The last exploration failed" in page.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exploration": {}}', "null"])
def test_a_damaged_result_is_looked_at_anew(people, settings, text):
    (settings.home / "explore" / "synthetic.json").write_text(text)
    page = people("viewer").get("/explore/synthetic", expect=200)
    assert "20,000" in page.text


@pytest.mark.slow
def test_names_that_are_markup_are_shown_and_not_run(settings, viewer):
    viewer.get("/explore/synthetic")
    path = settings.home / "explore" / "synthetic.json"
    hostile = json.dumps("</script><img src=x onerror=alert(1)>")[1:-1]
    text = path.read_text().replace("neptune", hostile).replace("src_bytes", hostile)
    path.write_text(text)
    for view in ("overview", "columns", "together"):
        page = viewer.get(f"/explore/synthetic?view={view}").text
        assert "<img src=x" not in page
    assert "&lt;img src=x" in viewer.get("/explore/synthetic?view=columns").text


def test_an_exploration_is_kept_whole_or_not_at_all(settings):
    home = open_home(settings.home)
    found = explorations.look("synthetic", ())
    explorations.write(home, "synthetic", found)
    kept = explorations.read(home, "synthetic")
    assert kept.exploration.overview["n_rows"] == 20_000
    assert [p.name for p in home.explore.iterdir()] == ["synthetic.json"]
