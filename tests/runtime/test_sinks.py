"""Events reach their sinks whole, and a sink that fails stops nothing."""

import errno
import json
import os
import re
import socket
import threading
import time
from dataclasses import replace
from functools import partialmethod
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import Mock

import pytest

from evenflow.errors import DataError, StorageError
from evenflow.runtime.events import Model, alert_event, incident_event, port_ranges
from evenflow.runtime.forms import FORMS
from evenflow.runtime.incidents.alert import Alert, Feature
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.sinks import Setup, names, open_sink
from evenflow.runtime.sinks._outbox import Outbox, RejectedError

BEGIN = 1_767_225_600 * 10**9
MODEL = Model(name="small", version="0123456789ab")
ALERT = Alert(
    uid="CxYz", first_ns=BEGIN, last_ns=BEGIN + 1_500_000_000,
    known_ns=BEGIN + 2_123_456_789, source="192.0.2.66", source_port=40000,
    destination="10.0.0.1", destination_port=80, proto="tcp", ip_proto=6,
    service="http", state="SF", history="ShADadFf", source_bytes=10,
    destination_bytes=20, source_packets=5, destination_packets=4,
    source_ip_bytes=338, destination_ip_bytes=272, label="probe", probability=0.96875,
    threshold=0.5, features=(Feature(name="count", value=511.0, effect=2.5),),
)  # fmt: skip


def event(n=0):
    return alert_event(ALERT, MODEL, incident=f"i{n}")


def incident():
    [report] = Incidents().add(ALERT).reports
    return incident_event(report, MODEL)


def test_an_alert_is_an_event_of_eve():
    found = event()
    assert re.fullmatch(r"2026-01-01T00:00:02\.123456\+0000", found["timestamp"])
    assert found["event_type"] == "alert"
    assert (found["src_ip"], found["src_port"]) == ("192.0.2.66", 40000)
    assert (found["dest_ip"], found["dest_port"]) == ("10.0.0.1", 80)
    assert (found["proto"], found["app_proto"]) == ("TCP", "http")
    assert found["community_id"].startswith("1:")
    assert found["alert"]["metadata"]["mitre_technique_id"] == ["T1046", "T1595"]
    assert found["alert"]["severity"] == 3
    assert 1_000_000 <= found["alert"]["signature_id"] < 2_000_000
    assert found["flow"]["bytes_toserver"] == 338
    assert found["flow"]["age"] == 1
    assert found["ml"] == {
        "model": "small",
        "version": "0123456789ab",
        "score": 0.96875,
        "threshold": 0.5,
        "class": "probe",
        "top_features": [{"name": "count", "value": 511.0, "effect": 2.5}],
    }
    assert found["flow_id"] < 2**53
    assert json.loads(json.dumps(found)) == found


def test_an_alert_of_icmp_has_a_type_and_no_ports():
    icmp = {"proto": "icmp", "ip_proto": 1}
    one = replace(ALERT, **icmp, source_port=3, destination_port=1)
    found = alert_event(one, MODEL)
    assert (found["icmp_type"], found["icmp_code"]) == (3, 1)
    assert "src_port" not in found


def test_what_is_not_known_of_a_connection_is_left_out():
    nothing = {"source_port": None, "destination_port": None}
    icmp = replace(ALERT, proto="icmp", ip_proto=1, destination_packets=0, **nothing)
    assert (icmp.attacker, icmp.victim) == ("192.0.2.66", "10.0.0.1")
    sctp = {"proto": "unknown_transport", "ip_proto": 132}
    for one in (icmp, replace(ALERT, **nothing), replace(ALERT, **sctp, **nothing)):
        found = alert_event(one, MODEL)
        assert all(json.dumps(form(found)) for form in FORMS.values())
        assert not {"icmp_type", "src_port", "community_id"} & found.keys()
        assert one.port is None
    assert found["proto"] == "132"


