"""The look of the web pages: contrast, weight, names, and what the scripts add."""

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

flask = pytest.importorskip("flask")

from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader  # noqa: E402

import evenflow.web  # noqa: E402
from evenflow.web.frame import headers  # noqa: E402

ROOT = Path(evenflow.web.__file__).parent
STATIC, TEMPLATES = ROOT / "static", ROOT / "templates"
CSS = (STATIC / "app.css").read_text("utf-8")
THEMES = ("light", "dark")
GROUNDS = ("ground", "paper", "sunken", "hover")
TEXT = [
    *((ink, on) for ink in ("ink", "quiet", "accent", "accent-over") for on in GROUNDS),
    *((f"{kind}-ink", f"{kind}-tint") for kind in ("info", "good", "warn", "bad")),
    *((f"{kind}-ink", on) for kind in ("good", "bad") for on in GROUNDS),
    ("on-accent", "accent-fill"),
    ("on-accent", "accent-over"),
    ("bar-ink", "bar"),
    ("bar-quiet", "bar"),
]
SHAPES = [
    *(("edge", on) for on in ("ground", "paper", "sunken")),
    *((kind, "paper") for kind in ("info", "good", "bad", "accent-fill")),
    *((kind, "sunken") for kind in ("good", "bad")),  # the bar of a probability
    ("info", "ground"),  # the ring of the focus
    ("major", "bar"),
]


def colours(theme):
    """Return the tokens of one theme, name to ``#rrggbb``."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)
    found = {name: (light, dark)[THEMES.index(theme)] for name, light, dark in pairs}
    return found | dict(re.findall(r"--([\w-]+): (#\w{6});", CSS))


def contrast(one, other):
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""

    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        r, g, b = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_what_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=0.01)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("colour", "on", "least"),
    [*((*pair, 4.5) for pair in TEXT), *((*pair, 3) for pair in SHAPES)],
)
def test_every_word_can_be_read_and_every_shape_with_a_meaning_seen(
    theme, colour, on, least
):
    found = colours(theme)
    assert contrast(found[colour], found[on]) >= least


def test_a_page_without_charts_weighs_little():
    skipped = {"charts.js"}
    files = [p for p in STATIC.glob("*.*") if p.name not in skipped]
    files += list((STATIC / "fonts").glob("*.woff2"))
    assert sum(p.stat().st_size for p in files) < 150_000


def test_every_icon_a_template_names_is_in_the_sprite():
    drawn = set(
        re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text())
    )
    named: set[str] = set()
    for path in TEMPLATES.rglob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        named |= set(re.findall(r"icon\('([\w-]+)'\)", text))
        named |= set(re.findall(r"icon_name='([\w-]+)'", text))
    assert len(named) > 8
    assert named - drawn == set()


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy refuses."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [f"{tag} {a}" for a in given if a == "style" or a[:2] == "on"]
        is_code = tag == "script" and given.get("type") != "application/json"
        if tag == "style" or (is_code and not given.get("src")):
            self.found.append(tag)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda p: p.name
)
def test_no_template_holds_code_styles_or_unescaped_text(path):
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", text)
    parser = Inline()
    parser.feed(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "x", text, flags=re.DOTALL))
    assert parser.found == []


PAGE = """
{% extends "layout.html" %}
{% from "_parts.html" import heading, post_button, live, copyable, raw_field %}
{% block title %}Parts{% endblock %}
{% block content %}
{{ heading('Parts') }}
{{ post_button('/count', 'Delete', 'danger', 'Delete it?') }}
{{ post_button('/slow', 'Send') }}
{{ raw_field('n', 'Rows', '12x"', error='“12x"” is no number', hint='0 to 9') }}
{% call live('/part', 1, 'Job') %}<a href="#a">0</a>{% endcall %}
{% endblock %}
"""


def application():
    app = flask.Flask("evenflow.web")
    app.secret_key = "x" * 32
    ours = FileSystemLoader(str(TEMPLATES))
    app.jinja_loader = ChoiceLoader([DictLoader({"page.html": PAGE}), ours])
    app.jinja_env.globals["csrf_token"] = lambda: "a-token"
    app.extensions["seen"] = seen = {"posted": 0, "asked": 0, "state": 1, "sent": 0}

    @app.get("/")
    def page():
        person = SimpleNamespace(
            email="a@b.example", role="viewer", is_authenticated=True
        )
        entry = SimpleNamespace(
            label="<b>", url="/", icon="user", is_current=True, group=""
        )
        return flask.render_template(
            "page.html", current_user=person, nav=[entry], logout_url="/out"
        )

    @app.post("/count")
    @app.post("/slow")
    def count():
        assert flask.request.form["csrf_token"] == "a-token"
        seen["posted"] += 1
        return "", 204  # the browser stays where it is

    @app.get("/part")
    def part():
        seen["asked"] += 1
        answer = flask.make_response(f'<a href="#a">{seen["state"]}</a>')
        answer.set_etag(str(seen["state"]))
        answer = answer.make_conditional(flask.request)
        seen["sent"] += answer.status_code == 200
        return answer

    @app.after_request
    def policy(response):
        response.headers["Content-Security-Policy"] = headers.POLICY
        return response

    return app


def test_a_field_keeps_what_was_typed_and_says_what_is_wrong_at_it():
    text = application().test_client().get("/").text
    field = re.search(r'<input type="text"[^>]*name="n"[^>]*>', text)[0]
    assert 'value="12x&#34;"' in field
    assert 'aria-invalid="true"' in field
    for name in re.search(r'aria-describedby="([^"]*)"', field)[1].split():
        assert f'id="{name}"' in text
    assert "&lt;b&gt;" in text
    assert "<b></span>" not in text


@pytest.fixture
def served(serving):
    app = application()
    with serving(app) as address:
        yield address, app.extensions["seen"]


@pytest.fixture
def visit(chromium, served):
    page = chromium.new_page()
    page.goto(served[0])
    yield page
    page.close()


@pytest.mark.slow
def test_a_question_is_asked_before_a_form_is_sent(visit, served):
    seen = served[1]
    visit.get_by_role("button", name="Delete").click()
    dialog = visit.locator("dialog[open]")
    assert "Delete it?" in dialog.text_content()
    visit.keyboard.press("Enter")  # stands on Cancel
    visit.wait_for_timeout(200)
    assert seen["posted"] == 0
    visit.get_by_role("button", name="Delete").click()
    with visit.expect_response("**/count"):
        dialog.get_by_text("Yes, continue").click()
    assert seen["posted"] == 1


@pytest.mark.slow
def test_a_second_click_does_not_send_a_form_twice(visit, served):
    with visit.expect_response("**/slow"):
        visit.get_by_role("button", name="Send").dblclick()
    visit.wait_for_timeout(300)
    assert served[1]["posted"] == 1


@pytest.mark.slow
def test_a_live_part_is_replaced_only_when_it_changed_and_keeps_the_focus(
    visit, served
):
    seen = served[1]
    link = visit.locator("[data-poll] a")
    link.focus()
    visit.locator("[data-poll] a", has_text="1").wait_for()
    assert link.evaluate("(e) => e === document.activeElement")
    asked = seen["asked"]
    visit.wait_for_timeout(2500)
    assert seen["asked"] > asked
    assert seen["sent"] == 1
    seen["state"] = 2
    visit.locator("[data-poll] a", has_text="2").wait_for()
    assert seen["sent"] == 2
