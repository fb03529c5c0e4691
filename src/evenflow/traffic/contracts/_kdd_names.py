"""KDD Cup 99's names for services and flags, and how connections get them."""

from __future__ import annotations

import polars as pl

FLAGS = {
    **{
        f: f
        for f in [
            "SF",
            "S0",
            "S1",
            "S2",
            "S3",
            "REJ",
            "RSTO",
            "RSTR",
            "RSTOS0",
            "SH",
            "OTH",
        ]
    },
    "RSTRH": "RSTR",
    "SHR": "SH",
}
"""Zeek's state of a TCP connection -> flag; other protocols have SF throughout."""
SYN_ERRORS = ("S0", "S1", "S2", "S3", "SH")
REJECTIONS = ("REJ", "RSTO", "RSTR", "RSTOS0")
TCP = {
    7: "echo", 9: "discard", 11: "systat", 13: "daytime", 15: "netstat",
    20: "ftp_data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time",
    42: "name", 43: "whois", 53: "domain", 57: "mtp", 66: "sql_net", 70: "gopher",
    71: "remote_job", 77: "rje", 79: "finger", 80: "http", 84: "ctf", 87: "link",
    95: "supdup", 101: "hostnames", 102: "iso_tsap", 105: "csnet_ns", 109: "pop_2",
    110: "pop_3", 111: "sunrpc", 113: "auth", 117: "uucp_path", 119: "nntp",
    137: "netbios_ns", 138: "netbios_dgm", 139: "netbios_ssn", 143: "imap4",
    150: "sql_net", 175: "vmnet", 179: "bgp", 194: "IRC", 210: "Z39_50", 245: "link",
    389: "ldap", 433: "nnsp", 443: "http_443", 512: "exec", 513: "login",
    514: "shell", 515: "printer", 520: "efs", 530: "courier", 540: "uucp",
    543: "klogin", 544: "kshell", 2784: "http_2784", 5190: "aol", 6000: "X11",
    6667: "IRC", 8001: "http_8001",
}  # fmt: skip
UDP = {53: "domain_u", 69: "tftp_u", 123: "ntp_u"}
BY_SERVICE = {
    "http": "http", "ssl": "http_443", "tls": "http_443", "ssh": "ssh", "smtp": "smtp",
    "ftp": "ftp", "ftp-data": "ftp_data", "dns": "domain", "pop3": "pop_3",
    "imap": "imap4", "irc": "IRC", "telnet": "telnet", "ldap": "ldap",
    "ldap_tcp": "ldap", "finger": "finger", "x11": "X11", "bgp": "bgp", "nntp": "nntp",
    "portmapper": "sunrpc",
}  # fmt: skip
"""Service found in a TCP connection -> its name, where the port has none."""
ICMP = {0: "ecr_i", 5: "red_i", 8: "eco_i", 11: "tim_i"}
ICMP6 = {128: "eco_i", 129: "ecr_i", 137: "red_i", 3: "tim_i"}
NAMES = sorted(
    {*TCP.values(), *UDP.values(), *BY_SERVICE.values(), *ICMP.values()}
    | {"urp_i", "urh_i", "private", "other"}
)


def flag() -> pl.Expr:
    """Return KDD's flag of each connection."""
    state = pl.col("conn_state").replace_strict(FLAGS, default="OTH")
    return pl.when(pl.col("proto") == "tcp").then(state).otherwise(pl.lit("SF"))


def service() -> pl.Expr:
    """Return KDD's name for the service of each connection.

    The port decides, as it did in 1998; what was found in the connection names a
    service on a port that has no name. A port below 1024 without a name is private,
    any other is other: the SNMP polls of the data set are private, what goes to high
    ports is other.
    """
    proto, port = pl.col("proto"), pl.col("id.resp_p")
    found = pl.col("service").str.to_lowercase().str.split(",").list.last()
    unnamed = pl.when(port < 1024).then(pl.lit("private")).otherwise(pl.lit("other"))
    is_data = pl.col("id.orig_p") == 20  # of FTP: the server connects to the client
    tcp = pl.coalesce(
        _named(port, TCP),
        pl.when(is_data).then(pl.lit("ftp_data")),
        _named(found, BY_SERVICE),
        unnamed,
    )
    udp = pl.coalesce(
        _named(port, UDP), pl.when(found == "dns").then(pl.lit("domain_u")), unnamed
    )
    return (
        pl.when(proto == "tcp")
        .then(tcp)
        .when(proto == "udp")
        .then(udp)
        .when(proto == "icmp")
        .then(_icmp())
        .otherwise(pl.lit("other"))
    )


def _icmp() -> pl.Expr:
    kind, code = pl.col("id.orig_p"), pl.col("id.resp_p")
    is_six = pl.col("id.orig_h").str.contains(":", literal=True)
    unreachable = pl.when(is_six).then(1).otherwise(3)
    port = pl.when(is_six).then(code == 4).otherwise(code.is_in([2, 3]))
    name = pl.when(is_six).then(_named(kind, ICMP6)).otherwise(_named(kind, ICMP))
    return (
        pl.when(kind == unreachable)
        .then(pl.when(port).then(pl.lit("urp_i")).otherwise(pl.lit("urh_i")))
        .otherwise(pl.coalesce(name, pl.lit("other")))
    )


def _named(value: pl.Expr, names: dict[int, str] | dict[str, str]) -> pl.Expr:
    return value.replace_strict(names, default=None, return_dtype=pl.String)
