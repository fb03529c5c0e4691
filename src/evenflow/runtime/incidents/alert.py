"""An alert: the verdict on a connection, with what an analyst looks for first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

ICMP_ANSWERS = frozenset({0, 3, 4, 11, 12, 14, 16, 18})
ICMP6_ANSWERS = frozenset({1, 2, 3, 4, 129})
"""Types of ICMP that are sent because of another host's packet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """A column that moved the verdict towards attack."""

    name: str
    value: float | str | None
    effect: float
    """Change of the log odds of attack when this column alone becomes benign."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A connection that a model calls an attack, by the connection's direction."""

    uid: str
    first_ns: int
    last_ns: int
    known_ns: int
    """When the verdict was possible; alerts come in this order."""
    source: str
    source_port: int | None
    """None where it is not known; of ICMP the type."""
    destination: str
    destination_port: int | None
    proto: str
    ip_proto: int
    service: str | None = None
    state: str | None = None
    history: str | None = None
    source_bytes: int | None = None
    """Payload bytes; None where the source of the connections does not say."""
    destination_bytes: int | None = None
    source_packets: int | None = None
    destination_packets: int | None = None
    source_ip_bytes: int | None = None
    """Bytes by the IP header."""
    destination_ip_bytes: int | None = None
    is_over: bool = True
    label: str
    """Class decided."""
    probability: float
    threshold: float
    features: tuple[Feature, ...] = ()
    attacker: str = field(init=False)
    """The host that began."""
    victim: str = field(init=False)
    """The host that was spoken to."""
    port: int | None = field(init=False)
    """The port of the victim; None where the protocol has no ports, or it is not
    known."""

    def __post_init__(self) -> None:
        ends = (self.source, self.destination, self.destination_port)
        if self.is_answer:
            ends = (self.destination, self.source, self.source_port)
        note = object.__setattr__  # worked out once: it is frozen
        note(self, "attacker", ends[0])
        note(self, "victim", ends[1])
        note(self, "port", ends[2] if self.proto in ("tcp", "udp") else None)

    @property
    def id(self) -> str:
        """Name of the alert: the same whenever this verdict is made again."""
        text = f"{self.uid}\0{self.first_ns}\0{self.label}"
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()

    @property
    def is_answer(self) -> bool:
        """Whether all that is known of the connection is an answer of its originator.

        A capture that sees one direction holds the resets and the ICMP errors of a
        victim alone; who sends them is attacked, and does not attack.
        """
        if self.proto == "icmp":
            answers = ICMP6_ANSWERS if ":" in self.source else ICMP_ANSWERS
            return self.source_port in answers and not self.destination_packets
        letters = (self.history or "").removeprefix("^")
        return self.proto == "tcp" and letters != "" and not letters.strip("RHT")

    @property
    def n_bytes(self) -> int:
        """Payload bytes of both directions, as far as they are known."""
        return (self.source_bytes or 0) + (self.destination_bytes or 0)

    @property
    def n_packets(self) -> int:
        """Packets of both directions, as far as they are known."""
        return (self.source_packets or 0) + (self.destination_packets or 0)
