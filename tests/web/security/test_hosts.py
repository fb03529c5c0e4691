"""A server answers for the hosts of its settings, and for no other."""

from itertools import product

import pytest

from evenflow.web.settings import Settings

PUBLIC = "https://ids.example.org"
LOCAL = ("localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:5000", "[::1]:8000")
FOREIGN = (
    "evil.example", "evil.example:8000", "localhost.evil.example", "evil.localhost",
    "192.0.2.7", "10.0.0.1:8000", "[2001:db8::1]", "0.0.0.0", "xn--ls8h.la",
)  # fmt: skip
BROKEN = (
    "", ".", "..", "a..b", ".a", "a.", "a" * 64, f"x.{'b' * 64}.org", "-a", "a b",
    "a/b", "a\\b", "a@localhost", "localhost,evil.example", "[::1", "::1", "a:b",
    "localhost:", "localhost:65536", "localhost:x", "h\u00e9", "%6cocalhost", "a\tb",
    "localhost:80:80", "?", "#", "a" * 5_000, "a." * 2_000,
)  # fmt: skip
PATHS = ("/login", "/", "/metrics", "/api/v1/me", "/static/app.css", "/nowhere")


def ask(app, host, path="/login", method="GET", **environ):
    client = app.test_client()
    environ = {"HTTP_HOST": host.encode().decode("latin-1"), **environ}
    answer = client.open(path, method=method, environ_overrides=environ)
    answer.get_data()
    answer.close()
    return answer


@pytest.fixture
def public(build, settings):
    return build(settings.model_copy(update={"public_url": PUBLIC}))


def test_names_of_this_machine_are_served(app, public):
    for host in LOCAL:
        assert ask(app, host).status_code == 200, host
        assert ask(public, host).status_code == 200, host


def test_the_public_address_is_served_and_only_where_it_is_set(app, public):
    for host in ("ids.example.org", "IDS.example.org:443", "ids.example.org:8443"):
        assert ask(public, host).status_code == 200
        assert ask(app, host).status_code == 421
    for host in ("example.org", "x.ids.example.org", "ids.example.org.evil.example"):
        assert ask(public, host).status_code == 421


@pytest.mark.parametrize("path", PATHS)
def test_another_host_is_refused_before_anything_is_routed(app, public, path):
    methods = ("GET", "POST", "HEAD", "OPTIONS")
    for one, host, method in product((app, public), FOREIGN, methods):
        answer = ask(one, host, path, method)
        assert answer.status_code == 421, (host, method)
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert host not in answer.text
        if method != "HEAD" and path.startswith("/api/"):
            assert answer.json["error"]["type"] == "UnknownHost"


def test_a_host_that_is_none_is_400_everywhere(app):
    for host, path in product(BROKEN, (*PATHS, "/healthz")):
        if path == "/healthz" and not host:
            continue
        answer = ask(app, host, path)
        assert answer.status_code == 400, (host, path)
        assert "Traceback" not in answer.text
        if path.startswith("/api/"):
            assert answer.json["error"]["type"] == "BadHost"


def test_health_is_told_to_a_load_balancer_that_asks_by_address(public):
    for path in ("/healthz", "/readyz"):
        for host in ("10.0.0.5", "10.0.0.5:8000", "[2001:db8::5]:8000", ""):
            assert ask(public, host, path).status_code == 200, host
        assert ask(public, "evil.example", path).status_code == 421


def test_a_forwarded_host_counts_where_a_proxy_is_trusted_and_nowhere_else(
    build, settings
):
    update = {"public_url": PUBLIC, "trusted_proxies": 1}
    behind = build(settings.model_copy(update=update))
    own, evil = {"HTTP_X_FORWARDED_HOST": "ids.example.org"}, "evil.example"
    assert ask(behind, "backend", **own).status_code == 200
    assert ask(behind, "backend").status_code == 421
    forged = {"HTTP_X_FORWARDED_HOST": evil}
    assert ask(behind, "ids.example.org", **forged).status_code == 421
    alone = build(settings.model_copy(update={"public_url": PUBLIC}))
    assert ask(alone, "ids.example.org", **forged).status_code == 200
    assert ask(alone, "backend", **own).status_code == 421


def test_a_page_has_one_address(app):
    paths = (
        "//metrics", "//login", "///login", "/api//v1/me", "/static//app.css", "//",
        "/login//", "//evil.example/login", "/%2Flogin", "/uploads//parts",
    )  # fmt: skip
    for path, method in product(paths, ("GET", "POST")):
        environ = {"PATH_INFO": path.replace("%2F", "/")}
        answer = ask(app, "localhost", "/", method, **environ)
        assert answer.status_code == 404, path
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "url",
    ["https://a..b", "https://" + "a" * 64, "https://m\u00fcller.example",
     "https://user@ids.example.org", "https://[::1", "https://a b"],
)  # fmt: skip
def test_a_public_address_that_no_request_can_name_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match="public_url|IPv6"):
        Settings(home=tmp_path, secret_key="s" * 40, public_url=url)
