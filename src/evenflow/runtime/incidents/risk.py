"""The risk of hosts: it adds up over incidents and halves with time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime.incidents.incident import Incident, severity
from evenflow.runtime.incidents.networks import Networks

HALF_LIFE_NS = 24 * 3600 * 10**9
MOST_HOSTS = 10_000
AMOUNTS = {1: 50.0, 2: 25.0, 3: 10.0}
"""Risk of an incident of that severity and a score of 1."""


class Risk:
    """The risk of each host.

    Parameters
    ----------
    half_life_ns : int
        Packet time after which a risk is half of what it was.
    most_hosts : int
        Maximum number of hosts; beyond it those of the least risk are forgotten.
    """

    def __init__(
        self, *, half_life_ns: int = HALF_LIFE_NS, most_hosts: int = MOST_HOSTS
    ) -> None:
        self.half_life_ns, self.most_hosts = half_life_ns, most_hosts
        self.hosts: dict[str, tuple[float, int]] = {}

    def add(self, host: str, amount: float, now_ns: int) -> float:
        """Add to a host's risk; return what it is now."""
        value = self.of(host, now_ns) + amount
        self.hosts[host] = (value, now_ns)
        if len(self.hosts) > self.most_hosts:
            left = self.top(now_ns, self.most_hosts // 2)
            self.hosts = {name: (value, now_ns) for name, value in left}
        return value

    def add_incident(self, incident: Incident, home: Networks, now_ns: int) -> None:
        """Add an incident's risk to its attacker, and half of it to a victim at home.

        The addresses that a flood comes from are often not its senders'.
        """
        amount = AMOUNTS[severity(incident.label)] * incident.max_score
        if incident.shape != "flood" or incident.attacker in home:
            self.add(incident.attacker, amount, now_ns)
        if incident.victim in home:
            self.add(incident.victim, amount / 2, now_ns)

    def of(self, host: str, now_ns: int) -> float:
        """Return a host's risk; 0 for one that is not known."""
        value, at_ns = self.hosts.get(host, (0.0, now_ns))
        return float(value * 0.5 ** (max(now_ns - at_ns, 0) / self.half_life_ns))

    def top(self, now_ns: int, n: int = 10) -> list[tuple[str, float]]:
        """Return the hosts of the greatest risk, the greatest first."""
        found = ((host, self.of(host, now_ns)) for host in self.hosts)
        return sorted(found, key=lambda one: (-one[1], one[0]))[:n]

    def to_dict(self) -> dict[str, Any]:
        """Return the risks as plain JSON values."""
        return {host: list(pair) for host, pair in self.hosts.items()}

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take the risks that :meth:`to_dict` described."""
        if len(value) > self.most_hosts:
            raise DataError(f"found {len(value)} hosts, expected {self.most_hosts}")
        self.hosts = {host: (float(v), int(at)) for host, (v, at) in value.items()}
