"""The bundle that takes the place of one in use: loaded beside the work.

``evenflow retrain`` puts a better bundle in the place of a folder by a rename; a watch
that runs for weeks is to score with it, and to miss nothing meanwhile.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from evenflow.errors import BundleError, EvenflowError, StorageError
from evenflow.runtime import bundle as bundles
from evenflow.runtime.bundle import Bundle
from evenflow.traffic.contracts import Contract

EVERY_S = 2.0
"""Seconds between two looks at the folder."""
Files = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of change of each."""


class Successor:
    """A folder whose bundle is in use, and what comes in its place.

    Parameters
    ----------
    folder : Path
    contract : Contract
        What gives the columns that a bundle may read.
    used : tuple
        What :func:`files_of` returned before the bundle in use was loaded.
    stop : Event
        Ends the thread that looks.
    """

    def __init__(
        self, folder: Path, contract: Contract, used: Files, stop: threading.Event
    ) -> None:
        self.folder, self.contract = folder, contract
        self._used, self._stop = used, stop
        self._found: SimpleQueue[Bundle | EvenflowError] = SimpleQueue()
        threading.Thread(target=self._look, name="successor", daemon=True).start()

    def take(self) -> Bundle | None:
        """Return a bundle that was put there since, once; None most of the time.

        Raises
        ------
        BundleError, StorageError
            What was put there cannot be used; raised once.
        """
        found = None
        with suppress(Empty):
            while True:  # what came last is what lies there
                found = self._found.get_nowait()
        if isinstance(found, EvenflowError):
            raise found
        return found

    def _look(self) -> None:
        """Load what comes; files still being written do not look the same twice."""
        seen = self._used
        while not self._stop.wait(EVERY_S):
            before, seen = seen, files_of(self.folder)
            if seen and seen == before != self._used:
                self._used = seen
                try:
                    found = _fitting(bundles.load(self.folder), self.contract)
                    self._found.put(found)
                except EvenflowError as error:
                    self._found.put(error)
                except OSError as error:  # replaced again while it was read
                    why = f"cannot read {self.folder}: {error}"
                    self._found.put(StorageError(why))


def files_of(folder: Path) -> Files:
    """Return what tells the files of a folder from others; nothing without one."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries]
    except OSError:
        return ()
    return tuple(
        sorted((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found)
    )


def _fitting(bundle: Bundle, contract: Contract) -> Bundle:
    """Return a bundle whose columns the contract gives."""
    lacking = [name for name in bundle.schema.features if name not in contract.had]
    if lacking:
        raise BundleError(
            f"{bundle.path} reads the column {lacking[0]}, expected columns of the "
            f"contract {contract.name} alone, as before. Start another watch for it"
        )
    return bundle
