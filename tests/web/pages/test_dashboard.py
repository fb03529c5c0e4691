"""The dashboard counts what a person may see, cheaply, and only when it changed."""

import json
import re

import pytest

from evenflow.web.jobs.kinds import KINDS
from evenflow.web.store.database import add_timed_tallies, floor
from evenflow.web.store.tables import Job, now


def tile(page, name):
    return page.tree.findtext(f".//dt[.='{name}']/../dd")


def specs(page):
    return [json.loads(e.text) for e in page.tree.iterfind(".//script[@class='spec']")]


def test_a_new_person_is_told_three_things_to_do(people):
    page = people("viewer").get("/", expect=200)
    assert page.text.count("<h2>") >= 3
    for words in ("Enter a record", "Upload a file", "Know the model"):
        assert words in page.text


@pytest.mark.databases
def test_a_viewer_counts_own_verdicts_and_an_analyst_all(people, kept):
    viewer, analyst = people("viewer"), people("analyst")
    kept(viewer, "dos")
    kept(viewer, "benign")
    kept(people("viewer", is_logged_in=False), "probe")
    mine, all_of_them = viewer.get("/"), analyst.get("/")
    assert [tile(mine, name) for name in ("Verdicts", "Attacks")] == ["2", "1"]
    assert tile(all_of_them, "Verdicts") == "3"
    assert 'title="probe"' not in mine.text
    assert 'title="probe"' in all_of_them.text


@pytest.mark.databases
@pytest.mark.parametrize(
    ("name", "wanted"), [("24h", "1"), ("7d", "2"), ("30d", "3"), ("odd", "4")]
)
def test_a_range_holds_its_days(kept, name, wanted, viewer):
    for hours in (1, 100, 600, 900):
        kept(viewer, hours=hours)
    assert tile(viewer.get(f"/?range={name}"), "Verdicts") == wanted


def test_verdicts_counted_by_the_hour_alone_are_never_left_out(kept, viewer, stored):
    kept(viewer)
    at = floor(now(), 3600)
    about = {"owner_id": viewer.user_id, "source": "upload", "bundle": "small"}
    counts = {(at, "probe", "all", ""): 40}  # as of an upload of many half minutes
    stored(add_timed_tallies, counts, arrived=at, **about)
    for url in ("/", "/?range=24h"):
        assert tile(viewer.get(url), "Verdicts") == "41"


def test_the_charts_hold_every_verdict_once_and_name_no_colour(kept, viewer):
    for hours, label in ((0, "dos"), (0, "dos"), (30, "u2r"), (31, "benign")):
        kept(viewer, label, hours=hours)
    for name in ("24h", "7d", "30d"):
        traffic, attacks, shares = specs(viewer.get(f"/?range={name}"))
        n = 2 if name == "24h" else 4
        assert sum(bar["n"] for bar in traffic["data"]["values"]) == n
        assert sum(bar["n"] for bar in attacks["data"]["values"]) == min(n, 3)
        assert sum(bar["n"] for bar in shares["data"]["values"]) == min(n, 3)
        for spec in (traffic, attacks, shares):
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b", json.dumps(spec))
            assert spec["width"] == "container"


@pytest.mark.databases
def test_nothing_is_counted_anew_until_something_was_judged(
    people, kept, statements, viewer
):
    kept(viewer)
    live = "/dashboard/live?range=7d"
    etag = (
        viewer.get("/?range=7d")
        .tree.find(f".//*[@data-poll='{live}']")
        .get("data-etag")
    )
    same = {"If-None-Match": etag}
    statements.clear()
    assert not viewer.get(live, headers=same, expect=304).data
    assert sum("tally" in statement for statement in statements) == 1
    kept(people("viewer", is_logged_in=False))  # not for this person's eyes
    viewer.get(live, headers=same, expect=304)
    kept(viewer)  # counted in a row that is there already
    again = viewer.get(live, headers=same, expect=200)
    assert tile(again, "Verdicts") == "2"
    assert again.headers["ETag"] != etag
    assert "<html" not in again.text


def test_two_people_share_no_etag(kept, viewer, analyst):
    kept(viewer)
    found = {p.get("/dashboard/live").headers["ETag"] for p in (viewer, analyst)}
    assert len(found) == 2


@pytest.mark.databases
def test_waiting_alerts_jobs_and_feedback_are_fresh(people, kept, stored, viewer):
    for _ in range(4):
        kept(viewer, "dos")
    first = viewer.get("/dashboard/work")
    assert "4 new, 0 open" in first.text
    etag = {"If-None-Match": first.headers["ETag"]}
    assert viewer.get("/dashboard/work", headers=etag).status_code == 304
    for number in (1, 2, 3):
        closed = {"version": "1", "decision": "false"}
        viewer.send(f"/alerts/{number}", closed, expect=303)
    job = Job(id="j", kind="score", lane="score", state="running")
    job.owner_id, job.title = viewer.user_id, "<b>friday</b>.csv"
    job.progress = {"step": "score", "done": 25, "total": 100}
    stored.add(job)
    then = viewer.get("/dashboard/work", headers=etag, expect=200)
    assert "1 new, 0 open" in then.text
    assert "25 of 100" in then.text
    assert "&lt;b&gt;friday&lt;/b&gt;.csv" in then.text
    row = next(
        row for row in then.tree.iter("tr")
        if any("judged=wrong" in a.get("href") for a in row.iter("a"))
    )  # fmt: skip
    assert [e.text for e in row.iterfind("td[@class='n']")] == ["3", "3", "100 %"]
    assert "friday" not in people("viewer").get("/dashboard/work").text


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_job_of_each_kind_links_to_its_page(analyst, stored, kind):
    payload = {"dataset": "synthetic", "recipe": "synthetic/cnn-hybrid"}
    job = Job(id="0" * 24, kind=kind.name, lane=kind.lane, payload=payload)
    job.title = "the job"
    stored.add(job)
    (link,) = analyst.get("/dashboard/work").tree.iterfind(".//ul//a")
    assert link.text == "the job"
    page = analyst.get(link.get("href"), expect=200)
    assert kind.name == "explore" or "the job" in page.text


def test_sources_and_services_are_shown_where_rows_carry_them(kept, viewer):
    kept(viewer, service="zebra")
    assert "Top sources" not in viewer.get("/").text
    kept(viewer, src_ip="10.1.2.3")
    page = viewer.get("/")
    assert "zebra" in page.text
    assert "10.1.2.3" in page.text


@pytest.mark.databases
def test_the_dashboard_asks_the_same_number_of_times_for_any_rows(
    people, kept, statements, analyst
):
    kept(analyst)
    analyst.get("/")
    n = []
    for _ in range(2):
        statements.clear()
        assert len(analyst.get("/").data) < 200_000
        n.append(len(statements))
        for hours in range(8):
            other = people("viewer", is_logged_in=False)
            kept(other, "u2r", hours=hours, service=f"s{hours}")
    # give or take what is looked up again every few seconds, as the model in use
    assert abs(n[1] - n[0]) <= 2
    assert n[0] <= 20
