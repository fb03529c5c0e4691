"""``evenflow serve`` as it is run: real processes, real sockets, real signals."""

import http.client
import os
import queue
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from evenflow.web.serve.server import configuration
from evenflow.web.serve.supervisor import Child, Supervisor, oom_kills, was_at_fault
from evenflow.web.settings import Settings

pytestmark = pytest.mark.slow

PASSWORD = "three grey boats at noon"


class Running:
    """A server that was started by its command."""

    def __init__(self, home, *words, environment=None):
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evenflow", "serve", "--home", home, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | (environment or {}),
            text=True,
        )
        self.said, self.lines = [], queue.Queue()
        streams = (self.process.stdout, self.process.stderr)
        self.readers = [
            threading.Thread(target=self._read, args=(stream,)) for stream in streams
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, stream):
        with stream:
            for line in stream:
                self.said.append(line)
                self.lines.put(line)

    def wait_for(self, pattern, seconds=90):
        """Return the match of the first line from now on that the pattern is in."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                found = re.search(pattern, self.lines.get(timeout=left))
            except queue.Empty:
                break
            if found:
                return found
        raise AssertionError(f"{pattern!r} is not in:\n{''.join(self.said)}")

    def ready(self):
        """Return the port it answers at."""
        self.port = int(self.wait_for(r"^evenflow is at http://127.0.0.1:(\d+)$")[1])
        return self

    def get(self, path, **kwargs):
        """Return status, headers and text of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            connection.request(kwargs.pop("method", "GET"), path, **kwargs)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def tree(self):
        """Return the processes below it, by id, with their command lines."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                text = (path / "stat").read_text()
                words = (path / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            parents[int(path.name)] = (int(text.rpartition(")")[2].split()[1]), words)
        found, new = {}, {self.process.pid}
        while new:
            new = {p for p, (parent, _) in parents.items() if parent in new}
            found |= {p: parents[p][1] for p in new}
        return found

    def child(self, what):
        """Return the id of the process that runs one of the parts."""
        ours = [p for p, words in self.tree().items() if f"child {what}" in words]
        return min(ours)  # a web process is its parent's fork, with the same words

    def end(self):
        """Kill whatever is left, tree and all."""
        left = [*self.tree(), self.process.pid]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for reader in self.readers:
            reader.join(10)


def gone(processes, seconds=15):
    """Return whether all of them end in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = [p for p in processes if Path(f"/proc/{p}").exists() and not zombie(p)]
        if not left:
            return True
        time.sleep(0.1)
    return False


def zombie(pid):
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


@pytest.fixture
def start(tmp_path, saved_bundle):
    """Return a function that starts a server; all of it is ended afterwards."""
    started = []

    def start(*words, home=tmp_path / "home", port="0", **kwargs):
        more = ("--port", port, "--add-bundle", saved_bundle, "--workers", "1")
        started.append(Running(home, *more, *map(str, words), **kwargs))
        return started[-1]

    yield start
    for server in started:
        server.end()


@pytest.fixture(scope="module")
def server(tmp_path_factory, saved_bundle):
    """One running server for what changes nothing in it."""
    root = tmp_path_factory.mktemp("server") / "home"
    words = ("--port", "0", "--add-bundle", saved_bundle, "--threads", "4")
    found = Running(root, *words)
    try:
        yield found.ready()
    finally:
        found.end()


def test_the_first_start_makes_a_data_folder_that_is_its_owner_s_alone(server):
    assert server.get("/healthz")[0] == 200
    modes = {
        name: oct(stat.S_IMODE((server.home / name).stat().st_mode))
        for name in (".", "secret", "evenflow.db", "bundles", "uploads")
    }
    assert modes == {
        ".": "0o700", "secret": "0o600", "evenflow.db": "0o600",
        "bundles": "0o700", "uploads": "0o700",
    }  # fmt: skip
    said = "".join(server.said)
    assert f"Its data folder is {server.home}" in said
    [link] = re.findall(rf"http://127.0.0.1:{server.port}(/register/\S+)", said)
    assert b"first administrator" in server.get(link)[2]
    assert link not in "".join(server.said).replace(f"{server.port}{link}", "", 1)
    with closing(sqlite3.connect(server.home / "evenflow.db")) as connection:
        [(value,)] = connection.execute("SELECT value FROM setting")
    assert "small" in value


