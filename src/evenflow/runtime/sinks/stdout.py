"""Standard output: a line of JSON an event."""

from __future__ import annotations

import os
from collections.abc import Sequence

from evenflow.errors import DataError
from evenflow.runtime.sinks import Outbox, Setup


class Stdout:
    """Descriptor 1."""

    most_messages = 256

    def send(self, messages: Sequence[bytes]) -> None:
        """Write lines, whole."""
        data = memoryview(b"".join(messages))
        while data:
            data = data[os.write(1, data) :]

    def sync(self) -> None:
        """Do nothing: each batch is written at once."""

    def close(self) -> None:
        """Leave the stream open: it is not ours."""


def open_sink(target: str, setup: Setup) -> Outbox:
    """Return standard output as a sink."""
    if target:
        raise DataError(
            f"found the sink 'stdout:{target}', expected stdout alone. For a file, "
            "name eve:FILE"
        )
    return setup.outbox("stdout", Stdout(), lambda event: setup.text(event) + b"\n")
