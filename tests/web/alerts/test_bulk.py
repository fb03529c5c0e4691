"""Many alerts at once: those selected or all that match, and their undoing."""

from datetime import timedelta

import pytest
from sqlalchemy import event, insert, update

from evenflow.web.alerts import bulk, groups
from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import Alert, Audit, BulkAct, BulkItem, Suppression, now

LATER = f"{now() + timedelta(days=9):%Y-%m-%d}"
WHY = {"why": "our scanner", "ends": LATER}


@pytest.fixture
def many(app, web, viewer):
    """Return a maker of alerts of one kind, straight into the database."""

    def many(count, owner=viewer, **changes):
        row = {
            "owner_id": owner.user_id, "source": "upload", "bundle": "small",
            "label": "dos", "probability": 0.9, "threshold": 0.5, "service": "http",
            "src": "10.0.0.9", "dst": "", "values": {"src_bytes": 7}, "n": 1,
        } | changes  # fmt: skip
        rows = [row | {"at": now()} for _ in range(count)]
        with web.database.session() as session:
            groups.assign(session, rows)
            session.execute(insert(Alert), rows)

    return many


def states(stored):
    return [(a.state, a.judgement, a.true_label) for a in stored.all(Alert)]


def act(person, action, query="", **more):
    scope = {"scope": "all", "seen": "1000000"} if "picked" not in more else {}
    return person.send(f"/alerts/bulk?{query}", {"action": action} | scope | more)


def said(person, answer):
    return " ".join(person.get(answer.location).tree.itertext())


@pytest.mark.databases
def test_selected_alerts_change_but_for_those_that_changed_since(kept, stored, viewer):
    made = [kept(viewer) for _ in range(3)]
    viewer.send(f"/alerts/{made[2]}", {"version": "1", "decision": "later"})
    query = "view=alerts&status=any&sort=at"
    answer = act(viewer, "close", query, picked=[f"{n}-1" for n in made])
    assert [stored.get(Alert, n).state for n in made] == ["closed", "closed", "open"]
    told = said(viewer, answer)
    assert "2 alerts closed." in told
    assert "1 skipped: they changed in the meantime" in told


@pytest.mark.databases
def test_all_that_match_change_at_once_and_one_click_brings_them_back(
    many, people, stored, viewer
):
    many(120)
    many(2, label="probe")
    many(1, people("viewer"))
    before = states(stored)
    answer = act(viewer, "false", "label=dos")
    assert "120 alerts closed as a false alarm." in said(viewer, answer)
    assert states(stored).count(("closed", "wrong", "benign")) == 120
    logged = stored.one(Audit, Audit.action == "alert.bulk")
    assert logged.detail["filter"] == {"status": "waiting", "label": "dos"}
    stored.execute(
        update(Alert)
        .where(Alert.id == 1)
        .values(state="open", version=Alert.version + 1)
    )
    answer = viewer.send("/alerts/undo", expect=303)
    told = said(viewer, answer)
    assert "Undone: 119 alerts as before." in told
    assert "1 changed since" in told
    assert states(stored)[1:] == before[1:]
    assert stored.count(BulkItem) == 0
    assert "nothing to undo" in said(viewer, viewer.send("/alerts/undo"))


def test_a_group_that_is_selected_changes_with_its_members(many, stored, viewer):
    many(3)
    many(2, label="probe")
    group = stored.one(Alert.group_id, Alert.id == 1)
    seen = {"seen": "2"}  # the third came after the page was loaded
    act(viewer, "true", picked=str(group), **seen)
    assert [s for s, _, _ in states(stored)] == ["closed"] * 2 + ["new"] * 3
    act(viewer, "true", f"group={group}", scope="group", true_label="probe")
    assert states(stored)[2] == ("closed", "wrong", "probe")


@pytest.mark.parametrize(
    ("action", "more", "wanted"),
    [
        ("later", {}, {"state": "open"}),
        ("close", {"close_reason": "duplicate"}, {"close_reason": "duplicate"}),
        ("severity", {"set_level": "1"}, {"severity": 1, "state": "new"}),
        ("suppress", WHY, {"state": "closed", "close_reason": "suppressed"}),
        ("true", {"true_label": "?"}, {"judgement": "wrong", "true_label": None}),
    ],
)
def test_an_act_sets_what_it_says(action, more, wanted, many, stored, viewer):
    many(1)
    act(viewer, action, **more)
    found = stored.one(Alert)
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert found.version == 2


