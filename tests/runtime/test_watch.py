"""Connections become verdicts, alerts and incidents, one way, whatever the batches."""

import json
import time

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError, StorageError
from evenflow.runtime import bundle as bundles
from evenflow.runtime import watch_state
from evenflow.runtime.ages import Ages
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.incidents.suppress import rules
from evenflow.runtime.sinks import Setup, open_sink
from evenflow.runtime.watch import MOST_EXPLAINED, Watch
from evenflow.traffic.columns import CONNECTION, conform
from evenflow.traffic.flows import read_connections

from .toy_contract import ToyRows, save_toy

S = 10**9
BEGIN = 1_767_225_600 * S


@pytest.fixture(scope="module")
def toy(tmp_path_factory, save_detector):
    folder = save_toy(save_detector, tmp_path_factory.mktemp("toy") / "toy")
    return bundles.load(folder, threads=1)


@pytest.fixture(scope="module")
def mixed(capture):
    """The connections of a scan among ordinary traffic."""
    with capture.open("rb") as stream:
        return conform(pl.concat(read_connections(stream, source="mixed.pcap")))


def connections(n=1, **changes):
    """Return refused connections, one a second."""
    at = BEGIN + S * np.arange(n)
    given = {
        "ts": at, "uid": [f"C{i}" for i in range(n)], "id.orig_h": ["192.0.2.66"] * n,
        "id.orig_p": [40000] * n, "id.resp_h": ["10.0.0.1"] * n,
        "id.resp_p": 1 + np.arange(n), "proto": ["tcp"] * n, "orig_bytes": [0] * n,
        "resp_bytes": [0] * n, "conn_state": ["REJ"] * n, "ip_proto": [6] * n,
        "last_packet": at, "known": at, "is_over": [True] * n,
    }  # fmt: skip
    return conform(pl.DataFrame(given | changes))


def watched(toy, frames, **options):
    """Return a watch after some frames, and what it reported."""
    reports, notes = [], []
    found = Watch(
        toy, ToyRows(), options.pop("incidents", None) or Incidents(),
        on_report=reports.append, on_event=notes.append, **options,
    )  # fmt: skip
    for frame in frames:
        found.take(frame)
    return found, reports, notes


@pytest.fixture
def kept(tmp_path):
    """Return a function that watches with a sink, and gives what reached it, too."""

    def kept(toy, frames, form="eve", then=lambda _watch: None, **options):
        path = tmp_path / "events.json"
        path.unlink(missing_ok=True)
        sink = open_sink(f"eve:{path}", Setup(form=form))
        found, reports, notes = watched(toy, frames, sinks=[sink], **options)
        then(found)
        sink.close()
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return found, reports, notes, events

    return kept


def many_hosts(n, *, first=0, **changes):
    """Return connections of as many pairs of hosts, five a minute."""
    at = BEGIN + 12 * S * (first + np.arange(n))
    hosts = {
        "id.orig_h": [f"10.0.{i % 40}.1" for i in range(n)],
        "id.resp_h": [f"192.0.2.{i % 200}" for i in range(n)],
        "ts": at, "last_packet": at, "known": at,
    }  # fmt: skip
    return connections(n, **hosts | changes)


def benign(n, **more):
    rng = np.random.default_rng(5)
    return many_hosts(
        n, conn_state=["SF"] * n, orig_bytes=np.floor(rng.exponential(500, n)),
        proto=np.where(rng.random(n) < 0.5, "tcp", "udp"), **more,
    )  # fmt: skip


def test_drift_is_an_event_and_a_note_once_and_survives_a_restart(toy, tmp_path, kept):
    def restart(found):
        watch_state.save(
            tmp_path / "state", rows={}, incidents=found.incidents.to_dict(),
            drift=found.drift.to_dict(),
        )  # fmt: skip
        say = found._on_event
        again = Watch(toy, ToyRows(), Incidents(), found.sinks, on_event=say)
        again.drift.restore(watch_state.load(tmp_path / "state").drift)
        again.take(many_hosts(300, first=500))

    frames = [benign(100), *(many_hosts(100, first=100 * k) for k in range(1, 4))]
    _, _, notes, events = kept(toy, frames, then=restart)
    [event] = [e for e in events if e["event_type"] == "drift"]
    drift = event["drift"]
    assert drift["status"] == "began"
    assert drift["share"]["since"] == "2026-01-01 00:20 UTC"
    assert drift["share"]["now"] == 1.0
    assert [note.text for note in notes] == [drift["summary"]]
    assert "many hosts attack, or the model may not fit" in drift["summary"]
    assert event["ml"]["model"] == "toy"


