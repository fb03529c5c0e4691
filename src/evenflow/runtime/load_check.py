"""The first load of a bundle from elsewhere, in a process of its own.

ONNX Runtime is native code: a fault in it ends the process. Here that process is a
child with limits of time and memory, and its end is a message.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenflow.errors import BundleError
from evenflow.runtime.folder import AGAIN, LIMITS, SUMS, sha256

logger = logging.getLogger(__name__)

MB = 2**20
BASE_BYTES = 4096 * MB
"""Address space of a load: Polars and ONNX Runtime reserve far more than they use."""
BYTES_PER_BYTE = 8
"""More of it for each byte of the bundle."""
BASE_S = 60
"""Processor seconds of a load."""
BYTES_PER_S = 10 * MB
"""One second more for so many bytes of the bundle."""
WAITING = 5
"""Times the processor seconds that a load may take on a busy machine."""
REFUSED_S = 60
"""Seconds for which a bundle that was refused is not tried again."""

_lock = threading.Lock()
_tried: dict[str, tuple[float, BundleError | None]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    memory_bytes: int
    cpu_s: int

    @classmethod
    def of(cls, folder: Path) -> _Limits:
        size = 0
        for name, most in LIMITS.items():
            try:
                size += min((folder / name).lstat().st_size, most)
            except OSError:  # the load itself will say what is missing
                continue
        return cls(
            memory_bytes=BASE_BYTES + BYTES_PER_BYTE * size,
            cpu_s=BASE_S + size // BYTES_PER_S,
        )


def run(folder: Path) -> list[str]:
    """Return the checks that a bundle passed, in words; each in a child process.

    Raises
    ------
    BundleError
        A check failed, or the load crashed or passed a limit.
    """
    limits = _Limits.of(folder)
    command = (sys.executable, "-P", "-m", __name__, str(folder))
    words = (*command, str(limits.memory_bytes), str(limits.cpu_s))
    try:
        done = subprocess.run(  # noqa: S603
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WAITING * limits.cpu_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _ended(folder, f"took over {WAITING * limits.cpu_s} s") from None
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot start a process to load it in ({error.strerror}), "
            "expected one. Free memory and try again"
        ) from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        logger.info("the load wrote: %s", done.stderr[-4000:].decode(errors="replace"))
        raise _ended(folder, _how(done.returncode, limits)) from None
    if "error" in answer:
        raise BundleError(answer["error"])
    return list(answer["passed"])


def once(folder: Path) -> None:
    """Load a bundle in a child process, unless this process did so before.

    Raises
    ------
    BundleError
        As :func:`run`.
    """
    try:
        sums = sha256((folder / SUMS).read_bytes())
    except OSError:
        return  # no bundle: the load says so and runs nothing
    with _lock:  # one at a time: each may take the memory that its limit allows
        tried_at, error = _tried.get(sums, (0.0, None))
        if tried_at and error is None:
            return
        if error is None or time.monotonic() - tried_at > REFUSED_S:
            error = None
            try:
                run(folder)
            except BundleError as found:
                error = found
            _tried[sums] = (time.monotonic(), error)
    if error is not None:
        raise BundleError(str(error))


def _how(code: int, limits: _Limits) -> str:
    if code == -signal.SIGXCPU:
        return f"took over {limits.cpu_s} s of processor time"
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL), usually because memory ran out"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _ended(folder: Path, how: str) -> BundleError:
    return BundleError(
        f"{folder}: found that loading it in a process of its own {how}, expected a "
        f"bundle that loads. {AGAIN}, and do not use this one"
    )


def main(folder: Path, memory_bytes: int, cpu_s: int) -> None:
    """Load a bundle within limits and print, as JSON, how it went."""
    # also of data, which the process that loads may have set lower for itself alone
    memory = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    hard = [resource.getrlimit(limit)[1] for limit in memory]
    memory_bytes = min(
        [memory_bytes, *(h for h in hard if h != resource.RLIM_INFINITY)]
    )
    for limit, most in (
        *((limit, memory_bytes) for limit in memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        ceiling = resource.getrlimit(limit)[1]
        soft = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(limit, (soft, ceiling))
    from evenflow.runtime.verify import checks

    answer: dict[str, Any]
    try:
        answer = {"passed": checks(folder, threads=1)}
    except BundleError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {
            "error": f"{folder}: found that loading it takes over "
            f"{memory_bytes // MB} MB, expected less. {AGAIN}, and do not use this one"
        }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
