"""Places of data, by default, and all else that the environment decides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def folders(first: Sequence[Path] = ()) -> list[Path]:
    """Return the roots, in the order they are searched.

    Those in ``first``, those of ``EVENFLOW_DATA`` (separated as in ``PATH``), then
    ``evenflow/datasets`` in the user's cache, which is also where ``evenflow data
    fetch`` writes.
    """
    named = os.environ.get("EVENFLOW_DATA", "")
    roots = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    return [*first, *roots, cache()]


def cache() -> Path:
    """Return the folder that fetched files go to."""
    return _base("XDG_CACHE_HOME", ".cache") / "evenflow" / "datasets"


def data_home() -> Path:
    """Return the server's data folder where none is named."""
    return _base("XDG_DATA_HOME", ".local/share") / "evenflow"


def secret_key() -> str | None:
    """Return the secret given in ``EVENFLOW_SECRET_KEY``, if there is one."""
    return os.environ.get("EVENFLOW_SECRET_KEY") or None


def bus_password() -> str | None:
    """Return the password given in ``EVENFLOW_BUS_PASSWORD``, if there is one."""
    return os.environ.get("EVENFLOW_BUS_PASSWORD") or None


def worker_fault() -> int | None:
    """Return the process id of the worker before this one, where it was at fault."""
    value = os.environ.get("EVENFLOW_FAULT", "")
    return int(value) if value.isdigit() else None


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for a process of ours, less the secrets."""
    secrets = {"EVENFLOW_SECRET_KEY", "EVENFLOW_BUS_PASSWORD"}
    kept = {k: v for k, v in os.environ.items() if k not in secrets}
    return kept | changes


@contextmanager
def threads_of_children(n: int) -> Iterator[None]:
    """Let processes that begin meanwhile compute with ``n`` threads."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = str(n)
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def switch_off_telemetry() -> None:
    """Tell ONNX Runtime, which is not imported yet, to report to nobody."""
    os.putenv("ORT_DISABLE_TELEMETRY", "1")


def program(name: str) -> str | None:
    """Return where a program is found on ``PATH``."""
    return shutil.which(name)


def _base(variable: str, default: str) -> Path:
    base = os.environ.get(variable, "")
    # the XDG rules: a relative path there is to be ignored
    return Path(base) if Path(base).is_absolute() else Path.home() / default