def test_an_alert_has_the_same_id_whenever_it_is_made_and_another_class_another():
    again = replace(ALERT, known_ns=BEGIN, probability=0.6)
    assert again.id == ALERT.id
    assert replace(ALERT, label="dos").id != ALERT.id


def test_an_incident_is_an_event_that_says_who_attacks_whom_with_what():
    found = incident()
    assert (found["src_ip"], found["dest_ip"]) == ("192.0.2.66", "10.0.0.1")
    assert found["incident"]["summary"] == (
        "Scan or probe from 192.0.2.66 to 10.0.0.1: 1 port, 1 connection"
    )
    assert found["incident"]["port_ranges"] == ["tcp 80"]
    assert found["incident"]["status"] == "opened"
    assert json.loads(json.dumps(found)) == found


def test_ports_are_written_as_ranges():
    bits = sum(1 << port for port in (0, 1, 2, 80, 65535, 65536 + 53, 65536 + 54))
    assert port_ranges(bits) == ["tcp 0-2", "tcp 80", "tcp 65535", "udp 53-54"]
    assert port_ranges(0) == []


@pytest.mark.parametrize("made", [event, incident])
def test_ecs_has_the_fields_of_the_schema(made):
    found = FORMS["ecs"](made())
    assert re.fullmatch(r"2026-01-01T00:00:02\.\d{6}\+00:00", found["@timestamp"])
    assert found["event"]["kind"] == "alert"
    assert found["source"]["ip"] == "192.0.2.66"
    assert found["destination"]["ip"] == "10.0.0.1"
    assert found["threat"]["technique"]["id"] == ["T1046", "T1595"]
    assert found["rule"]["name"] == "evenflow: Scan or probe"
    assert None not in found["event"].values()


@pytest.mark.parametrize("made", [event, incident])
def test_ocsf_is_a_detection_finding(made):
    found = FORMS["ocsf"](made())
    assert (found["class_uid"], found["type_uid"]) == (2004, 200401)
    assert found["time"] // 1000 == BEGIN // 10**9 + 2
    assert found["confidence_score"] == 97
    assert found["evidences"][0]["src_endpoint"]["ip"] == "192.0.2.66"
    uids = [one["technique"]["uid"] for one in found["finding_info"]["attacks"]]
    assert uids == ["T1046", "T1595"]


class Flaky:
    """A transport that fails as often as it is told to."""

    most_messages = 4

    def __init__(self, failures=0, error=None):
        self.failures, self.error = failures, error or OSError(errno.EIO, "broken")
        self.sent, self.synced = [], 0
        self.gate = threading.Event()
        self.gate.set()

    def send(self, messages):
        self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.sent += messages

    def sync(self):
        self.synced += 1

    def close(self):
        pass


def numbers(n):
    """Return what is sent of that many events."""
    return [b"%d" % k for k in range(n)]


def outbox(transport, **options):
    notes = []
    options = {"first_delay_s": 0.001, "patience_s": 0.05} | options
    made = Outbox(
        "test", transport, lambda e: b"%d" % e, on_event=notes.append, **options
    )
    return made, notes


def deliver(sink, events):
    """Write events, wait until all have arrived and close the sink."""
    sink.write(events)
    assert sink.flush(10)
    sink.close()


def test_events_are_delivered_in_order_and_synced_by_a_flush():
    transport = Flaky()
    sink, notes = outbox(transport)
    sink.write(range(100))
    assert sink.flush(5)
    assert transport.sent == numbers(100)
    assert transport.synced == 1
    sink.close()
    assert (sink.counts.sent, sink.counts.dropped, notes) == (100, 0, [])


def test_a_delivery_that_fails_is_tried_again_and_said_once():
    transport = Flaky(failures=5)
    sink, notes = outbox(transport)
    deliver(sink, range(10))
    assert transport.sent == numbers(10)
    assert sink.counts.failures == 5
    assert [n.is_warning for n in notes] == [True, False]
    assert "test: broken" in notes[0].text
    assert notes[1].text == "test works again"


