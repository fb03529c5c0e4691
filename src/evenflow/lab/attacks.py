"""Attacks in a lab, by known tools and a few of our own, at many rates."""

from __future__ import annotations

from collections.abc import Callable

from evenflow.lab import _flooding as f
from evenflow.lab import _intruding as i
from evenflow.lab import _requesting as q
from evenflow.lab import _swarming as s
from evenflow.lab import _trying as t
from evenflow.lab.doing import Action, Doing

ONLY_IPV4 = (
    "masscan",
    "ncrack",
    "hping3",
    "medusa",
    "iodine",
    "dns2tcp",
    "slowhttptest",
)
"""Tools that do not speak IPv6, or not in a lab."""


def _a(
    name: str,
    family: str,
    tool: str,
    do: Callable[[Doing], bool | None],
    weight: float,
    *,
    test: bool = False,
    ipv4: bool = False,
) -> Action:
    return Action(
        name=name, family=family, tool=tool, do=do, weight=weight, only_in_test=test,
        only_ipv4=ipv4 or tool in ONLY_IPV4,
    )  # fmt: skip


def _slow(
    name: str, family: str, tool: str, do: Callable[[Doing], bool | None]
) -> Action:
    """Return an attack that goes on until the run ends."""
    return Action(name=name, family=family, tool=tool, do=do, is_long=True)


