"""Connections to verdicts, alerts and incidents, as they come.

One connection goes one way: contract, bundle, verdict, incident, sinks. Memory is
bounded whatever the traffic: batches are cut, incidents and queues have a cap.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.conform import BadRow, check
from evenflow.inference.trees import COMPILE_AFTER
from evenflow.progress import Note, OnEvent, ignore
from evenflow.runtime.ages import Ages
from evenflow.runtime.attacks import Attacks
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.drift import Drift
from evenflow.runtime.drift_report import Finding
from evenflow.runtime.events import (
    Event,
    Model,
    alert_event,
    drift_event,
    incident_event,
    model_event,
)
from evenflow.runtime.explain import Leading
from evenflow.runtime.incidents.alert import Alert, Feature
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.incidents.incident import Report
from evenflow.runtime.judging import judge
from evenflow.runtime.recent import Recent
from evenflow.runtime.sinks import Outbox
from evenflow.schema import Table

MOST_ROWS = 8192
"""Connections that are scored at once."""
MOST_EXPLAINED = 128
"""Alerts of so many connections whose leading columns are computed."""
MOST_NAMED = 3
"""Rejected connections that are named."""
LATE_S = 1.0
"""Age of a verdict from which on it is late."""
FLUSH_S = 5.0
SECOND = 10**9


class Rows(Protocol):
    """A contract at work: connections to rows of a model's columns."""

    def add(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, in their order."""

    def fitting(
        self, connections: pl.DataFrame, on_event: OnEvent
    ) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        """Return the connections that can have a row, and which they are."""

    def notes(self) -> list[str]:
        """Return how many could not, by the reason."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what is known of the connections so far."""


@dataclass(kw_only=True)
class Totals:
    """Counts of a run."""

    connections: int = 0
    """Those that have ended."""
    verdicts: int = 0
    rejected: int = 0
    """Rows that the model cannot score."""
    classes: Counter[str] = field(default_factory=Counter)
    """Verdicts by class."""
    alerts_sent: int = 0
    ages: Ages = field(default_factory=Ages)

    @property
    def attacks(self) -> int:
        """Verdicts that are attacks."""
        return sum(n for name, n in self.classes.items() if name != "benign")


class Watch:
    """A detector at work.

    Parameters
    ----------
    bundle : Bundle
    rows : Rows
        The bundle's contract, started.
    incidents : Incidents
    sinks : sequence of Outbox
    clock : callable, optional
        Returns the time of live traffic in nanoseconds; without it a verdict's age is
        counted from when its batch was given.
    on_report : callable, optional
        Gets what is reported of incidents.
    on_event : callable, optional
        Gets notes.
    """

    def __init__(
        self,
        bundle: Bundle,
        rows: Rows,
        incidents: Incidents,
        sinks: Sequence[Outbox] = (),
        *,
        clock: Callable[[], int] | None = None,
        on_report: Callable[[Report], None] = lambda _: None,
        on_event: OnEvent = ignore,
    ) -> None:
        self.rows, self.incidents = rows, incidents
        self.sinks, self.totals = tuple(sinks), Totals()
        self._clock, self._on_report, self._on_event = clock, on_report, on_event
        self._use(bundle)
        self._last_ns = 0
        self._is_late = False
        self._n_named = 0
        self.recent = Recent() if any(sink.shows for sink in sinks) else None

    def _use(self, bundle: Bundle) -> None:
        self.bundle, self.model = bundle, Model.of(bundle)
        self._leading = Leading(bundle) if len(bundle.reference) else None
        self.drift: Drift | None = None
        """Whether traffic looks like the calibration rows; None if that is unknown."""
        if bundle.baseline is not None:
            self.drift = Drift(bundle.baseline, bundle.schema.classes, is_live=True)

    def replace(self, bundle: Bundle) -> None:
        """Score with another bundle of the same contract; incidents and rows go on.

        Drift starts over: it is told from the calibration rows of the bundle.
        """
        before = self.model
        self._use(bundle)
        self._say_model(
            "replaced",
            f"{bundle.path} was replaced: {self.model.name} {self.model.version} "
            f"scores from now on, in place of {before.version}",
        )

    def keep(self, reason: str) -> None:
        """Say that a bundle in the place of this one cannot be used, and why."""
        self._say_model(
            "kept",
            f"{self.bundle.path} was replaced by what cannot be used, so "
            f"{self.model.name} {self.model.version} scores on: {reason}",
        )

    def _say_model(self, status: str, text: str) -> None:
        self._on_event(Note(text=text, is_warning=status == "kept"))
        at_ns = self._last_ns if self._clock is None else self._clock()
        self._send([model_event(status, text, self.model, at_ns)])

    def take(self, connections: pl.DataFrame) -> None:
        """Score connections, which come in the order of ``known``, and group attacks.

        Raises
        ------
        DataError
            The source lacks what the contract needs.
        """
        begun = time.perf_counter()
        if self._clock is None and self.totals.verdicts > COMPILE_AFTER:
            self.bundle = self.bundle.compiled  # takes a second or two
        for part in connections.iter_slices(MOST_ROWS):
            n_before = self.totals.verdicts
            self.group(self.score(part))
            self.count_age(part, begun, self.totals.verdicts - n_before)

    def score(self, connections: pl.DataFrame) -> Attacks:
        """Return the attacks among connections, which are scored at once."""
        whole = connections
        connections, _ = self.rows.fitting(whole, self._on_event)
        self.totals.rejected += whole.height - connections.height
        found = check(self.bundle.schema, self._rows(connections))
        scores, rows, bad = judge(self.bundle, found.table, lines=found.rows + 1)
        self._reject(connections, (*found.bad, *bad))
        totals, labels = self.totals, self.bundle.verdicts
        totals.connections += int(whole["is_over"].fill_null(value=True).sum())
        totals.verdicts += len(scores)
        counts = np.bincount(scores.verdict, minlength=len(labels)).tolist()
        totals.classes.update(
            {name: n for name, n in zip(labels, counts, strict=True) if n}
        )
        at = found.rows[rows]
        if self.recent is not None:
            self.recent.add(connections, at, scores, labels)
        table = found.table
        if self.drift is not None:
            scored = table if len(rows) == len(table) else table.take(rows)
            drifted = self.drift.take(connections[at], scored, scores)
            if drifted is not None:
                self._send([self._drifted(drifted)])
        attacks = Attacks.of(self.bundle, self.model, connections, at, scores)
        self._last_ns = attacks.last_ns or self._last_ns
        hits = rows[scores.is_attack]
        return replace(attacks, rows_of=lambda some: table.take(hits[[*some]]))

    def explained(self, attacks: Attacks) -> Attacks:
        """Return attacks that another process scored, with what explains them.

        Those of another model remain without.
        """
        if attacks.model != self.model:
            return attacks

        def rows_of(some: Sequence[int]) -> Table:
            rows = self._rows(attacks.connections[[*some]])
            return check(self.bundle.schema, rows).table

        return replace(attacks, rows_of=rows_of)

    def _rows(self, connections: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each connection, with its hosts if the model reads them."""
        rows = self.rows.add(connections)
        if not self.bundle.schema.addresses:
            return rows
        return rows.hstack(connections.select("id.orig_h", "id.resp_h"))

    def group(self, attacks: Attacks) -> None:
        """Group attacks into incidents; send the events of both."""
        events: list[Event] = []
        shown: list[tuple[int, int, Alert, str | None]] = []
        for row, alert in enumerate(attacks.alerts()):
            grouped = self.incidents.add(alert)
            if grouped.reports:
                events += self._reported(grouped.reports)
            if grouped.is_shown:
                shown.append((len(events), row, alert, grouped.incident))
                events.append({})
        self.totals.alerts_sent += len(shown)
        features = self._features(attacks, [row for _, row, _, _ in shown])
        for (place, _, alert, incident), found in zip(shown, features, strict=True):
            events[place] = alert_event(
                replace(alert, features=found), attacks.model, incident=incident
            )
        if attacks.last_ns is not None:
            events += self._reported(self.incidents.advance(attacks.last_ns))
        self._send(events)

    def _drifted(self, finding: Finding) -> Event:
        self._on_event(Note(text=str(finding), is_warning=finding.is_drifted))
        return drift_event(finding, self.model)

    def _features(
        self, attacks: Attacks, rows: Sequence[int]
    ) -> list[tuple[Feature, ...]]:
        """Return the columns that move verdicts most, for the first of a batch."""
        none: list[tuple[Feature, ...]] = [()] * len(rows)
        first = rows[:MOST_EXPLAINED]
        if self._leading is None or attacks.rows_of is None or not first:
            return none
        table = attacks.rows_of(first)
        if len(table) < len(first):
            return none
        found = []
        for n, leading in enumerate(self._leading.of(table, range(len(table)))):
            values = table.frame.row(n, named=True)
            found.append(
                tuple(
                    Feature(
                        name=name, value=_plain(values[name]), effect=round(effect, 4)
                    )
                    for name, effect in leading
                )
            )
        return found + none[len(found) :]

    def advance(self, now_ns: int) -> None:
        """Take note of the time while no connection comes."""
        self._send(self._reported(self.incidents.advance(now_ns)))

    def finish(self, reason: str = "end of the traffic") -> None:
        """Close all incidents."""
        self._send(self._reported(self.incidents.finish(reason)))

    @property
    def n_dropped(self) -> int:
        """Events that did not reach a sink."""
        return sum(sink.counts.dropped for sink in self.sinks)

    def check_sinks(self) -> None:
        """Pass on what the sinks have to say, though nothing is sent."""
        for sink in self.sinks:
            sink.speak()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until the sinks have all events; return whether they have."""
        ends = time.monotonic() + timeout_s
        done = [s.flush(max(ends - time.monotonic(), 0)) for s in self.sinks]
        return all(done)

    def _reported(self, reports: Sequence[Report]) -> list[Event]:
        for report in reports:
            self._on_report(report)
        return [incident_event(report, self.model) for report in reports]

    def _send(self, events: list[Event]) -> None:
        if events:
            for sink in self.sinks:
                sink.write(events)

    def _reject(self, connections: pl.DataFrame, bad: Sequence[BadRow]) -> None:
        """Count rows that cannot be scored; name the first ones."""
        named = bad[: MOST_NAMED - self._n_named]
        self._n_named += len(named)
        for one in named:
            uid = connections["uid"][one.line - 1]
            text = (
                f"connection {uid}: {one.column or 'the row'} is {one.found}, expected "
                f"{one.expected}. It gets no verdict"
            )
            self._on_event(Note(text=text, is_warning=True))
        self.totals.rejected += len(bad)

    def count_age(self, connections: pl.DataFrame, begun: float, n: int) -> None:
        """Count the age of so many verdicts, of connections that came at ``begun``."""
        if self._clock is None:
            if n:
                self.totals.ages.add(time.perf_counter() - begun, n)
            return
        known = connections["known"].drop_nulls().to_numpy()
        ages = np.maximum(self._clock() - known, 0) / SECOND
        self.totals.ages.add(ages)
        if len(ages) and ages.max() > LATE_S and not self._is_late:
            self._is_late = True
            text = (
                f"a verdict is {ages.max():.1f} s old, expected at most {LATE_S:.0f} s:"
                " this machine is too slow for the traffic. Give a filter or a smaller "
                "model"
            )
            self._on_event(Note(text=text, is_warning=True))


def _plain(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value
