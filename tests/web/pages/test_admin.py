"""Promises about administration: people, settings, and the log of who did what."""

import csv
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evenflow.web.jobs import retention
from evenflow.web.store.tables import Audit, Setting, User, WebSession

GOOD = "gravel lampshade oboe fjord"


def test_users_are_listed_searched_and_shown(people):
    admin = people("admin", email="boss@example.org")
    people("viewer", email="ann@example.org")
    people("analyst", email="bob_x@example.org")
    page = admin.get("/admin/users").text
    assert all(name in page for name in ("boss@", "ann@", "bob_x@"))
    found = admin.get("/admin/users?q=B_X").text
    assert "bob_x@" in found
    assert "ann@" not in found, "an underscore is a letter and no wildcard"
    assert "ann@" not in admin.get("/admin/users?role=analyst").text
    assert "No account matches" in admin.get("/admin/users?q=nobody").text


def test_an_address_with_any_name_in_it_gets_its_list(admin, stored):
    stored.add_all(Audit(action="x", actor="a") for _ in range(60))
    for name in ("endpoint", "values", "self", "_anchor", "page", "nothing"):
        answer = admin.get(f"/admin/audit?{name}=x", expect=200)
        assert "page=2" in answer.text


def test_a_role_counts_from_the_next_click(stored, admin, viewer):
    assert viewer.get("/admin/users").status_code == 403
    admin.send(f"/admin/users/{viewer.user_id}/role", {"role": "admin"})
    assert viewer.get("/admin/users").status_code == 200
    admin.send(f"/admin/users/{viewer.user_id}/role", {"role": "analyst"})
    assert viewer.get("/admin/users").status_code == 403
    changes = stored.all(Audit.detail, Audit.action == "user.role")
    assert [change["after"] for change in changes] == ["admin", "analyst"]


@pytest.mark.parametrize("role", ["", "root", "ADMIN", "admin; --"])
def test_an_unknown_role_is_refused(role, stored, admin, viewer):
    admin.send(f"/admin/users/{viewer.user_id}/role", {"role": role})
    assert "there is no role" in admin.get("/admin/users").text
    assert stored.get(User, viewer.user_id).role == "viewer"


@pytest.mark.databases
def test_the_last_admin_can_neither_leave_nor_be_demoted(people, stored):
    admin, other = people("admin"), people("admin")
    admin.send(f"/admin/users/{other.user_id}/role", {"role": "viewer"})
    for what, data in (("role", {"role": "viewer"}), ("disable", {})):
        admin.send(f"/admin/users/{admin.user_id}/{what}", data)
        assert "last active admin" in admin.get("/admin/users").text
    answer = admin.send("/account/delete", {"password": admin.password})
    assert "last active admin" in answer.text
    assert stored.get(User, admin.user_id).role == "admin"
    assert stored.get(User, admin.user_id).active


@pytest.mark.databases
def test_two_admins_who_demote_each_other_at_once_do_not_both_succeed(people, stored):
    one, two = people("admin"), people("admin")
    barrier = threading.Barrier(2)

    def demote(who, whom):
        form = {"csrf_token": who.csrf(), "role": "viewer"}
        barrier.wait()
        who.post(f"/admin/users/{whom.user_id}/role", data=form)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(demote, (one, two), (two, one)))
    assert "admin" in stored.all(User.role)


def test_an_admin_ends_sessions_and_makes_a_link(stored, admin, viewer):
    admin.send(f"/admin/users/{viewer.user_id}/sessions/end")
    assert viewer.get("/account").status_code == 302
    page = admin.send(f"/admin/users/{viewer.user_id}/reset").text
    path = re.search(r"http://127\.0\.0\.1:8000(/reset/[^<\"]+)", page)[1]
    assert viewer.send(path, {"password": GOOD}).headers["Location"] == "/login"
    assert viewer.log_in(password=GOOD).status_code == 302
    token = path.rpartition("/")[2]
    assert token not in str([vars(line) for line in stored.all(Audit)])


