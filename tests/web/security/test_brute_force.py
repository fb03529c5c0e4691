"""Guessing is slow, from one address and from many; who owns the account gets in."""

import ast
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from unittest.mock import Mock

import pytest
from sqlalchemy import update

from evenflow.web.accounts import throttle
from evenflow.web.accounts.throttle import RULES
from evenflow.web.store.tables import Audit, Throttle, now

WRONG = "wrong wrong wrong"


def at(app, address):
    """Return a browser at an address."""
    browser = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = address
    return browser


def statuses(app, n, email, address="192.0.2.1"):
    return [at(app, address).log_in(email, WRONG).status_code for _ in range(n)]


@pytest.fixture
def ann(people):
    return people("viewer", email="ann@example.org", is_logged_in=False)


def test_after_a_few_wrong_passwords_an_address_waits(app, ann):
    free = RULES["login-pair"].free
    found = statuses(app, free + 4, ann.email)
    assert found == [200] * (free + 1) + [429] * 3
    answer = at(app, "192.0.2.1").log_in(ann.email, WRONG)
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Too many attempts. Try again" in answer.text
    assert f'value="{ann.email}"' in answer.text


def test_while_it_waits_the_right_password_is_not_looked_at(app, ann):
    statuses(app, 7, ann.email)
    assert at(app, "192.0.2.1").log_in(ann.email, ann.password).status_code == 429


def test_the_owner_at_another_address_gets_in_at_once(app, ann):
    statuses(app, 9, ann.email)
    assert at(app, "198.51.100.7").log_in(ann.email, ann.password).status_code == 302


def test_many_addresses_together_are_slowed_down(app, ann):
    found = [
        statuses(app, 1, ann.email, f"192.0.2.{k}")[0]
        for k in range(RULES["login-account"].free + 4)
    ]
    assert found[-1] == 429
    assert found.count(200) == RULES["login-account"].free + 1


def test_an_owner_is_not_locked_out_where_they_have_been_before(app, ann):
    assert at(app, "203.0.113.5").log_in(ann.email, ann.password).status_code == 302
    for k in range(RULES["login-account"].free + 6):
        statuses(app, 1, ann.email, f"192.0.2.{k}")
    assert at(app, "203.0.113.5").log_in(ann.email, ann.password).status_code == 302


def test_one_address_that_tries_many_accounts_waits(app):
    free = RULES["login-address"].free
    found = [statuses(app, 1, f"p{k}@example.org")[0] for k in range(free + 3)]
    assert found == [200] * (free + 1) + [429] * 2


def test_an_account_of_ones_own_washes_nothing_away(app, people, ann):
    for k in range(RULES["login-address"].free):
        statuses(app, 1, f"p{k}@example.org")
    own = people("viewer", is_logged_in=False)
    at(app, "192.0.2.1").log_in(own.email, own.password)
    assert 429 in statuses(app, 3, "q@example.org")


def test_a_network_of_ipv6_is_one_address(app, ann):
    found = [statuses(app, 1, ann.email, f"2001:db8::{k:x}")[0] for k in range(1, 10)]
    assert 429 in found


def test_nobody_changes_their_address_by_a_header(app, ann):
    found = []
    for k in range(8):
        claim = {"X-Forwarded-For": f"192.0.2.{k}", "Forwarded": f"for=192.0.2.{k}"}
        answer = app.test_client().log_in(ann.email, WRONG, headers=claim)
        found.append(answer.status_code)
    assert 429 in found


@pytest.mark.databases
def test_of_many_guesses_at_once_few_are_looked_at(app, ann, monkeypatch):
    moment = now()  # however slow the machine is, no wait ends
    monkeypatch.setattr(throttle, "now", lambda: moment)
    context = app.extensions["security"].pwd_context
    verify = Mock(wraps=context.verify)
    monkeypatch.setattr(context, "verify", verify)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: statuses(app, 1, ann.email), range(24)))
    assert verify.call_count <= RULES["login-pair"].free + 1


def test_the_right_password_clears_the_count(app, ann):
    statuses(app, 4, ann.email)
    assert at(app, "192.0.2.1").log_in(ann.email, ann.password).status_code == 302
    assert statuses(app, 4, ann.email) == [200] * 4


def test_a_wait_ends_by_itself(app, ann, stored):
    statuses(app, 8, ann.email)
    stored.execute(update(Throttle).values(until=now()))
    assert at(app, "192.0.2.1").log_in(ann.email, ann.password).status_code == 302


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/verify", {"password": WRONG}),
        ("/change", {"password": WRONG, "new_password": "gravel lamp oboe fjord"}),
        ("/account/delete", {"password": WRONG}),
    ],
)
def test_the_password_of_a_session_that_was_left_open_is_not_guessed(
    path, data, viewer
):
    found = [viewer.send(path, data).status_code for _ in range(8)]
    assert found[-1] == 429
    assert 429 not in found[: RULES["password"].free]


def test_sign_ups_of_one_address_are_bounded(app):
    browser = at(app, "192.0.2.1")
    found = [
        browser.send("/register", {"email": f"p{k}@x.org", "password": "short"})
        for k in range(RULES["sign-up-address"].free + 2)
    ]
    assert found[-1].status_code == 429
    assert "Too many attempts" in found[-1].text


def test_what_was_tried_is_in_the_log(app, ann, stored):
    statuses(app, 3, ann.email)
    statuses(app, 1, "nobody@example.org")
    lines = stored.all(Audit, Audit.action == "login.failed")
    assert [line.object for line in lines] == [ann.email] * 3 + ["nobody@example.org"]
    assert {line.address for line in lines} == {"192.0.2.1"}
    assert WRONG not in str([line.detail for line in lines])


def test_a_password_is_never_hashed_for_less_than_owasp_asks():
    """The tests' hashes are cheap; those of the product are not."""
    source = (resources.files("evenflow.web.accounts") / "passwords.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and node.target.id == "HASH_OPTIONS":
            options = ast.literal_eval(node.value)
    assert options["argon2__memory_cost"] >= 19_456
    assert options["argon2__rounds"] >= 2


def test_keys_of_the_throttle_are_told_apart():
    keys = {
        throttle.key("login-pair", "ab", "c"), throttle.key("login-pair", "a", "bc"),
        throttle.key("login-account", "ab", "c"),
    }  # fmt: skip
    assert len(keys) == 3
