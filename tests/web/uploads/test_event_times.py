"""Event times of uploads: read from a column, drawn as they are, never an error."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from evenflow.web.store.tables import Alert, Job, Tally, now

WEEK = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday
N = 7 * 24 * 2


@pytest.fixture
def week(rows):
    """A record each half hour of a week, with the start in ``ts``."""
    step = timedelta(minutes=30)
    at = [(WEEK + k * step).isoformat() for k in range(N)]
    frame = rows["test"].frame.head(N)
    return frame.with_columns(ts=pl.Series(at))


def chart(page, k=0):
    return json.loads(page.tree.findall(".//script[@class='spec']")[k].text)


def span(spec):
    """Return how many bars a chart has, and the days between the first and last."""
    at = sorted({datetime.fromisoformat(v["at"]) for v in spec["data"]["values"]})
    return len(at), (at[-1] - at[0]) / timedelta(days=1)


@pytest.mark.databases
def test_a_week_of_rows_is_drawn_as_a_week(viewer, desk, week, stored):
    job_id = desk.scored(viewer, week.write_csv().encode())
    first, last = WEEK, WEEK + timedelta(days=7) - timedelta(minutes=30)
    job = stored.one(Job)
    assert job.result["times"] == {
        "column": "ts", "known": N, "unknown": 0,
        "first": first.isoformat(), "last": last.isoformat(),
    }  # fmt: skip
    for url, k in (("/", 0), (f"/uploads/{job_id}", 0)):
        n_bars, days = span(chart(viewer.get(url, expect=200), k))
        assert 20 <= n_bars <= 60, url
        assert 6.5 <= days < 7, url
    spec = chart(viewer.get("/"))
    assert sum(v["n"] for v in spec["data"]["values"]) == N
    alerts = stored.all(Alert)
    assert alerts
    for alert in alerts:
        assert alert.event_at == WEEK + (alert.line - 2) * timedelta(minutes=30)
        assert now() - alert.at < timedelta(hours=1)


@pytest.mark.databases
def test_a_range_holds_the_rows_of_that_time_in_every_list(viewer, desk, week, stored):
    job_id = desk.scored(viewer, week.write_csv().encode())
    day = "since=2025-03-04T00:00:00Z&until=2025-03-05"  # the end is a whole day
    page = viewer.get(f"/uploads/{job_id}?{day}", expect=200)
    n_bars, days = span(chart(page))
    assert (n_bars, round(days)) == (48, 2)
    assert "These 96 rows" in page.text
    body = viewer.get(f"/uploads/{job_id}/download/jsonl?{day}").data
    assert len(body.splitlines()) == 96
    assert '"event_time"' not in body.decode()
    ends = WEEK + timedelta(days=1), WEEK + timedelta(days=2) - timedelta(seconds=1)
    wanted = {
        f"/alerts/{a.id}" for a in stored.all(Alert, Alert.event_at.between(*ends))
    }
    one_day = "since=2025-03-04&until=2025-03-04&status=any&view=alerts"
    alerts = viewer.get(f"/alerts?{one_day}", expect=200)
    links = {
        a.get("href").split("?")[0] for a in alerts.tree.iterfind(".//tbody//th/a")
    }
    assert links == wanted != set()
    assert "No verdict in this range" in viewer.get("/?range=24h").text
    assert span(chart(viewer.get(f"/?{day}")))[0] == 48


TIMES = {
    "1735689600": True, "1735689600123": True, "1735689600123456": True,
    "1735689600123456789": True, "2025-01-01 00:00:00": True,
    "2025-01-01T02:00:00+02:00": True, "1735689600.5": True,
    "0": False, "1970-01-01T00:00:00Z": False, "2090-01-01T00:00:00Z": False,
    "03/04/2025 10:00": False, "soon": False, "": False, "-5": False,
}  # fmt: skip


def test_times_that_cannot_be_are_counted_and_never_an_error(
    viewer, desk, rows, stored
):
    frame = (
        rows["test"].frame.head(len(TIMES)).with_columns(when=pl.Series(list(TIMES)))
    )
    data = {
        "file": (desk.io(frame.write_csv().encode()), "x.csv"),
        "time_column": "When",
    }
    answer = viewer.send("/uploads", data, content_type="multipart/form-data")
    job_id = desk.id_of(answer)
    desk.work_off(viewer.application)
    result = stored.one(Job).result
    n_good = sum(TIMES.values())
    assert result["times"]["known"] == n_good
    assert f"{len(TIMES) - n_good} of {len(TIMES)} rows have no event time" in " ".join(
        result["notes"]
    )
    assert "without a zone" in " ".join(result["notes"])
    page = viewer.get(f"/uploads/{job_id}", expect=200)
    assert sum(v["n"] for v in chart(page)["data"]["values"]) == n_good
    hours = {t.hour.year: t.n for t in stored.all(Tally, Tally.facet == "all")}
    assert set(hours) == {2025, now().year} or set(hours) == {2024, 2025, now().year}


def test_a_column_that_is_not_there_is_said_and_nothing_else(
    viewer, desk, sample, stored
):
    data = {"file": (desk.io(sample), "x.csv"), "time_column": "no_such"}
    answer = viewer.send("/uploads", data, content_type="multipart/form-data")
    desk.work_off(viewer.application)
    assert "no column 'no_such'" in " ".join(stored.one(Job).result["notes"])
    page = viewer.get(f"/uploads/{desk.id_of(answer)}", expect=200)
    assert "Time range" not in page.text


def test_rows_of_a_result_are_found_by_their_event_times(programs, desk, rows, app):
    program = programs("viewer")
    frame = rows["test"].frame.head(3)
    lines = frame.write_csv().splitlines()
    hours = ["when", *(f"2026-03-01 {10 + k}:00:00" for k in range(3))]
    data = "\n".join(f"{line},{at}" for line, at in zip(lines, hours, strict=True))
    job = f"/uploads/{'ab' * 12}"
    program.ask("PUT", f"{job}?time_column=when", data=data.encode(),
                content_type="text/csv", expect=202)  # fmt: skip
    desk.work_off(app)
    result = program.ask("GET", job, expect=200).json["result"]
    assert result["times"]["known"] == 3
    found = program.ask("GET", f"{job}/results?since=2026-03-01T11:00:00", expect=200)
    at = [item["event_at"] for item in found.json["items"]]
    assert [datetime.fromisoformat(one).hour for one in at] == [11, 12]
