"""Alerts become incidents: one for what belongs together, the attacker named."""

import json
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import DataError
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.distinct import N_REGISTERS, Distinct
from evenflow.runtime.incidents.grouping import MOST_FOLLOWED, Incidents
from evenflow.runtime.incidents.incident import severity
from evenflow.runtime.incidents.networks import network
from evenflow.runtime.incidents.risk import Risk
from evenflow.runtime.incidents.suppress import read, rules

S = 10**9
BEGIN = 1_767_225_600 * S


def alert(source="192.0.2.66", destination="10.0.0.1", at=0.0, **changes):
    """Return an alert at ``at`` seconds."""
    ns = BEGIN + round(at * S)
    port = changes.get("destination_port", 80)
    given = {
        "uid": f"C{source}{destination}{port}{at}",
        "first_ns": ns,
        "last_ns": ns,
        "known_ns": ns,
        "source": source,
        "source_port": 40000,
        "destination": destination,
        "destination_port": 80,
        "proto": "tcp",
        "ip_proto": 6,
        "source_bytes": 10,
        "destination_bytes": 20,
        "label": "probe",
        "probability": 0.96,
        "threshold": 0.5,
    }
    return Alert(**given | changes)


def scan(n, **changes):
    """Return the alerts of a scan of ``n`` ports of a host, one a second."""
    return [alert(destination_port=k, at=k, **changes) for k in range(n)]


def flood(n, source="198.51.100.{}", destination="10.0.0.9", at=0.0, **changes):
    """Return the alerts of a flood, a hundred a second."""
    changes = {"label": "dos"} | changes
    return [
        alert(source.format(k), destination.format(k), at + k / 100, **changes)
        for k in range(1, n + 1)
    ]


def guesses(*labels, at=0.0, **changes):
    """Return alerts of a port of a host, one a second, with these classes."""
    return [
        alert(at=at + k, destination_port=22, label=label, **changes)
        for k, label in enumerate(labels)
    ]


def run(alerts, **options):
    """Return incidents after some alerts, and all reports."""
    found = Incidents(**options)
    return found, [report for one in alerts for report in found.add(one).reports]


def resumed(found, **options):
    """Return what goes on from the state of incidents, as a file would hold it."""
    again = Incidents(**options)
    again.restore(json.loads(json.dumps(found.to_dict())))
    return again


def opened(reports):
    return [r.incident for r in reports if r.what == "opened"]


