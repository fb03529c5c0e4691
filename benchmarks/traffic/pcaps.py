"""What a model says of public captures: a table, with its mistakes.

    python benchmarks/traffic/pcaps.py FOLDER [--bundle DIR] [-o PAGE]

Each capture is read as ``evenflow watch -r`` reads it. It is right where ordinary
traffic gives no incident, and where the largest incident of an attack is of its family.
"""

from __future__ import annotations

import argparse
import threading
from dataclasses import dataclass
from pathlib import Path

from evenflow.runtime import bundle as bundles
from evenflow.runtime.feeds import captures
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.incidents.incident import Incident
from evenflow.runtime.watch import Watch
from evenflow.traffic.contracts import for_columns

CAPTURES = {".pcap", ".pcapng", ".cap"}
QUIET, OTHER = "no attack", "not of its families"
SHOWN: dict[str, tuple[str, str]] = {
    "brute-ftp-crack.pcap": ("guessing", "FTP password guessing"),
    "brute-ssh-zeek.pcap": ("guessing", "SSH password guessing"),
    "c2-slips-2.pcap": (OTHER, "polling of a controller, staged"),
    "c2-trickbot.pcap": (OTHER, "TrickBot posts to its controller"),
    "dos-attack.pcap": ("dos", "SYN flood, all addresses random"),
    "dos-dhcp-flood-zeek.pcap": ("dos", "DHCP discover flood"),
    "dos-syn-flood.pcap": ("dos", "SYN flood of one source, generated"),
    "encap-vlan-mpls.pcap": (QUIET, "VLAN and MPLS"),
    "exfil-dns.pcap": ("exfiltration", "dnscat over MX queries"),
    "exploit-heartbleed.pcap": (OTHER, "Heartbleed"),
    "iot-mqtt.pcap": (QUIET, "MQTT publish, IPv6"),
    "ip-fragments.pcap": (QUIET, "large pings in fragments"),
    "ipv6-fragments.pcapng": (QUIET, "large pings in fragments, IPv6"),
    "mitm-arp-poison.pcapng": (OTHER, "ARP poisoning, a DNS and HTTP session"),
    "normal-android-phone.pcap": (QUIET, "a phone joins Wi-Fi"),
    "normal-dns.cap": (QUIET, "look-ups and the pages loaded"),
    "normal-ftp.pcap": (QUIET, "an FTP session"),
    "normal-mail-attachment.pcapng": (QUIET, "SMTP, an attachment"),
    "normal-mail-pop3.pcap": (QUIET, "POP3"),
    "normal-modbus.pcap": (QUIET, "Modbus polling"),
    "normal-ping.pcap": (QUIET, "ping"),
    "normal-smb2.pcap": (QUIET, "SMB2, 100 small files"),
    "normal-ssh.pcap": (QUIET, "one SSH log-in"),
    "normal-web-http.pcap": (QUIET, "a web site over HTTP"),
    "normal-web-quic.pcap": (QUIET, "browsing over QUIC"),
    "normal-web-tls-firefox.pcap": (QUIET, "browsing over HTTPS"),
    "normal-web-wikipedia.pcap": (QUIET, "a page, with mDNS, NetBIOS and LLMNR"),
    "scan-icmp-sweep.pcap": ("scan", "ICMP sweep"),
    "scan-nmap-tcp-connect-scan.pcap": ("scan", "nmap connect scan"),
    "scan-nmap-tcp-syn-scan.pcap": ("scan", "nmap SYN scan"),
    "scan-nmap-version.pcap": ("scan", "nmap version detection"),
    "scan-nmap-xmas-tree-scan.pcap": ("scan", "nmap Xmas scan"),
    "scan-os-fingerprint.pcapng": ("scan", "nmap OS detection"),
    "scan-syn-ndpi.pcap": ("scan", "nmap SYN scan"),
    "tunnel-dns-iodine.pcap": ("exfiltration", "iodine tunnel"),
    "web-rce.pcap": ("scan", "Nikto's web scan"),
}
"""Capture -> what it is to be called, and what it shows by its publisher's words."""
PAGE = """\
# What the model says of public captures

{n} captures that others published, and the model {model}. No row of them
trained it or set its threshold. What the lab lacked was seen on them, and the score
below which one connection opens no incident was chosen with them in view: expect less
on others. The captures are not distributed with evenflow; this page is written by

```sh
{command}
```

{table}

*Expected* is by the publisher's description; there are no labels of packets. A row is
right where ordinary traffic has no incident, or where the largest incident of an attack
is of its family. Attacks of which the model has no family are not counted.
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was said of a capture."""

    connections: int
    flagged: int
    """Connections with an alert."""
    incidents: tuple[Incident, ...]
    """The largest first."""


