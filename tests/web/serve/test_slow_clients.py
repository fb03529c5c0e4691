"""A client that is slow, or says nothing, stops the server for nobody else."""

import http.client
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from evenflow.web.serve.server import listen, public_path
from evenflow.web.serve.slow_clients import (
    GATHERED_BYTES,
    HEAD_BYTES,
    Arrival,
    Bounded,
    SlowClientError,
)

ECHO = """
import sys
from pathlib import Path
from evenflow.web.serve import server, slow_clients
from evenflow.web.settings import Settings

server.CONNECTIONS = 128
slow_clients.HEAD_S = slow_clients.GRACE_S = slow_clients.STALL_S = 2.0

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(2**26))])
        return [b"x" * 2**20] * 64
    start_response("200 OK", [("Content-Length", str(len(str(len(body)))))])
    return [str(len(body)).encode()]

class Echo(server.Server):
    def load(self):
        return app

settings = Settings(home=Path("."), secret_key="s" * 40, workers=1, threads=4)
Echo(settings, int(sys.argv[1])).run()
"""


@pytest.fixture(scope="module")
def port():
    """The port of a real server of one process and four threads, patient for 2 s."""
    with listen("127.0.0.1", 0) as listener:
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", ECHO, str(number)], pass_fds=(number,)
        )
        try:
            number = listener.getsockname()[1]
            ask(number)  # it is up
            yield number
        finally:
            process.terminate()
            assert process.wait(30) == 0


def ask(port, path="/", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    start = time.monotonic()
    connection.request("POST" if body else "GET", path, body, encode_chunked=True)
    text = connection.getresponse().read()
    connection.close()
    return text, time.monotonic() - start


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


def connect(port, data=b""):
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(data)
    return client


SLOW = {
    "say nothing": b"",
    "stop in the request line": b"GET / HT",
    "stop in the headers": b"GET / HTTP/1.1\r\nHost: x\r\nX-More: ",
    "stop in a small body": POST + b"Content-Length: 99\r\n\r\nab",
    "stop in a large body": POST
    + b"Content-Length: 999999\r\n\r\n"
    + b"x" * (GATHERED_BYTES + 1),
    "stop in a chunked body": POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nab",
    "stop in a second request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT",
    "never close": b"GET / HTTP/1.0\r\n\r\n",
    "take nothing": b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SLOW)
def test_a_hundred_clients_that_stand_still_stop_nobody(port, what):
    clients = [
        connect(port, SLOW[what]) for _ in range(100 if "take" not in what else 30)
    ]
    try:
        time.sleep(0.3)
        for _ in range(5):
            text, seconds = ask(port, body=b"abc")
            assert text == b"3"
            assert seconds < 5  # were the four threads held, it would be 50
    finally:
        for client in clients:
            client.close()


@pytest.mark.slow
def test_more_connections_than_there_is_room_for_shut_nobody_out(port):
    clients = [connect(port, SLOW["stop in the headers"]) for _ in range(300)]
    idle = [connect(port, POST + b"Content-Length: 0\r\n\r\n") for _ in range(100)]
    try:
        for _ in range(5):
            text, seconds = ask(port, body=b"abc")
            assert text == b"3"
            assert seconds < 10
    finally:
        for client in clients + idle:
            client.close()


@pytest.mark.slow
def test_a_client_that_stands_still_is_told_and_let_go(port):
    for data in (SLOW["stop in the headers"], SLOW["stop in a small body"]):
        with connect(port, data) as client:
            start = time.monotonic()
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert client.recv(4096) == b""
            assert 1 < time.monotonic() - start < 6


@pytest.mark.slow
def test_a_client_that_drips_is_let_go_however_long_it_would_go_on(port):
    with connect(port, b"GET / HTTP/1.1\r\nHost: x\r\nX-More: ") as client:
        start = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - start < 10:
                client.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() - start < 6


def test_large_and_chunked_bodies_arrive_whole(port):
    assert ask(port, body=b"x" * 3_000_000)[0] == b"3000000"
    assert ask(port, body=iter([b"x" * 100_000] * 20))[0] == b"2000000"


def test_requests_follow_each_other_on_one_connection(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for n in (0, 5, 300_000, 1, 0):
        connection.request("POST", "/", b"x" * n)
        assert connection.getresponse().read() == str(n).encode()
    connection.close()
    one = POST + b"Content-Length: 3\r\n\r\nabc"
    with connect(port, one * 3) as client:  # sent before the first is answered
        seen = b""
        while seen.count(b"HTTP/1.1 200 OK") < 3:
            seen += client.recv(4096)


def test_a_client_waits_to_be_told_to_send(port):
    head = POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with connect(port, head) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_head_without_end_is_refused(port):
    with connect(port, b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n\r\n\r\n",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_at_once(port, head):
    with connect(port, head) as client:
        start = time.monotonic()
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert time.monotonic() - start < 1.9


@pytest.mark.parametrize("cut", [1, 2, 3, 50])
def test_an_arrival_is_complete_when_all_of_it_is_here(cut):
    data = b"POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\n\r\nabcde"
    arrival = Arrival()
    for start in range(0, len(data), cut):
        assert not arrival.is_complete
        arrival.data += data[start : start + cut]
    assert arrival.is_complete
    assert not arrival.is_streamed


def test_who_keeps_a_rate_may_take_long_and_who_does_not_may_not(monkeypatch):
    monkeypatch.setattr("evenflow.web.serve.slow_clients.STALL_S", 0.2)
    here, there = socket.socketpair()
    with there, Bounded(fileno=here.detach()) as sock:
        there.sendall(b"abc")
        assert sock.recv(10) == b"abc"
        start = time.monotonic()
        with pytest.raises(SlowClientError, match="3 bytes had come"):
            sock.recv(10)
        with pytest.raises(SlowClientError, match="bytes were taken"):
            sock.sendall(b"x" * 10_000_000)
        assert time.monotonic() - start < 2
        assert sock.gettimeout() is None


def test_a_link_s_secret_does_not_reach_the_log():
    assert public_path("/reset/" + "a1" * 30) == "/reset/a1a1..."
    assert public_path("/uploads/0123456789abcdef01234567") == (
        "/uploads/0123456789abcdef01234567"
    )
    assert public_path("/a\nb\x1b[31m") == "/a\\nb\\x1b[31m"
