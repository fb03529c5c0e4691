"""A run: what it leaves, and that nothing of it remains when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.lab import build, record
from evenflow.lab.inside import plan


def why_not():
    """Return why no run can be recorded here."""
    try:
        record.check()
    except DataError as error:
        return str(error)
    probe = ["unshare", "--net", "--mount", "--pid", "--fork", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def running(folder):
    """Return the processes whose arguments name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and path.parent.name != str(os.getpid()):
            found.append(path.parent.name)
    return found


def test_what_is_missing_is_named_with_its_packages(monkeypatch):
    monkeypatch.setattr(record, "_program", lambda name: name if "n" in name else None)
    with pytest.raises(DataError, match=r"apt-get install .*hydra.* slowhttptest"):
        record.check()


def test_a_folder_that_exists_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "check", lambda: None)
    with pytest.raises(DataError, match="exists; expected a new folder"):
        record.record(tmp_path, seed=1, minutes=1)


def test_a_seed_decides_the_plan_of_a_run(tmp_path):
    assert plan(tmp_path, 1, 60, "train") == plan(tmp_path, 1, 60, "train")
    plans = {plan(tmp_path, seed, 60, "train").n_machines for seed in range(20)}
    assert len(plans) > 1


@pytest.mark.slow
def test_a_run_has_both_kinds_of_traffic_and_loses_no_packet(tmp_path, run):
    if reason := why_not():
        pytest.skip(reason)
    folder, output = tmp_path / "run", tmp_path / "rows.parquet"
    run("lab", "record", "-o", folder, "--seed", 3, "--minutes", 0.5)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["dropped"] == 0
    assert meta["packets"] > 1000
    assert running(folder) == []
    rows = build.build([folder], output)
    assert rows.height > 300
    families = set(rows["family"])
    assert "benign" in families
    assert len(families) > 1
    held_out = pl.col("tool").is_in(["masscan", "medusa", "dns2tcp", "fping"])
    assert rows.filter(held_out).is_empty()


@pytest.mark.slow
def test_nothing_of_a_killed_run_remains(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path / "run"
    accounts = Path("/etc/passwd").read_text()
    process = subprocess.Popen(
        [sys.executable, "-m", "evenflow", "lab", "record", "-o", str(folder),
         "--seed", "3", "--minutes", "5"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (folder / "actions.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert len(running(folder)) > 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 10
    while running(folder) and time.monotonic() < until:
        time.sleep(0.2)
    assert running(folder) == []
    assert Path("/etc/passwd").read_text() == accounts
