"""A file on its way to the server, in a real browser, while things go wrong."""

import json
import re

import pytest
from playwright.sync_api import expect

from evenflow.web.uploads.receive import BUSY

pytestmark = pytest.mark.slow

PIECE = 8_000  # bytes, so that a small file has several


@pytest.fixture
def a_file(rows, tmp_path):
    """A CSV of 300 records, some eight pieces long."""
    path = tmp_path / "flows.csv"
    rows["test"].take(range(300)).frame.write_csv(path)
    assert path.stat().st_size > 5 * PIECE
    return path


@pytest.fixture
def desk(visit, new_person):
    """Return a function that opens the page of uploads; ``faults`` meet its requests.

    ``faults`` has for ``begin``, ``piece`` and ``finish`` what becomes of the first
    requests, in order: "lost" arrives but its answer does not, a number is answered
    instead of the server, None goes through.
    """

    def desk(**faults):
        page = visit("", new_person("viewer"))
        page.sent = {"begin": 0, "piece": 0, "finish": 0, "give up": 0}

        def small_pieces(route):
            answer = route.fetch()
            text = re.sub(r'data-piece="\d+"', f'data-piece="{PIECE}"', answer.text())
            route.fulfill(response=answer, body=text)

        def meet(route):
            request = route.request
            kind = {"PUT": "piece", "DELETE": "give up"}.get(request.method, "begin")
            kind = "finish" if request.url.endswith("/finish") else kind
            planned, n = faults.get(kind, ()), page.sent[kind]
            page.sent[kind] += 1
            fault = planned[n] if n < len(planned) else None
            if fault is None:
                route.continue_()
            elif fault == "lost":
                route.fetch()
                route.abort()
            else:
                told = json.dumps({"error": {"message": BUSY}})
                json_type = "application/json"
                route.fulfill(status=fault, body=told, content_type=json_type)

        page.route(re.compile(r"/uploads$"), small_pieces)
        page.route(re.compile(r"/uploads/parts"), meet)
        page.goto("/uploads")
        return page

    return desk


def send(page, path):
    page.get_by_label("File of records").set_input_files(path)
    page.get_by_role("button", name="Upload and score").click()


def test_a_file_arrives_whole_whatever_becomes_of_its_requests(desk, a_file):
    page = desk(
        begin=["lost"],
        piece=[None, "lost", 409, None, 409, 409, None, 503],
        finish=["lost", 409],
    )
    page.watch.expected += ["503"]
    send(page, a_file)
    page.wait_for_url(re.compile(r"/uploads/\w{24}"), timeout=60_000)
    whole = re.compile(r"Records\s*300\b")
    expect(page.get_by_role("main")).to_contain_text(whole, timeout=60_000)
    n_pieces = -(-a_file.stat().st_size // PIECE)
    # one was sent again though it had arrived, four were not taken at first
    assert page.sent == {
        "begin": 2, "piece": n_pieces + 5, "finish": 3, "give up": 0
    }  # fmt: skip


def test_a_busy_server_is_not_called_a_lost_connection(desk, a_file):
    page = desk(piece=[409, 409])
    send(page, a_file)
    expect(page.get_by_text(f"{BUSY}; trying again (1 of 7)")).to_be_visible()
    page.wait_for_url(re.compile(r"/uploads/\w{24}"))


def test_a_lost_connection_is_told_and_what_was_sent_is_given_up_by_cancel(
    desk, a_file
):
    page = desk(piece=["lost", "lost", "lost"])
    send(page, a_file)
    expect(page.get_by_text("The connection was lost; trying again")).to_be_visible()
    with page.expect_request(lambda r: r.method == "DELETE"):
        page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Upload and score")).to_be_visible()


def test_who_was_logged_out_meanwhile_is_told_what_to_do(desk, a_file):
    page = desk()
    page.context.clear_cookies()
    send(page, a_file)
    expect(page.get_by_role("alert")).to_contain_text("Reload the page and send")
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