def test_a_sink_that_stands_still_costs_its_patience_once_and_drops_are_counted():
    transport = Flaky()
    transport.gate.clear()
    sink, notes = outbox(transport, most_waiting=10)
    begun = time.monotonic()
    sink.write(range(1000))
    assert time.monotonic() - begun < 1
    assert sink.counts.dropped == 990
    assert "dropped" in notes[0].text
    assert len(notes) == 1
    transport.gate.set()
    deliver(sink, [])
    assert transport.sent == numbers(10)


def test_a_slow_sink_that_makes_progress_loses_nothing():
    transport = Flaky()
    send = transport.send
    transport.send = lambda messages: (time.sleep(0.01), send(messages))
    sink, _ = outbox(transport, most_waiting=8, patience_s=5)
    deliver(sink, range(200))
    assert sink.counts.dropped == 0
    assert len(transport.sent) == 200


def test_the_bytes_that_wait_are_bounded():
    transport = Flaky(failures=10**9)
    sink, _ = outbox(transport, most_bytes=20)
    sink.write([10**9] * 5)
    assert sink.counts.waiting == 2
    sink.close(timeout_s=0.05)
    assert sink.counts.dropped == 5


def test_a_batch_that_is_rejected_is_counted_and_the_next_is_sent():
    transport = Flaky(failures=1, error=RejectedError("answered 400"))
    sink, notes = outbox(transport)
    sink.write(range(4))
    assert sink.flush(5)
    sink.write([9])
    sink.close()
    assert (sink.counts.rejected, sink.counts.sent) == (4, 1)
    assert notes[0].text == "test: answered 400; 4 alerts were rejected"


def test_a_bug_of_a_transport_is_raised_where_events_are_written():
    sink, _ = outbox(Flaky(failures=1, error=ZeroDivisionError("bug")))
    sink.write([1])
    with pytest.raises(ZeroDivisionError):
        sink.flush(5)


class Board(Flaky):
    """A transport that shows the state of the run, too."""

    def __init__(self, failures=0):
        super().__init__()
        self.states, self.failures_left = [], failures

    def show(self, message):
        if self.failures_left:
            self.failures_left -= 1
            raise OSError("away")
        self.states.append(json.loads(message))


def test_the_newest_state_of_a_run_is_shown_after_the_events():
    transport = Board()
    transport.gate.clear()
    sink, _ = outbox(transport)
    assert sink.shows
    sink.write([1])
    for n in range(50):
        sink.show({"n": n})
    transport.gate.set()
    deliver(sink, [])
    assert transport.sent == [b"1"]
    assert transport.states == [{"n": 49}]


def test_a_state_that_could_not_be_shown_is_shown_later():
    transport = Board(failures=3)
    sink, notes = outbox(transport)
    sink.show({"n": 1})
    deliver(sink, [])
    assert transport.states == [{"n": 1}]
    assert sink.counts.failures == 3
    assert [note.is_warning for note in notes] == [True, False]


def test_a_sink_that_shows_no_state_takes_none():
    sink, _ = outbox(Flaky())
    assert not sink.shows
    sink.close()


def test_an_event_that_a_sink_does_not_want_is_not_queued():
    transport = Flaky()
    sink = Outbox("test", transport, lambda n: b"%d" % n if n % 2 else None)
    deliver(sink, range(6))
    assert transport.sent == [b"1", b"3", b"5"]
    assert sink.counts.sent == 3


def test_the_sink_of_a_database_gets_incidents_alone_whatever_the_form():
    database = Mock(return_value=Flaky())
    setup = Setup(form="ocsf", open_database=database)
    sink = open_sink("database:/srv/evenflow", setup)
    deliver(sink, [event(), incident(), event()])
    database.assert_called_once_with("/srv/evenflow")
    transport = database.return_value
    assert [json.loads(m)["event_type"] for m in transport.sent] == ["incident"]


