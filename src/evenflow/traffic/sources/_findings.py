"""Lines of a log that are not connections, counted; the first few are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent

MOST_NAMED = 3
MOST_KINDS = 64
"""Maximum number of kinds that are counted apart: they come from the file."""
MOST_SHOWN = 60


class Findings:
    """Facts that a reader of a log's connections should know.

    Parameters
    ----------
    source : str
        Name of the log for messages.
    on_event : callable
        Gets a note for each of the first lines that cannot be read, and the counts
        when the log ends.
    patience : int
        Lines of another kind after which the file is refused.
    """

    def __init__(self, source: str, on_event: OnEvent, *, patience: int = 0) -> None:
        self.source, self.on_event, self.patience = source, on_event, patience
        self.n_unreadable = self._n_other = 0
        self.skipped: Counter[str] = Counter()
        self._remarks: set[str] = set()

    def unreadable(self, line: int, what: str) -> None:
        """Count a line that cannot be read.

        Parameters
        ----------
        what : str
            What was found and what was expected.
        """
        self.many_unreadable([line], lambda _: what)

    def many_unreadable(self, lines: Sequence[int], what: Callable[[int], str]) -> None:
        """Count lines that cannot be read.

        Parameters
        ----------
        what : callable
            Returns what was found in the k-th of them, and what was expected.
        """
        n_named = max(MOST_NAMED - self.n_unreadable, 0)
        self.n_unreadable += len(lines)
        for k, line in enumerate(lines[:n_named]):
            text = f"{self.source}, line {line}: {what(k)}. The line was not read"
            self.on_event(Note(text=text, is_warning=True))

    def refuse(self, lines: Sequence[int], what: str) -> None:
        """Count lines of a file that may not be such a log.

        Parameters
        ----------
        what : str
            What was found and what was expected.

        Raises
        ------
        DataError
            There were too many of them.
        """
        self._n_other += len(lines)
        if self._n_other > self.patience:
            raise DataError(f"{self.source} {what}")
        self.many_unreadable(lines, lambda _: what)

    def incomplete(self, line: int) -> None:
        """Count a last line without its end."""
        text = (
            f"incomplete lines of {self.source}: 1 (line {line} has no end and was not "
            "read)"
        )
        self.on_event(Note(text=text, is_warning=True))

    def skip(self, kind: str, n: int = 1) -> None:
        """Count records that are not connections."""
        kind = shown(kind)
        if kind not in self.skipped and len(self.skipped) >= MOST_KINDS:
            kind = "other kinds"
        self.skipped[kind] += n

    def remark(self, text: str, *, is_warning: bool = False) -> None:
        """Pass on a fact about the log, once."""
        if text not in self._remarks:
            self._remarks.add(text)
            self.on_event(Note(text=text, is_warning=is_warning))

    def close(self) -> None:
        """Report the counts."""
        if n := self.n_unreadable:
            text = f"lines of {self.source} that could not be read: {n:,}"
            self.on_event(Note(text=text, is_warning=True))
        for kind, n in self.skipped.most_common():
            text = f"records of {self.source} that are not connections ({kind}): {n:,}"
            self.on_event(Note(text=text))


def shown(value: object) -> str:
    """Return a value from a file as one short line."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
