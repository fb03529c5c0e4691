"""A real server for the benchmarks of the web, in a folder that is gone afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import evenflow

PASSWORD = "three grey boats at noon"


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    home: Path
    port: int
    pid: int

    def run(self, *words: str, text: str | None = None) -> str:
        """Run a command on its data folder; return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "evenflow", *words, "--home", str(self.home)],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def add_user(self, email: str, role: str = "analyst") -> None:
        """Make an account with :data:`PASSWORD`."""
        words = ("user", "add", email, "--role", role, "--password-stdin")
        self.run(*words, text=PASSWORD + "\n")

    def token(self, email: str, *scopes: str) -> str:
        """Return a new key to the API."""
        given = [word for scope in scopes for word in ("--scope", scope)]
        return self.run("user", "token", email, "--name", "load", *given).strip()

    def processes(self) -> dict[int, str]:
        """Return what runs below it and it itself, by id, named by its part."""
        parents: dict[int, tuple[int, str]] = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                stat = (path / "stat").read_text().rpartition(")")[2].split()
                words = (path / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            parents[int(path.name)] = (int(stat[1]), words)
        found, new = {self.pid: "parent"}, {self.pid}
        while new:
            new = {p for p, (parent, _) in parents.items() if parent in new}
            for pid in new:
                part = re.search(r"child (web|worker \w+)", parents[pid][1])
                found[pid] = part[1] if part else "other"
        return found

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of its parts (proportional set size), in MB."""
        total: dict[str, float] = {}
        for pid, name in self.processes().items():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            found = re.search(r"^Pss:\s+(\d+) kB", text, flags=re.MULTILINE)
            total[name] = total.get(name, 0.0) + int(found[1]) / 1024 if found else 0.0
        return {name: round(mb, 1) for name, mb in sorted(total.items())} | {
            "all": round(sum(total.values()), 1)
        }


@contextmanager
def serving(bundle: Path | None, *words: str) -> Iterator[Server]:
    """Yield a server that runs with a bundle (a small CNN without one)."""
    with tempfile.TemporaryDirectory(prefix="evenflow-bench-") as folder:
        root = Path(folder)
        bundle = bundle or trained(root / "cnn")
        log = root / "log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "evenflow", "serve", "--port", "0", "--home",
                 root / "home", "--add-bundle", bundle, *words],
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield Server(root / "home", _port(log, process), process.pid)
        except BaseException:
            print(log.read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(60)


def trained(folder: Path) -> Path:
    """Return a CNN of one epoch on the embedded rows: quick to make, and real."""
    recipe = evenflow.Recipe.load("synthetic/cnn-none").with_(training__epochs=1)
    evenflow.train(recipe, folder)
    return folder


def rows(n: int) -> Sequence[dict[str, object]]:
    """Return records of the embedded data set, as JSON objects."""
    return evenflow.load_dataset("synthetic", "test").frame.head(n).to_dicts()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"evenflow is at http://127.0.0.1:(\d+)", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.2)
    raise RuntimeError("the server did not start")