def look(bundle: bundles.Bundle, path: Path) -> Found:
    """Return what a model says of a capture."""
    closed: list[Incident] = []
    watch = Watch(
        bundle,
        for_columns(bundle.schema.names).start(source=path.name),
        Incidents(),
        on_report=lambda r: closed.append(r.incident) if r.what == "closed" else None,
    )
    with captures([path], stop=threading.Event()) as feed:
        for batch in feed.batches:
            watch.take(batch)
    watch.finish()
    whole = [one for one in closed if not one.merged_into]
    return Found(
        connections=watch.totals.connections,
        flagged=watch.incidents.counts["alerts"],
        incidents=tuple(sorted(whole, key=lambda one: -one.connections)),
    )


def is_right(expected: str, found: Found) -> bool | None:
    """Return whether it is as expected; None where nothing is expected."""
    if expected == OTHER:
        return None
    if expected == QUIET:
        return not found.incidents
    return bool(found.incidents) and found.incidents[0].label == expected


def said(found: Found) -> str:
    """Return the incidents in a few words, the largest first."""
    parts = [
        f"{one.label} ({one.connections:,}; {one.max_score:.2f})"
        for one in found.incidents[:3]
    ]
    if len(found.incidents) > 3:
        parts.append(f"{len(found.incidents) - 3} more")
    return ", ".join(parts) or "none"


def table(bundle: bundles.Bundle, paths: list[Path]) -> list[str]:
    """Return the table, and under it how many are right."""
    lines = [
        "| capture | shows | expected | connections | flagged | incidents "
        "(connections; highest score) | right |",
        "| --- | --- | --- | ---: | ---: | --- | --- |",
    ]
    verdicts = []
    for path in paths:
        expected, shows = SHOWN.get(path.name, (OTHER, ""))
        found = look(bundle, path)
        right = is_right(expected, found)
        verdicts.append((expected == QUIET, right))
        share = found.flagged / found.connections if found.connections else 0.0
        mark = {None: "", True: "yes", False: "**no**"}[right]
        lines.append(
            f"| `{path.name}` | {shows} | {expected} | {found.connections:,} | "
            f"{share:.0%} | {said(found)} | {mark} |"
        )
    for name, quiet in (("attacks", False), ("ordinary captures", True)):
        counted = [r for is_quiet, r in verdicts if is_quiet == quiet and r is not None]
        lines += ["", f"Of {len(counted)} {name}, {sum(counted)} are right."]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bundle", type=Path, help="instead of the shipped model")
    parser.add_argument("-o", "--output", type=Path, help="the page of documentation")
    given = parser.parse_args()
    if given.bundle is None:
        from evenflow.runtime import shipped

        given.bundle = shipped.FOLDER
    paths = sorted(p for p in given.folder.iterdir() if p.suffix in CAPTURES)
    lines = table(bundles.load(given.bundle, threads=1), paths)
    print(*lines, sep="\n")
    if given.output:
        command = f"python benchmarks/traffic/pcaps.py pcaps -o {given.output}"
        text = PAGE.format(
            n=len(paths), model=f"`{given.bundle.name}`", table="\n".join(lines),
            command=command,
        )  # fmt: skip
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
