"""What machines ask all others, and a resolver's answers: as evenflow reads them."""

import random

import pytest

from evenflow.lab import finding, resolver
from evenflow.lab.words import host_name

MACHINES = range(18)


def answers(kind, message):
    return [finding.answers(kind, message, number) for number in MACHINES]


@pytest.mark.parametrize("kind", ["mdns", "llmnr", "netbios"])
def test_some_machines_answer_who_asks_for_a_name_and_others_do_not(kind):
    n_heard = sum(bool(found) for found in answers(kind, finding.question(kind, "tv")))
    assert n_heard == len(MACHINES) // finding.OWNERS[kind]


def test_what_is_an_answer_is_not_answered():
    mine = finding.announcement("tv", 3)
    assert not any(answers("mdns", mine))
    assert not any(answers("ssdp", b"NOTIFY * HTTP/1.1\r\n\r\n"))
    assert any(answers("ssdp", b"M-SEARCH * HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize("kind", ["llmnr", "netbios"])
def test_an_answer_has_the_number_and_the_name_of_the_question(kind):
    asked = finding.question(kind, "tv", number=b"\x12\x34")
    for [found] in filter(None, answers(kind, asked)):
        assert found[:2] == b"\x12\x34"
        assert asked[12 : asked.index(b"\0", 12)] in found


def test_netbios_writes_each_half_of_a_byte_as_a_letter():
    assert finding.netbios_name("ab")[1:5] == b"EBEC"
    assert len(finding.netbios_name("a name that is too long")) == 34


def query(name, kind=1):
    asked = finding.encoded(name) + kind.to_bytes(2, "big") + b"\0\1"
    return finding.header(b"\x12\x34", 0x0100, 1, 0, 0, 0) + asked


def test_a_name_of_the_world_has_the_same_answer_each_time_and_names_differ():
    rng = random.Random(1)
    found = {}
    for _ in range(300):
        name = host_name(rng)
        found[name] = resolver.answer(query(name))
        assert resolver.answer(query(name)) == found[name]
    sizes = {len(answer) for answer in found.values() if answer}
    assert len(sizes) > 20
    statuses = [answer[3] & 15 if answer else None for answer in found.values()]
    assert {None, 0, resolver.SERVER_FAILED, resolver.NO_SUCH_NAME} == set(statuses)
    assert statuses.count(0) > 200


def test_names_that_a_program_made_up_do_not_exist():
    for i in range(50):
        found = resolver.answer(query(f"{i:012x}.www.example"))
        assert found is None or found[3] & 15 != 0


def test_what_is_too_long_for_a_datagram_comes_by_tcp():
    names = [host_name(random.Random(i)) for i in range(300)]
    cut = [
        name
        for name in names
        if (found := resolver.answer(query(name, resolver.TXT))) and found[2] & 2
    ]
    assert cut
    for name in cut:
        whole = resolver.answer(query(name, resolver.TXT), by_tcp=True)
        assert len(whole) > resolver.MOST_BY_UDP
        assert not whole[2] & 2


def test_what_is_no_question_has_no_answer():
    assert resolver.answer(b"short") is None
    assert resolver.answer(resolver.answer(query("www.example"))) is None