def test_no_secret_stands_in_an_argument_or_a_variable(server):
    secret = (server.home / "secret").read_bytes()
    processes = server.tree()
    assert len(processes) >= 4
    for pid in [*processes, server.process.pid]:
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_a_body_that_is_too_large_is_refused(server):
    body = b"x" * (9 * 2**20)
    for path in ("/login", "/api/v1/score"):
        status, _, text = server.get(path, method="POST", body=body)
        assert status in {401, 413}
        assert b"Traceback" not in text
    assert server.get("/login", method="POST", body=body)[0] == 413
    assert server.get("/healthz")[0] == 200


def test_the_log_has_a_line_a_request_without_secrets_or_claims(server):
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    server.get("/login?next=/&token=hunter2", headers=claims)
    line = server.wait_for(r".* GET /login .*")[0]
    assert re.fullmatch(
        r"info: 127\.0\.0\.1 GET /login 200 \d+ bytes \d+ ms", line.strip()
    )
    assert "hunter2" not in "".join(server.said)


def test_a_taken_port_is_one_line(server, tmp_path, python):
    words = ("serve", "--home", tmp_path / "other", "--port", server.port)
    done = python("-m", "evenflow", *words, code=2)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert f"port {server.port} is in use by another program" in line
    assert f"--port {server.port + 1}" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_every_process_and_keeps_the_data(start, number):
    server = start().ready()
    processes = server.tree()
    assert len(processes) >= 4
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert gone(processes, 1)
    assert not (server.home / "address.json").exists()
    assert not (server.home / "evenflow.db-wal").exists()  # the one file is whole
    with closing(sqlite3.connect(server.home / "evenflow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again = start().ready()
    assert again.get("/healthz")[0] == 200


def test_a_process_that_is_killed_is_started_again(start):
    server = start().ready()
    worker = server.child("worker score")
    os.kill(worker, signal.SIGKILL)
    server.wait_for("The worker that scores was killed by SIGKILL; starting it again")
    web = server.child("web")
    os.kill(web, signal.SIGKILL)
    server.wait_for("The web server was killed by SIGKILL; starting it again")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:  # the socket stays open meanwhile: a request waits, it is not refused
            if server.get("/healthz")[0] == 200 and server.child("web") != web:
                break
        except (OSError, ValueError, http.client.HTTPException):
            time.sleep(0.2)
    assert server.get("/login")[0] == 200
    assert server.child("worker score") != worker
    [forked] = [p for p in server.tree() if parent(p) == server.child("web")]
    os.kill(forked, signal.SIGKILL)  # gunicorn's own child: it starts another
    assert server.get("/healthz")[0] == 200


def parent(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def test_nothing_outlives_a_parent_that_is_killed(start):
    server = start().ready()
    processes = server.tree()
    assert len(processes) >= 4
    server.process.kill()
    server.process.wait()
    assert gone(processes, 30)


def test_two_servers_on_one_database_know_each_other_s_people(
    start, postgresql_url, python
):
    database = ("--database", postgresql_url)
    servers = [start(*database).ready() for _ in range(2)]
    words = ("user", "add", "ann@example.org", "--password-stdin", *database)
    where = ("--home", servers[0].home)
    python("-m", "evenflow", *words, *where, input=f"{PASSWORD}\n")
    _, headers, page = servers[0].get("/login")
    token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)[1].decode()
    form = {"csrf_token": token, "email": "ann@example.org", "password": PASSWORD}
    given = {
        "Cookie": headers["Set-Cookie"].split(";")[0],
        "Content-Type": "application/x-www-form-urlencoded",
    }
    status, headers, _ = servers[0].get(
        "/login", method="POST", body=urlencode(form), headers=given
    )
    assert status == 302
    cookies = [c.split(";")[0] for c in headers.get_all("Set-Cookie")]
    for server in servers:
        status, _, page = server.get("/account", headers={"Cookie": "; ".join(cookies)})
        assert status == 200
        assert b"ann@example.org" in page


def test_a_worker_runs_beside_a_server_and_ends_with_its_command(server):
    process = subprocess.Popen(
        [sys.executable, "-m", "evenflow", "worker", "--home", server.home, "-v"],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stderr:
            if "of lane score is ready" in line:
                break
        process.terminate()
        assert "Stopped." in process.stderr.read()
    assert process.returncode == 0


def test_a_database_that_is_not_there_is_one_line(tmp_path, python):
    words = ("serve", "--home", tmp_path / "home", "--port", "0", "--database")
    url = "postgresql+psycopg://a:hunter2@127.0.0.1:1/x"
    done = python("-m", "evenflow", *words, url, code=2)
    [line] = done.stderr.splitlines()
    assert "is not responding" in line
    assert "hunter2" not in line


def child_of(code, *words):
    """Return a process of a supervisor that runs some Python."""
    command = [sys.executable, "-c", code, *words]
    environment = dict(os.environ)
    return Child(name="A child", command=command, environment=environment, stdin=b"")


def test_a_server_that_never_answers_is_given_up_and_nothing_is_left():
    said = []
    child = child_of("raise SystemExit(3)")
    with pytest.raises(Exception, match="did not become ready"):
        Supervisor([child], said.append).run(lambda: False, lambda: None)
    assert all("ended with code 3; starting it again in" in line for line in said)
    waits = [float(line.split()[-2]) for line in said]
    assert waits == sorted(waits)


def test_a_child_that_does_not_stop_is_killed():
    said = []
    child = child_of(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "time.sleep(99)"
    )
    supervisor = Supervisor([child], said.append, stop_s=1.0)
    supervisor.run(lambda: True, lambda: supervisor.signals.append(signal.SIGTERM))
    assert child.process.returncode is not None
    # it was stopped before Python was ready to ignore it, or killed after a second
    assert said in ([], ["Some processes did not end in time and were killed"])


def test_no_variable_and_no_claim_of_a_client_sets_up_the_server(tmp_path):
    settings = Settings(home=tmp_path, secret_key="s" * 40, workers=3, threads=5)
    found = configuration(settings, 7)
    assert (found["workers"], found["threads"], found["bind"]) == (3, 5, "fd://7")
    assert found["forwarded_allow_ips"] == ""
    assert found["secure_scheme_headers"] == {}
    assert not found["preload_app"]


def test_every_process_of_a_server_holds_a_bounded_amount_of_memory(server):
    bounds = []
    for pid, words in server.tree().items():
        if "evenflow.cli.child" in words:
            limits = Path(f"/proc/{pid}/limits").read_text()
            held = Path(f"/proc/{pid}/status").read_text()
            used = int(re.search(r"VmData:\s+(\d+)", held)[1]) * 1024
            most = re.search(r"Max data size +(\S+)", limits)[1]
            bounds.append((words, most))
            assert most != "unlimited", words
            assert used < int(most) / 2, words
    assert len(bounds) >= 4, bounds  # two web processes, two workers


@pytest.mark.parametrize(
    ("end", "is_fault"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", False),
        ("os.kill(os.getpid(), signal.SIGTERM)", False),
        ("os.kill(os.getpid(), signal.SIGSEGV)", True),
        ("os.abort()", True),
        ("os._exit(1)", True),
    ],
)
def test_a_child_learns_whether_the_one_before_was_at_fault(tmp_path, end, is_fault):
    code = f"""
import os, resource, signal, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
with open(sys.argv[1], "a") as out:
    print(os.getpid(), os.environ.get("EVENFLOW_FAULT", "-"), file=out)
    out.flush()
if len(open(sys.argv[1]).readlines()) < 2:
    {end}
time.sleep(99)
"""
    told = tmp_path / "told"
    supervisor = Supervisor([child_of(code, str(told))], [].append, stop_s=1.0)

    def stop():
        while len(told.read_text().splitlines()) < 2:
            supervisor._look()
            time.sleep(0.05)
        supervisor.signals.append(signal.SIGTERM)

    supervisor.run(told.exists, stop)
    (pid, before), (_, found) = [line.split() for line in told.read_text().splitlines()]
    assert before == "-"
    assert found == (pid if is_fault else "-")


def test_the_kernel_ending_a_process_for_memory_is_a_fault_of_it():
    assert was_at_fault(-signal.SIGKILL, oom=True)
    assert not was_at_fault(-signal.SIGKILL, oom=False)
    assert not was_at_fault(0, oom=True)
    assert oom_kills() >= 0