def test_a_scan_is_one_incident_however_many_ports_it_tries():
    ports = [alert(destination_port=port, at=port / 100) for port in range(1, 301)]
    found, reports = run(ports)
    assert [r.what for r in reports] == ["opened"]
    [incident] = found.opened()
    assert (incident.attacker, incident.victim) == ("192.0.2.66", "10.0.0.1")
    assert (incident.n_ports, incident.connections, incident.bytes) == (300, 300, 9000)
    assert (incident.first_ns, incident.last_ns) == (BEGIN + S // 100, BEGIN + 3 * S)


def test_ports_of_tcp_and_udp_are_counted_apart():
    found, _ = run([alert(), alert(at=1, proto="udp", ip_proto=17)])
    assert found.opened()[0].n_ports == 2


def test_a_sweep_of_many_hosts_is_one_incident_of_its_attacker():
    found, reports = run([alert(destination=f"10.0.{n}.1", at=n) for n in range(40)])
    assert len(opened(reports)) == 1
    assert len(found.opened()[0].victims) == 40


def test_a_flood_from_many_sources_is_one_incident_of_its_target():
    found, reports = run(flood(5000, "198.51.{}.1", label="ddos"))
    assert len(opened(reports)) == 1
    [incident] = found.opened()
    assert incident.victim == "10.0.0.9"
    assert len(incident.attackers) == pytest.approx(5000, rel=0.1)
    assert not incident.attackers.is_exact
    assert incident.connections == 5000


def test_a_flood_of_a_victim_with_an_open_incident_is_reported_at_once():
    mistaken = alert("10.0.0.20", "10.0.0.9", label="dos")
    many = flood(900, "192.0.2.66", at=20)
    found, reports = run([mistaken, *many])
    assert [r.what for r in reports] == ["opened", "updated"]
    assert reports[1].at_ns == many[4].known_ns
    assert reports[1].incident.attackers.most() == ["192.0.2.66", "10.0.0.20"]
    [incident] = found.opened()
    assert incident.attackers.names == {"10.0.0.20": 1, "192.0.2.66": 900}


def test_an_incident_whose_class_turns_is_reported_soon():
    first = [alert(at=n / 10, label="dos", destination_port=n + 1) for n in range(3)]
    later = [alert(at=1 + n / 10, destination_port=n + 99) for n in range(9)]
    _, reports = run([*first, *later])
    assert [(r.what, r.incident.label) for r in reports] == [
        ("opened", "dos"),
        ("updated", "probe"),
    ]


def test_an_incident_that_turns_again_and_again_is_reported_less_and_less():
    turns = [
        alert(at=n / 10, label=("dos", "probe")[n // 2 % 2], destination_port=n // 2)
        for n in range(3000)
    ]
    _, reports = run(turns)
    times = [(r.at_ns - BEGIN) / S for r in reports]
    assert 6 <= len(times) <= 6 + 2 * 300 / 90
    assert all(b - a >= min(2**i, 30) - 0.5 for i, (a, b) in enumerate(pairwise(times)))


def test_a_flood_is_reported_at_once_after_an_hour_of_mistakes():
    mistakes = [
        alert(f"10.0.0.{20 + n % 4}", "10.0.0.9", 9 * n, label="dos")
        for n in range(400)
    ]
    before = run(mistakes)[1]
    reports = run([*mistakes, *flood(50, "192.0.2.66", at=3603)])[1][len(before) :]
    [sooner] = [r for r in reports if 3603 < (r.at_ns - BEGIN) / S < 3605]
    assert sooner.incident.reported_attacker == "192.0.2.66"


@pytest.mark.parametrize("first", ["guess", "dos"])
def test_guessing_of_which_a_part_is_called_a_flood_is_one_incident(first):
    found, reports = run(guesses(first, *["guess", "guess", "dos"] * 20))
    assert len(opened(reports)) == 1
    [incident] = found.opened()
    assert (incident.label, incident.connections) == ("guess", 61)
    restored = resumed(found)
    for one in guesses("guess", "dos", at=61):
        restored.add(one)
    assert restored.n_open == 1


def test_guessing_goes_on_as_one_incident_while_others_flood_its_victim():
    others = alert("192.0.2.9", at=4, label="dos")
    found, _ = run([*guesses(*["guess"] * 3), others, *guesses(*["dos"] * 3, at=5)])
    assert sorted(one.connections for one in found.opened()) == [1, 6]


def test_a_flood_of_another_port_or_from_another_host_is_not_guessing():
    another_port = alert(at=4, destination_port=80, label="dos")
    another_host = alert("192.0.2.9", at=4, destination_port=22, label="dos")
    for more in (another_port, another_host):
        found, _ = run([*guesses(*["guess"] * 3), more])
        assert [one.label for one in found.opened()] == ["guess", "dos"]


def test_guessing_is_an_incident_of_each_attacker_victim_and_class():
    each = product(("192.0.2.1", "192.0.2.2"), ("10.0.0.1", "10.0.0.2"), ("r2l", "u2r"))
    found, _ = run(alert(a, v, n, label=w) for n, (a, v, w) in enumerate(each))
    assert found.n_open == 8


def test_an_attacker_of_many_victims_is_one_incident_even_of_an_unknown_class():
    found, reports = run(
        [alert(destination=f"10.0.0.{n}", at=n, label="odd") for n in range(1, 20)]
    )
    [incident] = found.opened()
    assert (incident.shape, len(incident.victims)) == ("sweep", 19)
    assert incident.connections == 19
    closed = [r for r in reports if r.what == "closed"]
    assert {r.reason for r in closed} == {f"part of {incident.id}"}
    assert incident.id == opened(reports)[0].id
    assert len(opened(reports)) == len(closed) + 1 == 4


def test_a_victim_of_many_attackers_is_one_incident_even_of_an_unknown_class():
    found, _ = run([alert(f"192.0.2.{n}", at=n, label="attack") for n in range(1, 20)])
    [incident] = found.opened()
    assert (incident.shape, len(incident.attackers)) == ("flood", 19)


def test_a_flood_between_addresses_that_never_repeat_is_one_incident():
    found, reports = run(flood(199, destination="203.0.113.{}"))
    assert found.n_open == 1
    assert len(opened(reports)) < 12
    assert found.opened()[0].connections == 199


def test_a_real_flood_beside_one_of_random_addresses_has_its_own_incident():
    of_random = flood(99, destination="203.0.113.{}")
    found, _ = run([*of_random, *flood(50, "198.18.0.{}", "203.0.113.7", at=1)])
    assert sorted(i.shape for i in found.opened()) == ["flood", "many"]


@pytest.mark.parametrize(
    "answers",
    [
        {"history": "R", "source_port": 22, "destination_port": 40000},
        {"history": "H", "source_port": 22, "destination_port": 40000},
        {
            "proto": "icmp", "ip_proto": 1, "source_port": 3, "destination_port": 3,
            "destination_packets": 0,
        },
    ],
)  # fmt: skip
def test_a_victim_whose_answers_alone_were_captured_is_not_blamed(answers):
    one = alert(source="10.0.0.1", destination="192.0.2.66", **answers)
    assert (one.attacker, one.victim) == ("192.0.2.66", "10.0.0.1")
    assert one.port == (None if one.proto == "icmp" else 22)


@pytest.mark.parametrize("history", ["Sr", "S", "ShR", "^h", "SaR", "ShAdDaFf", None])
def test_who_begins_a_connection_is_the_attacker(history):
    assert alert(history=history).attacker == "192.0.2.66"


def test_an_incident_is_reported_at_most_once_a_minute_of_packet_time():
    _, reports = run(scan(601))
    assert [r.what for r in reports] == ["opened", *["updated"] * 10]
    assert [(r.at_ns - BEGIN) // S for r in reports] == list(range(0, 601, 60))
    assert [r.incident.connections for r in reports[:3]] == [1, 60, 120]


def test_an_incident_without_a_new_alert_is_not_reported_again():
    found, _ = run([alert()])
    assert found.advance(BEGIN + 120 * S) == []


def test_a_quiet_incident_is_closed_and_the_next_alert_opens_another():
    _, reports = run([alert(), alert(at=400)])
    assert [r.what for r in reports] == ["opened", "closed", "opened"]
    assert reports[1].at_ns == BEGIN + 300 * S
    assert reports[0].incident.id != reports[2].incident.id


def test_a_clock_that_is_set_back_does_not_keep_an_incident_open():
    found, _ = run([alert(at=10**8)])
    assert [r.what for r in found.advance(BEGIN)] == ["closed"]


def times_of(alerts, pieces):
    """Return what is reported when the time is also noted between alerts."""
    found, told = Incidents(), []
    for n, one in enumerate(alerts):
        told += found.add(one).reports
        if n in pieces:
            told += found.advance(one.known_ns)
    told += found.finish()
    return [(r.what, r.at_ns, r.incident.id, r.incident.connections) for r in told]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2000), st.integers(0, 3), st.sampled_from(["dos", "r2l"])
        )
    ),
    st.sets(st.integers(0, 50)),
)
def test_reports_do_not_depend_on_where_the_traffic_is_cut(events, pieces):
    alerts = [
        alert(f"192.0.2.{host}", at=at, label=label, uid=f"C{n}")
        for n, (at, host, label) in enumerate(sorted(events))
    ]
    assert times_of(alerts, pieces) == times_of(alerts, set())


