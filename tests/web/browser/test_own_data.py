"""From a labelled file to a model in use, in a real browser, without a terminal."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

LONG_MS = 180_000
YES = "Yes, continue"


@pytest.fixture(scope="module")
def labelled(rows, tmp_path_factory):
    """A CSV of 600 records in NSL-KDD's columns with their attack types."""
    table = rows["test"]
    frame = table.frame.with_columns(table.attack.alias("label")).head(600)
    path = tmp_path_factory.mktemp("sent") / "campus.csv"
    frame.write_csv(path)
    return path


def test_a_labelled_file_becomes_a_model_in_use(visit, labelled):
    page = visit("/uploads", "admin")
    page.get_by_label("File of records").set_input_files(labelled)
    page.get_by_role("button", name="Upload and score").click()
    page.get_by_role("link", name="Show the report").click(timeout=LONG_MS)

    # its report: figures, the confusion matrix, the wrong rows
    expect(page.get_by_role("heading", level=1)).to_have_text("Report on campus.csv")
    expect(page.get_by_role("table", name="Confusion matrix")).to_be_visible()
    page.get_by_role("link", name=re.compile("^(Missed|False|Attacks of)")).filter(
        has_not_text=": 0"
    ).first.click()
    page.get_by_role("link", name=re.compile(r"^why\?")).first.click()
    expect(page.get_by_text("The label of this row is")).to_be_visible()
    page.get_by_role("link", name="Back to the results").click()

    # a data set of the team
    page.get_by_role("link", name="Make it a data set").click()
    expect(page.get_by_label("Label column")).to_have_value("label")
    page.get_by_role("button", name="Add the data set").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("campus")
    page.get_by_role("link", name="Show the results").click(timeout=LONG_MS)
    page.get_by_role("link", name="Browse rows").click()
    page.get_by_text("Values of a column").click()
    page.get_by_role("link", name="class", exact=True).first.click()
    page.get_by_role("link", name="benign", exact=True).click()
    expect(page.get_by_role("link", name=re.compile("class is benign"))).to_be_visible()
    page.get_by_role("link", name="The data set").click()

    # a model trained on it
    page.get_by_role("link", name="Train on it").click()
    expect(
        page.get_by_text(re.compile("arnings of the data set campus"))
    ).to_be_visible()
    page.get_by_label("Model", exact=True).select_option("decision_tree")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("link", name="Show the model").wait_for(timeout=LONG_MS)

    # compared, then activated
    page.get_by_role("link", name="Compare with the one in use").click()
    expect(page.get_by_text("Different test rows").first).to_be_visible()
    page.get_by_role("button", name="Use this model").first.click()
    page.get_by_role("button", name=YES).click()
    expect(page.get_by_text("now scores new records")).to_be_visible()
    assert "/models/campus-decision_tree" in page.url

    # the other tests of this server have the model they know
    page.goto("/models/small")
    page.get_by_role("button", name="Use this model").click()
    page.get_by_role("button", name=YES).click()
    expect(page.get_by_text("now scores new records")).to_be_visible()
