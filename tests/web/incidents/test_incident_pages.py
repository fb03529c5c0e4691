"""The pages of incidents and Live: who sees them, what they show, who was first."""

import tomllib
from datetime import timedelta

import pytest
from sqlalchemy import update

from evenflow.runtime.incidents import suppress
from evenflow.web.store.tables import Audit, Incident, IncidentNote, WatchRun, now

SCANNER, VICTIM = "192.0.2.66", "198.51.100.20"
EVIL = "<script>alert(1)</script>"


def ids(page):
    links = page.tree.iterfind(".//tbody//a")
    return [a.text for a in links if a.get("href") == f"/incidents/{a.text}"]


def words(page):
    return " ".join("".join(page.tree.itertext()).split())


@pytest.mark.slow
@pytest.mark.databases
def test_a_watched_scan_is_one_incident_of_its_attacker(watched, analyst, stored):
    watched()
    found = stored.one(Incident)
    assert ids(analyst.get("/incidents")) == [found.id]
    text = words(analyst.get(f"/incidents/{found.id}"))
    assert f"Scan or probe from {SCANNER} to {VICTIM}: 300 ports, 300 connec" in text
    for part in ("T1046", "What to do next", "Sample connections", "probe", "tcp 1-"):
        assert part in text, part
    watched()
    assert ids(analyst.get("/incidents")) == [found.id]


@pytest.mark.slow
@pytest.mark.databases
def test_the_list_is_narrowed_by_address_class_state_and_time(watched, analyst, stored):
    watched()
    name = stored.one(Incident).id
    for query, expected in {
        f"attacker={SCANNER}": [name],
        f"attacker={VICTIM}": [],
        f"victim={VICTIM}": [name],
        "attacker=192.0.2.6": [],
        "attacker=%25": [],
        "attacker=_": [],
        "label=probe": [name],
        "label=dos": [],
        "status=new": [name],
        "status=closed": [],
        "status=any": [name],
        "ongoing=yes": [],
        "ongoing=no": [name],
        "since=2026-01-01": [name],
        "until=2025-12-31": [],
        "sort=-connections": [name],
    }.items():
        assert ids(analyst.get(f"/incidents?{query}")) == expected, query
    page = analyst.get("/incidents?status=x&since=never&service=http&q=a&sort=id")
    assert page.status_code == 200
    assert "A filter was ignored" in page.text


def test_an_address_is_found_however_it_is_written(analyst, stored):
    stored.add(incident(attackers=["2001:db8::1"]))
    assert ids(analyst.get("/incidents?attacker=2001:0DB8:0:0::1")) == ["a1"]


def incident(name="a1", **more):
    values = {
        "id": name, "at": now(), "ended_at": now(), "reported_at": now(),
        "n_reports": 1, "is_ongoing": True, "label": "probe", "severity": 3,
        "score": 0.9, "connections": 3, "attackers": [SCANNER], "victims": [VICTIM],
        "event": {
            "incident": {
                "summary": f"Scan from {SCANNER}", "shape": "sweep", "ports": 3,
                "attackers": {"count": 1, "is_exact": True},
                "victims": {"count": 300, "is_exact": False},
            },
            "ml": {"model": "small"},
        },
    }  # fmt: skip
    return Incident(**values | more)


def test_a_state_and_a_note_are_stored_once_and_logged(analyst, stored):
    stored.add(incident())
    sent = {"version": "1", "state": "open", "note": f"ours? {EVIL}"}
    for _ in range(2):  # sent again
        assert analyst.send("/incidents/a1", sent).status_code == 303
    found = stored.one(Incident)
    assert (found.state, found.version) == ("open", 2)
    assert stored.count(IncidentNote) == 1
    log = stored.one(Audit, Audit.action == "incident.change")
    assert (log.object, log.detail) == ("a1", {"state": "open"})
    page = analyst.get("/incidents/a1")
    assert EVIL not in page.text
    assert analyst.email in page.text


def test_a_change_of_an_older_version_is_refused_and_kept_in_the_form(people, stored):
    stored.add(incident())
    people("analyst").send("/incidents/a1", {"version": "1", "state": "closed"})
    change = {"version": "1", "state": "open", "note": "mine"}
    late = people("analyst").send("/incidents/a1", change, expect=409)
    assert "somebody else changed this first" in late.text
    assert "mine" in late.text
    assert stored.one(Incident).state == "closed"
    assert stored.count(IncidentNote) == 0


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"state": "gone"}, "Expected one of new, open, closed"),
        ({"state": "open", "note": "x" * 4001}, "Found 4,001 characters"),
    ],
)
def test_a_wrong_form_is_told_at_its_field(analyst, stored, sent, words):
    stored.add(incident())
    answer = analyst.send("/incidents/a1", {"version": "1", **sent}, expect=422)
    assert words in answer.text
    assert stored.one(Incident).version == 1


@pytest.mark.parametrize(
    ("shape", "key", "host"),
    [("sweep", "source", SCANNER), ("flood", "destination", VICTIM)],
)
def test_a_rule_of_expected_behaviour_is_one_that_a_watch_reads(
    analyst, stored, write, shape, key, host
):
    one = incident()
    one.event["incident"]["shape"] = shape
    stored.add(one)
    query = {"reason": 'our "scanner"\n[[suppress]]', "expires": "2027-01-31"}
    page = analyst.get("/incidents/a1", query_string=query)
    codes = [c.text for c in page.tree.iterfind(".//code")]
    [code] = [text for text in codes if "[[suppress]]" in text]
    [rule] = tomllib.loads(code)["suppress"]
    assert rule[key] == [host]
    assert set(rule) == {key, "class", "reason", "expires"}
    assert (rule["class"], str(rule["expires"])) == ("probe", "2027-01-31")
    assert len(suppress.read(write("expected.toml", code))) == 1


