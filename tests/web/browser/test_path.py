"""A viewer's path through the pages, in a real browser, from sign-up to log-out."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

PASSWORD = "seven quiet lamps at noon"
EMAIL = re.compile("^E-?mail address", re.IGNORECASE)
PASSWORD_FIELD = re.compile("^Password")
EXPECTED = re.compile("expected", re.IGNORECASE)
CLASSES = ("benign", "dos", "probe", "r2l", "u2r")


def chart_is_drawn(page, name=None):
    """Scroll to a chart and wait until there is a drawing in it."""
    place = page.locator(".chart").first if name is None else page.get_by_role(
        "img", name=name
    ).first  # fmt: skip
    place.scroll_into_view_if_needed()
    expect(place.locator("svg.marks").first).to_be_visible()


def a_line(rows):
    """Return a record as a line of the data set."""
    return ",".join(map(str, rows["test"].take([7]).frame.row(0)))


@pytest.fixture(scope="module")
def a_file(rows, tmp_path_factory):
    """A CSV of 300 records, two lines of which are bad."""
    table = rows["test"].take(range(300))
    path = tmp_path_factory.mktemp("sent") / "monday's flows.csv"
    table.frame.write_csv(path)
    lines = path.read_text().splitlines()
    lines[12] = lines[12].rsplit(",", 3)[0]
    lines[40] = "x" + lines[40]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_stranger_signs_up_and_is_welcomed(visit):
    page = visit("/")
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label(EMAIL).fill("nora@example.org")
    page.get_by_label(PASSWORD_FIELD).fill("short")
    # the browser itself would refuse to send what is too short
    page.locator("main form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Sign up").click()
    wrong = page.get_by_label(PASSWORD_FIELD)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile("12"))
    expect(page.get_by_label(EMAIL)).to_have_value("nora@example.org")
    wrong.fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_load_state()
    if "/login" in page.url:
        page.get_by_label(EMAIL).fill("nora@example.org")
        page.get_by_label(PASSWORD_FIELD).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to evenflow")


def test_an_example_of_each_class_is_judged_with_reasons_and_a_drawing(visit):
    page = visit("/record", "viewer")
    names = page.locator(".examples .example-name").all_inner_texts()
    assert len(names) >= len(CLASSES)
    for number in range(len(CLASSES)):
        page.goto("/record")
        row = page.locator(".examples li").nth(number)
        row.get_by_role("link").first.click()
        expect(page.get_by_text("An example fills the form")).to_be_visible()
        page.get_by_role("button", name="Get the verdict").click()
        page.wait_for_url(re.compile(r"/records/\d+"))
        expect(page.get_by_role("region", name="Verdict")).to_be_visible()
        expect(page.get_by_role("heading", name="What to do next")).to_be_visible()
        if number:  # what normal traffic differs in from itself may be nothing
            assert page.locator(".contributions li").count() >= 1
            chart_is_drawn(page)


def test_a_record_is_typed_in_and_what_is_wrong_stands_at_its_field(visit):
    page = visit("/record?example=usual", "viewer")
    form = page.get_by_role("form", name="Record")
    src, dst = (form.locator(f"[name=v-{n}]") for n in ("src_bytes", "dst_bytes"))
    src.fill("4,7x0")
    dst.fill("-3")
    form.get_by_role("button", name="Get the verdict").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be scored yet")
    for place, typed in ((src, "4,7x0"), (dst, "-3")):
        expect(place).to_have_value(typed)
        expect(place).to_have_attribute("aria-invalid", "true")
        expect(place).to_have_accessible_description(EXPECTED)
    page.get_by_role("alert").get_by_role("link").first.click()
    assert page.evaluate("document.activeElement.name") == "v-src_bytes"
    src.fill("470")
    dst.fill("0")
    form.get_by_role("button", name="Get the verdict").click()
    page.wait_for_url(re.compile(r"/records/\d+"))
    page.get_by_role("link", name="Change and score again").click()
    expect(page.locator("[name=v-src_bytes]")).to_have_value("470")


def test_a_pasted_line_is_judged_and_a_wrong_one_is_kept_and_explained(visit, rows):
    page = visit("/record", "viewer")
    page.get_by_label("Pasted line").fill("tcp,http,7")
    page.get_by_role("button", name="Check this line").click()
    expect(page.get_by_label("Pasted line")).to_have_value("tcp,http,7")
    expect(page.get_by_label("Pasted line")).to_have_accessible_description(EXPECTED)
    page.get_by_label("Pasted line").fill(a_line(rows))
    page.get_by_role("button", name="Only fill in the form").click()
    expect(page.get_by_text("The pasted line fills the form below")).to_be_visible()
    page.get_by_role("button", name="Get the verdict").click()
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()


def test_a_file_is_sent_watched_read_and_taken_home(visit, a_file):
    page = visit("/uploads", "viewer")
    page.get_by_label("File of records").set_input_files(a_file)
    page.get_by_role("button", name="Upload and score").click()
    page.wait_for_url(re.compile(r"/uploads/\w{24}"))
    expect(page.get_by_role("heading", level=1)).to_have_text("monday's flows.csv")
    # it follows by itself: nothing is clicked until the results are there
    expect(page.get_by_text("Rejected rows")).to_be_visible(timeout=60_000)
    chart_is_drawn(page)

    page.get_by_role("link", name="Attack probability").click()
    head = page.get_by_role("columnheader", name="Attack probability")
    expect(head).to_have_attribute("aria-sort", re.compile("ascending|descending"))
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text(re.compile(r"Page 2 of \d"))).to_be_visible()
    expect(head).to_have_attribute("aria-sort", re.compile("ascending|descending"))

    page.get_by_label("Class", exact=True).select_option("dos")
    page.get_by_role("button", name="Filter").click()
    badges = page.get_by_role("table", name="Rows").locator("td .badge.verdict")
    assert all("Denial of service" in text for text in badges.all_inner_texts())
    with page.expect_download() as caught:
        page.get_by_role("link", name="CSV").click()
    kept = list(csv.DictReader(io.StringIO(Path(caught.value.path()).read_text())))
    shown = page.get_by_text(re.compile(r"These [\d,]+ rows")).inner_text()
    assert len(kept) == int(re.sub(r"\D", "", shown)) > 0
    with page.expect_download() as caught:
        page.get_by_role("link", name="JSON lines").click()
    lines = Path(caught.value.path()).read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == len(kept)

    page.get_by_role("link", name=re.compile(r"^why\?")).first.click()
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()
    page.get_by_role("link", name="Back to the results").click()
    page.get_by_role("link", name="Show rows and reasons").click()
    table = page.get_by_role("table", name="Rejected rows")
    expect(table.get_by_role("row")).to_have_count(1 + 2)
    expect(table).to_contain_text("a number of 0 s or more")


def test_a_file_of_another_kind_is_refused_in_words(visit, write):
    path = write("holiday.jpg", b"\xff\xd8\xff\xe0 a picture")
    page = visit("/uploads", "viewer")
    page.get_by_label("File of records").set_input_files(path)
    page.get_by_role("button", name="Upload and score").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text(EXPECTED)


def attack(page, timeout=20_000):
    """Judge an example that is called an attack; stay on its page."""
    for number in (1, 2, 3):
        page.goto("/record")
        page.locator(".examples li").nth(number).get_by_role("link").first.click()
        page.get_by_role("button", name="Get the verdict").click()
        page.wait_for_url(re.compile(r"/records/\d+"), timeout=timeout)
        if page.locator(".verdict-box .icon use[href$='#attack']").count():
            return
    pytest.fail("no example is called an attack")


def test_feedback_right_and_wrong_is_seen_in_history_alerts_and_dashboard(
    visit, new_person
):
    page = visit("", new_person())
    attack(page)
    page.get_by_label("Note").fill("our backup runs at noon")
    page.get_by_role("button", name="False alarm").click()
    expect(page.get_by_text("the feedback is stored with the record")).to_be_visible()
    expect(page.get_by_text("our backup runs at noon")).to_be_visible()
    attack(page)
    page.get_by_role("button", name="True alarm").click()
    expect(page.get_by_text("the feedback is stored with the record")).to_be_visible()

    page.goto("/alerts?view=alerts&status=any")
    table = page.get_by_role("table", name="Alerts")
    expect(table).to_contain_text("false alarm")
    expect(table).to_contain_text("true alarm")
    page.get_by_text("Rows with feedback", exact=True).click()
    with page.expect_download() as caught:
        page.get_by_role("link", name="Rows with feedback, CSV").click()
    assert "benign" in Path(caught.value.path()).read_text()
    page.goto("/records")
    expect(page.get_by_role("table", name="Records")).to_contain_text("wrong")
    page.goto("/")
    expect(page.locator("main")).to_contain_text(
        re.compile("false alarm", re.IGNORECASE)
    )
    chart_is_drawn(page)


def test_of_two_tabs_the_stale_one_is_told_and_keeps_what_was_typed(visit, new_person):
    first = visit("", new_person())
    attack(first)
    first.get_by_role("link", name=re.compile(r"Alert \d+")).click()
    second = first.context.new_page()
    second.goto(first.url)
    first.get_by_role("button", name="True alarm").click()
    expect(first.get_by_text("was closed as a true alarm")).to_be_visible()
    second.get_by_label("Note").fill("a sentence that took a while to write")
    second.get_by_role("button", name="Later").click()
    expect(second.locator("main")).to_contain_text("Somebody else changed this")
    expect(second.get_by_label("Note")).to_have_value(re.compile("took a while"))
    second.get_by_role("button", name="False alarm").click()
    expect(second.get_by_text("was closed as a false alarm")).to_be_visible()
    second.goto("/alerts?view=alerts&status=any")
    second.get_by_role("link", name=re.compile(r"^\d+$")).first.click()
    expect(second.get_by_text("took a while").first).to_be_visible()


def test_without_javascript_a_person_logs_in_enters_a_record_and_sends_a_file(
    visit, new_person, a_file, eventually
):
    page = visit("", new_person(), has_scripts=False)
    attack(page)
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    page.goto("/uploads")
    page.get_by_label("File of records").set_input_files(a_file)
    page.get_by_role("button", name="Upload and score").click()
    expect(page).to_have_url(re.compile(r"/uploads/\w{24}"))

    def is_done():
        page.reload()
        return page.get_by_text("Rejected rows").count()

    eventually(is_done)
    expect(page.get_by_role("table", name="Rows", exact=True)).to_be_visible()


def test_the_keyboard_alone_is_enough_to_log_in_and_to_judge_a_record(
    visit, new_person, rows
):
    def reach(page, ask, most=120):
        """Press Tab until the focused element is the one; each stop is visible."""
        for _ in range(most):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => {
                  const at = document.activeElement;
                  const style = getComputedStyle(at);
                  const box = at.getBoundingClientRect();
                  return {
                    text: (at.labels?.[0] ?? at).textContent.trim(),
                    name: at.name || '',
                    seen: box.width > 0 && box.height > 0 &&
                      (style.outlineStyle !== 'none' || style.boxShadow !== 'none'),
                  };
                }"""
            )
            assert found["seen"], f"focus cannot be seen at {found}"
            if ask(found):
                return
        pytest.fail("the keyboard does not get there")

    email = new_person()
    page = visit("/login")
    expect(page.locator("input[name=email]")).to_be_focused()
    page.keyboard.type(email)
    reach(page, lambda at: at["name"] == "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to evenflow")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the content
    reach(page, lambda at: at["text"] == "Enter a record")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/record$"))
    reach(page, lambda at: at["name"] == "line")
    page.keyboard.insert_text(a_line(rows))
    reach(page, lambda at: at["text"] == "Check this line")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/records/\d+"))
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()
