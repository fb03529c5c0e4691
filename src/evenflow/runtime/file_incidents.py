"""The incidents of a capture or a log that is scored as a file."""

from __future__ import annotations

import numpy as np

from evenflow.decision import Scores
from evenflow.runtime.attacks import Attacks
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.events import Event, Model, incident_event
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.incidents.incident import Report
from evenflow.runtime.records import Batch

MOST = 1_000
"""Maximum number of incidents that are kept."""


class FileIncidents:
    """Groups the attacks of a file into incidents, as ``evenflow watch`` does.

    Records without hosts, those of a table, give none. The first 1,000 incidents are
    kept.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._model = bundle, Model.of(bundle)
        self._incidents = Incidents()
        self._last: dict[str, Report] = {}
        self._n_merged = 0

    def take(self, batch: Batch, scores: Scores) -> None:
        """Count the attacks of a batch, in the order of the file."""
        if batch.connections is None:
            return
        rows = np.arange(len(scores))
        found = Attacks.of(self._bundle, self._model, batch.connections, rows, scores)
        for alert in found.alerts():
            self._keep(self._incidents.add(alert).reports)

    def finish(self) -> list[Report]:
        """Close all incidents; return what each came to, in their order."""
        self._keep(self._incidents.finish("end of the file"))
        return list(self._last.values())

    @property
    def n(self) -> int:
        """Number of incidents, also of those that are not kept."""
        return self._incidents.counts["opened"] - self._n_merged

    def event(self, report: Report) -> Event:
        """Return what is reported of an incident as an event of EVE."""
        return incident_event(report, self._model)

    def _keep(self, reports: tuple[Report, ...] | list[Report]) -> None:
        for report in reports:
            name = report.incident.id
            if report.reason.startswith("part of "):  # another holds its connections
                self._last.pop(name, None)
                self._n_merged += 1
            elif name in self._last or len(self._last) < MOST:
                self._last[name] = report
