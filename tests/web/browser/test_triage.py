"""An analyst works off alerts in a real browser: a thousand of a kind, by keyboard."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert, select

from evenflow.web.alerts import groups
from evenflow.web.frame.context import KEY
from evenflow.web.record_form.examples import examples
from evenflow.web.store.tables import Alert, User, now

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(site, new_person, bundle):
    """A viewer with 1,000 alerts of one kind, all different, and two others."""
    email = new_person()
    found = {e.label: e for e in examples(bundle) if e.verdict.is_attack}
    labels = ["dos"] * 1_000 + ["probe", "r2l"]
    database = site.app.extensions[KEY].database
    with database.session() as session:
        owner = session.scalar(select(User.id).where(User.email == email))
        rows = [
            {
                "owner_id": owner, "at": now(), "source": "api", "bundle": "small",
                "label": label, "probability": 0.9, "threshold": 0.5, "n": 1,
                "service": "http", "src": "10.0.0.9", "dst": "",
                "values": {**found[label].record, "src_bytes": k},
            }
            for k, label in enumerate(labels)
        ]  # fmt: skip
        groups.assign(session, rows)
        session.execute(insert(Alert), rows)
    return email


def test_a_thousand_alerts_of_a_kind_are_worked_off_in_under_ten_acts(visit, queue):
    page = visit("/alerts", queue)
    rows = page.locator("tr[data-row]")
    flood = rows.filter(has_text="dos")
    expect(flood).to_contain_text("1,000")
    acts = [flood.get_by_role("link").click]
    acts[-1]()
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    acts.append(page.get_by_role("button", name="False alarm").first.click)
    acts[-1]()
    done = page.get_by_text("1,000 alerts closed as a false alarm")
    expect(done.first).to_be_visible()
    expect(rows).to_have_count(2)
    assert len(acts) < 10
    page.goto("/dashboard/work")
    expect(page.locator("body")).to_contain_text("2 groups of 2 alerts to review")
    page.goto("/alerts")
    page.get_by_role("button", name="Undo").click()
    expect(flood).to_contain_text("1,000")


def test_the_queue_is_worked_by_keyboard_alone(visit, queue):
    page = visit("/alerts", queue)
    rows = page.locator("tr[data-row]")
    expect(rows).to_have_count(3)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows.nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(rows.nth(0).get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_text("1 selected:")).to_be_visible()
    page.keyboard.press("e")
    expect(rows).to_have_count(2)
    page.keyboard.press("u")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("f")
    expect(page.get_by_text("closed as a false alarm").first).to_be_visible()
    expect(rows).to_have_count(2)
    page.get_by_text("More filters").click()
    page.get_by_role("textbox", name="Service").fill("jef")  # into a field: no keys
    expect(rows).to_have_count(2)
