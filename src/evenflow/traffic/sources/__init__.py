"""Logs of other sensors to connections, one file a kind of log.

Each module holds ``SOURCE``. A log is read to its end with ``read``, or as it grows
with ``follow``; what it does not have is null in the columns of a connection.
"""

from __future__ import annotations

from evenflow.traffic.sources import argus, eve, nfdump, zeek
from evenflow.traffic.sources._source import Source

SOURCES: dict[str, Source] = {
    module.SOURCE.name: module.SOURCE for module in (zeek, eve, argus, nfdump)
}
