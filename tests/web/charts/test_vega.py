"""Charts in the web pages, drawn in a real browser under the pages' own policy."""

import gzip
import re

import pytest

flask = pytest.importorskip("flask")

from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader  # noqa: E402

from evenflow.judge.charts import theme  # noqa: E402
from evenflow.web.frame import compression, headers  # noqa: E402
from evenflow.web.pages import vega  # noqa: E402

PAGE = """
{% extends "layout_signed_out.html" %}
{% from "_parts.html" import chart %}
{% block content %}
{{ chart(spec, title, 'Bars: smurf has 90 rows, satan 40', 'Counts', 'short') }}
{{ chart(broken, 'Broken', 'nothing') }}
{% endblock %}
"""
HOSTILE = "Rows </script><script>document.title='run'</script>"
SPEC = {
    "data": {"values": [{"name": HOSTILE, "n": 90}, {"name": "satan", "n": 40}]},
    "height": 120,
    "mark": {"type": "bar", "tooltip": True},
    "encoding": {
        "y": {"field": "name", "type": "nominal", "title": None},
        "x": {
            "field": "n",
            "type": "quantitative",
            "axis": {"labelExpr": "datum.value + ' rows'"},  # needs eval without ast
        },
        "color": {"field": "name", "type": "nominal", "legend": None},
    },
}
BROKEN = {
    "data": {"values": [{"n": 1}]},
    "mark": "bar",
    "encoding": {"x": {"field": "n", "axis": {"labelExpr": "((("}}},
}
DARK = theme.config(dark=True)["range"]["category"][0]


def test_the_library_is_named_after_the_versions_it_is_made_from(monkeypatch):
    name, content = vega.file_name(), vega.script()
    assert re.fullmatch(r"vega\.[0-9a-f]{16}\.js", name)
    assert b"vegaEmbed" in content
    assert 500_000 < len(content) < 2_000_000
    monkeypatch.setattr(vega, "version", lambda _maker: "0.0.1")
    assert vega.file_name.__wrapped__() != name


def test_a_browser_gets_the_library_packed_and_may_keep_it():
    app = flask.Flask(__name__)
    app.register_blueprint(vega.bp)
    compression.register(app)
    client = app.test_client()
    packed = client.get(
        f"/vega/{vega.file_name()}", headers={"Accept-Encoding": "gzip"}
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == vega.script()
    assert "immutable" in packed.headers["Cache-Control"]
    assert client.get(f"/vega/{vega.file_name()}").data == vega.script()
    assert client.get("/vega/vega.0000000000000000.js").status_code == 404


@pytest.fixture(scope="module")
def address(serving):
    """Where one page with a good and a broken chart is served."""
    app = flask.Flask("evenflow.web")
    app.secret_key = "x" * 32
    ours = FileSystemLoader(f"{app.root_path}/templates")
    app.jinja_loader = ChoiceLoader([DictLoader({"page.html": PAGE}), ours])
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    name, content = vega.file_name(), vega.script()

    @app.get("/library/<name>")
    def library(name):
        return flask.Response(content, content_type="text/javascript; charset=utf-8")

    @app.get("/")
    def page():
        return flask.render_template(
            "page.html",
            spec=SPEC,
            title=HOSTILE,
            broken=BROKEN,
            vega_src=f"/library/{name}",
            chart_themes={"light": theme.config(), "dark": theme.config(dark=True)},
        )

    @app.after_request
    def policy(response):
        response.headers["Content-Security-Policy"] = headers.POLICY
        return response

    with serving(app) as found:
        yield found


@pytest.fixture
def visit(chromium, address):
    """The page, loaded, with what the browser complained about in ``complaints``."""
    size = {"width": 900, "height": 900}
    context = chromium.new_context(color_scheme="light", viewport=size)
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: said.type == "error" and page.complaints.append(said.text),
    )
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error("
        "'refused ' + e.violatedDirective + ' ' + e.blockedURI))"
    )
    page.goto(address)
    page.wait_for_selector(".chart.is-drawn svg")
    yield page
    context.close()


@pytest.mark.slow
def test_a_chart_is_drawn_with_its_tooltip_and_nothing_is_refused(visit):
    bar = visit.locator(".chart.is-drawn .mark-rect path").first
    assert visit.locator("#vg-tooltip-element.visible").count() == 0
    bar.hover()
    tip = visit.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    box = tip.bounding_box()
    assert 0 < box["x"] < 900
    assert 0 < box["y"] < 900
    assert tip.evaluate("(e) => getComputedStyle(e).position") == "fixed"
    assert "80 rows" in visit.locator(".chart.is-drawn svg").text_content()
    assert visit.complaints == []


@pytest.mark.slow
def test_words_in_a_specification_are_shown_and_never_run(visit):
    assert visit.title() != "run"
    assert "</script>" in visit.locator(".chart-title").first.text_content()


@pytest.mark.slow
def test_a_chart_that_cannot_be_drawn_says_so_and_the_page_lives_on(visit):
    failed = visit.locator(".chart-failed")
    failed.wait_for()
    assert failed.text_content().startswith("This chart could not be drawn: ")
    assert visit.locator(".chart.is-drawn svg").count() == 1


@pytest.mark.slow
def test_the_chosen_colours_redraw_the_chart_and_are_kept(visit):
    def paper():
        return visit.locator(".chart.is-drawn svg").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )

    assert paper() == "rgb(255, 255, 255)"
    visit.click("[data-theme-choice=dark]:visible")
    visit.wait_for_selector(f'.chart.is-drawn svg path[fill="{DARK}"]')
    assert paper() == "rgb(21, 28, 34)"
    visit.reload()
    visit.wait_for_selector(".chart.is-drawn svg")
    assert paper() == "rgb(21, 28, 34)"
    assert visit.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "start"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_a_chart_can_be_saved_as_a_picture(visit, tmp_path, kind, start):
    with visit.expect_download() as waiting:
        visit.get_by_text(f"Save {kind}").click()
    waiting.value.save_as(tmp_path / "chart")
    assert (tmp_path / "chart").read_bytes().startswith(start)
    assert visit.complaints == []
