"""Event times in a real browser: a week is zoomed, clicked, shown in one's zone."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

WEEK = datetime(2025, 3, 3, tzinfo=UTC)
BAR = "g.mark-rect path[aria-label]"
ENDS = re.compile(r"since=2025-03-0\d.*&until=2025-03-0\d")


@pytest.fixture(scope="module")
def a_week(rows, tmp_path_factory):
    """A CSV of 336 records, one each half hour of a week."""
    at = [str(WEEK + timedelta(minutes=30 * k)) for k in range(336)]
    path = tmp_path_factory.mktemp("sent") / "week.csv"
    frame = rows["test"].take(range(336)).frame.with_columns(ts=pl.Series(at))
    frame.write_csv(path)
    return path


def box_of(page, selector):
    """Scroll to an element of the first chart that is drawn; return where it is."""
    place = page.locator("figure .chart").first
    place.scroll_into_view_if_needed()
    expect(place.locator("svg.marks").first).to_be_visible()
    return place.locator(selector).first.bounding_box()


def drag(page, start, stop):
    """Select a part of the first chart with the mouse, as shares of its width."""
    box = box_of(page, "g.mark-group.role-frame path.background")
    y = box["y"] + box["height"] / 4
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], y, steps=5)
    page.mouse.up()
    page.wait_for_url(ENDS)


def click_a_bar(page):
    """Click the first bar of the first chart; go where it leads."""
    before = page.url
    box = box_of(page, BAR)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(lambda url: url != before)


def shown_at(page):
    """Return the first time of the table, as it is shown and as it is on hover."""
    place = page.locator("td time.moment").first
    return place.inner_text(), place.get_attribute("title")


def test_a_week_is_zoomed_and_clicked_in_the_readers_zone(visit, new_person, a_week):
    page = visit("/uploads", new_person("viewer"), zone="Asia/Kolkata")
    page.get_by_label("File of records").set_input_files(a_week)
    page.get_by_role("button", name="Upload and score").click()
    expect(page.get_by_role("heading", name="Event times")).to_be_visible()
    assert shown_at(page) == ("2025-03-03 05:30:00", "2025-03-03 00:00:00 UTC")
    drag(page, 0.3, 0.6)
    few = page.get_by_text(re.compile(r"^These \d+ rows"))
    n_rows = int(re.findall(r"\d+", few.inner_text())[0])
    assert 336 * 0.2 < n_rows < 336 * 0.4
    since = page.locator("#f-since")
    assert since.input_value().startswith("2025-03-05")  # and not in UTC
    click_a_bar(page)
    expect(page).to_have_url(re.compile("label=.*#rows"))
    assert int(re.findall(r"\d+", few.inner_text())[0]) < n_rows

    page.goto("/")
    expect(page.get_by_text("where most verdicts are")).to_contain_text("2025-03-03")
    drag(page, 0.1, 0.5)
    expect(page.get_by_role("link", name="24 h")).not_to_have_attribute(
        "aria-current", "true"
    )
    click_a_bar(page)
    expect(page).to_have_url(re.compile("/(alerts|records).*since=2025-03"))


def test_a_range_is_chosen_without_scripts_in_utc(visit, new_person, a_week):
    page = visit("/uploads", new_person("viewer"), width=390, has_scripts=False)
    page.get_by_label("File of records").set_input_files(a_week)
    page.get_by_role("button", name="Upload and score").click()
    for _ in range(100):
        page.reload()
        if page.get_by_role("heading", name="Event times").count():
            break
        page.wait_for_timeout(200)
    assert shown_at(page) == ("2025-03-03 00:00:00 UTC", None)
    page.locator("summary", has_text="Custom").click()
    page.locator("#f-since").fill("2025-03-04T00:00")
    page.locator("#f-until").fill("2025-03-04T12:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("These 24 rows")).to_be_visible()
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.get_by_text("All rows with every column")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
