"""Work that nobody waits for, done one after the other by a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Later:
    """Work that waits its turn, for a thread of that name.

    The thread starts with the first work. Of more than ``most`` that would wait at the
    same time, the rest is dropped and logged.
    """

    def __init__(self, name: str, most: int = 500) -> None:
        self.name = name
        self._waiting: queue.Queue[tuple[Callable[[], None], threading.Event]]
        self._waiting = queue.Queue(most)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, work: Callable[[], None], *, patience_s: float = 0.0) -> None:
        """Do it later; wait so long for its end, unless other work is before it."""
        is_next = self._waiting.unfinished_tasks == 0
        done = threading.Event()
        try:
            self._waiting.put_nowait((work, done))
        except queue.Full:
            logger.error("%s: as much waits as may; one thing was dropped", self.name)
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name=self.name, daemon=True
                )
                self._thread.start()
        if is_next and patience_s:
            done.wait(patience_s)

    def wait(self) -> None:
        """Wait until all is done."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            work, done = self._waiting.get()
            try:
                work()
            except Exception:
                logger.exception("%s: one thing failed", self.name)
            finally:
                done.set()
                self._waiting.task_done()