def test_an_account_is_deleted_with_its_sessions_and_its_lines_stay(
    stored, admin, viewer
):
    answer = admin.send(f"/admin/users/{viewer.user_id}/delete")
    assert answer.headers["Location"] == "/admin/users"
    assert stored.get(User, viewer.user_id) is None
    assert viewer.get("/account").status_code == 302
    left = stored.all(WebSession.user_id)
    assert viewer.user_id not in left
    assert stored.all(Audit, Audit.action == "login")[1].actor == viewer.email
    assert stored.all(Audit, Audit.action == "user.delete")[0].object == viewer.email


@pytest.mark.databases
def test_an_admin_changes_an_address_that_is_free(stored, admin, viewer):
    path = f"/admin/users/{viewer.user_id}/email"
    for wrong, said in (("nobody", "not a valid e-mail"), (admin.email, "already")):
        admin.send(path, {"email": wrong})
        assert said in admin.get("/admin/users").text
        assert stored.get(User, viewer.user_id).email == viewer.email
    admin.send(path, {"email": "Other@Example.org"})
    assert stored.get(User, viewer.user_id).email == "other@example.org"
    assert viewer.get("/account").status_code == 302
    assert viewer.log_in(email="other@example.org").status_code == 302


def test_nobody_deletes_themselves_by_the_admins_page(people, admin, stored):
    people("admin")
    admin.send(f"/admin/users/{admin.user_id}/delete")
    assert stored.get(User, admin.user_id) is not None


@pytest.mark.parametrize("number", ["999", "99999999999999999999", "0"])
def test_an_account_that_is_not_there_is_404(number, admin):
    assert admin.get(f"/admin/users/{number}").status_code == 404
    assert admin.send(f"/admin/users/{number}/disable").status_code == 404


def test_retention_is_set_and_the_worker_reads_it(settings, admin, stored):
    assert 'value="90"' in admin.get("/admin/settings").text
    admin.send("/admin/settings", {"days": "30"})
    assert stored.get(Setting, retention.SETTING).value == {"days": 30}
    assert stored(retention.days, settings) == 30
    (line,) = stored.all(Audit, Audit.action == "settings.retention")
    assert line.detail == {"before": 90, "after": 30}


@pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "many", "99999", "³", "1e3"])
def test_a_wrong_number_of_days_is_told_at_the_field_and_kept(people, days, stored):
    answer = people("admin").send("/admin/settings", {"days": days}, expect=422)
    assert "whole number of days" in answer.text
    assert f'value="{days}"' in answer.text
    assert stored.get(Setting, retention.SETTING) is None


def test_the_log_is_filtered(admin, viewer):
    viewer.send("/logout")
    page = admin.get("/admin/audit", query_string={"actor": viewer.email})
    assert page.text.count(viewer.email) >= 2
    assert admin.email not in "".join(page.tree.find(".//tbody").itertext())
    page = admin.get("/admin/audit?action=logout")
    assert len(page.tree.findall(".//tbody/tr")) == 1
    assert "No line matches" in admin.get("/admin/audit?since=2999-01-01").text
    assert "expected a day" in admin.get("/admin/audit?since=yesterday").text
    assert admin.get("/admin/audit?until=9999-12-31").status_code == 200
    assert admin.get("/admin/audit?page=99999999999").status_code == 200


def test_the_log_is_paged(admin, stored):
    stored.add_all(Audit(action=f"test.{k}", actor="x") for k in range(120))
    page = admin.get("/admin/audit").text
    assert "Page <b>1</b> of <b>3</b>" in page or "of 3" in page
    assert "test.119" in page
    assert "test.20<" in admin.get("/admin/audit?page=2&actor=x").text + "<"
    assert "test.0<" in admin.get("/admin/audit?page=3&actor=x").text


def test_no_spreadsheet_runs_anything_of_the_downloaded_log(admin, stored):
    evil = ['=cmd|"/c calc"!A1', "+1+1", "-2+3", "@SUM(1)", "\t=1", "a\n=1", '"=1']
    stored.add_all(Audit(action="test", object=text, actor=text) for text in evil)
    answer = admin.get("/admin/audit.csv?action=test")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(evil)
    firsts = {cell[:1] for row in rows for cell in row.values()}
    assert not firsts & set("=+-@\t\r")
    assert stored.all(Audit, Audit.action == "audit.download")
