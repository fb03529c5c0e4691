"""Downloads come over https alone, verified, whole or not at all."""

import hashlib
import http.client
import http.server
import threading
import urllib.request
from dataclasses import replace

import pytest

from evenflow.datasets import _fetch
from evenflow.datasets._remote import RemoteFile
from evenflow.errors import ChecksumError, DataError, StorageError

TEXT = b"label\n" * 1_000
FILE = RemoteFile(
    name="rows.csv",
    folder="my-set",
    sha256=hashlib.sha256(TEXT).hexdigest(),
    size=len(TEXT),
    url="https://files.example/good",
)


class Answers(http.server.BaseHTTPRequestHandler):
    """A publisher, for better and for worse."""

    def do_GET(self):
        path = self.path.lstrip("/")
        moved = {
            "to-good": "https://files.example/good",
            "to-http": "http://files.example/good",
            "to-file": "file:///etc/hostname",
            "round": "https://files.example/round",
        }
        if path in moved:
            self.send_response(302)
            self.send_header("Location", moved[path])
            self.end_headers()
            return
        bodies = {
            "good": TEXT,
            "other": b"x" * len(TEXT),
            "long": TEXT * 50,
            "short": TEXT[:100],
            "broken": TEXT[:100],
        }
        if path not in bodies:
            self.send_error(404)
            return
        self.send_response(200)
        if path == "broken":
            self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(bodies[path])

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def port():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def director(port):
    """The real opener, whose https connections end at the loopback server."""

    class Loopback(urllib.request.AbstractHTTPHandler):
        handler_order = 1

        def https_open(self, request):
            def connect(_host, **options):
                return http.client.HTTPConnection("127.0.0.1", port, **options)

            return self.do_open(connect, request)

    director = _fetch.opener()
    director.add_handler(Loopback())
    return director


def at(name):
    return replace(FILE, url=f"https://files.example/{name}")


@pytest.mark.parametrize("name", ["good", "to-good"])
def test_a_file_comes_whole_and_verified(tmp_path, director, name):
    events = []
    path = _fetch.fetch(at(name), tmp_path, director=director, on_event=events.append)
    assert path == tmp_path / "my-set/rows.csv"
    assert path.read_bytes() == TEXT
    assert [p.name for p in path.parent.iterdir()] == ["rows.csv"]
    assert (events[-1].done, events[-1].total) == (len(TEXT), len(TEXT))


def put(folder, data):
    (folder / "my-set").mkdir()
    (folder / "my-set/rows.csv").write_bytes(data)
    return folder / "my-set/rows.csv"


def test_a_file_that_is_there_is_not_fetched_again(tmp_path):
    path = put(tmp_path, TEXT)
    assert _fetch.fetch(FILE, tmp_path, director=None) == path


def test_a_changed_file_that_is_there_is_not_overwritten(tmp_path, director):
    path = put(tmp_path, b"mine")
    with pytest.raises(ChecksumError):
        _fetch.fetch(FILE, tmp_path, director=director)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("other", ChecksumError, "is not the published rows.csv"),
        ("long", DataError, "sends more than"),
        ("short", DataError, "again"),
        ("broken", DataError, "again"),
        ("to-http", DataError, "not an https address|is not allowed"),
        ("to-file", DataError, "not an https address|is not allowed"),
    ],
)
def test_what_is_not_the_published_file_over_https_leaves_nothing(
    tmp_path, director, name, error, message
):
    with pytest.raises(error, match=message):
        _fetch.fetch(at(name), tmp_path, director=director)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("url", ["http://files.example/good", "ftp://a/b", "file:///b"])
def test_no_address_but_https_is_opened(tmp_path, director, url):
    with pytest.raises(DataError, match="not an https address"):
        _fetch.fetch(replace(FILE, url=url), tmp_path, director=director)


def test_the_default_opener_knows_https_alone():
    known = _fetch.opener().handle_open
    assert "https" in known
    assert not {"http", "ftp", "file", "data"} & set(known)


@pytest.mark.parametrize("name", ["nowhere", "round"])
def test_a_refusal_says_what_to_do_without_a_network(tmp_path, director, name):
    with pytest.raises(DataError) as caught:
        _fetch.fetch(at(name), tmp_path, director=director)
    for word in ("cannot fetch", FILE.sha256, str(tmp_path / "my-set/rows.csv")):
        assert word in str(caught.value)


def test_no_network_says_which_file_to_put_where(tmp_path):
    class Offline(urllib.request.BaseHandler):
        handler_order = 1

        def https_open(self, request):
            raise urllib.error.URLError("no route to host")

    director = _fetch.opener()
    director.add_handler(Offline())
    with pytest.raises(DataError, match="no route to host") as caught:
        _fetch.fetch(FILE, tmp_path, director=director)
    assert FILE.sha256 in str(caught.value)


def test_a_file_without_a_trusted_address_names_the_publishers_page(tmp_path):
    with pytest.raises(DataError, match="https://publisher.example") as caught:
        _fetch.fetch(
            replace(FILE, url=None), tmp_path, page="https://publisher.example"
        )
    assert FILE.sha256 in str(caught.value)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path, director):
    (tmp_path / "my-set").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot write"):
        _fetch.fetch(FILE, tmp_path, director=director)
