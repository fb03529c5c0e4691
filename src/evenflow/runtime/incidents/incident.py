"""An incident: who attacks whom with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, NamedTuple, Self

from evenflow.knowledge import about
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.distinct import MOST_NAMES, Distinct

Shape = Literal["pair", "sweep", "flood", "many"]
"""One attacker and one victim; an attacker's victims; a victim's attackers; neither."""
Key = tuple[str, str, str]
"""Shape and class of an incident, and the hosts that all its alerts share."""
VOLUME = "*"
"""Stands for the classes of scans and floods, which a model takes for each other."""
What = Literal["opened", "updated", "closed"]
MOST_SAMPLES = 5
S = 10**9
MOST_OF = 5
"""Connections from which on one attacker may have most of them."""
MOST_NAMED = 10
"""Hosts that a report names."""
SWEEPS = frozenset({"T1018", "T1046", "T1595"})
FLOODS = frozenset({"T1498", "T1499"})
SLOW, FAST = frozenset({"Discovery", "Reconnaissance"}), frozenset({"Impact"})
SPREAD = 15
"""Ports or hosts from which on connections to each of them are a scan."""
LATER_PORTS = 65536
"""Offset of the ports of protocols other than TCP."""


@cache
def shape_of(label: str) -> Shape:
    """Return how alerts of a class are grouped from the first one on."""
    found = {technique.id for technique in about(label).techniques}
    if found & FLOODS:
        return "flood"
    return "sweep" if found & SWEEPS else "pair"


def keys_of(alert: Alert) -> dict[Shape, Key]:
    """Return the key of an alert's incident in each shape."""
    attacker, victim = alert.attacker, alert.victim
    group = alert.label if shape_of(alert.label) == "pair" else VOLUME
    return {
        "pair": ("pair", group, f"{attacker} {victim}"),
        "sweep": ("sweep", group, attacker),
        "flood": ("flood", group, victim),
        "many": ("many", group, ""),
    }


def severity(label: str) -> int:
    """Return the severity of a class as EVE counts it: 1 is the highest."""
    tactics = {technique.tactic for technique in about(label).techniques}
    if not tactics or tactics & FAST:
        return 2
    return 3 if tactics <= SLOW else 1


