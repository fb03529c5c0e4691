"""The machine that trains: what its results depend on, and how to repeat them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evenflow.learn.threads import threads

SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
"""Instruction sets that matrix products differ by, as Linux names them."""


def machine(*, deterministic: bool = False) -> dict[str, Any]:
    """Return what the figures are measured on, as JSON values.

    Networks depend on the instruction set and on the number of threads: sums round
    differently, and bfloat16 is used where the processor multiplies it.
    """
    info = _processor()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "threads": 1 if deterministic else threads(len(os.sched_getaffinity(0))),
        "deterministic": deterministic,
        "processor": info.get("model name", platform.machine()),
        "architecture": platform.machine(),
        "instruction_sets": [name for name in SETS if name in flags],
        "python": platform.python_version(),
        "torch": version("torch"),
        "system": platform.system(),
    }


def _processor() -> dict[str, str]:
    """Return what the kernel says of the first core."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.strip().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Within the block, compute with one thread and deterministic algorithms.

    Processors with the same instruction set then give the same bits, whatever their
    number of cores.
    """
    if not wanted:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
