"""A process of a server: ``python -m evenflow.cli.child web FD`` or ``worker LANE``.

Started by :mod:`evenflow.cli.serve`, never by a person. Settings, secrets among them,
come on standard input.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
from typing import Any

from evenflow.cli.voice import Voice
from evenflow.errors import EvenflowError
from evenflow.places import worker_fault

logger = logging.getLogger("evenflow.child")

GIVEN_IS_WRONG = 2


def main(words: list[str]) -> int:
    """Run one process of a server; return its exit code."""
    text = sys.stdin.read()
    if not text:  # the parent was gone before it could say anything
        return 0
    given = json.loads(text)
    voice = Voice(**given["voice"])
    voice.set_up_logging()
    if not voice.quiet:
        logging.getLogger("evenflow.access").setLevel(logging.INFO)
    from evenflow.web.serve.supervisor import die_with

    if not die_with(given["parent"]):
        return 0
    try:
        _run(words, given["settings"])
    except EvenflowError as error:
        logger.error("%s", error)
        return GIVEN_IS_WRONG
    except Exception:
        logger.exception("%s ended with an error", " ".join(words))
        return 1
    return 0


def _run(words: list[str], value: dict[str, Any]) -> None:
    from evenflow.web.settings import Settings
    from evenflow.web.store import folder_lock

    settings = Settings.from_dict(value, source="settings")
    with folder_lock.shared(settings.home):
        if words[0] == "web":
            from evenflow.web.jobs.worker import bound_memory
            from evenflow.web.serve.server import CONNECTIONS, Server

            bound_memory(settings.web_memory_mb)  # of each process it forks as well
            # each connection is a descriptor, and the usual limit is 1024 in all
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            room = 4 * CONNECTIONS
            soft = room if hard == resource.RLIM_INFINITY else min(room, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            Server(settings, int(words[1])).run()
        else:
            from evenflow.web.datasets.job import queue_missing
            from evenflow.web.jobs.worker import work

            first = queue_missing if words[1] == "train" else None
            work(settings, words[1], _stopped(), worker_fault(), first)


def _stopped() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: Any) -> None:
        # from another thread: this one may be inside the event's own lock
        threading.Thread(target=stop.set, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