@dataclass(kw_only=True, slots=True)
class Incident:
    """Alerts that belong together."""

    id: str
    shape: Shape
    label: str
    """Class of most of its connections; of a scan, one of scans if any is."""
    first_ns: int
    """First packet of its connections."""
    last_ns: int
    """Last packet of its connections."""
    seen_ns: int
    """When its last alert was known."""
    attackers: Distinct = field(default_factory=Distinct)
    victims: Distinct = field(default_factory=Distinct)
    ports: int = 0
    """A bit for each port of the victims, those of TCP first."""
    connections: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    """Connections by class."""
    packets: int = 0
    bytes: int = 0
    max_score: float = 0.0
    samples: list[dict[str, Any]] = field(default_factory=list)
    """First connections, and the one of the greatest score."""
    reported_ns: int = 0
    reported_label: str = ""
    reported_attacker: str = ""
    """Attacker of most connections before its last report."""
    recent: dict[str, int] = field(default_factory=dict)
    """Connections since its last report, by attacker."""
    n_reports: int = 0
    n_turns: int = 0
    """Reports because it had turned, less those that were due anyway."""
    is_changed: bool = False
    n_shown: int = 0
    """Alerts reported one by one since the last report."""
    merged_into: str = ""

    @property
    def n_ports(self) -> int:
        """Ports of the victims."""
        return self.ports.bit_count()

    @property
    def attacker(self) -> str:
        """The first attacker."""
        return next(iter(self.attackers.names))

    @property
    def victim(self) -> str:
        """The first victim."""
        return next(iter(self.victims.names))

    def has_turned(self, now_ns: int, every_ns: int) -> bool:
        """Return whether it has another class or attacker since its last report.

        Another attacker is one of more than half of the connections since then. Where
        it turned often, it has to last longer, up to ``every_ns``.
        """
        is_same = self.label == self.reported_label
        if is_same and len(self.recent) == 1 and self.reported_attacker in self.recent:
            return False  # most alerts are of scans: no need to look at the time
        if abs(now_ns - self.reported_ns) < min(S << min(self.n_turns, 16), every_ns):
            return False
        if not is_same:
            return True
        n, most = sum(self.recent.values()), max(self.recent.values(), default=0)
        is_most = 2 * most > n >= MOST_OF
        return is_most and self.recent_attacker != self.reported_attacker

    @property
    def recent_attacker(self) -> str:
        """The attacker of most connections since its last report."""
        return max(self.recent, key=self.recent.__getitem__, default="")

    def reported(self, at_ns: int) -> None:
        """Take note that it is reported."""
        self.reported_ns = at_ns
        self.n_reports += 1
        self.reported_label = self.label
        self.reported_attacker = self.recent_attacker
        self.recent = {}
        self.n_turns = max(self.n_turns - 1, 0)
        self.n_shown, self.is_changed = 0, False

    def has_host_of(self, alert: Alert) -> bool:
        """Return whether the attacker or the victim of an alert is named in it."""
        return (
            alert.attacker in self.attackers.names or alert.victim in self.victims.names
        )

    def has_port_of(self, alert: Alert) -> bool:
        """Return whether an alert is of a port that was attacked, or of none."""
        return alert.port is None or bool(self.ports & _bit(alert))

    def count(self, alert: Alert, *, before: str, n_bytes: int, n_packets: int) -> None:
        """Add an alert.

        Parameters
        ----------
        before : str
            Class that its connection had until now; empty for a new one.
        n_bytes, n_packets : int
            What the connection has moved since then.
        """
        if alert.first_ns < self.first_ns:
            self.first_ns = alert.first_ns
        if alert.last_ns > self.last_ns:
            self.last_ns = alert.last_ns
        self.seen_ns = alert.known_ns
        self.bytes += n_bytes
        self.packets += n_packets
        self.is_changed = True
        if is_greatest := alert.probability > self.max_score:
            self.max_score = alert.probability
        if not before:
            self._count_connection(alert, is_greatest=is_greatest)
        if before != alert.label:
            self._count_class(alert.label, before)

    def _count_connection(self, alert: Alert, *, is_greatest: bool) -> None:
        self.attackers.add(alert.attacker)
        if alert.attacker in self.recent or len(self.recent) < MOST_NAMES:
            self.recent[alert.attacker] = self.recent.get(alert.attacker, 0) + 1
        self.victims.add(alert.victim)
        self.connections += 1
        self.ports |= _bit(alert)
        if len(self.samples) < MOST_SAMPLES:
            self.samples.append(_sample(alert))
        elif is_greatest:
            self.samples[-1] = _sample(alert)

    def _count_class(self, label: str, before: str) -> None:
        if before in self.classes:
            self.classes[before] -= 1
        self.classes[label] = self.classes.get(label, 0) + 1
        if self.classes[label] > self.classes.get(self.label, 0):
            self.label = label
        if shape_of(self.label) == "flood" and self._is_spread:
            scans = [c for c, n in self.classes.items() if n and shape_of(c) == "sweep"]
            self.label = max(scans, key=self.classes.__getitem__, default=self.label)

    @property
    def _is_spread(self) -> bool:
        """Whether one host tried many ports or hosts, each about once."""
        n = max(self.n_ports, len(self.victims))
        return n >= SPREAD and self.connections <= 2 * n and len(self.attackers) == 1

    def merge(self, other: Incident) -> None:
        """Add all of another incident, which ends."""
        self.first_ns = min(self.first_ns, other.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        self.seen_ns = max(self.seen_ns, other.seen_ns)
        self.attackers.merge(other.attackers)
        self.victims.merge(other.victims)
        self.ports |= other.ports
        self.connections += other.connections
        for label, n in other.classes.items():
            self.classes[label] = self.classes.get(label, 0) + n
        self.packets += other.packets
        self.bytes += other.bytes
        self.max_score = max(self.max_score, other.max_score)
        self.samples = [*self.samples, *other.samples][:MOST_SAMPLES]
        self.is_changed = True
        other.merged_into = self.id

    def copy(self) -> Incident:
        """Return the incident as it is now."""
        return replace(
            self,
            attackers=Distinct.from_dict(self.attackers.to_dict()),
            victims=Distinct.from_dict(self.victims.to_dict()),
            samples=list(self.samples),
            classes=dict(self.classes),
            recent=dict(self.recent),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the incident as plain JSON values, for a state file."""
        value = {name: getattr(self, name) for name in self.__slots__}
        return value | {
            "attackers": self.attackers.to_dict(),
            "victims": self.victims.to_dict(),
            "ports": f"{self.ports:x}",
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the incident that :meth:`to_dict` described, else ``ValueError``."""
        attackers = Distinct.from_dict(value["attackers"])
        victims = Distinct.from_dict(value["victims"])
        if value["shape"] not in ("pair", "sweep", "flood", "many"):
            raise ValueError(f"found the shape {value['shape']!r}")
        if not (attackers.names and victims.names):
            raise ValueError("found an incident without an attacker or a victim")
        counted = {
            "attackers": attackers,
            "victims": victims,
            "ports": int(value["ports"], 16),
            "recent": {str(name): int(n) for name, n in value["recent"].items()},
            "n_turns": max(int(value["n_turns"]), 0),
        }
        made = cls(**{**value, **counted})
        for name in ("first_ns", "last_ns", "seen_ns", "reported_ns", "connections"):
            if not isinstance(getattr(made, name), int):
                raise ValueError(f"{name} is {getattr(made, name)!r}")
        return made


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An incident at one moment, and why it is reported."""

    what: What
    at_ns: int
    incident: Incident
    reason: str = ""
    """Why it was closed."""
    direction: str = ""
    risk: dict[str, float] = field(default_factory=dict)
    """Risk of the hosts that it names, as far as they have one."""


class Grouped(NamedTuple):
    """Outcome of an alert."""

    incident: str | None
    """Name of its incident; None where it is suppressed."""
    is_new: bool
    """Whether it is the first alert of its connection."""
    is_shown: bool
    """Whether it is among the first of its incident since the last report."""
    reports: tuple[Report, ...]


def _bit(alert: Alert) -> int:
    """Return the bit of an alert's port; 0 where it has none."""
    if alert.port is None:
        return 0
    return 1 << (alert.port + LATER_PORTS * (alert.proto != "tcp"))


def _sample(alert: Alert) -> dict[str, Any]:
    return {
        "uid": alert.uid,
        "alert_id": alert.id,
        "source": alert.source,
        "source_port": alert.source_port,
        "destination": alert.destination,
        "destination_port": alert.destination_port,
        "proto": alert.proto,
        "ip_proto": alert.ip_proto,
        "score": alert.probability,
    }
