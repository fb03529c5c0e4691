"""The columns, attack families and lines of KDD Cup 99, which NSL-KDD keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from evenflow.datasets import _tables
from evenflow.datasets._remote import Place
from evenflow.schema import BENIGN, Column, Schema, Table

Taxonomy = Literal["kdd_cup", "httptunnel_r2l"]

TAXONOMIES: dict[str, str] = {
    "kdd_cup": "KDD Cup 99 families (httptunnel is u2r, worm is r2l)",
    "httptunnel_r2l": "KDD Cup 99 families with httptunnel moved to r2l",
}

CLASSES = ("benign", "dos", "probe", "r2l", "u2r")

_BY_FAMILY = {
    "dos": "back land neptune pod smurf teardrop "
    "apache2 mailbomb processtable udpstorm",
    "probe": "ipsweep nmap portsweep satan mscan saint",
    "r2l": "ftp_write guess_passwd imap multihop phf spy warezclient warezmaster "
    "named sendmail snmpgetattack snmpguess worm xlock xsnoop",
    "u2r": "buffer_overflow loadmodule perl rootkit httptunnel ps sqlattack xterm",
}
FAMILIES = {a: family for family, all_ in _BY_FAMILY.items() for a in all_.split()}

PROTOCOLS = ("tcp", "udp", "icmp")
FLAGS = ("SF", "S0", "REJ", "RSTR", "RSTO", "S1", "SH", "S2", "RSTOS0", "S3", "OTH")
_SERVICES = (
    "IRC X11 Z39_50 aol auth bgp courier csnet_ns ctf daytime discard domain domain_u "
    "echo eco_i ecr_i efs exec finger ftp ftp_data gopher harvest hostnames http "
    "http_2784 http_443 http_8001 imap4 iso_tsap klogin kshell ldap link login mtp "
    "name netbios_dgm netbios_ns netbios_ssn netstat nnsp nntp ntp_u other pm_dump "
    "pop_2 pop_3 printer private red_i remote_job rje shell smtp sql_net ssh sunrpc "
    "supdup systat telnet tftp_u tim_i time urh_i urp_i uucp uucp_path vmnet "
    "whois"
)
SERVICES = tuple(_SERVICES.split())


def _count(name: str, text: str, high: float | None = None, unit: str = "") -> Column:
    return Column(name=name, low=0, high=high, step=1, unit=unit, description=text)


def _flag(name: str, text: str) -> Column:
    return Column(name=name, low=0, high=1, step=1, description=text)


def _rate(name: str, text: str) -> Column:
    return Column(name=name, low=0, high=1, step=0.01, description=text)


_2S = "of the connections to the same host in the last 2 s"
_2S_SRV = "of the connections to the same service in the last 2 s"
_HOST = "of the last connections to the same host"
_HOST_SRV = "of the last connections to the same host and service"

COLUMNS = (
    # about the connection
    _count("duration", "length of the connection", unit="s"),
    Column(
        name="protocol_type",
        kind="category",
        choices=PROTOCOLS,
        description="transport protocol",
    ),
    Column(
        name="service",
        kind="category",
        choices=SERVICES,
        description="service at the destination port; private: a port without a name",
    ),
    Column(
        name="flag",
        kind="category",
        choices=FLAGS,
        description="how the connection went: SF normal, S0 no answer, REJ rejected, "
        "RST* reset, SH half open",
    ),
    _count("src_bytes", "payload bytes from source to destination", unit="bytes"),
    _count("dst_bytes", "payload bytes from destination to source", unit="bytes"),
    _flag("land", "1: source and destination have the same address and port"),
    _count("wrong_fragment", "wrong fragments"),
    _count("urgent", "packets with the urgent bit", unit="packets"),
    # about what was done in it; needs a readable session
    _count("hot", "accesses to sensitive places, such as system folders"),
    _count("num_failed_logins", "failed log-ins"),
    _flag("logged_in", "1: a log-in succeeded"),
    _count("num_compromised", "conditions of compromise, such as 'not found' jumps"),
    _flag("root_shell", "1: a root shell was obtained"),
    _count("su_attempted", "'su root' attempted (the files hold 0, 1 and 2)", high=2),
    _count("num_root", "accesses as root"),
    _count("num_file_creations", "files created"),
    _count("num_shells", "shell prompts"),
    _count("num_access_files", "operations on access control files"),
    _count("num_outbound_cmds", "outbound commands of an FTP session (0 everywhere)"),
    _flag("is_host_login", "1: log-in as root or administrator"),
    _flag("is_guest_login", "1: log-in as guest"),
    # about the last two seconds
    _count("count", "connections to the same host in the last 2 s", high=511),
    _count("srv_count", "connections to the same service in the last 2 s", high=511),
    _rate("serror_rate", f"share with SYN errors {_2S}"),
    _rate("srv_serror_rate", f"share with SYN errors {_2S_SRV}"),
    _rate("rerror_rate", f"share rejected {_2S}"),
    _rate("srv_rerror_rate", f"share rejected {_2S_SRV}"),
    _rate("same_srv_rate", f"share to the same service {_2S}"),
    _rate("diff_srv_rate", f"share to other services {_2S}"),
    _rate("srv_diff_host_rate", f"share to other hosts {_2S_SRV}"),
    # about the last connections to the host
    _count("dst_host_count", "connections to the same host, at most 255", high=255),
    _count("dst_host_srv_count", "the same to the same service", high=255),
    _rate("dst_host_same_srv_rate", f"share to the same service {_HOST}"),
    _rate("dst_host_diff_srv_rate", f"share to other services {_HOST}"),
    _rate("dst_host_same_src_port_rate", f"share from the same source port {_HOST}"),
    _rate("dst_host_srv_diff_host_rate", f"share from other hosts {_HOST_SRV}"),
    _rate("dst_host_serror_rate", f"share with SYN errors {_HOST}"),
    _rate("dst_host_srv_serror_rate", f"share with SYN errors {_HOST_SRV}"),
    _rate("dst_host_rerror_rate", f"share rejected {_HOST}"),
    _rate("dst_host_srv_rerror_rate", f"share rejected {_HOST_SRV}"),
)


def schema(
    name: str, taxonomy: Taxonomy = "kdd_cup", *, aside: tuple[str, ...] = ()
) -> Schema:
    """Return columns and classes under one of the two family maps in use.

    Parameters
    ----------
    name : str
        Of the data set.
    taxonomy : {'kdd_cup', 'httptunnel_r2l'}
    aside : tuple of str
        Columns that its files have after the label.
    """
    moved = {"httptunnel": "r2l"} if taxonomy == "httptunnel_r2l" else {}
    return Schema(
        name=name,
        columns=COLUMNS,
        classes=CLASSES,
        families=FAMILIES | moved,
        taxonomy=TAXONOMIES[taxonomy],
        layout=(*(c.name for c in COLUMNS), "label", *aside),
    )


def table(schema: Schema, place: Place, source: Path | bytes) -> Table:
    """Return the rows of a file without a header; ``normal`` becomes ``benign``.

    Raises
    ------
    DataError
        The file is damaged, lacks columns, or holds a label of no family.
    """
    frame = _tables.read(
        source,
        form=place.form,
        where=place.path,
        numeric=[c.name for c in schema.numeric],
        header=schema.layout,
    )
    _tables.require(frame, schema.layout, place.path)
    aside = schema.layout[schema.layout.index("label") + 1 :]
    return _tables.labelled(
        schema,
        frame,
        # KDD Cup 99 ends a label with a full stop
        frame["label"]
        .str.strip_chars()
        .str.strip_suffix(".")
        .replace("normal", BENIGN),
        where=place.path,
        extra=frame.select(pl.col(name).cast(pl.Int64) for name in aside),
        first_line=1,
    )
