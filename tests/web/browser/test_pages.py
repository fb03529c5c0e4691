"""Every page in a real browser: accessible, legible, light, drawn, and nothing broken.

Each page of the application stands in ``PAGES`` with an address, or in ``NO_PAGES``; a
new page that stands in neither fails here. ``--screenshots DIR`` keeps a picture of
each: ``pytest tests/web/browser/test_pages.py --screenshots DIR``.
"""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

PAGES = {
    "account.index": ("/account", "viewer"),
    "admin.audit": ("/admin/audit", "admin"),
    "admin.invitations": ("/admin/invitations", "admin"),
    "admin.settings": ("/admin/settings", "admin"),
    "admin.user": ("/admin/users/1", "admin"),
    "admin.users": ("/admin/users", "admin"),
    "alerts.group": ("/alerts/groups/1?status=any", "analyst"),
    "alerts.index": ("/alerts", "analyst"),
    "alerts.show": ("/alerts/{alert}", "analyst"),
    "alerts.suppressions": ("/alerts/suppressions", "analyst"),
    "all_models.show": ("/records/{record}/models", "analyst"),
    "api.index": ("/api", "viewer"),
    "browse.rows": (
        "/explore/synthetic/rows?where=class:eq:dos&facet=service&sort=-src_bytes",
        "analyst",
    ),
    "dashboard.index": ("/", "analyst"),
    "experiments.index": ("/experiments", "analyst"),
    "experiments.new": ("/experiments/new", "analyst"),
    "experiments.show": ("/experiments/{experiment}", "analyst"),
    "explore.index": ("/explore", "analyst"),
    "explore.show": ("/explore/synthetic", "analyst"),
    "expected.index": ("/incidents/expected", "analyst"),
    "incidents.index": ("/incidents", "analyst"),
    "incidents.show": ("/incidents/{incident}?reason=our+scanner", "analyst"),
    "live.index": ("/live", "analyst"),
    "history.index": ("/records", "analyst"),
    "history.show": ("/records/{record}", "analyst"),
    "models.compare": ("/models/compare?a=small&b=twin", "analyst"),
    "models.index": ("/models", "admin"),
    "models.show": ("/models/small", "admin"),
    "own_data.new": ("/datasets/new?upload={upload}", "analyst"),
    "record.enter": ("/record?example={example}", "viewer"),
    "retrainings.show": ("/retrainings/{retraining}", "analyst"),
    "security.change_password": ("/change", "viewer"),
    "security.forgot_password": ("/reset", ""),
    "security.login": ("/login", ""),
    "security.mf_recovery_codes": ("/mf-recovery-codes", "analyst"),
    "security.reset_password": ("{reset}", ""),
    "security.two_factor_setup": ("/tf-setup", "viewer"),
    "security.verify": ("/verify", "viewer"),
    "sign_up.invited": ("{invitation}", ""),
    "sign_up.open_to_all": ("/register", ""),
    "uploads.index": ("/uploads", "analyst"),
    "uploads.rejected": ("/uploads/{upload}/rejected", "analyst"),
    "uploads.report": ("/uploads/{upload}/report", "analyst"),
    "uploads.row": ("/uploads/{upload}/rows/{line}", "analyst"),
    "uploads.show": ("/uploads/{upload}", "analyst"),
}
"""By endpoint: an address, and who visits it."""
MORE = {
    "nothing is here": ("/records/999999", "viewer"),
    "not for viewers": ("/admin/users", "viewer"),
    "first steps": ("/", "nobody-yet@example.org"),
}
"""What a person may see instead of a page."""
NO_PAGES = {
    "static", "vega.library",
    # parts of a page that is open, asked for by its script
    "alerts.news", "dashboard.live", "dashboard.work", "uploads.fragment",
    "uploads.listed",
    "experiments.curves", "experiments.rows", "experiments.state",
    "explore.state", "retrainings.state", "live.connections", "live.state",
    "uploads.state",
    # downloads
    "admin.audit_csv", "alerts.export", "explore.download", "history.download",
    "browse.download", "model_acts.download", "uploads.download_report",
    "models.download", "uploads.download", "uploads.download_rejected",
    "uploads.example", "uploads.example_capture",
    # steps between a password and a log-in; test_account.py walks through them
    "security.mf_recovery", "security.tf_select", "security.two_factor_rescue",
    "security.two_factor_token_validation",
    "health.healthz", "health.readyz", "metrics",
}  # fmt: skip
DARK = (
    "dashboard.index", "record.enter", "history.show", "alerts.index", "alerts.show",
    "alerts.group", "browse.rows", "uploads.report",
    "incidents.show", "uploads.show", "models.show", "experiments.show",
    "account.index", "security.login",
)  # fmt: skip
"""Pages that together hold every part there is, whose colours are looked at twice."""
WIDTHS = (390, 1440)
MAX_BYTES = 200_000
"""Of a first visit to a page, less the drawing library."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ALL = {**PAGES, **MORE}
RECIPE = """
title = "A small network"
[dataset]
name = "synthetic"
n_rows = 2000
[balance]
name = "none"
[model]
name = "cnn"
[training]
epochs = 2
"""


def test_every_page_of_the_application_is_looked_at(app):
    found = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith("/api/")
    }
    unknown = found - PAGES.keys() - NO_PAGES
    assert not unknown, f"put these into PAGES or NO_PAGES: {sorted(unknown)}"
    gone = (PAGES.keys() | NO_PAGES) - found
    assert not gone, f"these are no addresses any more: {sorted(gone)}"


@pytest.fixture(scope="module")
def instances(site, chromium, rows, tmp_path_factory, enter, detector, capture):
    """Numbers of one object of each kind, made by a person at a browser."""
    context = chromium.new_context(base_url=site.url)
    context.set_default_timeout(20_000)
    page = context.new_page()
    enter(page, "analyst@example.org")
    site.logged_in["analyst"] = context.cookies()
    found: dict[str, str] = {}
    page.goto("/experiments/new?as=toml")
    page.get_by_role("textbox", name="Recipe").fill(RECIPE)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/experiments/\w{24}"))
    found["experiment"] = page.url.rsplit("/", 1)[1]
    for number in (1, 2, 3):  # several classes; the first called an attack is shown
        page.goto("/record")
        page.locator(".examples li").nth(number).get_by_role("link").first.click()
        found.setdefault("example", page.url.split("example=")[1].split("#")[0])
        page.get_by_role("button", name="Get the verdict").click()
        page.wait_for_url(re.compile(r"/records/\d+"))
        link = page.get_by_role("link", name=re.compile(r"^Alert \d+"))
        if link.count():
            found["record"] = page.url.rsplit("/", 1)[1]
            found["alert"] = link.get_attribute("href").rsplit("/", 1)[1]
    path = tmp_path_factory.mktemp("sent") / "flows.csv"
    week = datetime(2025, 3, 3, tzinfo=UTC)
    at = [str(week + timedelta(minutes=25 * k)) for k in range(400)]
    table = rows["test"].take(range(400))
    more = (pl.Series("ts", at), table.attack.alias("label"))
    table.frame.with_columns(*more).write_csv(path)
    lines = path.read_text().splitlines()
    lines[40] = "x" + lines[40]
    path.write_text("\n".join(lines) + "\n")
    page.goto("/uploads")
    page.get_by_label("File of records").set_input_files(path)
    page.get_by_role("button", name="Upload and score").click()
    page.wait_for_url(re.compile(r"/uploads/\w{24}"))
    found["upload"] = page.url.rsplit("/", 1)[1]
    page.get_by_text("Rejected rows").wait_for(timeout=60_000)
    why = page.get_by_role("link", name=re.compile(r"^why\?")).first
    found["line"] = why.get_attribute("href").rsplit("/", 1)[1]
    found["retraining"] = _retraining(page, found["record"])
    page.goto("/explore/synthetic")  # explored at once, so that its rows are kept
    found["reset"] = site.command("user", "reset", "viewer@example.org").strip()
    page.goto(f"/experiments/{found['experiment']}")
    page.get_by_role("link", name="Show the model").wait_for(timeout=120_000)
    context.close()
    found["invitation"] = _invitation(site, chromium, enter)
    found["incident"] = _incident(site, detector, capture)
    site.add_person("viewer", "nobody-yet@example.org")
    return found


def _retraining(page, record):
    """Give feedback on a record and retrain with it; return the job's id."""
    page.goto(f"/records/{record}")
    with page.expect_navigation():
        page.get_by_role("button", name="True alarm", exact=True).click()
    page.goto("/models/small")
    page.get_by_role("button", name="Retrain with feedback").click()
    page.wait_for_url(re.compile(r"/retrainings/\w{24}"))
    return page.url.rsplit("/", 1)[1]


