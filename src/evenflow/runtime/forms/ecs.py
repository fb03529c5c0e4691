"""Events in the fields of the Elastic Common Schema.

References
----------
.. [1] Elastic, "Elastic Common Schema", version 8.11.
"""

from __future__ import annotations

from typing import Any

from evenflow.runtime.events import Event, known

VERSION = "8.11.0"
SEVERITIES = {1: 73, 2: 47, 3: 21}
"""Elastic's numbers for high, medium and low."""


def form(event: Event) -> Event:
    """Return an EVE event in ECS; what ECS has no field for is under ``evenflow``."""
    if "alert" not in event:
        return _state(event, event["event_type"])
    alert, flow = event["alert"], event.get("flow", {})
    incident: dict[str, Any] = event.get("incident", {})
    metadata = alert["metadata"]
    address = event.get("src_ip") or event.get("dest_ip") or ""
    return known(
        {
            "@timestamp": iso(event["timestamp"]),
            "ecs": {"version": VERSION},
            "message": incident.get("summary", alert["signature"]),
            "event": {
                "kind": "alert",
                "category": ["network", "intrusion_detection"],
                "type": ["info"],
                "module": "evenflow",
                "dataset": f"evenflow.{event['event_type']}",
                "id": event["alert_id"],
                "action": incident.get("status"),
                "severity": SEVERITIES[alert["severity"]],
                "start": iso(flow.get("start") or incident.get("start")),
                "end": iso(flow.get("end") or incident.get("end")),
            },
            "rule": {
                "id": str(alert["signature_id"]),
                "name": alert["signature"],
                "category": alert["category"],
            },
            "source": _side(event.get("src_ip"), event.get("src_port"), flow, "server"),
            "destination": _side(
                event.get("dest_ip"), event.get("dest_port"), flow, "client"
            ),
            "network": {
                "transport": event.get("proto", "").lower() or None,
                "protocol": event.get("app_proto"),
                "community_id": event.get("community_id"),
                "type": (("ipv6" if ":" in address else "ipv4") if address else None),
                "direction": incident.get("direction"),
            },
            "threat": {
                "framework": "MITRE ATT&CK",
                "technique": {
                    "id": metadata["mitre_technique_id"],
                    "name": metadata["mitre_technique_name"],
                },
                "tactic": {"name": metadata["mitre_tactic_name"]},
            }
            if metadata["mitre_technique_id"]
            else None,
            "evenflow": {
                "ml": event["ml"],
                "incident": incident or None,
                "incident_id": event.get("incident_id"),
                "flow_id": str(event["flow_id"]) if "flow_id" in event else None,
            },
        }
    )


def _state(event: Event, kind: str) -> Event:
    """Return an event about the model, or the traffic as a whole."""
    return {
        "@timestamp": iso(event["timestamp"]),
        "ecs": {"version": VERSION},
        "message": event[kind]["summary"],
        "event": {
            "kind": "state",
            "category": ["network"],
            "type": ["info"],
            "module": "evenflow",
            "dataset": f"evenflow.{kind}",
            "id": event["alert_id"],
            "action": event[kind]["status"],
        },
        "evenflow": {"ml": event["ml"], kind: event[kind]},
    }


def iso(time: str | None) -> str | None:
    """Return a time of EVE with a colon in its offset, as RFC 3339 has it."""
    return None if time is None else f"{time[:-2]}:{time[-2:]}"


def _side(ip: str | None, port: int | None, flow: Event, towards: str) -> Event | None:
    if ip is None:
        return None
    return {
        "ip": ip,
        "port": port,
        "packets": flow.get(f"pkts_to{towards}"),
        "bytes": flow.get(f"bytes_to{towards}"),
    }
