"""Columns and their values in plain words, where the published name is a riddle."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from evenflow.schema import Column

# KDD Cup 99 and NSL-KDD; the group's title says "to the same host" and "last 2 s".
_LABELS = {
    "duration": "Length of the connection",
    "protocol_type": "Transport protocol",
    "service": "Service at the target",
    "flag": "How the connection went",
    "src_bytes": "Payload bytes sent",
    "dst_bytes": "Payload bytes received",
    "land": "Same address and port on both sides",
    "wrong_fragment": "Wrong fragments",
    "urgent": "Urgent packets",
    "hot": "Accesses to sensitive places",
    "num_failed_logins": "Failed log-ins",
    "logged_in": "Logged in",
    "num_compromised": "Signs of compromise",
    "root_shell": "Root shell obtained",
    "su_attempted": "'su root' attempted",
    "num_root": "Accesses as root",
    "num_file_creations": "Files created",
    "num_shells": "Shell prompts",
    "num_access_files": "Operations on access control files",
    "num_outbound_cmds": "Outbound FTP commands",
    "is_host_login": "Logged in as root or administrator",
    "is_guest_login": "Logged in as guest",
    "count": "Connections to the host",
    "srv_count": "Connections to the service",
    "serror_rate": "SYN errors, same host",
    "srv_serror_rate": "SYN errors, same service",
    "rerror_rate": "Refused, same host",
    "srv_rerror_rate": "Refused, same service",
    "same_srv_rate": "To the same service",
    "diff_srv_rate": "To other services",
    "srv_diff_host_rate": "To other hosts, same service",
    "dst_host_count": "Last connections to the host",
    "dst_host_srv_count": "Of those, to the service",
    "dst_host_same_srv_rate": "To the same service (host)",
    "dst_host_diff_srv_rate": "To other services (host)",
    "dst_host_same_src_port_rate": "From the same source port (host)",
    "dst_host_srv_diff_host_rate": "From other hosts (host and service)",
    "dst_host_serror_rate": "SYN errors (host)",
    "dst_host_srv_serror_rate": "SYN errors (host and service)",
    "dst_host_rerror_rate": "Refused (host)",
    "dst_host_srv_rerror_rate": "Refused (host and service)",
}
_VALUES = {
    "protocol_type": {
        "tcp": "TCP: a connection",
        "udp": "UDP: single packets",
        "icmp": "ICMP: ping and errors",
    },
    "flag": {
        "SF": "opened and closed as usual",
        "S0": "opened, never answered",
        "REJ": "refused",
        "RSTR": "opened, then broken off by the target",
        "RSTO": "opened, then broken off by the source",
        "S1": "opened, never closed",
        "S2": "opened, closed by the source alone",
        "S3": "opened, closed by the target alone",
        "SH": "half open: the target stayed silent",
        "RSTOS0": "broken off by the source before an answer",
        "OTH": "only the middle was seen",
    },
    "service": {
        "private": "a port without a name",
        "other": "any other service",
        "domain": "DNS over TCP",
        "domain_u": "DNS over UDP",
        "eco_i": "ping, the question",
        "ecr_i": "ping, the answer",
        "http_443": "web, encrypted",
        "http": "web",
        "smtp": "mail, delivery",
        "pop_3": "mail, collection",
        "imap4": "mail, collection",
        "ftp": "file transfer, commands",
        "ftp_data": "file transfer, contents",
        "telnet": "terminal, unencrypted",
        "ssh": "terminal, encrypted",
        "ntp_u": "clock",
        "finger": "who is logged in",
        "X11": "graphical display",
    },
}
_ABBREVIATIONS = {
    "fwd": "forward", "bwd": "backward", "std": "standard deviation",
    "iat": "time between packets", "min": "minimum", "max": "maximum", "pkt": "packet",
    "pkts": "packets", "num": "number of", "avg": "average", "len": "length",
    "init": "initial", "win": "window", "act": "active", "src": "source",
    "dst": "destination", "srv": "service", "dur": "duration", "proto": "protocol",
}  # fmt: skip
_UPPER = {"tcp", "udp", "icmp", "ip", "ipv4", "http", "ftp", "dns", "ttl", "syn", "ack",
          "fin", "rst", "psh", "urg", "ece", "cwe", "l7", "id", "id's"}  # fmt: skip
SHORTEST, LONGEST = 8, 60
"""Characters of a description that may serve as a label."""


def labels(columns: Sequence[Column], *, is_kdd: bool) -> dict[str, str]:
    """Return what a person calls each column; no two are called the same.

    Parameters
    ----------
    columns : sequence of Column
    is_kdd : bool
        Whether the columns are those of KDD Cup 99; ``count`` is a word anywhere.
    """
    known = _LABELS if is_kdd else {}
    named = {c.name: known.get(c.name) or _described(c)[0] for c in columns}
    often = Counter(named.values())
    for column in columns:
        if often[named[column.name]] > 1:
            named[column.name] = _described(column)[1]
    often = Counter(named.values())
    return {
        name: text if often[text] == 1 else _spelled(name)
        for name, text in named.items()
    }


def _described(column: Column) -> tuple[str, str]:
    """Return the start of the description, and all of it; else the name, spelled."""
    text = column.description.removeprefix("1: ")
    text = text.split(" over the publisher")[0]
    start = re.split(r"[;:(]|, | with ", text)[0].strip()
    is_own = not text.startswith("CICFlowMeter")
    spelled = _spelled(column.name)
    short, full = (
        _capital(t) if is_own and SHORTEST <= len(t) <= LONGEST else spelled
        for t in (start, text)
    )
    return short, full


def _spelled(name: str) -> str:
    """Return a name with its abbreviations written out."""
    return _capital(" ".join(map(_word, _parts(name)))) or name


def value(column: str, choice: str, *, is_kdd: bool) -> str:
    """Return what a value of a category means; empty where it speaks for itself."""
    return _VALUES.get(column, {}).get(choice, "") if is_kdd else ""


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for part in re.split(r"[_\s]+", spaced) if part]


def _word(part: str) -> str:
    low = part.lower()
    if low in _UPPER:
        return low.upper()
    return _ABBREVIATIONS.get(low, low)


def _capital(text: str) -> str:
    is_name = text[1:2].isupper()  # nDPI
    return text if is_name else text[:1].upper() + text[1:]