def test_a_connection_that_goes_on_is_one_alert_and_its_bytes_are_counted_once():
    found, _ = run([alert(uid="C1", is_over=False)])
    later = found.add(alert(uid="C1", at=10, is_over=False, source_bytes=100))
    assert not later.is_new
    last = found.add(alert(uid="C1", at=60, source_bytes=1000))
    [incident] = found.opened()
    assert (incident.connections, incident.bytes) == (1, 1020)
    assert last.incident == incident.id


def test_a_connection_whose_class_changes_stays_in_its_incident_and_is_shown_again():
    found, _ = run([alert(uid="C1", is_over=False)])
    again = found.add(alert(uid="C1", at=10, label="r2l"))
    assert again.is_shown
    assert not again.is_new
    [incident] = found.opened()
    assert (incident.label, incident.connections) == ("r2l", 1)
    assert incident.classes == {"probe": 0, "r2l": 1}


@pytest.mark.parametrize("first", ["probe", "dos"])
def test_a_scan_that_is_taken_for_a_flood_in_part_is_one_incident(first):
    labels = [first, *["probe", "probe", "dos"] * 33]
    found, _ = run(
        alert(destination=f"10.0.0.{n % 3}", destination_port=n, at=n, label=label)
        for n, label in enumerate(labels)
    )
    [incident] = found.opened()
    assert incident.attacker == "192.0.2.66"
    assert (incident.label, incident.n_ports) == ("probe", 100)


