"""Column names that tell the label or the capture, and classes named in a text.

The one list of such columns: it guesses the columns of a user's table, and it warns of
the features of a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LABELS = (
    "attacktype", "attack", "attackcat", "attackcategory", "label", "labels", "class",
    "classes", "category", "target", "y", "type", "isattack", "malicious",
)  # fmt: skip
"""Names a label column goes by, letters only, the more telling first."""
_VAGUE = frozenset({"y", "type", "traffic", "outcome", "level"})
"""Names of labels in some tables and of honest features in others."""
_FOLLOWS = frozenset({"difficulty", "difficultylevel", "level", "attemptedcategory"})
"""Names of columns that somebody worked out from the label: no label themselves."""
_CORE = (
    "labels|label|classification|classes|class|attacks|attack|categories|category|"
    "target|malicious|malware|anomaly|anomalous|abnormal|intrusion|threat|benign|"
    "isnormal|verdict|"
    "groundtruth"
)
_BEFORE = (
    "is|binary|bin|multiclass|multi|sub|detailed|detail|true|final|predicted|pred|"
    "ground|truth|family"
)
_AFTER = (
    "types|type|subtype|subcategory|subcat|subclass|cat|name|names|ids|id|code|num|int|numeric|encoded|enc|flag|value|"
    "binary|bin|multiclass|multi|family|str|text|desc|description|truth|duplicated"
)
_LABEL = re.compile(rf"(?:{_BEFORE})*(?:{_CORE})(?:{_CORE}|{_AFTER})*")
_FIELDS = frozenset({"mpls", "flow", "ipv6", "ip6", "vlan", "dns", "longest"})
"""Words of names of protocol fields called label: ``ipv6_flow_label``."""

_ALONE = frozenset({
    "id", "ids", "idx", "index", "row", "rows", "rowid", "rownum", "rownumber",
    "rownames", "no", "nr", "sno", "srno", "record", "recordid", "recordno",
    "seq", "pkseqid", "flowid", "sessionid", "connid", "uid", "uuid", "guid",
    "pid", "start", "end", "starttime", "endtime", "lasttime", "stime", "ltime",
    "firstseen", "lastseen", "src", "dst", "source", "destination", "orig",
    "resp", "saddr", "daddr", "srcaddr", "dstaddr", "sourceaddr",
    "destinationaddr", "smac", "dmac", "sport", "dport", "dsport", "community",
    "communityid", "unnamed", "lineno", "dataset", "capture", "scenario", "pcap",
    "pcapfile", "file", "filename", "sourcefile",
})  # fmt: skip
"""Whole names of identifiers, letters only."""
_LAST = frozenset({
    "id", "uid", "uuid", "guid", "ip", "ips", "ipv4", "ipv6", "addr", "address",
    "mac", "oui", "host", "hostname", "port", "ts", "time", "timestamp", "date",
    "datetime", "epoch", "srcip", "dstip", "srcport", "dstport", "sport", "dport",
    "dsport", "srcmac", "dstmac", "saddr", "daddr", "stream",
})  # fmt: skip
"""Last words of names of identifiers."""
_MEASURES = frozenset({
    "is", "has", "same", "diff", "num", "number", "count", "ct", "total", "tot",
    "sum", "mean", "avg", "average", "std", "min", "max", "median", "rate",
    "ratio", "delta", "duration", "dur", "elapsed", "inter", "interarrival",
    "iat", "rtt", "response", "reply", "idle", "active", "wait", "run", "latency",
    "processing", "handshake", "setup", "trip", "entropy", "unique", "distinct",
    "len", "length", "size", "bytes", "pkts", "packets", "per", "p", "tn",
})  # fmt: skip
"""Words of names of measurements: ``response_time``, ``max_idle_time``."""
_UNITS = frozenset({
    "ms", "us", "ns", "s", "sec", "secs", "seconds", "millis", "milliseconds",
    "microseconds", "nanoseconds",
})  # fmt: skip
_PARTS = [
    re.compile(pattern)
    for pattern in (
        r".*\b(src|dst|source|destination|orig|resp) (h|p)",
        r"(ip|ipv4|ipv6|eth|arp|wlan|sll)\b.*\b(src|dst|sa|da|ta|ra)",
        r".*\btime (relative|epoch|utc|start|end|first|last)",
        r".*\b(first|last) seen",
        r"(frame|row|record|line|serial|flow|sequence|seq) (number|no|num|nr|index)",
        r"level 0",
    )
]


def is_label(name: str) -> bool:
    """Whether a column may be the label, by its name."""
    plain, words = _letters(name), _words(name)
    is_field = (_FIELDS | _MEASURES) & set(words)
    if {"label", "labels"} & {*words[:1], *words[-1:]} and not is_field:
        return True  # gt_label, label_manual
    return (
        plain in LABELS or plain in _VAGUE - _FOLLOWS or bool(_LABEL.fullmatch(plain))
    )


def tells_label(name: str) -> bool:
    """Whether a column is a label by its name or follows from one."""
    return is_label(name) or _letters(name) in _FOLLOWS


def must_be_label(name: str) -> bool:
    """Whether a column of that name can be nothing but a label or what follows."""
    return tells_label(name) and _letters(name) not in _VAGUE


def begins_as_label(name: str) -> bool:
    """Whether a name begins as a label's does: ``label_ddos`` of one-hot labels."""
    return bool(_LABEL.match(_letters(name)))


def rank(name: str) -> int:
    """Return how telling the name of a label is, 0 first."""
    plain = _letters(name)
    return LABELS.index(plain) if plain in LABELS else len(LABELS)


def is_identifier(name: str) -> bool:
    """Whether a column is an address, a port, a time or a row number, by its name."""
    words = _words(name)
    if not any(c.isalnum() for c in name) or _letters(name) in _ALONE:
        return True  # pandas and R write row numbers under an empty name
    if any(pattern.fullmatch(" ".join(words)) for pattern in _PARTS):
        return True
    if not words or _MEASURES & set(words):
        return False
    if len(words) > 1 and words[-1] in _UNITS:
        return words[-2] in {"start", "end", "seen", "first", "last", "timestamp"}
    return words[-1] in _LAST


def _letters(name: str) -> str:
    """Return a name's letters in lower case, without the number of a copy."""
    return "".join(c for c in name.lower() if c.isalpha())


def _words(name: str) -> list[str]:
    """Return a name's words in lower case: ``tcp.srcPort`` is tcp, src, port."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z0-9]+", split.lower())


def named(text: str, classes: Sequence[str]) -> str:
    """Return the text with ``class 'dos'`` for ``class 1``."""

    def name(found: re.Match[str]) -> str:
        code = int(found[1])
        return f"class {classes[code]!r}" if code < len(classes) else found[0]

    return re.sub(r"\bclass (\d+)\b", name, text)
