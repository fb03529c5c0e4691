"""Which columns stand together in a form, and what the group is about.

A table for the schemas we know, by patterns, so that a data set's smaller samples and
the columns that live traffic gives find theirs too; anything else is grouped by the
first part of its columns' names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evenflow.schema import Column

Heading = tuple[str, str]
"""Title and explanation of a group."""

MIN_SHARE = 0.9
"""Share of the columns a table must place for it to be the schema's."""
MIN_SIZE, MAX_GROUPS = 3, 8

_KDD = (
    ("The connection", "What the connection itself was: kind, length, size and end.",
     r"duration|protocol_type|service|flag|(src|dst)_bytes|land|wrong_fragment|urgent"),
    ("What was done in it", "Seen only in readable sessions such as FTP and Telnet; 0 "
     "in all others.",
     r"hot|num_\w+|logged_in|root_shell|su_attempted|is_(host|guest)_login"),
    ("The last two seconds", "Connections of the two seconds before: to the same host, "
     "or to the same service on any host. Shares are from 0 to 1.",
     r"(srv_)?count|(srv_)?[sr]error_rate|(same|diff)_srv_rate|srv_diff_host_rate"),
    ("The last connections to the host", "Up to 255 connections to the same target "
     "before this one, however long ago. Shares are from 0 to 1.",
     r"dst_host_\w+"),
)  # fmt: skip
_ARGUS = (
    ("The connection", "Protocol and state, as Argus reports them.",
     r"flgs(_number)?|proto(_number)?|state(_number)?|seq"),
    ("Size", "Packets and bytes, in all and each way.",
     r"[sd]?pkts|[sd]?bytes|[sd]?rate"),
    ("Duration", "How long the record took, and the records Argus put together in it.",
     r"dur|mean|stddev|sum|min|max"),
    ("Its neighbourhood", "Sums over the 100 records around this one, as the publisher "
     "of BoT-IoT computed them.",
     r"(N_IN|TnP|TnBP|AR_P|Pkts_P)\w*"),
)  # fmt: skip
_UNSW = (
    ("The connection", "Protocol, service, length and size, each way.",
     r"dur|proto|service|state|rate|[sd](pkts|bytes|load|loss|ttl)"),
    ("Timing and TCP", "Gaps between packets, windows and the set-up of the "
     "connection.",
     r"[sd](inpkt|jit|win|tcpb)|tcprtt|synack|ackdat"),
    ("Contents", "What was seen of packets, web requests and FTP sessions.",
     r"[sd]mean|trans_depth|response_body_len|is_ftp_login|ct_ftp_cmd|ct_flw_\w+"),
    ("The last 100 connections", "How many of them shared something with this one.",
     r"ct_\w+|is_sm_ips_ports"),
)  # fmt: skip
_NETFLOW = (
    ("The flow", "Protocols, packets, bytes and duration, each way.",
     r"PROTOCOL|L7_PROTO|(IN|OUT)_(BYTES|PKTS)|DURATION_\w+|(MIN|MAX)_TTL"),
    ("Speed and repeats", "Bytes a second and what had to be sent again.",
     r"\w+_SECOND_BYTES|\w+_THROUGHPUT|RETRANSMITTED_\w+"),
    ("Packet sizes", "The longest, the shortest, and how many of each size.",
     r"(LONGEST|SHORTEST)_FLOW_PKT|(MIN|MAX)_IP_PKT_LEN|NUM_PKTS_\w+"),
    ("Flags and protocols", "TCP flags and windows, ICMP, DNS and FTP codes.",
     r"\w*TCP_\w+|ICMP_\w+|DNS_\w+|FTP_\w+"),
)  # fmt: skip
_CIC = (
    ("The flow", "Duration, packets, bytes and speed.",
     r"flow_(duration|bytes_per_s|packets_per_s)|total_\w+|(fwd|bwd)_packets_per_s|"
     r"down_up_ratio|subflow_\w+"),
    ("Packet sizes", "Payload bytes a packet, in all and each way.",
     r"\w*packet_length\w*|(min|max)_packet_length|average_packet_size|"
     r"avg_\w+_segment_size|min_seg_size_forward|(fwd|bwd)_header_length"),
    ("Gaps between packets", "Times between one packet and the next.", r"\w*iat_\w+"),
    ("Flags and windows", "TCP flags, windows and packets with data.",
     r"\w+_flags|\w+_flag_count|init_win_\w+|act_data_pkt_fwd"),
    ("Bulk", "Stretches of many packets one way.", r"\w+_bulk\w*"),
    ("Active and idle", "How long the flow was busy or silent at a time.",
     r"(active|idle)_\w+"),
)  # fmt: skip
_TABLES = (_KDD, _ARGUS, _UNSW, _NETFLOW, _CIC)
REST: Heading = ("More columns", "")


def is_kdd(columns: Sequence[Column]) -> bool:
    """Return whether the columns are KDD Cup 99's, all or those of live traffic."""
    return _table(columns) is _KDD


def grouped(columns: Sequence[Column]) -> list[tuple[Heading, list[Column]]]:
    """Return the columns in groups, each in the order of the schema."""
    table = _table(columns)
    named = _by_name(columns) if table is None else _by_table(columns, table)
    groups: dict[Heading, list[Column]] = {}
    for column in columns:
        groups.setdefault(named[column.name], []).append(column)
    if table is None:
        return sorted(groups.items(), key=lambda group: group[0] == REST)
    order = [(title, text) for title, text, _ in table]
    return [(h, groups[h]) for h in [*order, REST] if h in groups]


def _table(columns: Sequence[Column]) -> tuple[tuple[str, str, str], ...] | None:
    """Return the table that places most of the columns, if it places nearly all."""
    placed = {
        table: sum(_place(c.name, table) is not None for c in columns)
        for table in _TABLES
    }
    best = max(placed, key=lambda table: placed[table])
    return best if placed[best] >= MIN_SHARE * len(columns) else None


def _place(name: str, table: tuple[tuple[str, str, str], ...]) -> Heading | None:
    for title, text, pattern in table:
        if re.fullmatch(pattern, name):
            return title, text
    return None


def _by_table(
    columns: Sequence[Column], table: tuple[tuple[str, str, str], ...]
) -> dict[str, Heading]:
    return {c.name: _place(c.name, table) or REST for c in columns}


def _by_name(columns: Sequence[Column]) -> dict[str, Heading]:
    """Group words, then numbers that share the first part of their name."""
    heads = {c.name: re.split(r"[_.\s]", c.name)[0].lower() for c in columns}
    found: dict[str, Heading] = {}
    sizes: dict[str, int] = {}
    for column in columns:
        if column.kind == "numeric":
            head = heads[column.name]
            sizes[head] = sizes.get(head, 0) + 1
    large = sorted((h for h in sizes if sizes[h] >= MIN_SIZE), key=lambda h: -sizes[h])
    shared = set(large[:MAX_GROUPS])
    for column in columns:
        head = heads[column.name]
        if column.kind == "category":
            found[column.name] = ("Words", "Values that are words or codes.")
        elif head in shared:
            found[column.name] = (
                f"{head.capitalize()} \u2026",
                f"Columns whose name starts with {head!r}.",
            )
        else:
            found[column.name] = REST
    if set(found.values()) == {REST}:
        return dict.fromkeys(found, ("All columns", ""))
    return found
