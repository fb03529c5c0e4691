"""A fresh server: the first administrator is made by the link that it prints."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

PASSWORD = "seven quiet lamps at noon"


def fill(page, email):
    page.get_by_label(re.compile("^E-?mail address", re.IGNORECASE)).fill(email)
    page.get_by_label(re.compile("^Password")).fill(PASSWORD)


def test_a_person_opens_the_link_and_has_a_model_and_all_rights(
    fresh_site, chromium, eventually
):
    site = fresh_site

    def printed():
        return re.findall(r"http://\S+/register/[\w-]{43}", "".join(site.words))

    [link] = eventually(printed)
    guest = chromium.new_context(base_url=site.url).new_page()
    guest.goto("/register")
    fill(guest, "guest@lab.local")
    guest.get_by_role("button", name="Sign up").click()
    guest.wait_for_url(f"{site.url}/")  # signing up logs in
    missing = guest.get_by_text("This server has no administrator yet")
    expect(missing).to_be_visible()

    admin = chromium.new_context(base_url=site.url).new_page()
    admin.goto("/login")
    expect(admin.get_by_text("This server has no administrator yet")).to_be_visible()
    admin.goto(link)
    fill(admin, "ann@lab.local")
    admin.get_by_role("button", name="Sign up").click()
    admin.wait_for_url(f"{site.url}/")
    expect(
        admin.get_by_text("You are the administrator of this server")
    ).to_be_visible()
    admin.get_by_role("link", name="Users").first.click()
    expect(admin.get_by_role("row", name=re.compile("guest@lab.local"))).to_be_visible()

    guest.reload()
    expect(missing).to_have_count(0)
    guest.goto("/record")  # the model that comes with evenflow answers at once
    expect(guest.get_by_role("button", name="Get the verdict")).to_be_visible()
    late = chromium.new_context(base_url=site.url).new_page()
    assert late.goto(link).status == 404
