"""No other site can make a person's browser change anything here."""

import pytest

from evenflow.web.store.tables import ApiToken, Invitation, Setting, User


def test_every_form_is_refused_without_its_token(people, pages):
    """As the one who may do everything: what refuses is the missing token."""
    admin, let_through = people("admin"), []
    for route in pages:
        for method in route.changing:
            answer = admin.open(route.url, method=method, data={"a": "b"})
            if answer.status_code != 400 or "security token" not in answer.text:
                let_through.append((method, route.url, answer.status_code))
    assert let_through == []


def test_a_body_that_is_no_form_does_not_get_around_it(people, pages):
    admin, let_through = people("admin"), []
    for route in pages:
        for method in route.changing:
            for kwargs in (
                {"json": {"a": "b"}},
                {"data": b"<a/>", "content_type": "text/xml"},
                {"data": "a=b", "content_type": "text/plain"},
                {},
            ):
                answer = admin.open(route.url, method=method, **kwargs)
                if answer.status_code != 400:
                    let_through.append((method, route.url, answer.status_code))
    assert let_through == []


def test_a_token_of_another_person_is_worth_nothing(admin, viewer):
    stolen = viewer.csrf()
    path = f"/admin/users/{viewer.user_id}/role"
    admin.post(path, data={"csrf_token": stolen, "role": "admin"}, expect=400)


@pytest.mark.parametrize("wrong", ["", "x", "x.y.z"])
def test_a_wrong_token_is_refused(wrong, viewer):
    viewer.post("/account/sessions/end", data={"csrf_token": wrong}, expect=400)


def test_over_https_a_form_must_come_from_a_page_of_this_server(
    build, settings, people
):
    app = build(settings.model_copy(update={"public_url": "https://ids.example.org"}))
    browser = app.test_client()
    kwargs = {"base_url": "https://ids.example.org"}
    page = browser.get("/login", **kwargs)
    token = page.tree.find(".//input[@name='csrf_token']").get("value")
    data = {"csrf_token": token, "email": "a@example.org", "password": "x"}
    for referrer, status in (
        (None, 400), ("https://evil.example/", 400),
        ("https://ids.example.org/login", 200),
    ):  # fmt: skip
        headers = {"Referer": referrer} if referrer else {}
        browser.post("/login", data=data, headers=headers, **kwargs, expect=status)


def test_no_page_changes_anything_when_it_is_only_read(pages, admin, stored):
    """GET is safe: what prefetches or a link opens leaves all accounts as they were."""
    tables = (User, ApiToken, Invitation, Setting)

    def state():
        rows = [vars(row) for table in tables for row in stored.all(table)]
        return [{k: v for k, v in row.items() if k[0] != "_"} for row in rows]

    before = state()
    for route in pages:
        if "GET" in route.methods:
            admin.get(route.url).close()
    assert state() == before