def test_ordinary_connections_of_many_hosts_are_silent(toy):
    found, _, notes = watched(toy, [benign(2_000)])
    assert notes == []
    assert found.drift.n > 300
    assert not found.drift.is_drifted


@pytest.mark.parametrize(("form", "named"), [("ecs", "evenflow"), ("ocsf", "unmapped")])
def test_drift_has_a_place_in_each_form(toy, kept, form, named):
    incidents = Incidents(most_shown=0)
    *_, events = kept(toy, [many_hosts(300)], form, incidents=incidents)
    found = [e[named]["drift"] for e in events if "drift" in e[named]]
    assert [one["status"] for one in found] == ["began"]


@pytest.mark.parametrize("form", ["eve", "ecs", "ocsf"])
def test_a_bundle_that_was_replaced_has_a_place_in_each_form(toy, kept, form):
    def replace(found):
        found.replace(toy)
        found.keep("it is damaged")

    _, _, notes, events = kept(toy, [connections(1)], form, replace)
    [said] = [e for e in events if "it is damaged" in str(e)]
    assert "2026-01-01" in str(said) or said["time"] == BEGIN // 10**6
    assert [note.is_warning for note in notes] == [False, True]


def test_incidents_and_rows_go_on_with_another_bundle(toy):
    frames = connections(10)
    found, reports, _ = watched(toy, [frames[:5]])
    assert found.drift.n
    found.replace(toy)
    assert not found.drift.n
    found.take(frames[5:])
    found.finish()
    assert [r.what for r in reports] == ["opened", "closed"]
    assert reports[-1].incident.connections == 10
    assert found.rows.n == 10


def test_a_scan_among_ordinary_traffic_is_one_incident_with_its_attacker(
    toy, mixed, kept
):
    found, reports, _, events = kept(toy, [mixed], then=Watch.finish)
    assert found.totals.verdicts == 620
    assert found.totals.classes == {"benign": 320, "probe": 300}
    assert [r.what for r in reports] == ["opened", "closed"]
    assert reports[1].incident.connections == 300
    alerts = [e for e in events if e["event_type"] == "alert"]
    incidents = [e for e in events if e["event_type"] == "incident"]
    assert len(alerts) == 10
    assert {e["incident_id"] for e in events} == {reports[0].incident.id}
    assert {e["src_ip"] for e in events} == {"192.0.2.66"}
    assert incidents[1]["incident"]["summary"] == (
        "Scan or probe from 192.0.2.66 to 198.51.100.20: 300 ports, 300 connections"
    )
    ml = alerts[0]["ml"]
    assert (ml["model"], ml["version"]) == ("toy", found.model.version)
    assert ml["score"] > ml["threshold"] == 0.5
    assert ml["top_features"][0]["name"] == "is_refused"
    assert ml["top_features"][0]["effect"] > 1


def test_alerts_and_incidents_do_not_depend_on_the_batches(toy, mixed, kept):
    frame = mixed.sort("known", maintain_order=True)
    found = []
    for size in (620, 100, 1):
        *_, events = kept(toy, frame.iter_slices(size), then=Watch.finish)
        found.append(events)
        for event in events:
            # the budget for these is one of a batch; scores may differ in the last bit
            event["ml"].pop("top_features", None)
            event["ml"]["score"] = round(event["ml"]["score"], 6)
            if "incident" in event:
                event["incident"].pop("samples")
                risk = event["incident"]["risk"]
                event["incident"]["risk"] = {k: round(v, 3) for k, v in risk.items()}
    assert found[0] == found[1] == found[2]


def test_an_empty_batch_is_nothing(toy):
    found, reports, _ = watched(toy, [pl.DataFrame(schema=CONNECTION)])
    assert (found.totals.verdicts, reports) == (0, [])


def test_a_row_that_cannot_be_scored_is_counted_and_named(toy):
    given = connections(5, orig_bytes=[0, -7, 0, -8, -9])
    found, _, notes = watched(toy, [given, connections(3, orig_bytes=[-1, -1, -1])])
    assert (found.totals.verdicts, found.totals.rejected) == (2, 6)
    assert len(notes) == 3
    assert "connection C1: bytes is -7, expected" in notes[0].text


def test_a_source_that_lacks_what_the_contract_needs_is_refused(toy):
    with pytest.raises(DataError, match="does not know orig_bytes"):
        watched(toy, [connections(2).with_columns(orig_bytes=None)])


def test_an_early_verdict_alerts_once_for_its_connection(toy):
    rows = connections(4, uid=["C1"] * 4, is_over=[False, False, False, True])
    found, _, _ = watched(toy, [rows])
    assert found.incidents.counts["alerts"] == 1
    assert found.totals.alerts_sent == 1
    assert found.totals.connections == 1
    assert found.totals.verdicts == 4


