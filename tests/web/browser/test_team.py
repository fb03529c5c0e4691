"""What admins and analysts do, in a real browser: people, models, experiments."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

PASSWORD = "seven quiet lamps at noon"
RECIPE = """
title = "{title}"
[dataset]
name = "synthetic"
n_rows = {n_rows}
[balance]
name = "none"
[model]
name = "cnn"
[training]
epochs = {epochs}
patience = {epochs}
"""
ENDLESS = RECIPE.format(title="A network to be stopped", n_rows=20_000, epochs=900)
SHORT = RECIPE.format(title="A small network", n_rows=2_000, epochs=2)


def confirm(page):
    """Say yes to what a button asks."""
    page.get_by_role("dialog").get_by_role("button", name="Yes, continue").click()


def drawn(page):
    """Go to the first chart and see that it is drawn."""
    place = page.locator("figure .chart").first
    place.scroll_into_view_if_needed()
    expect(place.locator("svg.marks").first).to_be_visible()


def test_an_admin_invites_promotes_and_disables_and_it_is_all_written_down(
    visit, new_person
):
    admin = visit("/admin/invitations", new_person("admin"))
    admin.get_by_label("E-mail address").fill("iris@example.org")
    admin.get_by_role("button", name="Create link").click()
    link = admin.locator(".copyable code").inner_text()

    iris = visit(link)
    field = iris.get_by_label(re.compile("^E-?mail address", re.IGNORECASE))
    expect(field).to_have_value("iris@example.org")
    iris.get_by_label(re.compile("^Password")).fill(PASSWORD)
    iris.get_by_role("button", name="Sign up").click()
    iris.wait_for_load_state()
    again = visit(link)
    expect(again.get_by_role("button", name="Sign up")).to_have_count(0)
    if "/login" in iris.url:
        field.fill("iris@example.org")
        iris.get_by_label(re.compile("^Password")).fill(PASSWORD)
        iris.get_by_role("button", name="Log in").click()
    expect(iris.get_by_role("link", name="Experiments")).to_have_count(0)

    admin.goto("/admin/users?q=iris")
    admin.get_by_role("link", name="iris@example.org").click()
    admin.get_by_role("combobox", name="Role").select_option("analyst")
    admin.get_by_role("button", name="Set the role").click()
    iris.goto("/")
    expect(iris.get_by_role("link", name="Experiments").first).to_be_visible()
    admin.get_by_role("button", name="Disable").click()
    confirm(admin)
    expect(admin.get_by_role("button", name="Enable")).to_be_visible()
    iris.goto("/records")
    expect(iris).to_have_url(re.compile("/login"))

    admin.goto("/admin/audit")
    log = admin.get_by_role("table", name="Audit log")
    for action in ("invitation", "user.role", "user.disable"):
        expect(log).to_contain_text(action)
    expect(log).to_contain_text("iris@example.org")


def test_an_admin_puts_another_model_to_use_and_everybody_is_told(visit, new_person):
    admin = visit("/models/twin", new_person("admin"))
    viewer = visit("/record", "viewer")
    expect(viewer.get_by_role("banner")).to_contain_text("small")
    admin.get_by_role("button", name=re.compile("^Activate|^Put .*to use|^Use")).click()
    if admin.get_by_role("dialog").is_visible():
        confirm(admin)
    expect(admin.get_by_role("banner")).to_contain_text("twin")
    # another process believes the name it read for two seconds
    viewer.wait_for_timeout(2_500)
    viewer.reload()
    expect(viewer.get_by_role("banner")).to_contain_text("twin")
    admin.goto("/admin/audit?action=")
    expect(admin.get_by_role("table", name="Audit log")).to_contain_text("twin")
    admin.goto("/models/small")
    admin.get_by_role("button", name=re.compile("^Activate|^Put .*to use|^Use")).click()
    if admin.get_by_role("dialog").is_visible():
        confirm(admin)
    expect(admin.get_by_role("banner")).to_contain_text("small")


def test_a_viewer_is_shown_no_button_that_would_be_refused(visit):
    page = visit("/models/twin", "viewer")
    expect(page.get_by_role("button", name="Use this model")).to_have_count(0)
    page.goto("/experiments")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")


def test_a_training_is_started_watched_stopped_resumed_and_given_up(visit, new_person):
    page = visit("/experiments", new_person("analyst"))
    page.get_by_role("link", name="New training").first.click()
    page.get_by_role("link", name="TOML").click()
    recipe = page.get_by_role("textbox", name="Recipe")
    recipe.fill(ENDLESS.replace("epochs", "epoch_count", 1))
    page.get_by_role("button", name="Start training").click()
    expect(recipe).to_have_accessible_description(re.compile("epoch_count"))
    expect(recipe).to_have_value(re.compile("A network to be stopped"))
    recipe.fill(ENDLESS)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/experiments/\w{24}"))
    # nothing is loaded anew: the page follows by itself
    learning = page.locator("progress[aria-label^=Epochs]")
    expect(learning).to_be_visible(timeout=90_000)
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.click()
    confirm(page)
    expect(page.get_by_text("The checkpoint of the last epoch is kept")).to_be_visible(
        timeout=60_000
    )
    drawn(page)
    page.get_by_role("button", name="Resume").click()
    expect(learning).to_be_visible(timeout=90_000)
    expect(learning).not_to_have_attribute("value", "1", timeout=60_000)
    stop.click()
    confirm(page)
    page.get_by_role("button", name="Discard").click(timeout=60_000)
    confirm(page)
    page.wait_for_url(re.compile("/experiments$"))
    expect(page.get_by_text("its checkpoint were deleted")).to_be_visible()
    expect(page.get_by_role("link", name="A network to be stopped")).to_have_count(0)


def test_a_system_is_put_together_on_a_phone_without_scripts(visit, new_person):
    page = visit(
        "/experiments/new", new_person("analyst"), width=390, has_scripts=False
    )
    page.get_by_role("combobox", name="Model", exact=True).select_option("gate")
    page.get_by_role("combobox", name="Balancing", exact=True).select_option("none")
    page.get_by_label("Columns to select").fill("4")
    page.get_by_role("button", name="Update fields").click()
    expect(page.get_by_role("group", name="Parts of gate")).to_be_visible()
    page.get_by_role("combobox", name="Second", exact=True).select_option(
        "logistic_regression"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Start training").click()
    selector = page.get_by_role("combobox", name="Feature selector", exact=True)
    expect(selector).to_have_accessible_description(re.compile("Choose one, or leave"))
    selector.select_option("mutual_information")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/experiments/\w{24}"))
    recipe = page.get_by_role("region", name="Recipe as TOML")
    expect(recipe).to_contain_text('[model.second]\nname = "logistic_regression"')
    expect(recipe).to_contain_text("n_columns = 4")


def test_what_was_trained_is_found_under_models_and_compared(visit, new_person):
    page = visit("/experiments/new?as=toml", new_person("analyst"))
    page.get_by_role("textbox", name="Recipe").fill(SHORT)
    page.get_by_role("button", name="Start training").click()
    done = page.get_by_role("link", name="Show the model")
    expect(done).to_be_visible(timeout=120_000)
    drawn(page)
    done.click()
    page.wait_for_url(re.compile("/models/"))
    name = page.url.rsplit("/", 1)[1]
    page.goto("/models")
    expect(page.get_by_role("table", name="Models")).to_contain_text(name)
    page.get_by_label("Compare small").check()
    page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare selected").click()
    expect(page.get_by_role("table", name="What is compared")).to_contain_text(name)
    drawn(page)
