"""Ranges: as an address names them, as bars, and as the data choose them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from evenflow.web.frame import ranges
from evenflow.web.store.tables import now

START = datetime(2026, 3, 2, 10, 7, 13, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [10, 15, 60, 180, 1440, 10_080, 43_200, 999_999])
def test_a_range_has_20_to_60_bars_on_round_times(minutes):
    until = START + timedelta(minutes=minutes)
    bars = ranges.bars(START, until, least_s=30)
    n = (bars.end - bars.start).total_seconds() / bars.step_s
    assert 20 <= n <= 61
    assert bars.start <= START < bars.start + timedelta(seconds=bars.step_s)
    assert bars.end - timedelta(seconds=bars.step_s) < until <= bars.end
    assert bars.start.timestamp() % bars.step_s == 0


def test_the_longest_range_has_no_more_bars():
    ends = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
    bars = ranges.bars(*ends)
    assert (bars.end - bars.start).total_seconds() / bars.step_s <= 61


ADDRESSES = {
    "": ("", None, None, set()),
    "range=all": ("all", None, None, set()),
    "range=odd": ("", None, None, set()),
    "since=2026-03-02": ("", "2026-03-02T00:00:00Z", None, set()),
    "until=2026-03-02": ("", None, "2026-03-03T00:00:00Z", set()),
    "until=2026-03-02T10:00": ("", None, "2026-03-02T10:00:00Z", set()),
    "since=2026-03-02T10:00:00%2B02:00&range=7d": (
        "", "2026-03-02T08:00:00Z", None, set(),
    ),
    "since=soon&until=1969-01-01": ("", None, None, {"since", "until"}),
    "since=0001-01-01T00:00:00%2B14:00": ("", None, None, {"since"}),
    "since=2026-03-02&until=2026-03-01": (
        "", "2026-03-02T00:00:00Z", None, {"until"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("query", ADDRESSES)
def test_an_address_names_a_range(app, query):
    name, since, until, errors = ADDRESSES[query]
    with app.test_request_context(f"/?{query}"):
        found = ranges.asked()
    assert found.name == name
    ends = found.since, found.until
    assert [at and ranges.stamp(at) for at in ends] == [since, until]
    assert set(found.errors) == errors


DATA = {
    # hours ago of verdicts -> the range that is chosen, and the hours it must hold
    (0,): ("15m", 1),
    (0, 0.5): ("1h", 2),
    (1, 20): ("24h", 2),
    (1, 100): ("7d", 2),
    (100, 600): ("30d", 2),
    (9000, 9010, 9050): ("", 3),
    (9000, 9010, 9050, 0): ("", 3),
    (0, 0.1, 80_000): ("15m", 2),
    (1000, 2000): ("", 1),
}


@pytest.mark.databases
@pytest.mark.parametrize("hours", DATA, ids=str)
def test_the_data_choose_the_range(kept, viewer, hours):
    for ago in hours:
        kept(viewer, hours=ago)
    name, n = DATA[hours]
    page = viewer.get("/", expect=200)
    assert page.tree.findtext(".//dt[.='Verdicts']/../dd") == str(n)
    [picker] = page.tree.iterfind(".//nav[@aria-label='Time range']")
    current = [a.text for a in picker if a.get("aria-current")]
    assert current == ([ranges.WORDS[name]] if name else [])
    n_left = len(hours) - n
    assert (f"{n_left} older or newer verdict" in page.text) == bool(n_left)


@pytest.mark.databases
def test_a_time_of_its_own_is_kept_beside_the_arrival(kept, viewer, stored):
    at = now() - timedelta(days=2)
    number = kept(viewer, ts=at.isoformat())
    odd = kept(viewer, ts="2090-01-01T00:00:00Z")
    since, until = (at + timedelta(hours=h) for h in (-1, 1))
    day = f"since={since:%Y-%m-%dT%H:%M}&until={until:%Y-%m-%dT%H:%M}"
    for page in ("/records?", "/alerts?view=alerts&"):
        found = viewer.get(page + day, expect=200)
        assert len(found.tree.findall(".//tbody/tr")) == 1
        assert "Arrived" in found.text
    assert "arrived" in viewer.get(f"/records/{number}").text
    assert "arrived" not in viewer.get(f"/records/{odd}").text
    by_arrival = viewer.get("/records?sort=-arrived")
    links = [a.text for a in by_arrival.tree.iterfind(".//tbody//th/a")]
    assert links == [str(odd), str(number)]


PAGES = ("/?range=1h", "/?range=30d", "/", "/alerts?range=24h", "/records?range=24h")


def test_no_list_or_chart_of_a_range_reads_a_whole_table(kept, viewer, web):
    kept(viewer)
    plans = []

    def explain(connection, cursor, statement, values, context, many):
        if statement.startswith("SELECT"):
            asked = cursor.connection.cursor()
            asked.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(row[3] for row in asked.fetchall())

    event.listen(web.database.engine, "before_cursor_execute", explain)
    for page in PAGES:
        viewer.get(page, expect=200)
    whole = re.compile(r"SCAN (tally|alert|record)\b(?! USING)")
    assert any("tally_facet" in plan for plan in plans)
    assert not [plan for plan in plans if whole.match(plan)]
