"""Hostile text in forms, headers, addresses and hosts: an answer below 500, at once."""

import json
import time
from functools import partial
from itertools import cycle, product

import pytest

from evenflow.errors import DataError
from evenflow.web.accounts import passwords
from evenflow.web.accounts import people as accounts

LIMIT_S = 2.0
"""Seconds of one answer, with room for a machine that is busy."""
MARKS = "a" + "\u0301\u0327" * 14_000 + "@example.org"
"""Combining marks out of order: to normalize them takes quadratic time."""
HOSTILE = {
    "marks": MARKS,
    "marks in the domain": f"a@{MARKS}",
    "words": " ".join(f"a{i:x}zq" for i in range(8_000)) + "@example.org",
    "dots": "a." * 15_000 + "@example.org",
    "labels": "a@" + "xn--a." * 8_000 + "org",
    "spaces": " " * 30_000 + "x" + "\t" * 30_000,
    "digits": "9" * 5_000,
    "other digits": "\u0663" * 5_000,
    "superscript": "\u00b2",
    "minus": "-1",
    "NUL": "\0",
    "ligatures": "\ufdfa" * 20_000,
    "slashes": "/" * 30_000,
    "percent": "%" * 30_000,
    "braces": "{" * 20_000 + "[" * 20_000,
    "lines": "\r\n" * 20_000,
}
HEAVY = ("marks", "digits", "NUL", "ligatures", "braces")
FIELDS = (
    "email", "new_email", "password", "new_password", "code", "passcode", "setup",
    "csrf_token", "next", "name", "days", "scopes", "role", "q", "line", "do", "once",
    "toml", "form", "dataset", "model", "balance", "title", "seed", "epochs", "picked",
    "action", "true_label", "back", "note", "version", "state", "judgement", "label",
    "page", "sort", "since", "until", "service", "view", "range", "format", "whose",
    "example", "again", "offset", "down", "attacks", "as", "recipe", "actor", "object",
    "limit", "cursor", "bundle", "mine", "values", "explain", "keep", "id",
)  # fmt: skip
HEADERS = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control",
    "Content-Type", "Cookie", "If-Match", "If-Modified-Since",
    "If-None-Match", "Range", "Referer", "Transfer-Encoding", "User-Agent",
    "X-CSRFToken", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
)  # fmt: skip
PATHS = ("/login", "/static/app.css", "/api/v1/me", "/healthz", "/alerts")
HEADER_BYTES = 8_000
"""What the server takes of one header, a little less."""


def routes(app, method, *, without=("static",)):
    for rule in sorted(app.url_map.iter_rules(), key=str):
        if method in rule.methods and rule.endpoint not in without:
            yield rule


def address(rule, number="1", text="x"):
    parts = {
        name: number if type(rule._converters[name]).__name__ == "IntegerConverter"
        else text
        for name in rule.arguments
    }  # fmt: skip
    path = str(rule)
    for name, value in parts.items():
        start = path.index("<")
        assert name in path[start : path.index(">")] or len(parts) > 1
        path = path[:start] + value + path[path.index(">") + 1 :]
    return path


def is_quick(ask):
    """Ask, and once more if the machine was busy; return the answer."""
    for last in (False, True):
        start = time.process_time()
        answer = ask()
        answer.get_data()
        answer.close()
        took = time.process_time() - start
        if took < LIMIT_S:
            break
        assert not last, f"{took:.1f} s"
    assert answer.status_code < 500, answer.text[:500]
    return answer


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_address_that_is_too_long_costs_nothing(app, kind):
    data = {"email": HOSTILE[kind], "password": "three grey boats at noon"}
    for path in ("/login", "/register", "/reset", "/confirm"):
        client = app.test_client()
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            is_quick(partial(client.send, path, data, content_type=kind))


def test_a_form_of_half_a_megabyte_is_refused_before_it_is_read(app):
    data = {"email": "a" + "\u0301\u0327" * 110_000 + "@example.org", "password": "x"}
    for path in ("/login", "/register"):
        send = app.test_client().send
        is_quick(
            partial(send, path, data, content_type="multipart/form-data", expect=413)
        )


@pytest.mark.parametrize("n", [255, 100_000, 1_000_000])
def test_no_address_over_254_characters_is_an_address(app, n):
    start = time.process_time()
    for text in ("a" * n + "@example.org", f"a@{'b.' * (n // 2)}org", MARKS):
        with pytest.raises(DataError, match="characters, expected an e-mail address"):
            accounts.normal_email(text)
    assert time.process_time() - start < LIMIT_S


