"""The environment of a running job, and how it reports its progress.

A kind of job is one file here that holds ``run(task)``. It tells what happens through
``task.on_event``, which ends it at once when somebody asked to stop it, when the
worker has to leave or when the job was given to another worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy.orm import Session

from evenflow import inference
from evenflow.progress import Event, Note, Progress
from evenflow.web.jobs import queue
from evenflow.web.models.detectors import Detectors
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import Home, open_home
from evenflow.web.store.database import Database, Failed, open_database
from evenflow.web.store.tables import Job

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""Progress is stored so often at most."""
RENEW_S = 5.0
"""Heartbeat interval; stop requests are noticed at each heartbeat."""
GRACE_S = 5.0
"""Seconds a job has to end by itself when the worker leaves."""
MAX_NOTES = 50


class Stopped(Exception):  # noqa: N818 (an outcome, not an error)
    """Somebody asked to stop the job."""


class Leaving(Exception):  # noqa: N818
    """The worker has to leave, or a person's job goes first: back to the queue."""


class LeaseLost(Exception):  # noqa: N818
    """The job was given to another worker, or deleted: let go of it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a job; the worker stores it."""

    result: dict[str, Any]
    """JSON values for ``job.result``."""
    store: Callable[[Session], None] | None = None
    """Adds what the job made, in the transaction that ends the job; may run again
    after a transaction that failed."""
    after: Callable[[], None] | None = None
    """Cleans up once that is committed; may be lost when the worker dies."""


class Lease:
    """Keeps a job leased from a thread of its own, however silent the job is."""

    def __init__(
        self, database: Database, job: Job, lease_s: float, leave: threading.Event
    ) -> None:
        self._database, self._job, self._lease_s = database, job, lease_s
        self._leave = leave
        self._over = threading.Event()
        self._progress: dict[str, Any] = {}
        self._is_new = False
        self._is_stopped = self._is_lost = self._gives_way = False
        self._thread = threading.Thread(
            target=self._keep, name=f"lease-{job.id}", daemon=True
        )

    def __enter__(self) -> Self:
        """Start to renew."""
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop renewing; what comes next is up to the caller."""
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what ends the job, if anything does."""
        if self._is_lost:
            raise LeaseLost
        if self._is_stopped:
            raise Stopped
        if self._leave.is_set() or self._gives_way:
            raise Leaving

    def is_ours(self) -> bool:
        """Return whether the job is still this worker's, asked of the database now."""
        answer = self._try(lambda s: queue.renew(s, self._job, self._lease_s, None))
        return isinstance(answer, bool)

    def set_progress(self, progress: dict[str, Any]) -> None:
        """Set the progress that the next renewal stores."""
        self._progress, self._is_new = progress, True

    def _keep(self) -> None:
        tick = min(TICK_S, self._lease_s / 8)
        renewed = time.monotonic()
        left_at: float | None = None
        while not self._over.wait(tick):
            at = time.monotonic()
            if self._leave.is_set():
                left_at = left_at or at
                if at - left_at > GRACE_S:  # killed in a moment: let it be found
                    self._is_lost = True
                    self._try(lambda s: queue.release(s, self._job))
                    return
            if not self._is_new and at - renewed < min(RENEW_S, self._lease_s / 4):
                continue
            progress, self._is_new = (self._progress if self._is_new else None), False
            answer = self._try(
                lambda s, p=progress: queue.renew(s, self._job, self._lease_s, p)  # type: ignore[misc]
            )
            if isinstance(answer, _Away):
                self._is_new = self._is_new or progress is not None
                continue
            renewed = at
            self._gives_way = self._try(lambda s: queue.gives_way(s, self._job)) is True
            self._is_stopped = self._is_stopped or bool(answer)
            if answer is None:
                self._is_lost = True
                return

    def _try(self, work: Callable[[Session], bool | None]) -> bool | _Away | None:
        try:
            with self._database.session() as session:
                return work(session)
        except Failed as error:
            logger.warning("lease of job %s not renewed: %s", self._job.id, error)
            return _Away()


class _Away:
    """The database did not answer."""


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The resources of a worker process."""

    settings: Settings
    home: Home
    database: Database
    detectors: Detectors
    name: str = field(default_factory=queue.worker_name)
    """Names the worker in its leases; unlike any other."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return the workplace of one server."""
        home, database = open_home(settings.home), open_database(settings)
        detectors = Detectors(home, database, threads=inference.cores())
        return cls(settings=settings, home=home, database=database, detectors=detectors)


@dataclass(frozen=True, kw_only=True)
class Task(Workplace):
    """One job, and the workplace that runs it."""

    job: Job
    """As it was taken; detached from any session."""
    lease: Lease
    progress: dict[str, Any] = field(default_factory=dict)
    """As pages show it."""

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the job."""
        return self.job.payload

    @property
    def uploaded(self) -> Path:
        """Folder of what was sent for the job."""
        return self.home.uploads / self.job.id

    @property
    def results(self) -> Path:
        """Folder for what the job makes."""
        return self.home.results / self.job.id

    def on_event(self, event: Event) -> None:
        """Take an event of evenflow: keep it as progress, end the job if it must.

        Raises
        ------
        Stopped, Leaving, LeaseLost
            Let them pass: the worker knows what to do.
        """
        if isinstance(event, Progress):
            self.set_progress(**asdict(event))
        elif isinstance(event, Note):
            notes = [*self.progress.get("notes", ()), event.text]
            self.set_progress(notes=notes[-MAX_NOTES:])

    def set_progress(self, **values: Any) -> None:
        """Set some of the progress, any JSON values; end the job if it must."""
        self.progress.update(values)
        self.lease.set_progress(dict(self.progress))
        self.lease.check()

    def check(self) -> None:
        """End the job if it must; call it in a long step that has no events."""
        self.lease.check()
