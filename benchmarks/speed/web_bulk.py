"""How fast a file is scored that is sent to the API: from first byte to last verdict.

Usage::

    python benchmarks/speed/web_bulk.py [--bundle BUNDLE] [--rows N] [--json FILE]

A real server on this machine; CSV and Parquet of the same rows, each sent whole, then
asked after until it is done. Records a second count everything a person waits for:
sending, waiting in the queue, scoring, storing alerts and counts. Beside them stands
`evenflow score` on the same file in the same run: on a machine that does other work as
well, their ratio is what counts.
"""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from _measure import machine, parser, report
from _server import Server, serving

import evenflow

UPLOADS = "/api/v1/uploads"


def sent(server: Server, token: str, path: Path) -> dict[str, Any]:
    """Send one file and wait for its verdicts."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    head = {"Authorization": f"Bearer {token}"}
    start = time.perf_counter()
    with path.open("rb") as stream:
        connection.request(
            "PUT", f"{UPLOADS}/{secrets.token_hex(12)}?name={path.name}", stream,
            head
            | {
                "Content-Length": str(path.stat().st_size),
                "Content-Type": "application/octet-stream",
            },
        )  # fmt: skip
        answer = connection.getresponse()
    job = json.loads(answer.read())
    assert answer.status < 300, job
    sent_s = time.perf_counter() - start
    while job["state"] in {"queued", "running"}:
        time.sleep(0.1)
        connection.request("GET", f"{UPLOADS}/{job['id']}", headers=head)
        job = json.loads(connection.getresponse().read())
    assert job["state"] == "done", job
    return {"mb": round(path.stat().st_size / 2**20, 1), "sent_s": round(sent_s, 2),
            "all_s": round(time.perf_counter() - start, 2)}  # fmt: skip


def alone(bundle: Path, path: Path) -> float:
    """Return the seconds in which the command scores the file, its start left out."""
    done = subprocess.run(
        [sys.executable, "-m", "evenflow", "score", bundle, path, "--json", "-o",
         path.with_suffix(".verdicts.parquet")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(json.loads(done.stdout)["seconds"])


def main() -> None:
    given = parser(__doc__.splitlines()[0])
    given.add_argument("--bundle", type=Path)
    given.add_argument("--rows", type=int, default=500_000)
    given = given.parse_args()
    figures: dict[str, Any] = {"rows": given.rows, "machine": machine()}
    frame = evenflow.load_dataset("synthetic", "test").frame
    frame = pl.concat([frame] * (given.rows // len(frame) + 1)).head(given.rows)
    with tempfile.TemporaryDirectory() as folder, serving(given.bundle) as server:
        server.add_user("load@example.org")
        token = server.token("load@example.org", "uploads")
        paths = [Path(folder) / f"records.{kind}" for kind in ("csv", "parquet")]
        frame.write_csv(paths[0])
        frame.write_parquet(paths[1])
        for path in paths:
            found = sent(server, token, path)
            [bundle] = (server.home / "bundles").iterdir()
            command_s = alone(bundle, path)
            figures[path.suffix[1:]] = found | {
                "records_per_s": round(given.rows / found["all_s"]),
                "command_records_per_s": round(given.rows / command_s),
                "ratio": round(command_s / found["all_s"], 2),
            }
        figures["memory_mb"] = server.memory_mb()
    report(figures, given.json)


if __name__ == "__main__":
    main()
