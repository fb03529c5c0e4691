"""Equal alerts are one line of work, cheaply, whoever sends them."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from evenflow.web.alerts import groups
from evenflow.web.alerts.groups import MAX_NAMED, MERGED, SEVERAL, Common, Placing
from evenflow.web.jobs import retention
from evenflow.web.store.tables import Alert, AlertGroup, now
from evenflow.web.verdicts.view import explain_record

N = 1_000


def shown(page):
    """Return of each row of a list of groups its number and how many alerts it has."""
    rows = page.tree.iterfind(".//tr[@data-row]")
    return [
        (int(r.find(".//input").get("value")), r.findtext("td[@class='n']"))
        for r in rows
    ]


@pytest.mark.databases
def test_alerts_of_a_kind_are_one_row_with_count_first_and_last(kept, stored, viewer):
    for hours in (50, 3, 1):
        kept(viewer, hours=hours)
    kept(viewer, "probe")
    page = viewer.get("/alerts")
    [(_, one), (dos, three)] = shown(page)
    assert (one, three) == ("1", "3")
    first, last = (f"{now() - timedelta(hours=h):%Y-%m-%d}" for h in (50, 1))
    viewer.send("/alerts/columns", {"column": ["first", "at"]})
    times = " ".join(viewer.get("/alerts").tree.find(".//table").itertext())
    assert first in times
    assert last in times
    page = viewer.get(f"/alerts/groups/{dos}", expect=200)
    assert len(page.tree.findall(".//tr[@data-row]")) == 3
    assert "Alerts of this group" in page.text
    assert viewer.get(f"/alerts/groups/{dos}?status=closed").status_code == 200


def test_a_group_of_somebody_else_is_not_there(kept, people, stored, viewer, analyst):
    kept(viewer)
    number = stored.one(AlertGroup.id)
    people("viewer").get(f"/alerts/groups/{number}", expect=404)
    analyst.get(f"/alerts/groups/{number}", expect=200)
    kept(analyst)  # the same traffic of another owner is another group
    assert stored.count(AlertGroup) == 2


def test_the_first_reason_is_that_of_the_verdict(bundle, kept, stored, viewer):
    number = kept(viewer)
    values = stored.one(Alert.values, Alert.id == number)
    top = explain_record(bundle, values).top[0]
    reason = f"{top.label}: {top.value}"
    assert stored.one(AlertGroup.reason) == reason
    cells = viewer.get("/alerts").tree.iterfind(".//td[@class='wrap reason']")
    assert [cell.text for cell in cells] == [reason]


def test_a_scan_a_sweep_and_a_flood_are_few_groups():
    for names in (
        lambda k: ("10.0.0.9", "10.0.0.1", str(k)),
        lambda k: ("10.0.0.9", f"10.0.{k}.1", str(k)),
        lambda k: (f"10.9.{k}.1", "10.0.0.1", "80"),
        lambda k: (f"10.9.{k % 97}.1", f"10.0.{k % 89}.1", str(k % 83)),
    ):
        placing = Placing([])
        for k in range(2_000):
            found = placing.place(Common(1, "dos", "m", *names(k)))
        assert SEVERAL in found
        assert len(placing.known) <= max(MERGED.values()) + 1
        again = Placing(placing.known)
        assert again.place(found) == found
        assert again.known == placing.known


def rows_of(viewer, n):
    row = {
        "owner_id": viewer.user_id, "source": "api", "bundle": "small", "label": "dos",
        "probability": 0.9, "threshold": 0.5, "src": "", "dst": "", "values": {},
    }  # fmt: skip
    return [row | {"at": now(), "service": str(k)} for k in range(n)]


@pytest.mark.databases
def test_alerts_come_in_parts_and_at_once_to_the_same_groups(viewer, stored, web):
    with web.database.session() as session:
        for rows in (rows_of(viewer, 3), rows_of(viewer, N), rows_of(viewer, 9)):
            groups.assign(session, rows)
            session.execute(insert(Alert), rows)
    names = set(stored.all(AlertGroup.service))
    assert len(names) == MAX_NAMED + 1
    assert SEVERAL in names
    page = viewer.get("/alerts")
    assert sum(int(n.replace(",", "")) for _, n in shown(page)) == N + 12


def test_the_list_of_groups_reads_an_index_and_no_alert(
    analyst, viewer, web, statements, stored
):
    rows = rows_of(viewer, N)
    with web.database.session() as session:
        groups.assign(session, rows)
        session.execute(insert(Alert), rows)
    statements.clear()
    analyst.get("/alerts", expect=200)
    [query] = [s for s in statements if "GROUP BY alert.group_id" in s and "JOIN" in s]
    wanted = tuple("x" if "LIMIT" not in query else 1 for _ in range(query.count("?")))
    with web.database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", wanted).all()
    steps = [row[3] for row in plan]
    assert any("USING COVERING INDEX alert_grouped" in step for step in steps), steps
    assert not any(step.startswith("SCAN alert") for step in steps), steps
    assert len(statements) < 25


def test_a_group_goes_with_its_last_alert(app, kept, settings, stored, viewer, web):
    kept(viewer, hours=24 * 200)
    kept(viewer, "probe")
    stored.execute(update(AlertGroup).values(created_at=now() - timedelta(days=200)))
    retention.run(web.database, web.home, settings)
    assert stored.one(AlertGroup.label) == "probe"
    assert stored.scalar(select(Alert.label)) == "probe"


@pytest.mark.databases
def test_new_alerts_are_announced_on_the_open_page(kept, viewer):
    kept(viewer)
    poll = viewer.get("/alerts").tree.find(".//*[@data-poll]").get("data-poll")
    first = viewer.get(poll, expect=200)
    assert not first.data.strip()
    etag = {"If-None-Match": first.headers["ETag"]}
    viewer.get(poll, headers=etag, expect=304)
    for _ in range(3):
        kept(viewer)
    assert "3 new alerts" in viewer.get(poll, headers=etag, expect=200).text


def test_filters_are_saved_by_name_for_one_person(kept, viewer, analyst):
    kept(viewer)
    viewer.send("/alerts/filters?label=dos&status=any", {"name": "Floods"}, expect=303)
    viewer.send("/alerts/filters", {"name": ""})
    page = viewer.get("/alerts")
    [link] = [a for a in page.tree.iter("a") if a.text == "Floods"]
    assert set(link.get("href").partition("?")[2].split("&")) == {
        "status=any", "label=dos",
    }  # fmt: skip
    assert "Floods" not in analyst.get("/alerts").text
    [form] = [f for f in page.tree.iter("form") if "/filters/" in f.get("action", "")]
    analyst.send(form.get("action"))
    assert "Floods" in viewer.get("/alerts").text
    viewer.send(form.get("action"))
    assert "Floods" not in viewer.get("/alerts").text
