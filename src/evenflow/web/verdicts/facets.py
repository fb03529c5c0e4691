"""The service and the hosts of a record, whatever its columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVICES = ("service", "proto_service", "l7_proto", "dst_port", "destination_port")
"""Columns that say what service was spoken, the first one found is used."""
SOURCES = (
    "src_ip", "srcip", "saddr", "ipv4_src_addr", "source_ip", "id.orig_h", "source",
)  # fmt: skip
"""Columns that say where a connection came from."""
DESTINATIONS = (
    "dst_ip", "dstip", "daddr", "ipv4_dst_addr", "destination_ip", "id.resp_h",
    "destination",
)  # fmt: skip
"""Columns that say where a connection went to."""
LONGEST = 80
MAX_FACETS = 200
"""Services or sources of a class that are counted each; the most frequent ones."""


def facet(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of those columns that a record has, as text; else nothing."""
    folded = {str(key).strip().casefold(): value for key, value in values.items()}
    for name in names:
        value = folded.get(name)
        if value is not None and value != "":
            whole = isinstance(value, float) and value.is_integer()
            return str(int(value) if whole else value)[:LONGEST]
    return ""