def test_a_scan_that_is_mostly_taken_for_a_flood_is_called_a_scan():
    found, _ = run(
        alert(destination_port=n, at=n / 9, label="dos" if n % 5 else "probe")
        for n in range(100)
    )
    [incident] = found.opened()
    assert (incident.label, incident.classes) == ("probe", {"probe": 20, "dos": 80})


def test_a_flood_that_is_taken_for_a_scan_in_part_is_one_incident():
    taken_for_a_scan = flood(19, at=200, label="probe")
    found, _ = run([*flood(181), *taken_for_a_scan])
    [incident] = found.opened()
    assert (incident.label, incident.victim) == ("dos", "10.0.0.9")
    assert incident.classes == {"dos": 181, "probe": 19}


def test_a_scan_of_a_host_beside_a_flood_of_it_is_an_incident_of_its_own():
    ports = [
        alert("203.0.113.5", "10.0.0.9", 51 + n, destination_port=n, label=label)
        for n, label in enumerate(["probe", "dos", "probe"])
    ]
    found, _ = run([*flood(50), *ports])
    sizes = [(i.label, i.connections) for i in found.opened()]
    assert sizes == [("dos", 50), ("probe", 3)]


def test_of_a_flood_of_random_sources_a_part_may_be_taken_for_scans():
    found, reports = run(
        alert(f"198.51.{n}.1", "10.0.0.9", n / 9, label="dos" if n % 3 else "probe")
        for n in range(200)
    )
    assert len(opened(reports)) == 2
    assert found.opened()[-1].connections == 199


def test_the_first_alerts_of_an_incident_are_shown_and_the_others_counted():
    found = Incidents(most_shown=3)
    shown = [found.add(one).is_shown for one in scan(61)]
    assert sum(shown[:60]) == 3
    assert shown[60], "after a report the next ones are"


def test_the_number_of_open_incidents_is_bounded():
    pairs = flood(8, "192.0.2.{}", "10.0.0.{}", label="r2l")
    found, reports = run(pairs, most_open=4)
    assert found.n_open == 4
    assert found.counts["evicted"] == 4
    closed = [r.incident.attacker for r in reports if r.what == "closed"]
    assert closed == [f"192.0.2.{n}" for n in range(1, 5)]


@pytest.mark.slow
def test_the_connections_that_are_followed_are_bounded():
    found = Incidents()
    for n in range(MOST_FOLLOWED + 10):
        found.add(alert(uid=f"C{n}", is_over=False))
    assert len(found.to_dict()["followed"]) == MOST_FOLLOWED


def doubtful(n):
    return guesses(*["r2l"] * n, probability=0.9)


def test_doubtful_alerts_do_not_push_an_incident_out():
    sure = alert("192.0.2.99", "10.0.0.99", label="r2l")
    pairs = flood(9, "192.0.2.{}", "10.0.0.{}", label="r2l", probability=0.9)
    found, reports = run([sure, *pairs[:8]], most_open=4)
    assert [r.what for r in reports] == ["opened"]
    assert [one.attacker for one in found.opened()] == ["192.0.2.99"]
    assert len(found.to_dict()["open"]) == 4
    assert found.counts["evicted"] == 0
    again = resumed(found, most_open=4)
    again.add(pairs[8])
    assert [one.attacker for one in again.opened()] == ["192.0.2.99"]


def test_two_alerts_of_a_low_score_are_no_incident_and_the_third_opens_one_of_three():
    found, reports = run(doubtful(2))
    assert (reports, found.opened(), found.n_open) == ([], [], 0)
    assert found.advance(BEGIN + 120 * S) == []  # nor is it updated
    assert found.finish() == []
    assert found.counts["single"] == 2
    found, reports = run(doubtful(3))
    assert [r.what for r in reports] == ["opened"]
    assert reports[0].incident.connections == 3
    assert [r.what for r in found.finish()] == ["closed"]
    assert found.counts["single"] == 0


