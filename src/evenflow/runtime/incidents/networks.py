"""Networks: which addresses are home, and where an attack comes from and goes to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from evenflow.errors import DataError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Direction = Literal["inbound", "outbound", "internal", "external"]
HOME = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip
"""Home by default: private (RFC 1918, RFC 4193), link-local and loopback."""


def network(text: str) -> Network:
    """Return the network that a text names; an address is a network of one.

    Raises
    ------
    DataError
        It is neither.
    """
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise DataError(
            f"found {text!r}, expected an address or a network such as 192.0.2.0/24 or "
            "2001:db8::/32. Correct it"
        ) from error


class Networks:
    """Some networks, asked quickly whether they hold an address."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self.networks = tuple(networks)
        self._holds = lru_cache(maxsize=65536)(self._look)

    def __contains__(self, address: str) -> bool:
        return self._holds(address)

    def _look(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.networks)

    def direction(self, attacker: str, victim: str) -> Direction:
        """Return from where to where an attack goes, seen from these networks."""
        if attacker in self:
            return "internal" if victim in self else "outbound"
        return "inbound" if victim in self else "external"