def test_a_database_that_nobody_can_open_is_refused():
    with pytest.raises(DataError, match="known to evenflow watch alone"):
        open_sink("database", Setup())


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.json"


def test_a_file_gets_a_line_of_json_an_event(path):
    deliver(open_sink(f"eve:{path}", Setup()), [event(n) for n in range(5)])
    assert lines(path) == [event(n) for n in range(5)]
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("before", "kept"), [("{}\n", {}), ('{"a": 1}\n{"b": ', {"a": 1})]
)
def test_a_file_that_is_there_is_appended_to_and_half_a_line_of_a_killed_process_cut(
    path, before, kept
):
    path.write_text(before)
    deliver(open_sink(f"eve:{path}", Setup()), [event()])
    assert lines(path) == [kept, event()]


def test_a_file_that_was_rotated_is_opened_again(path, tmp_path):
    sink = open_sink(f"eve:{path}", Setup())
    sink.write([event(1)])
    assert sink.flush(5)
    path.rename(tmp_path / "alerts.json.1")
    deliver(sink, [event(2)])
    assert lines(tmp_path / "alerts.json.1") == [event(1)]
    assert lines(path) == [event(2)]


def test_a_full_disk_leaves_whole_lines_and_all_of_them_later(path, monkeypatch):
    notes = []
    sink = open_sink(f"eve:{path}", Setup(on_event=notes.append))
    write, left = os.write, [300]

    def full(fd, data):
        if threading.current_thread() is threading.main_thread():
            return write(fd, data)
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        n = write(fd, data[: left[0]])
        left[0] -= n
        return n

    monkeypatch.setattr(os, "write", full)
    sink.write([event(1)])
    assert not sink.flush(0.2)
    assert path.read_bytes() == b""
    assert "No space left on device" in notes[0].text
    left[0] = 10**9
    deliver(sink, [])
    assert lines(path) == [event(1)]


@pytest.mark.parametrize("name", ["", "no/such/folder/f", "folder"])
def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path, name):
    (tmp_path / "folder").mkdir()
    target = str(tmp_path / name) if name else ""
    with pytest.raises((DataError, StorageError), match="(?i)expected"):
        open_sink(f"eve:{target}", Setup())


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="is a pipe"):
        open_sink(f"eve:{tmp_path}/pipe", Setup())


def test_stdout_gets_lines(capfd):
    deliver(open_sink("stdout", Setup()), [event(1), event(2)])
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert found == [event(1), event(2)]


@pytest.mark.parametrize(
    "spec",
    [
        "file:x", "", "stdout:x", "syslog:", "syslog:unix:", "syslog:http://a",
        "syslog:udp://", "syslog:udp://h:99999", "webhook:", "webhook:ftp://a/b",
        "webhook:file:///etc/passwd", "webhook:http://h:x/",
    ],
)  # fmt: skip
def test_an_invalid_sink_is_refused_with_what_was_expected(spec):
    with pytest.raises(DataError, match="(?i)expected"):
        open_sink(spec, Setup())


def test_each_kind_of_sink_is_a_file():
    assert names() == ["database", "eve", "stdout", "syslog", "webhook"]


RFC5424 = (
    rb"<133>1 2026-01-01T00:00:02\.123456\+00:00 \S+ evenflow \d+ alert - (\{.*\})"
)


def check_syslog(data):
    found = re.fullmatch(RFC5424, data)
    assert found, data
    assert json.loads(found[1])["event_type"] == "alert"


@pytest.mark.parametrize(
    ("family", "place", "spec"),
    [
        (socket.AF_INET, ("127.0.0.1", 0), "udp://127.0.0.1:{0[1]}"),
        (socket.AF_UNIX, "log", "unix:{0}"),
    ],
    ids=["udp", "unix"],
)
def test_syslog_in_datagrams_is_rfc_5424(tmp_path, monkeypatch, family, place, spec):
    monkeypatch.chdir(tmp_path)
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(place)
        server.settimeout(5)
        spec = spec.format(server.getsockname())
        deliver(open_sink(f"syslog:{spec}", Setup()), [event()])
        check_syslog(server.recv(65536))


