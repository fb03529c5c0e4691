"""Promises about the second factor: an app's codes, and codes for when it is lost."""

import base64
import time

import pytest
from passlib.totp import TOTP
from sqlalchemy import select, update

from evenflow.web.frame.context import KEY
from evenflow.web.store.tables import Audit, Throttle, User

pytestmark = pytest.mark.databases


def set_up(person):
    """Turn the second factor on; return the key of the app."""
    page = person.send("/tf-setup", {"setup": "authenticator"})
    secret = page.tree.find(".//*[@data-copy]").get("data-copy")
    secret = secret.replace("-", "").replace(" ", "")
    answer = person.send("/tf-validate", {"code": code(secret)})
    assert answer.headers["Location"] == "/account", answer.text
    return secret


def recovery_codes(person):
    page = person.send("/mf-recovery-codes", {"generate_new_codes": "1"})
    return [code.text for code in page.tree.iterfind(".//li[@class='code']")]


def code(secret, later=0):
    return TOTP(key=secret).generate(time=time.time() + later).token


def forget_tries(app):
    with app.extensions[KEY].database.session() as session:
        for row in session.scalars(select(Throttle)):
            if not row.key.startswith("code-used"):
                session.delete(row)


def forget_used(app):
    with app.extensions[KEY].database.session() as session:
        for row in session.scalars(select(Throttle)):
            session.delete(row)


@pytest.fixture
def secret(viewer):
    """The secret of the viewer's second factor."""
    return set_up(viewer)


def test_the_page_shows_a_code_to_scan_that_the_policy_lets_through(viewer):
    answer = viewer.send("/tf-setup", {"setup": "authenticator"})
    kind, data = answer.tree.find(".//img").get("src").split(",")
    assert kind == "data:image/svg+xml;base64"
    svg = base64.b64decode(data).decode()
    assert "fill" in svg, "a white ground, to be scanned in a dark theme too"
    assert "<script" not in svg
    assert "img-src 'self' data:" in answer.headers["Content-Security-Policy"]


def test_after_the_password_a_code_is_asked_for(app, viewer, secret):
    forget_used(app)
    browser = app.test_client()
    answer = browser.log_in(viewer.email, viewer.password)
    assert answer.headers["Location"].startswith("/tf-validate")
    assert browser.get("/account").status_code == 302, "the password is not enough"
    wrong = "000000" if code(secret) != "000000" else "111111"
    assert "code is wrong" in browser.send("/tf-validate", {"code": wrong}).text
    assert browser.get("/account").status_code == 302
    assert browser.send("/tf-validate", {"code": code(secret)}).status_code == 302
    assert browser.get("/account").status_code == 200


def test_a_code_is_taken_once(app, viewer, secret):
    used = code(secret, later=30)
    for n, is_taken in ((1, True), (2, False)):
        forget_tries(app)
        browser = app.test_client()
        browser.log_in(viewer.email, viewer.password)
        answer = browser.send("/tf-validate", {"code": used})
        assert (answer.status_code == 302) is is_taken, n


def test_an_old_code_is_refused(app, viewer, secret):
    browser = app.test_client()
    browser.log_in(viewer.email, viewer.password)
    for later in (-120, 120):
        browser.send("/tf-validate", {"code": code(secret, later=later)}, expect=200)


@pytest.mark.slow
def test_guessing_codes_is_slowed_down_whatever_the_address(app, viewer):
    set_up(viewer)
    forget_used(app)
    statuses = []
    for k in range(8):
        browser = app.test_client()
        browser.environ_base["REMOTE_ADDR"] = f"192.0.2.{k}"
        browser.log_in(viewer.email, viewer.password)
        answer = browser.send("/tf-validate", {"code": f"{k:06d}"})
        statuses.append(answer.status_code)
    assert statuses[:6] == [200] * 6
    assert statuses[6:] == [429, 429]
    assert int(answer.headers["Retry-After"]) > 0


def test_a_recovery_code_lets_in_once(app, viewer, stored):
    set_up(viewer)
    codes = recovery_codes(viewer)
    assert len(set(codes)) == 10
    assert all(len(each.replace("-", "")) == 24 for each in codes)
    again = viewer.get("/mf-recovery-codes?show_codes=1").text
    assert not any(each in again for each in codes), "they are shown once"
    kept = stored.get(User, viewer.user_id).mf_recovery_codes
    assert not set(kept) & set(codes), "only hashes are kept"
    for sent, is_taken in (
        (codes[0].upper().replace("-", " "), True), (codes[0], False),
        (codes[1], True), ("abcd-efgh-jkmn-pqrs", False),
    ):  # fmt: skip
        browser = app.test_client()
        browser.log_in(viewer.email, viewer.password)
        answer = browser.send("/mf-recovery", {"code": sent})
        assert (answer.status_code == 302) is is_taken, sent
        assert (browser.get("/account").status_code == 200) is is_taken
    assert len(stored.get(User, viewer.user_id).mf_recovery_codes) == 8


def test_a_recovery_code_of_another_person_is_worth_nothing(app, people):
    viewer, other = people("viewer"), people("viewer")
    set_up(viewer)
    theirs = recovery_codes(other)[0]
    browser = app.test_client()
    browser.log_in(viewer.email, viewer.password)
    assert browser.send("/mf-recovery", {"code": theirs}).status_code == 200


def test_the_key_of_the_app_is_not_stored_in_the_clear(viewer, stored, secret):
    assert secret not in stored.get(User, viewer.user_id).tf_totp_secret


@pytest.mark.slow
def test_it_is_taken_away_by_its_owner_and_by_an_admin(app, stored, viewer, admin):
    set_up(viewer)
    viewer.send("/mf-recovery-codes", {"generate_new_codes": "1"})
    viewer.send("/tf-setup", {"setup": "disable"})
    assert (
        app.test_client().log_in(viewer.email, viewer.password).headers["Location"]
        == "/"
    )
    forget_used(app)
    set_up(viewer)
    path = f"/admin/users/{viewer.user_id}/second-factor/reset"
    assert admin.send(path).status_code == 303
    assert viewer.get("/account").status_code == 302
    assert viewer.log_in().headers["Location"] == "/"
    done = stored.all(Audit.action)
    assert stored.get(User, viewer.user_id).mf_recovery_codes in (None, [])
    assert {"second_factor.on", "second_factor.off", "user.second_factor_reset"} <= {
        *done
    }


def test_nobody_skips_the_password(app, secret):
    browser = app.test_client()
    for path in ("/tf-validate", "/mf-recovery", "/tf-setup", "/tf-rescue"):
        browser.send(path, {"code": code(secret), "setup": "authenticator"}, expect=302)
        assert browser.get("/account").status_code == 302


def test_a_key_of_another_secret_is_a_wrong_code_and_no_fault(app, viewer, stored):
    set_up(viewer)
    stored.execute(
        update(User).values(
            tf_totp_secret='{"enckey":{"c":14,"k":"AAAAAAAAAAAAAAAA","s":"AAAAAAAAAAAAAAAA","t":"1","v":1},"type":"totp","v":1}'
        )
    )
    browser = app.test_client()
    browser.log_in(viewer.email, viewer.password)
    assert browser.send("/tf-validate", {"code": "123456"}).status_code == 200