def test_one_alert_of_a_high_score_opens_an_incident_that_has_those_before_it():
    _, reports = run([*doubtful(1), alert(at=5, label="r2l", probability=0.95)])
    assert [r.what for r in reports] == ["opened"]
    assert reports[0].incident.connections == 2
    assert opened(run(doubtful(1), sure=0.9)[1])


def test_low_scores_of_many_hosts_are_one_incident_once_they_are_a_sweep():
    sweep = {"label": "probe", "probability": 0.9}
    found, reports = run(flood(7, "192.0.2.66", "10.0.0.{}", **sweep))
    assert [r.what for r in reports] == ["opened"]
    [incident] = found.opened()
    assert (incident.connections, len(incident.victims)) == (7, 7)
    assert found.counts["opened"] - found.counts["closed"] == 1


def test_a_sweep_is_the_incident_that_was_reported_and_not_one_that_waited():
    first = alert(destination="10.0.0.9", label="r2l", probability=0.9)
    sure = flood(4, "192.0.2.66", "10.0.0.{}", 1, label="r2l", probability=0.99)
    found, reports = run([first, *sure])
    [whole] = found.opened()
    assert whole.id in {incident.id for incident in opened(reports)[:1]}
    assert whole.connections == 5


def test_alerts_that_wait_for_more_outlive_a_restart():
    second = resumed(run(doubtful(2))[0])
    assert second.opened() == []
    [report] = second.add(doubtful(3)[2]).reports
    assert (report.what, report.incident.connections) == ("opened", 3)


def test_reports_name_direction_and_risk():
    _, reports = run([alert()])
    assert reports[0].direction == "inbound"
    assert reports[0].risk == {"192.0.2.66": 9.6, "10.0.0.1": 4.8}
    _, reports = run([alert()], home=[network("192.0.2.0/24")])
    assert reports[0].direction == "outbound"
    assert reports[0].risk == {"192.0.2.66": 9.6}


def test_a_spoofed_source_of_a_flood_gets_no_risk():
    found, _ = run([alert("198.51.100.7", label="ddos")])
    assert "198.51.100.7" not in found.risk.hosts
    assert found.risk.of("10.0.0.1", BEGIN) == pytest.approx(25 * 0.96 / 2)


def test_a_risk_adds_up_and_halves_with_time():
    risk = Risk(half_life_ns=10 * S)
    risk.add("a", 8, 0)
    assert risk.add("a", 1, 10 * S) == pytest.approx(5)
    assert risk.of("a", 30 * S) == pytest.approx(1.25)


def test_the_hosts_with_a_risk_are_bounded_and_the_riskiest_stay():
    risk = Risk(most_hosts=10)
    for n in range(100):
        risk.add(f"h{n}", n, 0)
    assert len(risk.hosts) <= 10
    assert risk.top(0, 1) == [("h99", 99.0)]


def test_reconnaissance_is_less_severe_than_impact_and_access_the_most():
    found = [severity(w) for w in ("probe", "dos", "u2r", "brute_force", "odd")]
    assert found == [3, 2, 1, 1, 2]


RULES = """
[[suppress]]
source = ["192.0.2.0/24"]
class = "probe"
reason = "our own scanner"
expires = 2026-01-01
"""


@pytest.fixture
def known(write):
    """The rule of :data:`RULES`."""
    return read(write("expected.toml", RULES))


def test_expected_behaviour_is_counted_and_not_reported(known):
    other = alert("203.0.113.1", "10.0.0.2")
    alerts = [alert(), alert(at=1), alert(label="dos"), other]
    found, reports = run(alerts, suppressions=known)
    assert found.suppressed == {"our own scanner": 2}
    kept = [(i.label, i.attacker) for i in opened(reports)]
    assert kept == [("dos", "192.0.2.66"), ("probe", "203.0.113.1")]


def test_a_rule_that_expired_by_packet_time_suppresses_nothing(known):
    found, reports = run([alert(at=86400)], suppressions=known)
    assert len(opened(reports)) == 1
    assert not found.suppressed