def test_alerts_are_assigned_to_people_of_the_team(many, people, stored, analyst):
    viewer = people("viewer")
    many(2)
    act(analyst, "assign", assignee=str(viewer.user_id))
    assert {a.assignee_id for a in stored.all(Alert)} == {None}
    act(analyst, "assign", assignee=str(analyst.user_id))
    assert {a.assignee_id for a in stored.all(Alert)} == {analyst.user_id}
    page = analyst.get("/alerts?assigned=me&view=alerts")
    assert len(page.tree.findall(".//tr[@data-row]")) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"action": "close"}, "No alert is selected"),
        ({"picked": "1-1"}, "Choose an action"),
        ({"picked": "1-1", "action": "true", "true_label": "benign"}, "1 skipped"),
        ({"picked": "77-1", "action": "close"}, "No alert matches any longer"),
        ({"picked": ["x", "-", "9" * 40 + "-1"], "action": "close"}, "No alert"),
        ({"picked": [f"{n}-1" for n in range(250)], "action": "close"}, "at most"),
        ({"picked": "1-1", "action": "close", "close_reason": "mood"}, "reason"),
        ({"picked": "1-1", "action": "severity", "set_level": "9"}, "severity"),
        ({"picked": "1-1", "action": "assign", "assignee": "99"}, "person"),
        ({"picked": "1-1", "action": "suppress", "ends": LATER}, "no reason"),
        ({"picked": "1-1", "action": "suppress", "why": "x", "ends": "2020-01-01"},
         "a day after today"),
        ({"scope": "all", "action": "close"}, "incomplete"),
    ],
)  # fmt: skip
def test_a_bulk_change_that_cannot_be_says_why(data, words, many, stored, viewer):
    many(1)
    answer = viewer.send("/alerts/bulk?view=alerts", data)
    assert words in said(viewer, answer)
    assert stored.one(Alert).version == 1
    assert stored.count(Suppression) == 0


def test_an_old_act_is_not_undone_and_nobody_undoes_anothers(
    many, stored, viewer, analyst
):
    many(1)
    act(viewer, "false")
    assert "nothing to undo" in said(analyst, analyst.send("/alerts/undo"))
    old = now() - bulk.UNDO_FOR - timedelta(seconds=1)
    stored.execute(update(BulkAct).values(at=old))
    assert "Undo" not in viewer.get("/alerts?status=any").text
    assert "nothing to undo" in said(viewer, viewer.send("/alerts/undo"))
    assert states(stored) == [("closed", "wrong", "benign")]


def test_changing_many_alerts_takes_as_many_statements_as_changing_few(
    app, many, viewer
):
    asked, n = [], []
    engine = app.extensions[KEY].database.engine
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    for size in (1, 1_000):
        many(size)
        asked.clear()
        act(viewer, "false")
        n.append(len(asked))
    assert n[1] <= n[0] < 30


@pytest.mark.databases
def test_a_suppressed_kind_is_closed_as_it_comes_counted_and_revocable(
    many, stored, viewer, people
):
    many(2)
    act(viewer, "suppress", **WHY)
    many(3, n=2)
    many(1, label="probe")
    many(1, people("viewer"))
    found = stored.one(Suppression)
    assert (found.reason, found.n) == ("our scanner", 6)
    waiting = stored.count(Alert, Alert.state == "new")
    assert waiting == 2
    assert len(stored.all(Alert, Alert.close_reason == "suppressed")) == 5
    page = viewer.get("/alerts/suppressions")
    assert "our scanner" in page.text
    assert "in force" in page.text
    assert "8" in viewer.get("/alerts?status=suppressed").tree.findtext(
        ".//td[@class='n']"
    )
    url = f"/alerts/suppressions/{found.id}/revoke"
    people("viewer").send(url, expect=404)
    viewer.send(url, expect=303)
    many(1)
    assert stored.count(Alert, Alert.state == "new") == waiting + 1


def test_undoing_a_suppression_revokes_it(many, stored, viewer):
    many(2)
    act(viewer, "suppress", **WHY)
    viewer.send("/alerts/undo")
    many(1)
    assert {state for state, _, _ in states(stored)} == {"new"}
    assert stored.one(Suppression).revoked_at is not None


def test_an_expired_suppression_closes_nothing(many, stored, viewer):
    many(1)
    act(viewer, "suppress", **WHY)
    stored.execute(update(Suppression).values(expires_at=now()))
    many(1)
    assert [state for state, _, _ in states(stored)] == ["closed", "new"]
    assert "expired" in viewer.get("/alerts/suppressions").text