def test_a_wrong_day_of_a_rule_is_told_at_its_field(analyst, stored):
    stored.add(incident())
    page = analyst.get("/incidents/a1?reason=ours&expires=soon")
    assert "expected a day such as" in page.text
    assert "[[suppress]]" not in page.text


def test_a_viewer_sees_no_incident_and_an_analyst_no_number_that_is_not_there(
    people, stored
):
    stored.add(incident())
    live = ("/live", "/live/state", "/live/connections")
    for path in ("/incidents", "/incidents/a1", *live):
        assert people("viewer").get(path).status_code == 403, path
    assert people("analyst").get("/incidents/a2").status_code == 404
    assert "/incidents" not in people("viewer").get("/account").text


def run(name="eth0", seconds=0.0, **more):
    values = {
        "id": name, "name": name, "host": "sensor", "bundle": "small",
        "seen_at": now() - timedelta(seconds=seconds),
        "figures": {"rate": 12.0, "connections": 620, "packets_dropped": 7},
        "recent": [
            {"at_ns": n * 10**9, "source": "192.0.2.1", "source_port": n,
             "destination": "192.0.2.2", "destination_port": 80, "proto": "tcp",
             "service": None, "state": "SF", "label": "benign",
             "probability": 0.1, "is_attack": False}
            for n in range(200)
        ],
    }  # fmt: skip
    return WatchRun(**values | more)


@pytest.mark.databases
def test_live_shows_what_a_watch_of_a_capture_saw(watched, analyst):
    watched()
    page = analyst.get("/live")
    text = words(page)
    assert "No watch is running. The last one ended" in text
    assert "mixed.pcap" in text
    rows = page.tree.findall(".//table[last()]/tbody/tr")
    assert "No incident is going on" in text
    assert len(rows) >= 200


def test_live_sums_the_watches_that_run(analyst, stored):
    figures = {"rate": 12.0, "connections": 620, "incidents": {"a1": 41}}
    runs = [run(figures=figures), run("eth1"), run("old", 15), run("gone", 7200)]
    stored.add_all([*runs, incident()])
    page = analyst.get("/live")
    text = words(page)
    assert "24/s" in text
    assert "1,860 in these runs" in text
    assert "silent 15 s ago" in text
    assert "gone" not in text
    assert "Incidents going on 1" in text
    assert len(page.tree.findall(".//table")[-1].findall("tbody/tr")) == 200
    assert ids(page) == ["a1"]
    assert f"probe {SCANNER} {VICTIM} and 299 more 41" in text


def test_live_warns_of_drift_where_a_watch_runs(analyst, stored):
    figures = {"rate": 1.0, "drift": "drift: columns moved <b>"}
    stored.add_all([run(figures=figures), run("old", 15, figures=figures)])
    page = analyst.get("/live")
    assert words(page).count("drift: columns moved <b>") == 1
    assert "eth0: drift" in words(page)


def test_live_says_for_how_long_no_watch_has_reported(analyst, stored):
    assert "No watch has reported in the last hour" in analyst.get("/live").text
    stored.add(run(seconds=12))
    assert "No watch has reported for 12 s" in analyst.get("/live").text


def test_live_is_polled_until_it_is_paused(analyst, stored):
    stored.add(run(seconds=3600 * 0.9))
    assert 'data-poll="/live/state"' in analyst.get("/live").text
    paused = analyst.get("/live?paused=1")
    assert "data-poll" not in paused.text
    assert 'href="/live"' in paused.text
    for path in ("/live/state", "/live/connections"):
        first = analyst.get(path)
        same = {"If-None-Match": first.headers["ETag"]}
        assert first.status_code == 200
        assert analyst.get(path, headers=same).status_code == 304
    stored.execute(update(WatchRun).values(seen_at=now()))
    assert analyst.get("/live/connections", headers=same).status_code == 200


@pytest.mark.databases
def test_a_program_lists_incidents_and_shows_one(watched, programs, stored):
    watched()
    program, name = programs("analyst"), stored.one(Incident).id
    [short] = program.ask("GET", "/incidents").json["items"]
    assert (short["id"], short["attackers"]) == (name, [SCANNER])
    assert (short["verdict"], short["connections"]) == ("probe", 300)
    full = program.ask("GET", f"/incidents/{name}").json
    assert full["event"]["incident"]["ports"] == 300
    assert full["notes"] == []
    for query, n in {
        f"attacker={SCANNER}": 1, f"victim={SCANNER}": 0, f"victim={VICTIM}": 1,
        "state=new": 1, "state=closed": 0, "ongoing=true": 0, "label=probe": 1,
        "label=dos": 0, "since=2026-01-01T00:00:00Z": 1, "until=2025-12-31": 0,
    }.items():  # fmt: skip
        assert len(program.ask("GET", f"/incidents?{query}").json["items"]) == n, query
    assert program.ask("GET", "/incidents/none").status_code == 404
    viewer = programs("viewer")
    assert viewer.ask("GET", "/incidents").json["items"] == []
    assert viewer.ask("GET", f"/incidents/{name}").status_code == 404
    assert programs("analyst", "score").ask("GET", "/incidents").status_code == 403


@pytest.mark.databases
def test_a_walk_through_incidents_of_one_time_meets_each_once(programs, stored):
    at = now()
    stored.add_all([incident(f"i{n}", at=at) for n in range(7)])
    seen = [one["id"] for one in programs("analyst").walk("/incidents?limit=3")]
    assert seen == [f"i{n}" for n in reversed(range(7))]
