"""What judging costs the API: POST /score against the same route that judges nothing.

    python benchmarks/speed/web_scoring.py --bundle my-bundle --json figures.json

Both routes are in one application under gunicorn with the product's own worker: the
same key, the same reading and checking of the record, the same writing of the
answer; the twin, which is no part of the product, answers with one verdict it has at
hand. They are driven in turns, several times, so that what else the machine does
meets both. Without ``--bundle`` the embedded default is trained first (a minute).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _measure

from evenflow.runtime import bundle as bundles
from evenflow.web import api
from evenflow.web.accounts import api_keys
from evenflow.web.api import operations, schemas, score
from evenflow.web.app import create_app
from evenflow.web.models import importing
from evenflow.web.models.detectors import Detectors
from evenflow.web.serve import server
from evenflow.web.settings import Settings
from evenflow.web.store import migrations
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.database import open_database
from evenflow.web.store.tables import User

ROUTES = ("/api/v1/score", "/api/v1/constant")
SECRET = "a secret of the benchmark, of no use elsewhere"
LUA = """
wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
function done(summary, latency, requests)
  io.write(string.format("RESULT %f %d %d %d\\n", latency:percentile(99) / 1000,
    summary.errors.status, summary.errors.timeout + summary.errors.connect +
    summary.errors.read + summary.errors.write, latency:percentile(50)))
end
"""


class Twin(server.Server):
    """The server, with a route beside its own that judges nothing."""

    def load(self) -> Any:
        """Build the application."""
        group = operations.Group("Twin", "Of the benchmark alone.")
        found: dict[str, Any] = {}

        @group.add(
            "POST",
            "/constant",
            scope="score",
            summary="Judge nothing",
            query=score.ScoreQuery,
            body=schemas.ScoreIn,
            gives=schemas.Verdict,
            may_repeat=True,
            is_write=False,
        )
        def constant(call: Any) -> dict[str, Any]:
            if not found:
                found.update(score.score_record(call))
            return dict(found)

        api.GROUPS = (*api.GROUPS, group)
        return create_app(self.settings)


def prepared(root: Path, bundle: Path, workers: int) -> tuple[Settings, str]:
    """Return settings and a key of a data folder in which the bundle is in use."""
    settings = Settings(home=root, secret_key=SECRET, workers=workers)
    home, database = open_home(root), open_database(settings)
    migrations.upgrade(database)
    (name,) = importing.take(home, database, [bundle])
    with database.session() as session:
        Detectors(home, database).activate(session, name)
        user = User(email="load@example.org", fs_uniquifier=secrets.token_hex(16))
        session.add(user)
        session.flush()
        key = api_keys.make(session, user, name="load", scopes=["score"], days=1)
    database.dispose()
    return settings, key


@contextlib.contextmanager
def serving(root: Path, workers: int) -> Iterator[tuple[int, int]]:
    """Yield the port of a server in another process, and its number."""
    listener = server.listen("127.0.0.1", 0)
    fd, port = listener.fileno(), listener.getsockname()[1]
    os.set_inheritable(fd, True)
    figures = root / "figures"
    figures.mkdir()
    environment = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(figures),
        "OMP_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "2",
    }
    words = ["--serve", str(fd), "--home", str(root), "--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, __file__, *words], env=environment, pass_fds=(fd,)
    )
    listener.close()
    try:
        deadline = time.monotonic() + 60
        while not ready(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.2)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ready(port: int) -> bool:
    """Return whether the server can do its work."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def cpu_s(pid: int) -> float:
    """Return the seconds of processor that a process and its children have had."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    ticks = 0
    for number in (str(pid), *children.split()):
        words = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rsplit(")")[-1]
        ticks += sum(int(word) for word in words.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def drive(url: str, script: Path, seconds: int, connections: int) -> dict[str, float]:
    """Return requests/s and the 99th percentile under wrk."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    found = subprocess.run(
        [*words, "--latency", url], capture_output=True, text=True, check=True
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", found)
    told = re.search(r"RESULT ([\d.]+) (\d+) (\d+) (\d+)", found)
    assert rate is not None, found
    assert told is not None, found
    p99, refused, broken, p50 = told.groups()
    if int(refused) or int(broken):
        raise SystemExit(f"{refused} requests were refused, {broken} broke: {url}")
    return {"per_s": float(rate[1]), "p50_ms": int(p50) / 1000, "p99_ms": float(p99)}


