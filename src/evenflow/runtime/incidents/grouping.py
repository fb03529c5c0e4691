"""Alerts to incidents, as they come.

A scan is one incident of its attacker, a flood one of its victim, with those of its
connections that a model takes for the other. Anything else is one of two hosts and a
class, until a host has so many that they are one sweep or one flood. One or two alerts
of a low score do not open one: a model is wrong about single connections most often.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.incident import (
    MOST_NAMED,
    Grouped,
    Incident,
    Key,
    Report,
    S,
    Shape,
    What,
    keys_of,
    shape_of,
)
from evenflow.runtime.incidents.networks import HOME, Network, Networks, network
from evenflow.runtime.incidents.risk import Risk
from evenflow.runtime.incidents.suppress import Suppression

MINUTE = 60 * S
MOST_OPEN = 10_000
MOST_FOLLOWED = 65_536
"""Connections that go on, and whose later rows are not new alerts."""
PAIRS = 5
"""Pairs of one host from which on they are one incident."""
SINGLES = 12
"""Incidents of one connection each, of a class, from which on they are one."""
SURE = 0.95
"""Score from which on one alert is an incident."""
FEW = 3
"""Connections from which on alerts are an incident whatever their scores."""
FORMAT = 2
Followed = tuple[Key | None, str, int, int]
"""Of a connection that goes on: its incident, label, bytes and packets."""


@dataclass(kw_only=True)
class Incidents:
    """The incidents that are open.

    Parameters
    ----------
    home : iterable of networks
        Own networks.
    suppressions : sequence of Suppression
        Expected behaviour.
    quiet_ns : int
        Packet time without an alert after which an incident is closed.
    every_ns : int
        Least packet time between two reports of an open incident. The first ones
        come sooner where the class or the main attacker is another: the first after
        1 s, the second after 2 s, and so on.
    most_shown : int
        Alerts that are shown between two reports of an incident.
    most_open : int
        Maximum number of open incidents; beyond it one of few doubtful connections is
        given up, if there is one, else the one silent longest is closed.
    sure : float
        Score from which on one alert opens an incident; below it, three connections
        do, [0, 1].
    """

    home: Iterable[Network] = tuple(map(network, HOME))
    suppressions: Sequence[Suppression] = ()
    quiet_ns: int = 300 * S
    every_ns: int = MINUTE
    most_shown: int = 10
    most_open: int = MOST_OPEN
    sure: float = SURE
    suppressed: Counter[str] = field(default_factory=Counter, init=False)
    """Alerts that were suppressed, by reason."""
    counts: Counter[str] = field(default_factory=Counter, init=False)
    """``alerts``, ``opened``, ``closed``, ``evicted`` and, of alerts that came to no
    incident, ``single``."""
    risk: Risk = field(default_factory=Risk, init=False)

    def __post_init__(self) -> None:
        self._home = Networks(self.home)
        self._open: OrderedDict[Key, Incident] = OrderedDict()
        self._pairs: dict[Key, dict[Key, None]] = defaultdict(dict)
        self._singles: dict[str, dict[Key, None]] = defaultdict(dict)
        self._doubtful: dict[Key, None] = {}
        self._followed: OrderedDict[str, Followed] = OrderedDict()
        self._second = 0

    @property
    def n_open(self) -> int:
        """Incidents that are open."""
        return len(self.opened())

    def opened(self) -> list[Incident]:
        """Return the open incidents, the one silent longest first."""
        return [one for one in self._open.values() if one.n_reports]

    def add(self, alert: Alert) -> Grouped:
        """Take an alert, in the order of ``known_ns``."""
        reports = self.advance(alert.known_ns)
        key, label, n_bytes, n_packets = self._followed.pop(alert.uid, (None, "", 0, 0))
        is_new = not label
        self.counts["alerts"] += is_new
        if (rule := self._rule(alert)) is not None:
            self.suppressed[rule.reason] += is_new
            self._follow(alert, None)
            return Grouped(
                incident=None, is_new=is_new, is_shown=False, reports=tuple(reports)
            )
        incident = None if key is None else self._open.get(key)
        if incident is None:
            key, incident = self._place(alert, reports)
        assert key is not None  # noqa: S101 (for the type checker)
        incident.count(
            alert,
            before="" if is_new or not incident.connections else label,
            n_bytes=alert.n_bytes - n_bytes,
            n_packets=alert.n_packets - n_packets,
        )
        self._open.move_to_end(key)
        if incident.connections == 1:
            self._singles[key[1]][key] = None
        else:
            self._singles[key[1]].pop(key, None)
        if not incident.n_reports:
            if incident.max_score >= self.sure or incident.connections >= FEW:
                self.counts["opened"] += 1
                self._doubtful.pop(key, None)
                self.risk.add_incident(incident, self._home, alert.known_ns)
                reports.append(self._report(incident, "opened", alert.known_ns))
        elif incident.has_turned(alert.known_ns, self.every_ns):
            incident.n_turns += 2  # a report takes one off
            reports.append(self._report(incident, "updated", alert.known_ns))
        is_shown = label != alert.label and incident.n_shown < self.most_shown
        incident.n_shown += is_shown
        self._follow(alert, key)
        return Grouped(
            incident=incident.id, is_new=is_new, is_shown=is_shown,
            reports=tuple(reports),
        )  # fmt: skip

    def advance(self, now_ns: int) -> list[Report]:
        """Take note of the time; return the reports that are due, in their order."""
        if now_ns // S == self._second:
            return []
        self._second = now_ns // S
        found = []
        for key, incident in list(self._open.items()):
            # a clock that was set back must not keep an incident open for ever
            if abs(now_ns - incident.seen_ns) >= self.quiet_ns:
                at = min(incident.seen_ns + self.quiet_ns, now_ns)
                found += self._close(key, at, "no alert for some time")
            elif (
                incident.n_reports
                and incident.is_changed
                and abs(now_ns - incident.reported_ns) >= self.every_ns
            ):
                at = min(incident.reported_ns + self.every_ns, now_ns)
                found.append(self._report(incident, "updated", at))
        return sorted(found, key=lambda report: report.at_ns)

    def finish(self, reason: str = "end of the traffic") -> list[Report]:
        """Close all incidents; return their reports."""
        ended = [(key, one.seen_ns) for key, one in self._open.items()]
        return [report for one in ended for report in self._close(*one, reason)]

    def _rule(self, alert: Alert) -> Suppression | None:
        """Return the first rule that suppresses an alert."""
        for rule in self.suppressions:
            if alert.known_ns < rule.expires_ns and rule.matches(alert):
                return rule
        return None

    def _follow(self, alert: Alert, key: Key | None) -> None:
        """Remember a connection that goes on."""
        if alert.is_over:
            return
        self._followed[alert.uid] = (key, alert.label, alert.n_bytes, alert.n_packets)
        if len(self._followed) > MOST_FOLLOWED:
            self._followed.popitem(last=False)

    def _place(self, alert: Alert, reports: list[Report]) -> tuple[Key, Incident]:
        """Return the incident that an alert belongs to, a new one if there is none."""
        keys, own = keys_of(alert), shape_of(alert.label)
        if (found := self._known(alert, keys, own)) is not None:
            return found
        for shape in ("sweep", "flood", "many"):
            if (whole := self._widen(alert, keys, shape, own, reports)) is not None:
                return keys[shape], whole
        if len(self._open) >= self.most_open:
            oldest = next(iter(self._doubtful or self._open))
            self.counts["evicted"] += self._open[oldest].n_reports > 0
            why = "too many incidents are open"
            reports += self._close(oldest, alert.known_ns, why)
        key = keys[own]
        text = f"{'/'.join(key)}/{alert.first_ns}"
        incident = Incident(
            id=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
            shape=own,
            label=alert.label,
            first_ns=alert.first_ns,
            last_ns=alert.last_ns,
            seen_ns=alert.known_ns,
        )
        self._enter(key, incident, keys)
        return key, incident

    def _known(
        self, alert: Alert, keys: Mapping[Shape, Key], own: Shape
    ) -> tuple[Key, Incident] | None:
        """Return the open incident that an alert belongs to, if there is one."""
        sweep, flood = self._open.get(keys["sweep"]), self._open.get(keys["flood"])
        if flood is not None and (
            own == "pair"
            or (own == "sweep" and flood.has_port_of(alert))
            or (own == "flood" and alert.attacker in flood.attackers.names)
        ):
            return keys["flood"], flood
        if sweep is not None:
            return keys["sweep"], sweep
        if (key := self._of_two(alert, keys, own)) is not None:
            return key, self._open[key]
        if own != "sweep" and (incident := self._open.get(keys[own])) is not None:
            return keys[own], incident
        many = self._open.get(keys["many"])
        if many is not None and not many.has_host_of(alert):
            return keys["many"], many
        return None

    def _of_two(
        self, alert: Alert, keys: Mapping[Shape, Key], own: Shape
    ) -> Key | None:
        """Return the incident of one attacker at the same port, of another shape.

        Of guessing at a high rate, a model takes a part for a flood.
        """
        if own == "sweep" or (own == "pair" and keys[own] in self._open):
            return None
        for key in self._pairs.get(("", "", keys["pair"][2]), ()):
            one = self._open[key]
            is_other = {one.shape, own} == {"pair", "flood"} and alert.port is not None
            if is_other and len(one.attackers) == 1 and one.has_port_of(alert):
                return key
        return None

    def _enter(self, key: Key, incident: Incident, keys: Mapping[Shape, Key]) -> None:
        self._open[key] = incident
        if not incident.n_reports:
            self._doubtful[key] = None
        if incident.shape in ("pair", "flood"):
            self._pairs["", "", keys["pair"][2]][key] = None
            self._pairs[keys["sweep"]][key] = None
        if incident.shape == "pair":
            self._pairs[keys["flood"]][key] = None

    def _widen(
        self,
        alert: Alert,
        keys: Mapping[Shape, Key],
        shape: Shape,
        own: Shape,
        reports: list[Report],
    ) -> Incident | None:
        """Merge the narrow incidents of a host, or of a class, where they are many."""
        if keys[shape] in self._open:
            return None
        if shape == "many":
            narrow, least = self._singles[keys["many"][1]], SINGLES
        else:
            # of a scan, one connection that was taken for a flood is enough
            narrow = self._pairs.get(keys[shape], {})
            least = 2 if own == shape else PAIRS
        parts = [(key, self._open[key]) for key in narrow]
        if shape == "sweep":
            parts = [(key, one) for key, one in parts if len(one.attackers) == 1]
        if len(parts) < least - 1:
            return None
        # the same one whatever their order, which a state does not keep
        (_, whole), *others = sorted(
            parts, key=lambda p: (not p[1].n_reports, p[1].first_ns, p[1].id)
        )
        for key, _ in parts:
            self._leave(key)
        whole.shape = shape
        self._open[keys[shape]] = whole
        if not whole.n_reports:
            self._doubtful[keys[shape]] = None
        for _, part in others:
            whole.merge(part)
            if part.n_reports:
                why = f"part of {whole.id}"
                reports.append(self._report(part, "closed", alert.known_ns, reason=why))
        return whole

    def _leave(self, key: Key) -> Incident:
        """Take an incident out."""
        incident = self._open.pop(key)
        self._doubtful.pop(key, None)
        _, group, _ = key
        self._singles[group].pop(key, None)
        for other in (
            ("", "", f"{incident.attacker} {incident.victim}"),
            ("sweep", group, incident.attacker),
            ("flood", group, incident.victim),
        ):
            if key in self._pairs.get(other, {}):
                del self._pairs[other][key]
                if not self._pairs[other]:
                    del self._pairs[other]
        return incident

    def _close(self, key: Key, at_ns: int, reason: str) -> list[Report]:
        """Take an incident out; return its report, where it was one."""
        incident = self._leave(key)
        if not incident.n_reports:
            self.counts["single"] += incident.connections
            return []
        return [self._report(incident, "closed", at_ns, reason=reason)]

    def _report(
        self, incident: Incident, what: What, at_ns: int, *, reason: str = ""
    ) -> Report:
        incident.reported(at_ns)
        self.counts["closed"] += what == "closed"
        hosts = incident.attackers.most()[:MOST_NAMED]
        hosts += incident.victims.most()[:MOST_NAMED]
        risks = {host: self.risk.of(host, at_ns) for host in hosts}
        return Report(
            what=what,
            at_ns=at_ns,
            incident=incident.copy(),
            reason=reason,
            direction=self._home.direction(incident.attacker, incident.victim),
            risk={host: round(value, 2) for host, value in risks.items() if value},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known as plain JSON values."""
        return {
            "format": FORMAT,
            "open": [[list(key), one.to_dict()] for key, one in self._open.items()],
            "followed": [
                [uid, None if key is None else list(key), *rest]
                for uid, (key, *rest) in self._followed.items()
            ],
            "risk": self.risk.to_dict(),
            "second": self._second,
            "suppressed": dict(self.suppressed),
            "counts": dict(self.counts),
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take what :meth:`to_dict` described.

        Raises
        ------
        DataError
            It is something else, or damaged.
        """
        if value.get("format") != FORMAT:
            raise DataError(
                f"found incidents of format {value.get('format')!r}, expected {FORMAT}"
            )
        try:
            self.__post_init__()
            for key, one in value["open"][: self.most_open]:
                shape, group, host = key
                incident = Incident.from_dict(one)
                pairs: dict[Shape, Key] = {
                    "pair": ("pair", group, f"{incident.attacker} {incident.victim}"),
                    "sweep": ("sweep", group, incident.attacker),
                    "flood": ("flood", group, incident.victim),
                }
                self._enter((shape, group, host), incident, pairs)
                if incident.connections == 1:
                    self._singles[group][shape, group, host] = None
            for uid, key, label, n_bytes, n_packets in value["followed"]:
                where = None if key is None else tuple(key)
                self._followed[uid] = (where, label, int(n_bytes), int(n_packets))
            self._second = int(value.get("second", 0))
            self.risk.restore(value["risk"])
            self.suppressed = Counter(value["suppressed"])
            self.counts = Counter(value["counts"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"found damaged incidents: {error}") from error
