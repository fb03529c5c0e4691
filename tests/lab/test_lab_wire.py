"""The wire: what it knows of a frame, and who gets it."""

import io
import random

import pytest

from evenflow.lab.wire import Cable, Wire, looks_for_hosts, received, sent

HERE, THERE = bytes([10, 1, 1, 2]), bytes([10, 1, 1, 9])
CABLE = {
    "number": 0, "delay_s": 0.001, "jitter_s": 0.0001, "loss": 0.0, "reordering": 0.0,
    "bits_per_s": 8e6, "taps": [], "mac": "02:02:02:02:02:02",
}  # fmt: skip


CONFIG = {"seed": 1, "mirror": -1, "machines": [CABLE], "nowhere": "02:00:00:00:00:02"}
HERE6, THERE6 = (bytes.fromhex("fd00") + bytes(13) + bytes([n]) for n in (2, 9))


def ip6(proto, source, destination, body):
    header = b"\x60" + bytes(5) + bytes([proto, 64]) + source + destination
    return b"\2" * 12 + b"\x86\xdd" + header + body.ljust(20, b"\0")


def ip(proto, source, destination, body):
    header = b"\x45\0\0\0\0\0\0\0\x40" + bytes([proto]) + b"\0\0" + source + destination
    return b"\2" * 12 + b"\x08\x00" + header + body.ljust(20, b"\0")


def ports(one, other):
    return one.to_bytes(2, "big") + other.to_bytes(2, "big")


IP = {"IPv4": (ip, HERE, THERE), "IPv6": (ip6, HERE6, THERE6)}


@pytest.mark.parametrize("version", IP)
@pytest.mark.parametrize("proto", [6, 17])
def test_question_and_answer_belong_together(proto, version):
    ip, here, there = IP[version]
    question = ip(proto, here, there, ports(2001, 80))
    answer = ip(proto, there, here, ports(80, 2001))
    assert sent(question) == received(answer) == (proto, 2001, there, 80)


def test_a_ping_s_answer_belongs_to_who_sent_it():
    question = ip(1, HERE, THERE, b"\x08\0\0\0\x12\x34")
    answer = ip(1, THERE, HERE, b"\0\0\0\0\x12\x34")
    assert sent(question) == received(answer)


@pytest.mark.parametrize(
    ("version", "icmp", "kind"), [("IPv4", 1, b"\3\3"), ("IPv6", 58, b"\1\4")]
)
def test_an_error_belongs_to_the_packet_that_it_is_about(version, icmp, kind):
    ip, here, there = IP[version]
    question = ip(17, here, there, ports(2001, 9))
    error = ip(icmp, there, here, kind + bytes(6) + question[14:])
    assert received(error) == sent(question)


def test_what_is_not_ip_belongs_to_nobody():
    assert sent(b"\2" * 12 + b"\x08\x06" + bytes(28)) is None


def test_frames_stay_in_order_and_take_the_time_of_their_bytes():
    cable = Cable(CABLE, random.Random(1))
    times = [cable.passes_at(0.0, 1000, 0) for _ in range(50)]
    assert times == sorted(times)
    assert times[-1] >= 50 * 1000 / 1e6  # 8 Mbit/s


def test_a_full_cable_drops_frames_instead_of_keeping_them():
    cable = Cable(CABLE, random.Random(1))
    passed = [cable.passes_at(0.0, 1500, 0) is not None for _ in range(1000)]
    assert passed[0]
    assert not passed[-1]
    assert sum(passed) < 200


def test_loss_is_as_told():
    cable = Cable({**CABLE, "loss": 0.1, "bits_per_s": 1e12}, random.Random(1))
    lost = sum(cable.passes_at(float(i), 100, 0) is None for i in range(5000))
    assert 400 < lost < 600


@pytest.fixture
def wire():
    return Wire(CONFIG, io.StringIO())


def log(wire):
    """Return the lines of the log, each in its columns."""
    return [line.split(",") for line in wire.log.getvalue().splitlines()]


def test_the_log_has_a_line_for_each_connection_of_a_client_and_none_of_a_server(wire):
    [cable] = wire.cables
    frame = ip(6, HERE, THERE, ports(2001, 80))
    wire.leave(cable, 3, frame)
    wire.leave(cable, 3, frame)
    wire.leave(cable, 0, ip(6, HERE, THERE, ports(80, 2001)))
    [[_, *line]] = log(wire)
    assert line == ["0", "3", "6", "10.1.1.2", "2001", "10.1.1.9", "80"]


