"""One scorer of a group groups the attacks that all of them find.

A scan that is shared among scorers is one incident, as on one machine: attacks are
grouped in the order of the entries that hold them, so an entry waits for those before
it, also for one that a scorer left and another takes over. Each entry counts once,
however often it is scored. What is known of incidents is kept beside the stream; when
the scorer that leads ends, another goes on from there, and says a few events again,
with the same ids.
"""

from __future__ import annotations

import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from evenflow.errors import DataError
from evenflow.progress import Note, OnEvent, ignore
from evenflow.runtime.bus import scored
from evenflow.runtime.bus.batch import Head
from evenflow.runtime.bus.client import Entry, Number, Stream, number
from evenflow.runtime.bus.scored import Scored
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.watch import Watch

FORMAT = 1
MOST_READ = 64
MOST_SENSORS = 1024
MOST_STATE_BYTES = 2**28
STEP_S = 0.5
"""Time to group for, between two reads of entries to score."""
SAVE_S = 1.0
SAVE_SHARE = 0.05
"""Share of the time that saving may take."""
FLUSH_S = 0.2
LEAST_LEASE_S = 1.0


class Lead:
    """A scorer's part in grouping: it leads, or waits for the one that does to end.

    Parameters
    ----------
    consumer : str
        Name of the scorer.
    idle_s : float
        Time after which a scorer that does nothing no longer leads.
    """

    def __init__(
        self,
        stream: Stream,
        consumer: str,
        *,
        idle_s: float,
        on_event: OnEvent = ignore,
    ) -> None:
        self.stream, self.consumer = stream, consumer
        self.is_leading = self.is_behind = False
        self.rejected = 0
        self._lease_s = max(idle_s, LEAST_LEASE_S)
        self._on_event = on_event
        self._waits: dict[Number, Entry] = {}
        self._after = b"0-0"
        self._grouped: list[bytes] = []
        self._done: Number = (0, 0)
        self._settled_ns = 0
        self._last: OrderedDict[tuple[str, int], int] = OrderedDict()
        """Sequence of the last batch of each run of a sensor."""
        self._n_dropped = 0
        self._saves = self._saved = self._held = 0.0

    def step(self, found: Watch) -> bool:
        """Group what was scored, where no other scorer leads; return whether it did."""
        if not self._leads(found):
            return False
        if time.monotonic() < self._saves or self._save(found):
            for one in self._next():
                if self._is_new(one.head):
                    found.group(found.explained(one.attacks))
                self._settled_ns = max(self._settled_ns, one.head.settled_ns or 0)
                if self._settled_ns:
                    found.advance(self._settled_ns)
        return self.is_leading

    def finish(self, found: Watch, flush_s: float) -> bool:
        """Keep what is known once the sinks have it, and let another lead."""
        if self.is_leading:
            found.flush(flush_s)
            if self._save(found):
                self._leave(found)
        return True

    def _leads(self, found: Watch) -> bool:
        lease_ms = round(1000 * self._lease_s)
        if self.is_leading:
            if self.stream.lead_on(self.consumer, lease_ms=lease_ms):
                return True
            self._leave(found)
        if any(sink.counts.waiting for sink in found.sinks):
            return False  # another scorer's sinks may work
        if self.stream.lead(self.consumer, lease_ms=lease_ms):
            self._begin(found)
        return self.is_leading

    def _begin(self, found: Watch) -> None:
        """Go on from where the last one that led has left it."""
        self._waits, self._grouped, self._after = {}, [], b"0-0"
        self._done, self._settled_ns = (0, 0), 0
        self._last.clear()
        if data := self.stream.saved():
            try:
                # what is cut off by the limit is no JSON
                state = zlib.decompressobj().decompress(data, MOST_STATE_BYTES)
                value = json.loads(state)
                if value["format"] != FORMAT:
                    raise DataError(f"found the format {value['format']!r}")
                (first, second), last = value["done"], value["last"]
                _restore(found.incidents, value["incidents"])
                self._done = int(first), int(second)
                self._last.update(((str(s), int(r)), int(n)) for s, r, n in last)
            except (
                DataError, ValueError, KeyError, TypeError, AttributeError, zlib.error,
            ) as error:  # fmt: skip
                _restore(found.incidents, Incidents().to_dict())
                self._done = 0, 0
                self._last.clear()
                self._say(f"the incidents on the bus are not used: {error}")
        self._n_dropped, self._saved = found.n_dropped, time.monotonic()
        self._saves, self._held = self._saved + SAVE_S, 0.0
        self.is_leading = True
        text = "this scorer groups the alerts of all scorers into incidents"
        self._on_event(Note(text=text))

    def _leave(self, found: Watch, why: str = "") -> None:
        if why:
            self._say(f"{why}: another scorer will group the alerts and send them")
        self.is_leading = self.is_behind = False
        _restore(found.incidents, Incidents().to_dict())
        self.stream.let_lead(self.consumer)

    def _next(self) -> Iterator[Scored]:
        """Yield what was scored, in the order of its entries, for some time."""
        ends = time.monotonic() + STEP_S
        # first how far all is scored, and then what was: nothing is missing before it
        before = self.stream.finished_before()
        self._read()
        ready = sorted(entry for entry in self._waits if entry < before)
        self.is_behind = False
        for entry in ready:
            if time.monotonic() > ends:
                self.is_behind = True
                return
            held = self._waits.pop(entry)
            self._grouped.append(held.id)
            self._done = entry[0], entry[1] + 1
            try:
                yield scored.read(held.fields)
            except DataError as error:
                self._reject(held, str(error))
        self._done = max(self._done, before)

    def _is_new(self, head: Head) -> bool:
        """Return whether a batch comes for the first time, and take note of it.

        A sensor that lost its connection before the answer publishes a batch again,
        and none before it.
        """
        key = (head.sensor, head.run)
        last = self._last.pop(key, -1)
        self._last[key] = max(last, head.sequence)
        if len(self._last) > MOST_SENSORS:
            self._last.popitem(last=False)
        return head.sequence > last

    def _read(self) -> None:
        while found := self.stream.scored(self._after, most=MOST_READ):
            self._after = found[-1].id
            for entry in found:
                try:
                    of = number(entry.fields.get(b"entry", b""))
                except ValueError:
                    self._grouped.append(entry.id)
                    self._reject(entry, "found no entry that was scored")
                    continue
                if of < self._done or of in self._waits:
                    self._grouped.append(entry.id)  # two scorers had it
                else:
                    self._waits[of] = entry

    def _save(self, found: Watch) -> bool:
        """Keep what is known; return whether to go on grouping.

        The sinks have all events first. Where they do not, another may lead, and sends
        them again.
        """
        begun = time.monotonic()
        if not self._grouped:
            self._saved, self._saves = begun, begun + SAVE_S
            return True
        is_sent = found.flush(FLUSH_S)
        if found.n_dropped > self._n_dropped:
            self._leave(found, "a sink has dropped events")
            return False
        if not is_sent:
            self._held = self._held or begun
            if begun - self._held > self._lease_s:
                self._leave(found, "a sink does not take events")
            return False
        self._held = 0.0
        value = {
            "format": FORMAT,
            "done": self._done,
            "last": [[*key, n] for key, n in self._last.items()],
            "incidents": found.incidents.to_dict(),
        }
        data = zlib.compress(json.dumps(value).encode(), 1)
        if not self.stream.save(self.consumer, data, self._grouped):
            self._leave(found)
            return False
        self._grouped = []
        self._saved = time.monotonic()
        self._saves = self._saved + max((self._saved - begun) / SAVE_SHARE, SAVE_S)
        return True

    def _reject(self, entry: Entry, reason: str) -> None:
        self.stream.reject(entry, reason, is_pending=False)
        self.rejected += 1
        if self.rejected == 1:
            self._say(f"what was scored is rejected: {reason}")

    def _say(self, text: str) -> None:
        self._on_event(Note(text=text, is_warning=True))


def _restore(incidents: Incidents, value: Any) -> None:
    """Have incidents go on from a state; counts remain those of this run."""
    counts, suppressed = incidents.counts, incidents.suppressed
    incidents.restore(value)
    incidents.counts, incidents.suppressed = counts, suppressed
