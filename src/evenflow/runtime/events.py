"""Alerts and incidents as events of Suricata's EVE format, a JSON object each."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from evenflow.knowledge import about
from evenflow.runtime.drift_report import Finding
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.distinct import Distinct
from evenflow.runtime.incidents.incident import (
    LATER_PORTS,
    MOST_NAMED,
    Incident,
    Report,
    severity,
)
from evenflow.traffic.community_id import ANSWERS, ICMP6, PORTED, community_id

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle

Event = dict[str, Any]
FIRST_SIGNATURE, N_SIGNATURES = 1_000_000, 999_999
"""Signature ids that Suricata leaves for local use."""
MOST_RANGES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The model that an event names."""

    name: str
    version: str

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Return the name of a bundle, and a digest of its model."""
        digest = hashlib.sha256(bundle.model).hexdigest()
        return cls(name=bundle.path.resolve().name, version=digest[:12])


def alert_event(alert: Alert, model: Model, *, incident: str | None = None) -> Event:
    """Return an alert as an event; a field that is not known is left out."""
    event = {
        "timestamp": timestamp(alert.known_ns),
        "flow_id": flow_id(alert.uid),
        "event_type": "alert",
        "src_ip": alert.source,
        **_ports(alert.ip_proto, alert.source_port, alert.destination_port),
        "dest_ip": alert.destination,
        "proto": _proto(alert.proto, alert.ip_proto),
        "app_proto": alert.service,
        "community_id": _community_id(alert),
        "alert": _alert(alert.label)
        | {"source": {"ip": alert.attacker}, "target": {"ip": alert.victim}},
        "flow": {
            "pkts_toserver": alert.source_packets,
            "pkts_toclient": alert.destination_packets,
            "bytes_toserver": alert.source_ip_bytes,
            "bytes_toclient": alert.destination_ip_bytes,
            "payload_bytes_toserver": alert.source_bytes,
            "payload_bytes_toclient": alert.destination_bytes,
            "start": timestamp(alert.first_ns),
            "end": timestamp(alert.last_ns),
            "age": max(alert.last_ns - alert.first_ns, 0) // 10**9,
            "state": "closed" if alert.is_over else "established",
            "conn_state": alert.state,
        },
        "ml": {
            "model": model.name,
            "version": model.version,
            "score": alert.probability,
            "threshold": alert.threshold,
            "class": alert.label,
            "top_features": [
                {"name": f.name, "value": f.value, "effect": f.effect}
                for f in alert.features
            ],
        },
        "alert_id": alert.id,
        "incident_id": incident,
    }  # fmt: skip
    return known(event)


def incident_event(report: Report, model: Model) -> Event:
    """Return what is reported of an incident as an event.

    ``src_ip`` and ``dest_ip`` are there where it has one attacker and one victim.
    """
    incident = report.incident
    event = {
        "timestamp": timestamp(report.at_ns),
        "event_type": "incident",
        "src_ip": _only(incident.attackers),
        "dest_ip": _only(incident.victims),
        "alert": _alert(incident.label),
        "incident": {
            "status": report.what,
            "reason": report.reason or None,
            "summary": summary(incident),
            "shape": incident.shape,
            "direction": report.direction or None,
            "attackers": _hosts(incident.attackers, incident.reported_attacker),
            "victims": _hosts(incident.victims),
            "ports": incident.n_ports,
            "port_ranges": port_ranges(incident.ports),
            "connections": incident.connections,
            "classes": {k: n for k, n in incident.classes.items() if n},
            "packets": incident.packets,
            "bytes": incident.bytes,
            "start": timestamp(incident.first_ns),
            "end": timestamp(incident.last_ns),
            "risk": report.risk or None,
            "samples": [_sample(one) for one in incident.samples],
        },
        "ml": {
            "model": model.name,
            "version": model.version,
            "score": incident.max_score,
            "class": incident.label,
        },
        "incident_id": incident.id,
        "alert_id": f"{incident.id}-{incident.n_reports}",
    }
    return known(event)


def drift_event(finding: Finding, model: Model) -> Event:
    """Return what is reported of drift as an event; it has no alert and no hosts."""
    return {
        "timestamp": timestamp(finding.at),
        "event_type": "drift",
        "drift": {
            "status": finding.status,
            "summary": str(finding),
            **finding.to_dict(),
        },
        "ml": {"model": model.name, "version": model.version},
        "alert_id": f"drift-{model.version}-{finding.at}",
    }


def model_event(status: str, text: str, model: Model, at_ns: int) -> Event:
    """Return that a bundle was replaced, as an event.

    Parameters
    ----------
    status : {'replaced', 'kept'}
        Whether the new one scores from now on, or cannot be used.
    model : Model
        The one that scores from now on.
    """
    return {
        "timestamp": timestamp(at_ns),
        "event_type": "model",
        "model": {"status": status, "summary": text},
        "ml": {"model": model.name, "version": model.version},
        "alert_id": f"model-{status}-{model.version}-{at_ns}",
    }


def summary(incident: Incident) -> str:
    """Return an incident in a sentence: who attacks whom with what.

    Examples
    --------
    "Scan or probe from 192.0.2.66 to 198.51.100.20: 300 ports, 300 connections"
    """
    parts = [counted(incident.n_ports, "port")] if incident.ports else []
    return (
        f"{about(incident.label).name} from {_some(incident.attackers, 'sources')} to "
        f"{_some(incident.victims, 'targets')}: "
        + ", ".join([*parts, counted(incident.connections, "connection")])
    )


def counted(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _some(hosts: Distinct, noun: str) -> str:
    if len(hosts) == 1:
        return next(iter(hosts.names))
    return f"{'' if hosts.is_exact else 'about '}{len(hosts):,} {noun}"


def timestamp(ns: int) -> str:
    """Return nanoseconds since 1970 as EVE writes a time, in UTC."""
    seconds, rest = divmod(ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}+0000"


def flow_id(uid: str) -> int:
    """Return a connection's name as a number that every JSON reader keeps exactly."""
    digest = hashlib.blake2b(uid.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 13


def signature_id(label: str) -> int:
    """Return the number of a class: always the same, in the range for local rules."""
    return FIRST_SIGNATURE + zlib.crc32(label.encode()) % N_SIGNATURES


def port_ranges(ports: int) -> list[str]:
    """Return the first ports of a bit mask as ranges, such as ``tcp 1-300``.

    Examples
    --------
    >>> port_ranges(0b1110 | 1 << 80)
    ['tcp 1-3', 'tcp 80']
    """
    found: list[str] = []
    for name, mask in (
        ("tcp", ports & (1 << LATER_PORTS) - 1),
        ("udp", ports >> LATER_PORTS),
    ):
        first, rest = 0, mask
        while rest and len(found) < MOST_RANGES:
            skipped = (rest & -rest).bit_length() - 1
            first, rest = first + skipped, rest >> skipped
            length = (~rest & rest + 1).bit_length() - 1
            last = first + length - 1
            found.append(f"{name} {first}" + (f"-{last}" if length > 1 else ""))
            first, rest = first + length, rest >> length
    return found


def known(event: Mapping[str, Any]) -> Event:
    """Return an event without the fields that are None, at any depth."""
    return {
        key: known(value) if isinstance(value, Mapping) else value
        for key, value in event.items()
        if value is not None
    }


def _proto(name: str, number: int) -> str:
    """Return a protocol as Suricata names it; one without a name by its number."""
    if number == ICMP6:
        return "IPv6-ICMP"
    return name.upper() if name in ("tcp", "udp", "icmp") else str(number)


def _community_id(alert: Alert) -> str | None:
    """Return the Community ID; None where a port that it is made of is not known."""
    ends = alert.source_port, alert.destination_port
    if None in ends and alert.ip_proto in PORTED:
        return None
    p, q = (port or 0 for port in ends)
    return community_id(alert.source, alert.destination, p, q, alert.ip_proto)


def _ports(ip_proto: int, source: int | None, destination: int | None) -> Event:
    if ip_proto not in PORTED:
        return {}
    if ip_proto not in ANSWERS:
        return {"src_port": source, "dest_port": destination}
    code = None if source in ANSWERS[ip_proto] else destination
    return {"icmp_type": source, "icmp_code": code}


def _alert(label: str) -> Event:
    what = about(label)
    techniques = what.techniques
    return {
        "action": "allowed",
        "gid": 1,
        "signature_id": signature_id(label),
        "rev": 1,
        "signature": f"evenflow: {what.name}",
        "category": what.name,
        "severity": severity(label),
        "metadata": {
            "mitre_technique_id": [one.id for one in techniques],
            "mitre_technique_name": [one.name for one in techniques],
            "mitre_tactic_name": sorted({one.tactic for one in techniques}),
        },
    }


def _only(hosts: Distinct) -> str | None:
    return next(iter(hosts.names)) if len(hosts) == 1 else None


def _hosts(hosts: Distinct, main: str = "") -> Event:
    """Return some of the hosts: the main one, then those of most connections."""
    names = hosts.most()
    if main in names:
        names.remove(main)
        names.insert(0, main)
    return {
        "count": len(hosts),
        "is_exact": hosts.is_exact,
        "first": names[:MOST_NAMED],
    }


def _sample(sample: Mapping[str, Any]) -> Event:
    event = {
        "flow_id": flow_id(sample["uid"]),
        "src_ip": sample["source"],
        "dest_ip": sample["destination"],
        **_ports(sample["ip_proto"], sample["source_port"], sample["destination_port"]),
        "proto": _proto(sample["proto"], sample["ip_proto"]),
        "score": sample["score"],
        "alert_id": sample["alert_id"],
    }
    return known(event)
