"""The API's page: for everybody, made of the document."""

import ast
import json
import shlex
from html import unescape

import pytest

from evenflow.web import api
from evenflow.web.api.examples import VERDICT


@pytest.fixture
def page(app):
    return app.test_client().get("/api", expect=200)


def codes(page):
    return ["".join(code.itertext()) for code in page.tree.iterfind(".//pre/code")]


def test_it_is_for_everybody_and_small(page, people):
    assert len(page.data) < 200_000
    person = people("viewer").get("/api", expect=200)
    assert 'href="/api"' in person.text  # in the navigation


def test_it_holds_every_operation_scope_and_answer(page):
    for group in api.GROUPS:
        assert group.description in unescape(page.text)
        for operation in group.operations:
            assert f'id="{operation.name}"' in page.text
            assert f"{operation.method} {operation.address}" in page.text
    assert "bundles:activate" in page.text
    assert "**" not in page.text


def test_nothing_in_it_is_inline_or_from_elsewhere(page):
    for element in page.tree.iter():
        assert "style" not in element.keys()  # noqa: SIM118
        for name in ("src", "href"):
            assert not element.get(name, "").startswith(("http:", "https:", "//"))
    for script in page.tree.iter("script"):
        assert script.get("src") or script.get("type") == "application/json"


def test_its_python_can_be_run_and_its_curl_sends_json(page):
    found = codes(page)
    curls = [text for text in found if text.startswith("curl")]
    pythons = [text for text in found if text.startswith("import")]
    assert len(curls) == len(pythons) == sum(len(g.operations) for g in api.GROUPS)
    for text in pythons:
        ast.parse(text)
    for text in curls:
        words = shlex.split(text.replace("\\\n", " "))
        if "-d" in words:
            json.loads(words[words.index("-d") + 1])


def test_its_first_call_is_a_line_of_curl_and_names_the_caller(page, programs):
    line = next(c.text for c in page.tree.iterfind(".//div/code"))
    words = shlex.split(line)
    assert words[:2] == ["curl", "-H"]
    assert words[2].startswith("Authorization: Bearer ef_")
    path = words[3].partition("/api/v1")[2]
    assert programs("viewer").ask("GET", path, expect=200).json["role"] == "viewer"


@pytest.mark.parametrize("is_known", [True, False])
def test_the_body_to_try_is_one_the_active_model_reads_for_whom_has_an_account(
    app, people, programs, is_known
):
    browser = people("viewer") if is_known else app.test_client()
    text = browser.get("/api").tree.find(".//*[@id='f-body']").text
    status = 200 if is_known else 422  # to others no row of the model is shown
    programs("viewer").ask("POST", "/score", json=json.loads(text), expect=status)


@pytest.mark.usefixtures("lab_live")
def test_its_examples_work_on_a_new_server(page, programs):
    program = programs("admin")
    curl = next(t for t in codes(page) if "/score'" in t)
    words = shlex.split(curl.replace("\\\n", " "))
    answer = program.ask(
        "POST", "/score", data=words[words.index("-d") + 1],
        content_type="application/json",
    )  # fmt: skip
    assert answer.status_code == 200
    assert answer.json["verdict"] == VERDICT["verdict"]
    assert answer.json["classes"].keys() == VERDICT["classes"].keys()


def test_it_names_the_address_that_people_type(build, settings):
    url = "https://ids.example.org"
    app = build(settings.model_copy(update={"public_url": url}))
    for host in ("localhost", "ids.example.org"):
        page = app.test_client().get("/api", headers={"Host": host})
        assert f"{url}/api/v1/score" in page.text
