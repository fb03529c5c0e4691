"""The wire: what it knows of a frame, and who gets it."""

from __future__ import annotations

import io
import random

import pytest

from evenflow.lab.wire import Cable, Wire, received, sent

HERE, THERE = bytes([10, 1, 1, 2]), bytes([10, 1, 1, 9])
CABLE = {
    "number": 0, "delay_s": 0.001, "jitter_s": 0.0001, "loss": 0.0, "reordering": 0.0,
    "bits_per_s": 8e6, "taps": [],
}  # fmt: skip


def ip(proto, source, destination, body):
    header = b"\x45\0\0\0\0\0\0\0\x40" + bytes([proto]) + b"\0\0" + source + destination
    return b"\2" * 12 + b"\x08\x00" + header + body.ljust(20, b"\0")


def ports(one, other):
    return one.to_bytes(2, "big") + other.to_bytes(2, "big")


@pytest.mark.parametrize("proto", [6, 17])
def test_question_and_answer_belong_together(proto):
    question = ip(proto, HERE, THERE, ports(2001, 80))
    answer = ip(proto, THERE, HERE, ports(80, 2001))
    assert sent(question) == received(answer) == (proto, 2001, THERE, 80)


def test_a_ping_s_answer_belongs_to_who_sent_it():
    question = ip(1, HERE, THERE, b"\x08\0\0\0\x12\x34")
    answer = ip(1, THERE, HERE, b"\0\0\0\0\x12\x34")
    assert sent(question) == received(answer)


def test_an_error_belongs_to_the_packet_that_it_is_about():
    question = ip(17, HERE, THERE, ports(2001, 9))
    error = ip(1, THERE, HERE, b"\3\3\0\0\0\0\0\0" + question[14:])
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


def test_the_log_has_a_line_for_each_connection_of_a_client_and_none_of_a_server():
    log = io.StringIO()
    machine = {**CABLE, "mac": "02:02:02:02:02:02"}
    wire = Wire({"seed": 1, "mirror": -1, "machines": [machine]}, log)
    [cable] = wire.cables
    frame = ip(6, HERE, THERE, ports(2001, 80))
    wire.leave(cable, 3, frame)
    wire.leave(cable, 3, frame)
    wire.leave(cable, 0, ip(6, HERE, THERE, ports(80, 2001)))
    [line] = log.getvalue().splitlines()
    assert line.split(",", 1)[1] == "0,3,6,10.1.1.2,2001,10.1.1.9,80"


def test_the_log_names_a_connection_that_goes_on_again(monkeypatch):
    log = io.StringIO()
    wire = Wire({"seed": 1, "mirror": -1, "machines": [
        {**CABLE, "mac": "02:02:02:02:02:02"}]}, log)  # fmt: skip
    [cable] = wire.cables
    frame = ip(6, HERE, THERE, ports(2001, 80))
    for second in range(65):
        monkeypatch.setattr("time.time_ns", lambda at=second: 10**12 + at * 10**9)
        wire.leave(cable, 3, frame)
    times = [int(line.split(",")[0]) // 10**9 for line in log.getvalue().splitlines()]
    assert times == [1000, 1031, 1062]