def test_connections_of_a_log_without_names_are_told_by_their_ends(toy):
    given = connections(3).with_columns(uid=pl.lit(None, pl.String))
    found, _, _ = watched(toy, [given])
    assert found.incidents.opened()[0].connections == 3


def test_expected_behaviour_is_judged_and_counted_and_not_sent(toy, kept):
    rule = {"class": "probe", "reason": "tests", "expires": "2026-02-01"}
    incidents = Incidents(suppressions=rules({"suppress": [rule]}, source="test"))
    *_, events = kept(toy, [connections(7)], incidents=incidents)
    assert incidents.suppressed == {"tests": 7}
    assert events == []


def test_the_alerts_of_a_batch_that_are_explained_are_bounded(toy, kept):
    given = connections(200, **{"id.orig_h": [f"192.0.2.{i}" for i in range(200)]})
    # SINGLES merges them, and each is shown until its incident has enough
    *_, events = kept(toy, [given], incidents=Incidents(most_shown=200))
    alerts = [e for e in events if e["event_type"] == "alert"]
    assert len(alerts) == 200
    assert sum(bool(e["ml"]["top_features"]) for e in alerts) == MOST_EXPLAINED


def test_a_bundle_without_reference_rows_alerts_without_features(
    tmp_path, save_detector
):
    bare = save_toy(save_detector, tmp_path / "bare", has_reference=False)
    found, _, _ = watched(bundles.load(bare, threads=1), [connections(2)])
    assert found.totals.alerts_sent == 2


def test_the_time_alone_closes_an_incident(toy):
    found, reports, _ = watched(toy, [connections(1)])
    found.advance(BEGIN + 400 * S)
    assert [r.what for r in reports] == ["opened", "closed"]


def test_the_age_of_live_verdicts_is_counted_from_when_they_were_possible(toy):
    found, _, notes = watched(toy, [connections(3)], clock=lambda: BEGIN + 4 * S)
    assert found.totals.ages.max_s == 4
    assert found.totals.ages.quantile(0.5) == pytest.approx(3, rel=0.3)
    found.take(connections(3))
    assert len(notes) == 1
    assert "a verdict is 4.0 s old" in notes[0].text


def test_the_age_of_a_file_s_verdicts_is_the_time_they_took(toy):
    begun = time.perf_counter()
    found, _, _ = watched(toy, [connections(50)])
    assert 0 < found.totals.ages.max_s <= time.perf_counter() - begun
    assert found.totals.ages.counts.sum() == 50


def test_ages_are_counted_within_a_quarter():
    ages = Ages()
    ages.add(np.linspace(0.001, 1, 1000))
    for share in (0.1, 0.5, 0.99):
        assert ages.quantile(share) == pytest.approx(share, rel=0.27)
    assert ages.quantile(1) == 1
    assert Ages().quantile(0.5) == 0
    ages.add(10.0**9)
    assert ages.quantile(1) == 10.0**5


def test_it_resumes_where_it_stopped(toy, tmp_path):
    whole = connections(90)
    expected, told, _ = watched(toy, [whole])
    expected.finish()
    first, again, _ = watched(toy, [whole[:40]])
    path = tmp_path / "state.json"
    watch_state.save(path, rows=first.rows.state(), incidents=first.incidents.to_dict())
    state = watch_state.load(path)
    assert state.rows["n"].tolist() == [40]
    restored = Incidents()
    restored.restore(state.incidents)
    second, more, _ = watched(toy, [whole[40:]], incidents=restored)
    second.finish()
    said = [(r.what, r.at_ns) for r in again + more]
    assert said == [(r.what, r.at_ns) for r in told]
    assert more[-1].incident.connections == 90


def test_a_state_that_is_not_there_is_a_fresh_start(tmp_path):
    assert watch_state.load(tmp_path / "state.json") is None


def state_of(**changes):
    array = {"dtype": "<i8", "shape": [1], "data": "AAAAAAAAAAA="} | changes
    return json.dumps({"format": 1, "rows": {"a": array}, "incidents": {}})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": 2, "rows": {}, "incidents": {}}',
        '{"format": 1, "rows": {}, "incidents": []}', "\xff",
        state_of(dtype="|O"), state_of(data="A"), state_of(shape=[2]), "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_a_state_is_refused_in_words(write, text):
    path = write("state.json", text.encode("latin-1"))
    with pytest.raises(DataError, match="is not a state of evenflow watch"):
        watch_state.load(path)


def test_a_state_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        watch_state.save(tmp_path, rows={}, incidents={})
