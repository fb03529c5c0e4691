"""Events as detection findings of the Open Cybersecurity Schema Framework.

References
----------
.. [1] OCSF, "Detection Finding [2004]", version 1.3.0.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evenflow.runtime.events import Event, known

VERSION, ATTACK_VERSION = "1.3.0", "15.1"
CATEGORY, CLASS = 2, 2004
ACTIVITIES = {"opened": 1, "updated": 2, "closed": 3}
TITLES = {
    "drift": "Traffic has drifted from the calibration rows",
    "model": "Which model scores",
}
SEVERITIES = {1: (4, "High"), 2: (3, "Medium"), 3: (2, "Low")}


def form(event: Event) -> Event:
    """Return an EVE event in OCSF; what it has no attribute for is ``unmapped``."""
    if "alert" not in event:
        return _state(event, event["event_type"])
    alert, flow = event["alert"], event.get("flow", {})
    incident: dict[str, Any] = event.get("incident", {})
    metadata = alert["metadata"]
    activity = ACTIVITIES[incident.get("status", "opened")]
    severity_id, severity = SEVERITIES[alert["severity"]]
    start, end = (flow.get(k) or incident.get(k) for k in ("start", "end"))
    names = zip(
        metadata["mitre_technique_id"], metadata["mitre_technique_name"], strict=True
    )
    return known(
        {
            "category_uid": CATEGORY,
            "class_uid": CLASS,
            "activity_id": activity,
            "type_uid": CLASS * 100 + activity,
            "time": _ms(event["timestamp"]),
            "severity_id": severity_id,
            "severity": severity,
            "status_id": 4 if activity == ACTIVITIES["closed"] else 1,
            "message": incident.get("summary", alert["signature"]),
            "metadata": {
                "version": VERSION,
                "uid": event["alert_id"],
                "product": {"name": "evenflow", "vendor_name": "evenflow"},
            },
            "finding_info": {
                "uid": event.get("incident_id", event["alert_id"]),
                "title": alert["signature"],
                "types": [alert["category"]],
                "first_seen_time": _ms(start),
                "last_seen_time": _ms(end),
                "attacks": [
                    {
                        "version": ATTACK_VERSION,
                        "technique": {"uid": uid, "name": name},
                    }
                    for uid, name in names
                ],
                "analytic": {
                    "name": event["ml"]["model"],
                    "version": event["ml"]["version"],
                    "uid": str(alert["signature_id"]),
                    "type_id": 4,  # learning (ML/DL)
                },
            },
            "confidence_score": round(100 * event["ml"]["score"]),
            "evidences": _evidences(event),
            "unmapped": {"ml": event["ml"], "incident": incident or None},
        }
    )


def _state(event: Event, kind: str) -> Event:
    """Return an event about the model, or the traffic as a whole."""
    status = {"began": "opened", "joined": "updated", "ended": "closed"}
    activity = ACTIVITIES[status.get(event[kind]["status"], "opened")]
    return {
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "activity_id": activity,
        "type_uid": CLASS * 100 + activity,
        "time": _ms(event["timestamp"]),
        "severity_id": 1,
        "severity": "Informational",
        "message": event[kind]["summary"],
        "metadata": {
            "version": VERSION,
            "uid": event["alert_id"],
            "product": {"name": "evenflow", "vendor_name": "evenflow"},
        },
        "finding_info": {
            "uid": event["alert_id"],
            "title": TITLES[kind],
            "types": [kind],
        },
        "unmapped": {"ml": event["ml"], kind: event[kind]},
    }


def _evidences(event: Event) -> list[Event] | None:
    sides = {
        "src_endpoint": {"ip": event.get("src_ip"), "port": event.get("src_port")},
        "dst_endpoint": {"ip": event.get("dest_ip"), "port": event.get("dest_port")},
    }
    flow = event.get("flow", {})
    evidence = {name: side for name, side in sides.items() if side["ip"]}
    if "proto" in event:
        evidence["connection_info"] = {
            "uid": str(event["flow_id"]),
            "protocol_name": event["proto"].lower(),
            "community_uid": event.get("community_id"),
            "direction_id": 0,
        }
        evidence["traffic"] = {
            "packets_out": flow.get("pkts_toserver"),
            "packets_in": flow.get("pkts_toclient"),
            "bytes_out": flow.get("bytes_toserver"),
            "bytes_in": flow.get("bytes_toclient"),
        }
    return [known(evidence)] if evidence else None


def _ms(time: str | None) -> int | None:
    if time is None:
        return None
    moment = datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%f%z")
    return round(moment.timestamp() * 1000)
