"""Answers arrive compressed where a browser accepts it, and the same otherwise."""

import gzip

import pytest


@pytest.fixture
def get(app):
    """Return a function that asks for an address as some browser."""

    def get(url, **headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        with app.test_client().get(url, headers=named) as answer:
            answer.get_data()
            return answer

    return get


@pytest.mark.parametrize("name", ["app.css", "app.js", "icons.svg"])
def test_style_scripts_and_icons_arrive_packed_and_whole(get, name):
    plain = get(f"/static/{name}")
    packed = get(f"/static/{name}", Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    assert len(packed.data) < 0.5 * len(plain.data)
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.headers["Vary"]


def test_a_packed_file_that_has_not_changed_is_not_sent_again(get):
    first = get("/static/app.css", Accept_Encoding="gzip")
    etag = first.headers["ETag"]
    again = get("/static/app.css", Accept_Encoding="gzip", If_None_Match=etag)
    assert again.status_code == 304
    assert not again.data


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_asked_for_by_the_application_itself_arrives_packed(people, site):
    asked = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": site}
    answer = people("viewer").get("/account", headers=asked)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(answer.data)
    assert "Sec-Fetch-Site" in answer.headers["Vary"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_a_page_that_another_site_may_have_asked_for_is_not_packed(people, site):
    asked = {"Accept-Encoding": "gzip"} | ({"Sec-Fetch-Site": site} if site else {})
    answer = people("viewer").get("/account", headers=asked)
    assert "Content-Encoding" not in answer.headers


def test_who_refuses_packing_gets_the_file_as_it_is(get):
    answer = get("/static/app.css", Accept_Encoding="gzip;q=0")
    assert "Content-Encoding" not in answer.headers
    assert b"{" in answer.data