def _invitation(site, chromium, enter):
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    enter(page, "admin@example.org")
    site.logged_in["admin"] = context.cookies()
    page.goto("/admin/invitations")
    page.get_by_role("button", name="Create link").click()
    link = page.locator(".copyable code").inner_text()
    context.close()
    return link


def _incident(site, detector, capture):
    """Watch a capture into the server's database; return the incident's id."""
    sinks = ("--sink", f"database:{site.home}", "--sink", "stdout")
    done = subprocess.run(
        [
            sys.executable, "-m", "evenflow", "watch", "--bundle", detector, "-r",
            capture, *sinks,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    events = map(json.loads, done.stdout.splitlines())
    return next(e["incident_id"] for e in events if e["event_type"] == "incident")


AT_ONCE = """() => {
  const number = (entries) => entries
    .filter((e) => !e.name.includes('/vega/'))
    .reduce((sum, e) => sum + e.encodedBodySize, 0);
  return {
    bytes: number(performance.getEntriesByType('navigation')) +
      number(performance.getEntriesByType('resource')),
    beyond: document.documentElement.scrollWidth - innerWidth,
    h1: document.querySelectorAll('h1').length,
    title: document.title,
    charts: document.querySelectorAll('figure script.spec').length,
    ids: [...document.querySelectorAll('[id]')].map((e) => e.id)
      .filter((id, k, all) => all.indexOf(id) !== k),
  };
}"""


def draw(page):
    """Scroll through a page until every chart is drawn, and back to its top."""
    for place in page.locator("figure:has(script.spec) .chart").all():
        if place.is_visible():
            place.scroll_into_view_if_needed()
            expect(place.locator("svg.marks").first).to_be_attached()
    page.evaluate("scrollTo(0, 0)")


def violations(page, rules=RULES):
    """Return what axe-core finds against WCAG 2.2 AA, one line an element."""
    page.evaluate(AXE_SCRIPT)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate(f"axe.run({json.dumps(options)})")["violations"]
    return [
        f"{page.url} {page.viewport_size['width']}: {v['id']}: {node['html'][:150]} "
        f"{' '.join(c['message'] for c in node['any'])[:250]}"
        for v in found
        for node in v["nodes"]
    ]


@pytest.fixture
def picture(request):
    """Return a function that keeps a picture of a page, if one is wanted."""
    folder = request.config.getoption("--screenshots", None)

    def picture(page, name):
        if folder is None:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", name)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return picture


def opened(visit, instances, name, **looks):
    """Open a page of the table with all its charts drawn."""
    path, role = ALL[name]
    for key, value in instances.items():
        path = path.replace("{" + key + "}", value)
    page = visit(path, role, **looks)
    expect(page.locator("main")).to_be_visible()
    draw(page)
    return page


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_sound(visit, instances, picture, name):
    """No page scrolls sideways, is heavy, misses its title or fails WCAG 2.2 AA.

    That nothing is written to the console and no policy is broken is seen to by
    ``visit``.
    """
    page = opened(visit, instances, name, width=WIDTHS[0])
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        picture(page, f"{name} {width} light")
        found = page.evaluate(AT_ONCE)
        assert found["beyond"] <= 0, f"{found['beyond']} pixels beyond {width}"
        assert found["h1"] == 1
        assert re.fullmatch(r"\S.* · evenflow", found["title"]), found["title"]
        assert found["bytes"] < MAX_BYTES, f"{found['bytes']:,} bytes"
        assert not found["ids"], f"ids stand twice: {found['ids']}"
        assert not (wrong := violations(page)), "\n".join(wrong)


@pytest.mark.parametrize("name", DARK)
def test_colours_are_told_apart_in_the_dark(visit, instances, picture, name):
    page = opened(visit, instances, name, is_dark=True, width=1440)
    picture(page, f"{name} 1440 dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") != "light"
    assert not (wrong := violations(page, ["wcag2aa"])), "\n".join(wrong)


@pytest.mark.parametrize("name", ["record.enter", "alerts.index", "account.index"])
def test_whatever_the_keyboard_reaches_is_seen_to_be_reached(visit, instances, name):
    page = opened(visit, instances, name)
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => {
              const at = document.activeElement;
              const style = getComputedStyle(at);
              const box = at.getBoundingClientRect();
              const middle = document.elementFromPoint(
                box.left + box.width / 2, box.top + box.height / 2);
              return {
                tag: at.tagName,
                path: at.outerHTML.slice(0, 120),
                marked: style.outlineStyle !== 'none' || style.boxShadow !== 'none',
                onTop: at.contains(middle) || middle?.contains(at) ||
                  !!at.labels?.[0]?.contains(middle),
              };
            }"""
        )
        if at["tag"] == "BODY":
            break
        seen.add(at["path"])
        assert at["marked"], f"nothing marks the focus of {at['path']}"
        assert at["onTop"], f"something covers {at['path']}"
    assert len(seen) > 10