def test_an_address_of_254_characters_is_taken():
    domain = ".".join(["d" * 61] * 3) + ".org"
    longest = "a" * (254 - len(domain) - 1) + "@" + domain
    assert len(longest) == 254
    assert accounts.normal_email(f"  {longest.upper()} ") == longest
    with pytest.raises(DataError, match="255 characters"):
        accounts.normal_email("a" + longest)


def test_the_words_of_a_long_address_are_not_all_looked_for_in_a_password():
    email = " ".join(f"a{i:x}zq" for i in range(150_000))
    start = time.process_time()
    assert passwords.fault("three grey boats at noon", email=email) == ""
    assert time.process_time() - start < LIMIT_S


def test_an_invitation_and_an_admin_take_no_endless_address(admin, stored):
    for path, data in (
        ("/admin/invitations", {"role": "viewer", "days": "7"}),
        (f"/admin/users/{admin.user_id}/email", {}),
    ):
        for text in HOSTILE.values():
            is_quick(lambda: admin.send(path, {"email": text, **data}))  # noqa: B023
    with pytest.raises(DataError, match="characters"):
        stored(accounts.add, MARKS, "three grey boats at noon")


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEAVY)
def test_every_form_answers_hostile_text_at_once(app, people, kind):
    admin = people("admin")
    for rule in routes(app, "POST"):
        if rule.rule.startswith("/api/"):
            continue
        for n in (7_000, 900):  # more than a form about accounts may have, and less
            data = dict.fromkeys(FIELDS, HOSTILE[kind][:n])
            data["csrf_token"] = admin.csrf()
            is_quick(partial(admin.post, address(rule), data=data))
        if admin.get("/account").status_code != 200:  # that form ends the session
            admin = people("admin")


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEAVY)
def test_every_address_answers_hostile_text_at_once(app, people, programs, kind):
    text = HOSTILE[kind][:7_000]
    admin, program = people("admin"), programs("admin")
    query = dict.fromkeys(FIELDS, text[: 7_000 // len(FIELDS)])
    for rule in routes(app, "GET", without=("static", "security.logout")):
        path = address(rule)
        if path.startswith("/api/v1"):
            path = path.removeprefix("/api/v1")
            is_quick(lambda: program.ask("GET", path, query_string=query))  # noqa: B023
        else:
            is_quick(lambda: admin.get(path, query_string=query))  # noqa: B023


def test_a_number_of_5000_digits_in_an_address_is_no_page(app, people, programs):
    admin, program = people("admin"), programs("admin")
    for method in ("GET", "POST", "DELETE", "PATCH"):
        for rule in routes(app, method):
            if not rule.arguments:
                continue
            for number in ("9" * 5_000, "9" * 25):
                path = address(rule, number=number, text=number)
                if path.startswith("/api/v1"):
                    ask = program.ask
                    path = path.removeprefix("/api/v1")
                    answer = is_quick(lambda: ask(method, path))  # noqa: B023
                elif method == "GET":
                    answer = is_quick(lambda: admin.get(path))  # noqa: B023
                else:
                    answer = is_quick(lambda: admin.send(path, method=method))  # noqa: B023
                assert answer.status_code != 200 or "register" in path, path


def test_every_header_may_hold_hostile_text(viewer):
    texts = [text.replace("\r\n", ";, ") for text in HOSTILE.values()]
    texts += ["a;" * 4_000, "bytes=" + "0-1," * 1_900, '"' * 7_000, "a=b; " * 1_500]
    for (name, text), path in zip(product(HEADERS, texts), cycle(PATHS), strict=False):
        value = text.encode()[:HEADER_BYTES].decode("latin-1").replace("\n", " ")
        is_quick(lambda: viewer.get(path, headers={name: value}))  # noqa: B023
        if name in ("Content-Type", "Cookie", "X-CSRFToken"):
            headers = {name: value}
            is_quick(lambda: viewer.post("/login", headers=headers, data={"a": "b"}))  # noqa: B023


def test_a_body_with_very_many_keys_is_refused_at_once(programs):
    many = {f"k{i}": [i] for i in range(50_000)}
    program, kind = programs("analyst"), "application/json"
    for path in ("/score", "/alerts/1/notes"):
        for body in (
            {"record": many},
            {**many, "record": {}},
            {"record": {"a": 1}, "text": many},
            {"record": {"a": many}},
            {"record": {"k" * 1_000_000: 1}, "text": "x" * 1_000_000},
        ):
            sent = {"data": json.dumps(body), "content_type": kind}
            answer = is_quick(partial(program.ask, "POST", path, **sent))
            assert 400 <= answer.status_code < 500
            assert len(answer.data) < 10_000
