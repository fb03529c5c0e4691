"""Where events go: a file of this folder a kind of sink."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evenflow.errors import DataError
from evenflow.progress import OnEvent, ignore
from evenflow.runtime.forms import FORMS
from evenflow.runtime.sinks._outbox import Counts as Counts
from evenflow.runtime.sinks._outbox import Outbox as Outbox
from evenflow.runtime.sinks._outbox import RejectedError as RejectedError
from evenflow.runtime.sinks._outbox import Transport as Transport


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Settings that all sinks of a run share."""

    form: str = "eve"
    patience_s: float = 10.0
    """Longest time that a full queue makes the writer wait."""
    on_event: OnEvent = ignore
    open_database: Callable[[str], Transport] | None = None
    """Opens the database of a web application, which lies above this package."""

    def text(self, event: dict[str, Any]) -> bytes:
        """Return an event as one line of JSON in ASCII, without its end."""
        return json.dumps(FORMS[self.form](event), separators=(",", ":")).encode()

    def outbox(self, name: str, transport: Any, encode: Any) -> Outbox:
        """Return the queue in front of a transport."""
        return Outbox(
            name, transport, encode, patience_s=self.patience_s, on_event=self.on_event
        )


def names() -> list[str]:
    """Return the kinds of sinks."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))


def open_sink(spec: str, setup: Setup) -> Outbox:
    """Return the sink that ``kind:target`` names.

    Parameters
    ----------
    spec : str
        ``stdout``, ``eve:FILE``, ``syslog:udp://HOST:PORT`` and so on.
    setup : Setup

    Raises
    ------
    DataError
        There is no such kind, or its target is invalid.
    StorageError
        A file cannot be written.
    """
    kind, _, target = spec.partition(":")
    if kind not in names():
        raise DataError(
            f"found the sink {spec!r}, expected one of {', '.join(names())}, such as "
            "eve:alerts.json. Correct its kind"
        )
    module = importlib.import_module(f"evenflow.runtime.sinks.{kind}")
    outbox: Outbox = module.open_sink(target, setup)
    return outbox
