"""Promises about the second factor: an app's codes, and codes for when it is lost."""

import base64
import json
import time

import pytest
from passlib.totp import TOTP
from sqlalchemy import delete, update

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


@pytest.fixture
def half_in(app, viewer):
    """Return a maker of browsers that gave the viewer's password, and no code yet."""

    def half_in():
        browser = app.test_client()
        browser.log_in(viewer.email, viewer.password)
        return browser

    return half_in


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


def test_after_the_password_a_code_is_asked_for(app, viewer, secret, stored):
    stored.execute(delete(Throttle))
    browser = app.test_client()
    answer = browser.log_in(viewer.email, viewer.password)
    assert answer.headers["Location"].startswith("/tf-validate")
    assert browser.get("/account").status_code == 302, "the password is not enough"
    wrong = "000000" if code(secret) != "000000" else "111111"
    assert "code is wrong" in browser.send("/tf-validate", {"code": wrong}).text
    assert browser.get("/account").status_code == 302
    assert browser.send("/tf-validate", {"code": code(secret)}).status_code == 302
    assert browser.get("/account").status_code == 200


def test_a_code_is_taken_once(half_in, secret, stored):
    used = code(secret, later=30)
    for status in (302, 200):
        stored.execute(delete(Throttle).where(~Throttle.key.startswith("code-used")))
        half_in().send("/tf-validate", {"code": used}, expect=status)


def test_an_old_code_is_refused(half_in, secret):
    browser = half_in()
    for later in (-120, 120):
        browser.send("/tf-validate", {"code": code(secret, later=later)}, expect=200)


@pytest.mark.slow
@pytest.mark.usefixtures("secret")
def test_guessing_codes_is_slowed_down_whatever_the_address(app, viewer, stored):
    stored.execute(delete(Throttle))
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


@pytest.mark.usefixtures("secret")
def test_a_recovery_code_lets_in_once(half_in, viewer, stored):
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
        browser = half_in()
        answer = browser.send("/mf-recovery", {"code": sent})
        assert (answer.status_code == 302) is is_taken, sent
        assert (browser.get("/account").status_code == 200) is is_taken
    assert len(stored.get(User, viewer.user_id).mf_recovery_codes) == 8


@pytest.mark.usefixtures("secret")
def test_a_recovery_code_of_another_person_is_worth_nothing(half_in, people):
    theirs = recovery_codes(people("viewer"))[0]
    half_in().send("/mf-recovery", {"code": theirs}, expect=200)


def test_the_key_of_the_app_is_not_stored_in_the_clear(viewer, stored, secret):
    assert secret not in stored.get(User, viewer.user_id).tf_totp_secret


@pytest.mark.slow
def test_it_is_taken_away_by_its_owner_and_by_an_admin(app, stored, viewer, admin):
    set_up(viewer)
    viewer.send("/mf-recovery-codes", {"generate_new_codes": "1"})
    viewer.send("/tf-setup", {"setup": "disable"})
    assert app.test_client().log_in(viewer.email, viewer.password).location == "/"
    stored.execute(delete(Throttle))
    set_up(viewer)
    admin.send(f"/admin/users/{viewer.user_id}/second-factor/reset", expect=303)
    viewer.get("/account", expect=302)
    assert viewer.log_in().location == "/"
    assert stored.get(User, viewer.user_id).mf_recovery_codes in (None, [])
    done = {"second_factor.on", "second_factor.off", "user.second_factor_reset"}
    assert done <= {*stored.all(Audit.action)}


def test_nobody_skips_the_password(app, secret):
    browser = app.test_client()
    for path in ("/tf-validate", "/mf-recovery", "/tf-setup", "/tf-rescue"):
        browser.send(path, {"code": code(secret), "setup": "authenticator"}, expect=302)
        assert browser.get("/account").status_code == 302


@pytest.mark.usefixtures("secret")
def test_a_key_of_another_secret_is_a_wrong_code_and_no_fault(half_in, stored):
    key = {"c": 14, "k": "A" * 16, "s": "A" * 16, "t": "1", "v": 1}
    other = json.dumps({"enckey": key, "type": "totp", "v": 1})
    stored.execute(update(User).values(tf_totp_secret=other))
    half_in().send("/tf-validate", {"code": "123456"}, expect=200)