def received(connection, n):
    """Return that many messages, by their counts of octets."""
    data = b""
    found = []
    while len(found) < n:
        data += connection.recv(65536)
        while (match := re.match(rb"(\d+) ", data)) and len(data) >= match.end() + int(
            match[1]
        ):
            end = match.end() + int(match[1])
            found.append(data[match.end() : end])
            data = data[end:]
    return found


def test_syslog_over_tcp_counts_octets_and_connects_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        sink = open_sink(f"syslog:tcp://127.0.0.1:{server.getsockname()[1]}", Setup())
        sink.write([event(1), event(2)])
        connection, _ = server.accept()
        with connection:
            for one in received(connection, 2):
                check_syslog(one)
        time.sleep(0.05)
        sink.write([event(3)])
        connection, _ = server.accept()
        with connection:
            [one] = received(connection, 1)
        check_syslog(one)
        assert b'"i3"' in one
        sink.close()


def test_a_syslog_server_that_is_not_there_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    notes = []
    sink = open_sink(f"syslog:tcp://127.0.0.1:{port}", Setup(on_event=notes.append))
    sink.write([event()])
    assert not sink.flush(0.3)
    sink.close(timeout_s=0)
    assert f"syslog:tcp://127.0.0.1:{port}: Connection refused" in notes[0].text
    assert sink.counts.dropped == 1


class Server(HTTPServer):
    """A receiver that answers with the statuses it is given, then with 204."""

    def __init__(self, *statuses):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.bodies, self.headers = list(statuses), [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.headers.append(dict(self.headers))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header(
                "Location", f"http://127.0.0.1:{self.server.server_port}/b"
            )
        self.end_headers()

    def do_GET(self):
        self.server.bodies.append("GET")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args):
        pass


def test_a_web_hook_gets_batches_of_json_and_failures_are_tried_again(monkeypatch):
    quick = partialmethod(Outbox.__init__, first_delay_s=0.01)
    monkeypatch.setattr(Outbox, "__init__", quick)
    with Server(503, 429) as server:
        url = f"webhook:http://user:p%40ss@127.0.0.1:{server.server_port}/hook?k=1"
        sink = open_sink(url, Setup())
        deliver(sink, [event(n) for n in range(3)])
        assert server.bodies[-1] == [event(n) for n in range(3)]
    assert len(server.bodies) == 3
    assert server.headers[0]["Authorization"] == "Basic dXNlcjpwQHNz"
    assert server.headers[0]["Content-Type"] == "application/json"
    assert sink.name == f"webhook:http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "words"), [(302, "redirect is not followed"), (400, "not accepted")]
)
def test_a_web_hook_follows_no_redirect_and_gives_up_what_is_rejected(status, words):
    notes = []
    with Server(status) as server:
        sink = open_sink(
            f"webhook:http://127.0.0.1:{server.server_port}/hook",
            Setup(on_event=notes.append),
        )
        deliver(sink, [event()])
    assert server.bodies == [[event()]]
    assert sink.counts.rejected == 1
    assert f"answered {status}, " in notes[0].text
    assert words in notes[0].text


def test_a_web_hook_sends_batches_of_a_hundred():
    with Server() as server:
        sink = open_sink(f"webhook:http://127.0.0.1:{server.server_port}/", Setup())
        deliver(sink, [event(n) for n in range(250)])
    assert [len(body) for body in server.bodies] == [100, 100, 50]


def test_a_sink_sends_the_form_that_was_chosen(path):
    deliver(open_sink(f"eve:{path}", Setup(form="ocsf")), [event()])
    assert lines(path) == [FORMS["ocsf"](event())]
