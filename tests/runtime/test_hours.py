"""The memory of a watch is flat over an hour of traffic with ever new hosts."""

import importlib.util
from pathlib import Path

import pytest

from evenflow.runtime import bundle as bundles

from .toy_contract import ToyRows, save_toy

SCRIPT = Path(__file__).parents[2] / "benchmarks/traffic/hours.py"
MOST_GROWN_MB = 16


@pytest.mark.slow
def test_memory_does_not_grow_over_an_hour(tmp_path, save_detector):
    spec = importlib.util.spec_from_file_location("hours", SCRIPT)
    hours = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hours)
    toy = bundles.load(save_toy(save_detector, tmp_path / "toy"), threads=1)
    found = hours.measure(toy, ToyRows(), tmp_path, n_hours=1, every=10)
    _, early, *_, last = found["marks"]
    assert found["alerts"] > 5_000
    assert last["minute"] == 60
    assert last["incidents"] > early["incidents"] + 30
    assert last["rss_mb"] < early["rss_mb"] + MOST_GROWN_MB
    assert last["state_mb"] < 2 * early["state_mb"] + 1
