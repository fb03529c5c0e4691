"""A small parent: starts the processes of a server, restarts one that dies, ends all.

A child that is started again learns in its environment whether the one before ended by
a fault of its own: a crash, or memory that ran out. It was not at fault if somebody
ended it.

It loads no model and answers no request, so there is little in it that can fail. A
child that dies is started again, later each time; children end with their parent,
however that ends.
"""

from __future__ import annotations

import ctypes
import http.client
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenflow.errors import EvenflowError

FIRST_WAIT_S, MAX_WAIT_S = 0.5, 30.0
STEADY_S = 60.0
"""Seconds after which a child is taken to run well."""
READY_S = 120.0
"""Seconds a server has for its first answer."""
TRIES = 4
"""Times the web server may die before its first answer."""
LOOK_S = 0.1
FAULT = "EVENFLOW_FAULT"
"""Variable with the process id of the child before, where that was at fault."""
OOM_S = 10.0
"""Seconds that a process takes at most to end once the kernel ends it for memory."""
FAULTS = {
    signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE,
    signal.SIGSYS, signal.SIGTRAP, signal.SIGXCPU, signal.SIGXFSZ,
}  # fmt: skip
_SET_PDEATHSIG = 1


@dataclass(kw_only=True)
class Child:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stdin: bytes
    """Written to its standard input: secrets stand in no argument and no variable."""
    descriptors: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        """Start the process, in its own session: Ctrl-C reaches the parent only."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 (our own program)
            self.command,
            stdin=subprocess.PIPE,
            env=dict(self.environment),
            pass_fds=tuple(self.descriptors),
            start_new_session=True,
        )
        assert self.process.stdin is not None  # noqa: S101 (a pipe was asked for)
        with suppress(BrokenPipeError), self.process.stdin as stream:
            stream.write(self.stdin)

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the process, or to it and all it has started."""
        if self.process is not None:
            send = os.killpg if group else os.kill
            with suppress(ProcessLookupError, PermissionError):
                send(self.process.pid, number)


@dataclass
class Supervisor:
    """The children, and how they are kept."""

    children: list[Child]
    say: Callable[[str], None]
    """Is told what happens, a line each."""
    stop_s: float = 25.0
    """Seconds the children have to end before they are killed."""
    signals: list[int] = field(default_factory=list)
    _oom_kills: int = -1
    _oom_at: float = -math.inf

    def run(self, is_ready: Callable[[], bool], ready: Callable[[], None]) -> None:
        """Run until SIGTERM or SIGINT; all children have ended afterwards.

        ``ready`` is called once ``is_ready`` says that the first child answers.

        Raises
        ------
        EvenflowError
            The first child did not become ready.
        """
        kept = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            for child in self.children:
                child.start()
            self._wait(is_ready)
            if not self.signals:
                ready()
            while not self.signals:
                self._look()
                time.sleep(LOOK_S)
        finally:
            self.stop()
            for number, handler in kept.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End all children: politely, after a time or a second signal by force."""
        asked = len(self.signals)
        for child in self.children:
            child.signal(signal.SIGTERM)
        end = time.monotonic() + self.stop_s
        while any(_runs(child) for child in self.children):
            if time.monotonic() > end or len(self.signals) > asked:
                self.say("Some processes did not end in time and were killed")
                break
            time.sleep(LOOK_S)
        for child in self.children:
            child.signal(signal.SIGKILL, group=True)
            if child.process is not None:
                child.process.wait()

    def _on_signal(self, number: int, _frame: Any) -> None:
        self.signals.append(number)

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        end, first = time.monotonic() + READY_S, self.children[0]
        while not self.signals and not is_ready():
            if time.monotonic() > end or first.deaths >= TRIES:
                raise EvenflowError(
                    f"{first.name} did not become ready within {READY_S:.0f} s. See "
                    "the log above, correct the cause and start again"
                )
            self._look()
            time.sleep(LOOK_S)

    def _look(self) -> None:
        now, n = time.monotonic(), oom_kills()
        if n > self._oom_kills and self._oom_kills >= 0:
            self._oom_at = now
        self._oom_kills = n
        for child in self.children:
            if _runs(child):
                if child.deaths and now - child.started > STEADY_S:
                    child.deaths = 0
            elif not child.again_at:
                assert child.process is not None  # noqa: S101 (it was started)
                wait = min(FIRST_WAIT_S * 2**child.deaths, MAX_WAIT_S)
                child.deaths += 1
                child.again_at = now + wait
                child.signal(signal.SIGTERM, group=True)
                code, pid = child.process.returncode, child.process.pid
                kept = {k: v for k, v in child.environment.items() if k != FAULT}
                is_fault = was_at_fault(code, oom=now - self._oom_at < OOM_S)
                child.environment = kept | ({FAULT: str(pid)} if is_fault else {})
                how = _end_text(code)
                self.say(f"{child.name} {how}; starting it again in {wait:g} s")
            elif now >= child.again_at:
                child.again_at = 0.0
                child.start()


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None


def was_at_fault(code: int, *, oom: bool) -> bool:
    """Return whether a process that ended with that code was itself at fault.

    ``oom`` says whether the kernel ended some process for memory just before.
    """
    if code == -signal.SIGKILL:
        return oom
    return code > 0 or -code in FAULTS


def oom_kills() -> int:
    """Return how many processes of this machine the kernel has ended for memory."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    found = (line.split() for line in text.splitlines())
    return next((int(words[1]) for words in found if words[0] == "oom_kill"), 0)


def _end_text(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"


def die_with(parent: int) -> bool:
    """Let this process get SIGTERM when its parent dies; False if it is dead."""
    with suppress(OSError, AttributeError):  # no Linux: the parent's word has to do
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def answers(host: str, port: int) -> bool:
    """Return whether a web server says that it is alive."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
