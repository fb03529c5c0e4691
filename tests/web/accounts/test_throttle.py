"""Promises about slowing down: on both databases, whatever comes at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from evenflow.web.accounts import throttle
from evenflow.web.accounts.throttle import RULES, USUAL
from evenflow.web.store.tables import Throttle, now

KEY = throttle.key("code", 1)
FREE = RULES["code"].free


def later(monkeypatch, seconds):
    moment = now() + timedelta(seconds=seconds)
    monkeypatch.setattr(throttle, "now", lambda: moment)


def tries(database, n, key=KEY):
    """Make ``n`` tries one after the other; return what each was told."""
    told = []
    for _ in range(n):
        with database.session() as session:
            told.append(throttle.attempt(session, key))
    return told


def test_the_first_tries_are_free_then_one_waits(database, stored):
    assert tries(database, FREE + 1) == [0] * (FREE + 1)
    assert 1 <= tries(database, 1)[0] <= RULES["code"].first_s
    assert stored(throttle.check, KEY) > 0
    assert stored(throttle.check, throttle.key("code", 2)) == 0


def test_each_wait_is_twice_as_long_up_to_the_longest(database, monkeypatch, stored):
    waits, at = [], 0.0
    tries(database, FREE)
    for _ in range(12):
        later(monkeypatch, at)
        tries(database, 1)
        waits.append(stored(throttle.check, KEY))
        at += waits[-1] + 1
    first, most = RULES["code"].first_s, RULES["code"].most_s
    assert waits == [min(first * 2**k, most) for k in range(12)]


def test_of_tries_at_once_no_more_pass_than_one_after_the_other(database):
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: tries(database, 1)[0], range(40)))
    assert told.count(0) == FREE + 1


def test_a_free_try_does_not_wait_for_one_that_came_later(
    database, monkeypatch, stored
):
    later(monkeypatch, 5)
    assert tries(database, 1) == [0]
    stored(throttle.forgive, KEY)
    later(monkeypatch, 0)  # was asked for earlier, and had to wait for the database
    assert tries(database, FREE) == [0] * FREE


def test_a_try_that_has_to_wait_does_not_make_the_wait_longer(database, stored):
    tries(database, FREE + 1)
    before = stored.get(Throttle, KEY).until
    assert all(tries(database, 5))
    assert stored.get(Throttle, KEY).until == before


def test_the_right_answer_clears_an_account_and_forgives_an_address(database, stored):
    address = throttle.key("login-address", "192.0.2.1")
    tries(database, 3)
    tries(database, 3, address)
    stored(throttle.clear, KEY)
    stored(throttle.forgive, address)
    assert stored.get(Throttle, KEY) is None
    assert stored.get(Throttle, address).failures == 2


def test_a_count_is_forgotten_after_its_time(database, monkeypatch, stored):
    tries(database, FREE + 1)
    later(monkeypatch, RULES["code"].forget_s + RULES["code"].most_s + 1)
    assert tries(database, 1) == [0]
    assert stored.get(Throttle, KEY).failures == 1


def test_a_code_is_new_once_however_many_ask(database, stored):
    def ask(_):
        return stored(throttle.once, "code-used:x")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(16))) == [False] * 15 + [True]


def test_no_address_or_account_can_be_read_from_a_key(database, stored):
    tries(database, 1, throttle.key("login-pair", "ann@example.org", "192.0.2.1"))
    key = stored.one(Throttle.key)
    assert "ann" not in key
    assert "192" not in key
    assert len(key) <= 80


@pytest.mark.parametrize("rule", [USUAL, *RULES.values()])
def test_every_rule_lets_a_person_err_and_ends_in_a_bearable_wait(rule):
    assert rule.free >= 3
    assert rule.most_s <= 3600
    n_tries = sum(1 for _ in within_an_hour(rule))
    assert n_tries < 100, "OWASP ASVS 2.2.1: fewer than 100 an hour"


def test_an_account_is_never_held_for_more_than_a_minute():
    assert RULES["login-account"].most_s <= 60


def within_an_hour(rule):
    """Yield the moments of all tries that pass within an hour."""
    at, n = 0.0, 0
    while at < 3600:
        yield at
        n += 1
        at += rule.wait_s(n)
        if n > 1000:
            return


def test_a_count_of_tables_stays_small(database, stored):
    tries(database, 30)
    assert stored.count(Throttle) == 1