def test_the_log_names_a_connection_that_goes_on_again(wire, monkeypatch):
    [cable] = wire.cables
    frame = ip(6, HERE, THERE, ports(2001, 80))
    for second in range(65):
        monkeypatch.setattr("time.time_ns", lambda at=second: 10**12 + at * 10**9)
        wire.leave(cable, 3, frame)
    assert [int(at) // 10**9 for at, *_ in log(wire)] == [1000, 1031, 1062]


def test_hosts_look_for_one_another_by_arp_and_by_icmpv6():
    arp = b"\2" * 12 + b"\x08\x06" + bytes(7)
    assert [looks_for_hosts(arp + bytes([n]) + bytes(20)) for n in (1, 2)] == [1, 2]
    six = [ip6(58, HERE6, THERE6, bytes([n])) for n in (135, 136, 128)]
    assert [looks_for_hosts(frame) for frame in six] == [1, 2, 0]
    assert looks_for_hosts(ip(6, HERE, THERE, ports(135, 136))) == 0


def test_each_address_that_a_client_sends_from_is_noted(wire):
    for last in (5, 6, 5):
        source = bytes([91, 4, 4, last])
        wire.leave(wire.cables[0], 3, ip(6, source, THERE, ports(2001, 80)))
    assert [line[4] for line in log(wire)] == ["91.4.4.5", "91.4.4.6"]


def test_an_answer_to_another_network_comes_to_the_client_who_sent_from_it(wire):
    [cable] = wire.cables
    visitor, stranger = bytes([91, 4, 4, 5]), bytes([91, 4, 4, 6])
    wire.leave(cable, 3, ip(6, visitor, THERE, ports(2001, 80)))
    wire.events.clear()
    for to in (stranger, visitor):
        answer = wire.nowhere + ip(6, THERE, to, ports(80, 2001))[6:]
        wire.switch(cable, answer)
    [(_, _, happens, there, frame)] = wire.events
    assert (happens, there, frame[:6]) == (wire.arrive, cable, cable.mac)
    assert cable.slots[received(frame)] == 3


def to_all(source, own, port):
    """Return a frame that all machines hear, and what a machine answers."""
    group = bytes([224, 0, 0, 252])
    question = b"\x01\x00\x5e\0\0\xfc" + ip(17, source, group, ports(own, port))[6:]
    mac = bytes.fromhex(CABLE["mac"].replace(":", ""))
    return question, mac + ip(17, THERE, source, ports(port, own))[6:]


@pytest.fixture
def two():
    """The wire of two machines."""
    other = {**CABLE, "number": 1, "mac": "02:02:02:02:02:09"}
    return Wire({**CONFIG, "machines": [CABLE, other]}, io.StringIO())


def test_what_all_are_asked_comes_to_all_other_machines(two):
    question, _ = to_all(HERE, 4001, 5355)
    frame = question[:6] + two.cables[0].mac + question[12:]
    two.switch(two.cables[0], frame)
    [(_, _, happens, there, heard)] = two.events
    assert (happens, there, heard) == (two.arrive, two.cables[1], frame)


def test_an_answer_to_who_asked_all_comes_to_that_client(two, monkeypatch):
    cable = two.cables[0]
    cable.taps = [10, 11, 12]
    question, answer = to_all(HERE, 4001, 5355)
    two.leave(cable, 2, question)
    written = []
    monkeypatch.setattr("os.write", lambda tap, _: written.append(tap))
    two.arrive(cable, answer)
    assert written == [12]
    two.arrive(cable, answer[:-20] + ports(5355, 4002) + answer[-16:])
    assert written == [12, 10]


def test_the_log_names_a_server_that_answers_who_asked_all(two):
    question, answer = to_all(HERE, 4001, 5355)
    two.leave(two.cables[0], 2, question)
    two.leave(two.cables[1], 0, answer)
    asked, answered = (",".join(line) for _, *line in log(two))
    assert asked == "0,2,17,10.1.1.2,4001,224.0.0.252,5355"
    assert answered == "1,0,17,10.1.1.9,5355,10.1.1.2,4001"


def test_the_log_does_not_name_a_server_that_a_client_asked_alone(two):
    _, answer = to_all(HERE, 4001, 5355)
    two.leave(two.cables[0], 2, ip(17, HERE, THERE, ports(4001, 5355)))
    two.leave(two.cables[1], 0, answer)
    [[_, machine, *_]] = log(two)
    assert machine == "0"
