"""Values that exclude each other in a KDD record: a warning, never an error.

Each rule was counted on NSL-KDD's files and holds for over 99 % of the rows of both.
``srv_count`` over ``count`` is not among them: it is so in 22 % of the rows, since
the first counts the service on every host, the second one host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Record = Mapping[str, float | str | None]
ICMP = ("eco_i", "ecr_i", "urp_i", "tim_i", "red_i", "urh_i")
"""Services that are kinds of ICMP message."""
UNANSWERED = ("S0", "REJ", "SH")


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """Something odd that does not keep the record from being scored."""

    fields: tuple[str, ...]
    """Columns it is about; the first is where it stands in the form."""
    text: str


Rule = tuple[tuple[str, ...], Callable[..., bool], str]


def _over(*values: float) -> bool:
    return sum(values) > 1.02  # rates are rounded to hundredths


_RULES: tuple[Rule, ...] = (
    (
        ("dst_bytes", "flag"),
        lambda size, flag: size > 0 and flag in UNANSWERED,
        "Bytes came back although the flag says the connection was not answered.",
    ),
    (
        ("flag", "protocol_type"),
        lambda flag, protocol: protocol in ("udp", "icmp") and flag != "SF",
        "UDP and ICMP have no connection, so their flag is SF.",
    ),
    (
        ("dst_bytes", "protocol_type"),
        lambda size, protocol: size > 0 and protocol == "icmp",
        "An ICMP record counts one direction: nothing comes back in it.",
    ),
    (
        ("service", "protocol_type"),
        lambda service, protocol: (
            protocol in ("tcp", "udp", "icmp")
            and (protocol == "icmp") != (service in ICMP)
        ),
        f"The services {', '.join(ICMP)} go with ICMP, and no others do.",
    ),
    (
        ("service", "protocol_type"),
        lambda service, protocol: service == "domain_u" and protocol == "tcp",
        "domain_u is DNS over UDP; over TCP it is domain.",
    ),
    (
        ("logged_in", "protocol_type"),
        lambda logged_in, protocol: logged_in > 0 and protocol in ("udp", "icmp"),
        "Log-ins are seen over TCP only.",
    ),
    *(
        (
            (name, "logged_in"),
            lambda n, logged_in: n > 0 and logged_in == 0,
            "This needs a session, and nobody logged in.",
        )
        for name in ("root_shell", "num_root", "num_shells", "su_attempted",
                     "num_file_creations")
    ),
    (
        ("count",),
        lambda n: n == 0,
        "The record itself is counted, so this is 1 or more.",
    ),
    (
        ("serror_rate", "flag"),
        lambda rate, flag: rate == 0 and flag == "S0",
        "This connection was not answered, so the share of SYN errors is over 0.",
    ),
    (
        ("dst_host_diff_srv_rate", "dst_host_same_srv_rate"),
        _over,
        "The shares to the same and to other services are over 1 together.",
    ),
)  # fmt: skip


def remarks(record: Record) -> tuple[Remark, ...]:
    """Return what is odd about a record of KDD columns; missing values are not."""
    found = []
    for fields, is_odd, text in _RULES:
        values = [record.get(name) for name in fields]
        if all(v is not None for v in values) and is_odd(*values):
            found.append(Remark(fields=fields, text=text))
    return tuple(found)
