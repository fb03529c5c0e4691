"""Attacks in a lab, by known tools and a few of our own, at many rates."""

from __future__ import annotations

from collections.abc import Callable

from evenflow.lab import _flooding as f
from evenflow.lab import _intruding as i
from evenflow.lab.doing import Action, Doing


def _a(
    name: str,
    family: str,
    tool: str,
    do: Callable[[Doing], bool | None],
    weight: float,
    *,
    test: bool = False,
) -> Action:
    return Action(
        name=name, family=family, tool=tool, do=do, weight=weight, only_in_test=test
    )


ACTIONS = (
    _a("SYN scan", "scan", "nmap", f.nmap("-sS"), 2),
    _a("connect scan", "scan", "nmap", f.nmap("-sT"), 1),
    _a("UDP scan", "scan", "nmap", f.nmap("-sU", most=120), 1),
    _a("version scan", "scan", "nmap", f.nmap("-sV", "--version-light", most=150), 1),
    _a("sweep", "scan", "nmap", f.sweep, 1),
    _a("connect scan", "scan", "own", f.own_scan, 2),
    _a("SYN scan", "scan", "masscan", f.masscan, 2, test=True),
    _a("FIN scan", "scan", "nmap", f.nmap("-sF", most=200), 1, test=True),
    _a("SYN flood", "dos", "hping3", f.hping("-S"), 1.5),
    _a("UDP flood", "dos", "hping3", f.hping("--udp", udp=True), 1),
    _a("UDP flood", "dos", "own", f.own_udp_flood, 1),
    _a("ICMP flood", "dos", "hping3", f.hping("-1"), 0.5),
    _a("ACK flood", "dos", "hping3", f.hping("-A"), 1, test=True),
    _a("HTTP flood", "dos", "ab", f.http_flood, 1),
    _a("HTTP flood", "dos", "own", f.own_http_flood, 1),
    _a("slow HTTP", "dos", "own", f.own_slow, 2),
    _a("slow HTTP", "dos", "slowhttptest", f.slowhttptest("-H"), 1),
    _a("slow HTTP", "dos", "slowhttptest", f.slowhttptest("-B"), 1),
    _a("slow reading", "dos", "slowhttptest", f.slowhttptest("-X"), 1, test=True),
    _a("MQTT flood", "dos", "own", f.mqtt_flood, 1),
    _a("SSH guessing", "guessing", "hydra", i.guess_by("hydra", "ssh"), 2),
    _a("FTP guessing", "guessing", "hydra", i.guess_by("hydra", "ftp"), 1.5),
    _a("HTTP guessing", "guessing", "hydra", i.guess_by("hydra", "http"), 1.5),
    _a("SSH guessing", "guessing", "own", i.own_guess("ssh"), 2),
    _a("FTP guessing", "guessing", "own", i.own_guess("ftp"), 1.5),
    _a("HTTP guessing", "guessing", "own", i.own_guess("http"), 1.5),
    _a("SSH guessing", "guessing", "ncrack", i.guess_by("ncrack", "ssh"), 1),
    _a("FTP guessing", "guessing", "ncrack", i.guess_by("ncrack", "ftp"), 1),
    _a("SSH guessing", "guessing", "medusa", i.guess_by("medusa", "ssh"), 2, test=True),
    _a("FTP guessing", "guessing", "medusa", i.guess_by("medusa", "ftp"), 2, test=True),
    _a("MQTT guessing", "guessing", "own", i.mqtt_guess, 2, test=True),
    _a("DNS tunnel", "exfiltration", "own", i.own_tunnel, 4),
    _a("DNS tunnel", "exfiltration", "iodine", i.iodine, 2, test=True),
    _a("HTTP exfiltration", "exfiltration", "curl", i.carry_out("http"), 3),
    _a("FTP exfiltration", "exfiltration", "curl", i.carry_out("ftp"), 2),
    _a("SSH exfiltration", "exfiltration", "ssh", i.carry_out("ssh"), 1, test=True),
    _a("MQTT listening", "exfiltration", "mosquitto_sub", i.mqtt_listen, 1),
)
