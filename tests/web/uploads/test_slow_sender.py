"""A person who sends slowly holds no thread that others need: a real server."""

import http.client
import socket
import subprocess
import sys
import threading
import time

import pytest

from evenflow.web.serve.server import listen

SERVER = """
import sys
from evenflow.web.serve import server
from evenflow.web.settings import Settings

settings = Settings.model_validate_json(sys.stdin.read())
server.Server(settings, int(sys.argv[1])).run()
"""


@pytest.fixture
def port(settings):
    """The port of a real server of one process and four threads."""
    few = settings.model_copy(update={"workers": 1, "threads": 4})
    with listen("127.0.0.1", 0) as listener:
        number = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(number)],
            pass_fds=(number,),
            stdin=subprocess.PIPE,
        )
        try:
            with process.stdin as stream:
                stream.write(few.model_dump_json().encode())
            port = listener.getsockname()[1]
            assert health(port, seconds=60)[0] == 200
            yield port
        finally:
            process.terminate()
            process.wait(40)


def health(port, seconds=5.0):
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status, time.monotonic() - start


@pytest.mark.slow
def test_one_slow_piece_and_many_to_the_same_upload_stop_nobody(port, viewer):
    token = viewer.csrf()
    about = {"name": "flows.csv", "size": 8_000_000}
    headers = {"X-CSRFToken": token}
    begun = viewer.post("/uploads/parts", json=about, headers=headers).json
    cookie = viewer.get_cookie("evenflow", domain="localhost").value
    head = (
        f"PUT {begun['url']}?offset=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: evenflow={cookie}\r\nX-CSRFToken: {token}\r\n"
    )
    stop = threading.Event()

    def drip():
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(f"{head}Content-Length: 7000000\r\n\r\n".encode())
            slow.sendall(b"a,b\n" * 20_000)
            while not stop.wait(1):
                slow.sendall(b"1,2\n" * 1_500)

    thread = threading.Thread(target=drip)
    thread.start()
    tiny = []
    try:
        time.sleep(1)
        for _ in range(6):
            one = socket.create_connection(("127.0.0.1", port), timeout=20)
            one.sendall(f"{head}Content-Length: 4\r\n\r\na,b\n".encode())
            tiny.append(one)
        for _ in range(8):
            status, seconds = health(port)
            assert status == 200
            assert seconds < 4
            time.sleep(0.2)
        answers = [one.recv(4096).split(b" ", 2)[1] for one in tiny]
        assert answers.count(b"200") == 1  # the first; the others do not follow it
        assert set(answers) <= {b"200", b"409"}
    finally:
        stop.set()
        thread.join(10)
        for one in tiny:
            one.close()


@pytest.mark.slow
@pytest.mark.parametrize("n", [110_000, 255_000])
def test_an_endless_address_stops_nobody(app, port, n):
    client = app.test_client()
    token = client.csrf()
    cookie = client.get_cookie("evenflow", domain="localhost").value
    text = "a" + "\u0301\u0327" * n + "@example.org"
    body = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("csrf_token", token), ("email", text), ("password", "x"))
    )
    data = f"{body}--B--\r\n".encode()
    headers = {
        "Content-Type": "multipart/form-data; boundary=B",
        "Cookie": f"evenflow={cookie}",
    }
    clients = []
    for path in ("/login", "/register") * 2:
        one = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        one.request("POST", path, data, headers)
        clients.append(one)
    for _ in range(5):
        status, seconds = health(port)
        assert status == 200
        assert seconds < 4
    for one in clients:
        assert one.getresponse().status == 413
        one.close()