def drive_plainly(
    port: int, path: str, body: str, key: str, seconds: int, connections: int
) -> dict[str, float]:
    """Return the same by threads of our own, where there is no wrk; slower."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    took: list[float] = []
    end = time.perf_counter() + seconds

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while (begun := time.perf_counter()) < end:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"answered {answer.status}: {path}")
            took.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took.sort()
    return {
        "per_s": len(took) / seconds,
        "p50_ms": 1e3 * took[len(took) // 2],
        "p99_ms": 1e3 * took[int(len(took) * 0.99)],
    }


def measured(given: Any, root: Path, bundle: Path) -> dict[str, Any]:
    """Return the figures of both routes, in turns."""
    _, key = prepared(root, bundle, given.workers)
    loaded = bundles.load(bundle, threads=1)
    (record,) = loaded.golden.take([0]).frame.to_dicts()
    body = json.dumps({"record": record})
    script = root / "ask.lua"
    script.write_text(LUA.format(body=body, token=key), encoding="utf-8")
    has_wrk = shutil.which("wrk") is not None
    found: dict[str, list[dict[str, float]]] = {path: [] for path in ROUTES}

    def once(port: int, path: str, seconds: int) -> dict[str, float]:
        if has_wrk:
            url = f"http://127.0.0.1:{port}{path}"
            return drive(url, script, seconds, given.connections)
        return drive_plainly(port, path, body, key, seconds, given.connections)

    with serving(root, given.workers) as (port, pid):
        for path in ROUTES:
            once(port, path, 2)
        for _ in range(given.rounds):
            for path in ROUTES:
                before = cpu_s(pid)
                run = once(port, path, given.seconds)
                spent = cpu_s(pid) - before
                run["cpu_ms"] = 1e3 * spent / (run["per_s"] * given.seconds)
                found[path].append(run)
    middle = {
        path: {
            name: round(statistics.median(run[name] for run in runs), 3)
            for name in runs[0]
        }
        for path, runs in found.items()
    }
    ours, twin = (middle[path] for path in ROUTES)
    ratios = [a["per_s"] / b["per_s"] for a, b in zip(*found.values(), strict=True)]
    return {
        "benchmark": "web_scoring",
        "driven_by": "wrk" if has_wrk else "threads",
        "workers": given.workers,
        "connections": given.connections,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "bundle": loaded.recipe["model"]["name"],
        "score": ours,
        "constant": twin,
        # of each pair of runs, one right after the other, the middle one
        "requests_per_s_ratio": round(statistics.median(ratios), 3),
        "requests_per_s_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        # what a machine with other work to do leaves the same
        "cpu_ratio": round(twin["cpu_ms"] / ours["cpu_ms"], 3),
        "p99_ratio": round(ours["p99_ms"] / twin["p99_ms"], 2),
        "held_to": {"requests_per_s_ratio": 0.6, "p99_ratio": 3},
        "machine": _measure.machine(),
    }


def main() -> None:
    """Measure and report."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--bundle", type=Path, help="a detector; trained without")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=3, help="of one run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", type=int, help=_measure.argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=_measure.argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        settings = Settings(home=given.home, secret_key=SECRET, workers=given.workers)
        Twin(settings, given.serve).run()
        return
    with tempfile.TemporaryDirectory(prefix="evenflow-bench-") as folder:
        bundle = given.bundle
        if bundle is None:
            bundle = Path(folder) / "trained"
            words = ["train", "synthetic/cnn-hybrid", "-o", str(bundle)]
            subprocess.run([sys.executable, "-m", "evenflow", *words], check=True)
        figures = measured(given, Path(folder) / "home", bundle)
    _measure.report(figures, given.json)


if __name__ == "__main__":
    main()