VERSION = ("-sV", "--version-intensity", "7")
ACTIONS = (
    _a("SYN scan", "scan", "nmap", f.nmap("-sS"), 2),
    _a("connect scan", "scan", "nmap", f.nmap("-sT"), 1),
    _a("UDP scan", "scan", "nmap", f.nmap("-sU", most=120), 1),
    _a("version scan", "scan", "nmap", f.version_scan("-sV", "--version-light"), 2),
    _a("version scan", "scan", "nmap", f.version_scan("-sT", *VERSION), 2),
    _a("version scan", "scan", "nmap", f.version_scan("-A", "--version-light"), 1),
    _a("OS detection", "scan", "nmap", f.version_scan("-O"), 1),
    _a("Xmas scan", "scan", "nmap", f.nmap("-sX", most=200), 1),
    _a("null scan", "scan", "nmap", f.nmap("-sN", most=200), 0.5),
    _a("sweep", "scan", "nmap", f.sweep, 1.5),
    _a("sweep", "scan", "own", f.own_sweep, 1.5),
    _a("sweep", "scan", "fping", f.fping, 1, test=True),
    _a("connect scan", "scan", "own", f.own_scan, 2),
    _a("SYN scan", "scan", "masscan", f.masscan, 2, test=True),
    _a("FIN scan", "scan", "nmap", f.nmap("-sF", most=200), 1, test=True),
    _a("OS detection", "scan", "nmap", t.few_ports("-O"), 3),
    _a("port probe", "scan", "nmap", t.few_ports("-sS"), 1.5),
    _a("port probe", "scan", "nmap", t.few_ports("-sV", "--version-light"), 1),
    _a("port probe", "scan", "own", t.look_round, 2),
    _a("web scan", "scan", "gobuster", q.web_scan_by("gobuster"), 3),
    _a("web scan", "scan", "ffuf", q.web_scan_by("ffuf"), 3),
    _a("web scan", "scan", "own", q.own_web_scan, 5),
    _a("web scan", "scan", "own", q.spread_web_scan, 1),
    _a("web scan", "scan", "own", q.wide_web_scan, 7),
    _a("web scan", "scan", "wapiti", q.wapiti, 4, test=True),
    _a("web scan", "scan", "dirb", q.web_scan_by("dirb"), 3, test=True),
    _a("web scan", "scan", "wfuzz", q.web_scan_by("wfuzz"), 3, test=True),
    _slow("web scan", "scan", "own", q.slow_web_scan),
    _slow("SYN scan", "scan", "nmap", f.slow_scan("-sS")),
    _slow("connect scan", "scan", "nmap", f.slow_scan("-sT")),
    _slow("connect scan", "scan", "own", f.slow_scan("own")),
    _a("SYN flood", "dos", "hping3", f.hping("-S"), 1),
    _a("SYN flood", "dos", "hping3", f.hping("-S", "-k"), 1),
    _a("UDP flood", "dos", "hping3", f.hping("--udp", udp=True), 1),
    _a("UDP flood", "dos", "hping3", f.hping("--udp", "-k", udp=True), 1),
    _a("UDP flood", "dos", "own", f.own_udp_flood, 1),
    _a("ICMP flood", "dos", "hping3", f.hping("-1"), 2),
    _a("ICMP flood", "dos", "ping", f.ping_flood, 2),
    _a("ACK flood", "dos", "hping3", f.hping("-A"), 1, test=True),
    _a("HTTP flood", "dos", "ab", f.http_flood, 0.7),
    _a("HTTP flood", "dos", "ab", f.keep_alive_flood, 1),
    _a("HTTP flood", "dos", "own", f.own_http_flood, 1),
    _a("slow HTTP", "dos", "own", f.own_slow, 1.5),
    _a("slow HTTP", "dos", "slowhttptest", f.slowhttptest("-H"), 0.8),
    _a("slow HTTP", "dos", "slowhttptest", f.slowhttptest("-B"), 0.8),
    _a("slow reading", "dos", "slowhttptest", f.slowhttptest("-X"), 1, test=True),
    _a("MQTT flood", "dos", "own", f.mqtt_flood, 1),
    _a("SYN flood", "dos", "hping3", f.hping("-S", "--rand-source"), 2),
    _a("UDP flood", "dos", "hping3", f.hping("--udp", "--rand-source", udp=True), 1),
    _a("ICMP flood", "dos", "hping3", f.hping("-1", "--rand-source"), 1),
    _a("SYN flood", "dos", "own", s.forged("syn"), 3, ipv4=True),
    _a("UDP flood", "dos", "own", s.forged("udp"), 2, ipv4=True),
    _a("ICMP flood", "dos", "own", s.forged("icmp"), 2, ipv4=True),
    _a("DHCP flood", "dos", "own", s.dhcp_flood, 5, ipv4=True),
    _a("DHCP flood", "dos", "own", s.spread_dhcp_flood, 5, ipv4=True),
    _a("DNS flood", "dos", "own", s.dns_flood, 3),
    _a("DNS flood", "dos", "dnsperf", s.dnsperf, 3, test=True),
    _a("HTTP flood", "dos", "own", s.spread_http_flood, 2),
    _a("slow HTTP", "dos", "own", s.spread_slow, 1),
    _slow("slow HTTP", "dos", "own", f.own_slow),
    _a("SSH guessing", "guessing", "hydra", i.guess_by("hydra", "ssh"), 2, ipv4=True),
    _a("FTP guessing", "guessing", "hydra", i.guess_by("hydra", "ftp"), 1.5),
    _a("HTTP guessing", "guessing", "hydra", i.guess_by("hydra", "http"), 1.5),
    _a("POP3 guessing", "guessing", "hydra", i.guess_by("hydra", "pop3"), 1),
    _a("IMAP guessing", "guessing", "hydra", i.guess_by("hydra", "imap"), 1),
    _a("SMTP guessing", "guessing", "hydra", i.guess_by("hydra", "smtp"), 1),
    _a("Telnet guessing", "guessing", "hydra", i.guess_by("hydra", "telnet"), 1),
    _a("SSH guessing", "guessing", "own", i.own_guess("ssh"), 2),
    _a("FTP guessing", "guessing", "own", i.own_guess("ftp"), 1),
    _a("FTP guessing", "guessing", "own", i.in_one_connection("ftp"), 1),
    _a("HTTP guessing", "guessing", "own", i.own_guess("http"), 1.5),
    _a("POP3 guessing", "guessing", "own", i.in_one_connection("pop3"), 1),
    _a("IMAP guessing", "guessing", "own", i.in_one_connection("imap"), 1),
    _a("SMTP guessing", "guessing", "own", i.in_one_connection("smtp"), 1),
    _a("Telnet guessing", "guessing", "own", i.in_one_connection("telnet"), 1),
    _a("SSH guessing", "guessing", "ncrack", i.guess_by("ncrack", "ssh"), 1),
    _a("FTP guessing", "guessing", "ncrack", i.guess_by("ncrack", "ftp"), 1),
    _a("POP3 guessing", "guessing", "ncrack", i.guess_by("ncrack", "pop3"), 1),
    _a("SSH guessing", "guessing", "medusa", i.guess_by("medusa", "ssh"), 2, test=True),
    _a("FTP guessing", "guessing", "medusa", i.guess_by("medusa", "ftp"), 2, test=True),
    _a(
        "POP3 guessing",
        "guessing",
        "medusa",
        i.guess_by("medusa", "pop3"),
        1,
        test=True,
    ),
    _a(
        "IMAP guessing",
        "guessing",
        "medusa",
        i.guess_by("medusa", "imap"),
        1,
        test=True,
    ),
    _a("MQTT guessing", "guessing", "own", i.mqtt_guess, 2, test=True),
    _a("FTP guessing", "guessing", "hydra", t.many_by("hydra", "ftp"), 3),
    _a("SSH guessing", "guessing", "hydra", t.many_by("hydra", "ssh"), 3, ipv4=True),
    _a("FTP guessing", "guessing", "medusa", t.many_by("medusa", "ftp"), 2, test=True),
    _a("SSH guessing", "guessing", "medusa", t.many_by("medusa", "ssh"), 2, test=True),
    _a("FTP guessing", "guessing", "own", t.own_many_ftp, 4),
    _a("SSH guessing", "guessing", "own", t.tries_by_ssh, 5),
    _a("SSH guessing", "guessing", "own", t.many_by_ssh, 2),
    _a("HTTP guessing", "guessing", "own", s.spread_guess("http"), 1.5),
    _a("FTP guessing", "guessing", "own", s.spread_guess("ftp"), 1.5),
    _slow("SSH guessing", "guessing", "own", t.slow_tries_by_ssh),
    _slow("SSH guessing", "guessing", "own", i.slowly("ssh")),
    _slow("FTP guessing", "guessing", "own", i.slowly("ftp")),
    _slow("HTTP guessing", "guessing", "own", i.slowly("http")),
    _a("DNS tunnel", "exfiltration", "own", i.own_tunnel, 1.5),
    _a("DNS tunnel", "exfiltration", "own", i.one_port_tunnel, 4),
    _a("DNS tunnel", "exfiltration", "iodine", i.iodine, 4),
    _a("DNS tunnel", "exfiltration", "dns2tcp", i.dns2tcp, 4, test=True),
    _a("HTTP exfiltration", "exfiltration", "curl", i.carry_out("http"), 3),
    _a("FTP exfiltration", "exfiltration", "curl", i.carry_out("ftp"), 2),
    _a("SSH exfiltration", "exfiltration", "ssh", i.carry_out("ssh"), 1, test=True),
    _a("MQTT listening", "exfiltration", "mosquitto_sub", i.mqtt_listen, 1),
)