def test_a_rule_by_destination_service_and_port_matches_all_of_them(write):
    text = (
        '[[suppress]]\ndestination = "10.0.0.1"\nservice = "http"\nport = 80\n'
        'reason = "load test"\nexpires = 2026-01-01T12:00:00Z\n'
    )
    [rule] = read(write("expected.toml", text))
    assert rule.matches(alert(service="http"))
    assert not rule.matches(alert(service="ssh"))
    assert not rule.matches(alert(service="http", destination_port=81))
    assert not rule.matches(alert(service="http", destination="10.0.0.2"))
    assert rule.expires_ns == BEGIN + 12 * 3600 * S


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[suppress]", "is not TOML"),
        ("[[other]]", "found the key 'other'"),
        ("suppress = 1", r"expected up to 1000 tables \[\[suppress\]\]"),
        ('[[suppress]]\nreason="x"\nexpires=2026-01-01', "matches every alert"),
        ("[[suppress]]\nport=1\nexpires=2026-01-01", "rule 1: reason is missing"),
        ('[[suppress]]\nport=1\nreason="x"', "expires is missing"),
        ('[[suppress]]\nport=70000\nreason="x"\nexpires=2026-01-01', "port is 70000"),
        ('[[suppress]]\nsource="a"\nreason="x"\nexpires=2026-01-01', "found 'a'"),
        ('[[suppress]]\nsource=[]\nreason="x"\nexpires=2026-01-01', "source is"),
        ('[[suppress]]\nhost="a"\nreason="x"\nexpires=2026-01-01', "host is 'a'"),
    ],
)
def test_an_invalid_rule_is_refused_with_its_place(write, text, message):
    with pytest.raises(DataError, match=message):
        read(write("expected.toml", text))


def test_a_class_that_the_model_does_not_name_is_refused(write):
    path = write("expected.toml", RULES)
    assert read(path, classes=["probe", "dos"])
    with pytest.raises(DataError, match="class is 'probe', .*; expected scan, dos"):
        read(path, classes=["scan", "dos"])


def test_a_missing_file_of_rules_is_an_error_in_words(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read(tmp_path / "no.toml")


def scan_and_flood():
    return [alert(destination_port=n, at=n / 10) for n in range(50)] + [
        alert(
            f"198.51.100.{n}", "10.0.0.9", 6 + n / 100, label="dos", is_over=n % 2 > 0
        )
        for n in range(50)
    ]


def test_saved_and_restored_it_goes_on_as_if_it_had_never_stopped():
    alerts = scan_and_flood()
    whole, expected = run(alerts)
    expected += whole.finish()
    first, told = run(alerts[:70])
    second = resumed(first)
    told += [r for one in alerts[70:] for r in second.add(one).reports]
    told += second.finish()
    said = [(r.what, r.incident.to_dict()) for r in told]
    assert said == [(r.what, r.incident.to_dict()) for r in expected]
    assert second.counts == whole.counts
    assert second.risk.hosts == whole.risk.hosts


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 1},
        {"open": [[["pair", "dos"], {}]]},
        {"open": None},
        {"risk": {"a": [1]}},
        {"followed": [["C1", None, "dos", "x", 1]]},
    ],
)
def test_a_damaged_state_is_refused(damage):
    state = run(scan_and_flood())[0].to_dict()
    with pytest.raises(DataError, match="found"):
        Incidents().restore(state | damage)


@given(st.integers(0, 3000))
@settings(max_examples=20, deadline=None)
def test_a_count_of_names_is_exact_at_first_and_near_later(n):
    counted = Distinct()
    for i in range(n):
        counted.add(f"192.0.2.{i}")
        counted.add(f"192.0.2.{i}")
    assert len(counted) == n if n <= 256 else len(counted) == pytest.approx(n, rel=0.15)
    assert len(Distinct.from_dict(counted.to_dict())) == len(counted)


def test_a_count_of_a_million_names_has_a_kilobyte_and_is_near():
    counted = Distinct()
    for i in range(200_000):
        counted.add(str(i))
    assert len(counted) == pytest.approx(200_000, rel=0.1)
    assert len(counted.registers) == N_REGISTERS


def test_two_counts_together_are_the_count_of_all_names():
    one, other, both = Distinct(), Distinct(), Distinct()
    for i in range(1000):
        (one if i % 3 else other).add(str(i))
        both.add(str(i))
    other.add("1")
    one.merge(other)
    assert len(one) == pytest.approx(len(both), rel=0.02)


def test_rules_may_be_none():
    assert rules({}, source="empty.toml") == ()
