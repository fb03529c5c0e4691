"""What the speed benchmarks share: the machine in words, best-of timing, output."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge the seconds by."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    packages = ("numpy", "torch", "onnxruntime", "scikit-learn", "lightgbm")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def best_s(work: Callable[[], object], *, repeats: int, warm: int = 1) -> float:
    """Return the shortest of ``repeats`` runs, in seconds: what noise cannot add to."""
    for _ in range(warm):
        work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--json", type=Path, help="also write the figures to this file")
    return found


def report(figures: dict[str, Any], path: Path | None) -> None:
    """Print the figures, and write them where asked."""
    text = json.dumps(figures, indent=2)
    print(text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
