"""A person keeps an account: password, second factor, sessions, keys to the API."""

import contextlib
import json
import re
import time
import urllib.request

import pytest
from passlib.totp import TOTP
from playwright.sync_api import Error, expect

pytestmark = pytest.mark.slow

PASSWORD = "seven quiet lamps at noon"
ANOTHER = "nine loud drums before dawn"
EMAIL = re.compile("^E-?mail address", re.IGNORECASE)


def log_out(page, email):
    page.locator("summary", has_text=email).click()
    top = page.get_by_role("banner")
    top.get_by_role("button", name="Log out", exact=True).click()
    page.wait_for_url(lambda url: "/login" in url)


def confirm(page):
    """Say yes to what a button asks."""
    page.get_by_role("dialog").get_by_role("button", name="Yes, continue").click()


def test_a_wrong_password_is_told_without_telling_who_has_an_account(visit, new_person):
    said = []
    for email in (new_person(), "nobody-at-all@example.org"):
        page = visit("/login")
        page.get_by_label(EMAIL).fill(email)
        page.get_by_label(re.compile("^Password")).fill("three wrong words here")
        page.get_by_role("button", name="Log in").click()
        said.append(page.get_by_role("alert").inner_text())
        expect(page.get_by_label(EMAIL)).to_have_value(email)
    assert said[0] == said[1]
    assert "wrong" in said[0]


def test_a_changed_password_is_the_one_that_counts(visit, new_person, enter):
    email = new_person()
    page = visit("/account", email)
    page.get_by_role("link", name="Change the password").click()
    page.get_by_label(re.compile("^Password|^Your password|^Current")).first.fill("no")
    page.get_by_label(re.compile("^New password", re.IGNORECASE)).first.fill(ANOTHER)
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    page.get_by_label(re.compile("^Password|^Your password|^Current")).first.fill(
        PASSWORD
    )
    page.get_by_label(re.compile("^New password", re.IGNORECASE)).first.fill(ANOTHER)
    page.get_by_role("button", name="Change the password").click()
    page.wait_for_url(lambda url: not url.endswith("/change"))
    other = visit("/login")
    other.get_by_label(EMAIL).fill(email)
    other.get_by_label(re.compile("^Password")).fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("alert")).to_contain_text("wrong")
    enter(other, email, ANOTHER)
    expect(other.get_by_role("heading", level=1)).to_be_visible()


def test_the_api_is_tried_with_a_key_that_stays_in_the_page(visit, new_person, site):
    email = new_person()
    key = site.command("user", "token", email, "--name", "try").strip()
    page = visit("/api", email)
    answer = page.locator(".try-answer")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("Status 200")
    expect(answer).to_contain_text(email)
    page.get_by_label("Request").select_option("POST score")
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text('"attack_probability"')
    page.get_by_label("API key").fill("ef_wrong")
    page.get_by_role("button", name="Send").click()
    expect(answer).to_contain_text("The API key is invalid, revoked or expired")
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert "ef_" not in page.evaluate(kept)
    page.reload()
    expect(page.get_by_label("API key")).to_have_value("")


def test_a_second_factor_is_set_up_and_asked_for(visit, new_person):
    email = new_person()
    page = visit("/account", email)
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_alt_text(re.compile("^QR code"))).to_be_visible()
    app = TOTP(key=page.locator(".copyable code").inner_text().replace("-", ""))
    field = page.get_by_label(re.compile("code", re.IGNORECASE)).first
    field.fill("000000")
    page.get_by_role("button", name="Turn on").click()
    field = page.get_by_label(re.compile("code", re.IGNORECASE)).first
    expect(field).to_have_accessible_description(re.compile("code is wrong"))
    field.fill(app.generate().token)
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Your code")
    page.goto("/mf-recovery-codes")
    page.get_by_role("button", name="Create new codes").click()
    lost = page.locator("ul.rows li.code").first.inner_text()
    log_out(page, email)

    def password(page):
        page.goto("/login")
        page.get_by_label(EMAIL).fill(email)
        page.get_by_label(re.compile("^Password")).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your code")

    password(page)
    page.goto("/account")
    expect(page).to_have_url(re.compile("/login"))  # half a log-in is none
    password(page)
    later = app.generate(time=time.time() + 30).token  # a code is good once
    page.get_by_label(re.compile("code", re.IGNORECASE)).first.fill(later)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("summary", has_text=email)).to_be_visible()
    log_out(page, email)
    password(page)
    page.get_by_role("link", name=re.compile("^Lost the phone")).click()
    page.get_by_label(re.compile("code", re.IGNORECASE)).first.fill(lost)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("summary", has_text=email)).to_be_visible()


def test_log_out_everywhere_throws_the_other_browser_out(visit, new_person):
    email = new_person()
    here, there = visit("/account", email), visit("/records", email)
    here.reload()
    table = here.get_by_role("table", name="Sessions")
    expect(table.get_by_role("row")).to_have_count(1 + 2)
    here.get_by_role("button", name="Log out everywhere").click()
    confirm(here)
    expect(here).to_have_url(re.compile("/login"))
    there.get_by_role("link", name="Alerts").first.click()
    expect(there).to_have_url(re.compile("/login"))
    expect(there.get_by_text(email)).to_have_count(0)


@pytest.mark.parametrize("path", ["/records", "/account", "/change"])
def test_after_log_out_the_back_button_shows_nothing_private(visit, new_person, path):
    email = new_person()
    page = visit(path, email)
    expect(page.get_by_text(email).first).to_be_visible()
    log_out(page, email)
    expect(page.get_by_text(email)).to_have_count(0)
    page.go_back()
    page.wait_for_load_state()
    expect(page.get_by_text(email)).to_have_count(0)
    expect(page).to_have_url(re.compile("/login"))


def test_not_even_a_record_that_was_refused_comes_back_after_log_out(visit, new_person):
    email = new_person()
    page = visit("/record", email)
    page.locator("[name=v-src_bytes]").fill("secret to us")
    page.get_by_role("button", name="Get the verdict").click()
    expect(page.locator("[name=v-src_bytes]")).to_have_value("secret to us")
    log_out(page, email)
    with contextlib.suppress(Error):  # the browser asks whether to send it again
        page.go_back()
    expect(page.get_by_text(email)).to_have_count(0)
    expect(page.locator("[name=v-src_bytes]")).to_have_count(0)


def test_a_key_to_the_api_is_shown_once_and_works_until_it_is_revoked(
    visit, new_person, site, rows, eventually
):
    page = visit("/account", new_person())
    page.get_by_label(re.compile("^Name of the new key")).fill("a sensor")
    page.get_by_role("button", name="Create key").click()
    key = page.locator(".copyable code").inner_text()

    def asked():
        body = rows["test"].frame.row(7, named=True)
        request = urllib.request.Request(
            f"{site.url}/api/v1/score",
            data=json.dumps({"record": body}).encode(),
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    status, told = asked()
    assert status == 200, told
    page.goto("/account")
    expect(page.get_by_role("table", name="Keys")).to_contain_text("a sensor")
    expect(page.get_by_text(key)).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    confirm(page)
    expect(page.get_by_text("API key revoked")).to_be_visible()
    eventually(lambda: asked()[0] == 401, most_s=10)  # within two seconds
