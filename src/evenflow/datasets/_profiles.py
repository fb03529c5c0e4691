"""Profiles of the synthetic connections: the numbers behind ``synthetic``.

Written by hand from what the attacks do (a SYN flood gets no answers, a scan asks
many services, a guessed password fails first), not drawn from any published file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spread:
    """A log-normal value of that median, or zero."""

    median: float = 0.0
    sigma: float = 1.0
    zero: float = 0.0
    """Share of zeros."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One way connections of a kind look; shares and rates in [0, 1]."""

    weight: float = 1.0
    """Share of the kind's rows, relative to its other profiles."""
    protocol: str = "tcp"
    services: Mapping[str, float]
    flags: Mapping[str, float] = field(default_factory=lambda: {"SF": 1.0})
    duration: Spread = Spread(zero=1.0)
    src: Spread = Spread(zero=1.0)
    dst: Spread = Spread(zero=1.0)
    count: Spread = Spread(median=4.0)
    """Connections to the host within two seconds."""
    same_service: float = 1.0
    host_count: Spread = Spread(median=120.0)
    host_same_service: float = 0.8
    host_same_port: float = 0.05
    host_other_hosts: float = 0.02
    serror: float = 0.0
    rerror: float = 0.0
    logged_in: float = 0.0
    guest: float = 0.0
    hot: float = 0.0
    """Mean of a Poisson number; so are the next ones."""
    failed_logins: float = 0.0
    compromised: float = 0.0
    root: float = 0.0
    files: float = 0.0
    shells: float = 0.0
    access: float = 0.0
    root_shell: float = 0.0
    wrong_fragment: int = 0


def _s(median: float, sigma: float = 1.0, zero: float = 0.0) -> Spread:
    return Spread(median, sigma, zero)


# fmt: off
_WEB = Profile(
    weight=0.5, services={"http": 0.97, "http_443": 0.03}, duration=_s(1, 1.5, 0.8),
    src=_s(240, 0.4, 0.01), dst=_s(2600, 1.3, 0.02), count=_s(6),
    host_count=_s(60, 1.3), host_same_service=0.97, logged_in=0.97,
)
_SHELL = Profile(
    weight=0.03, services={"telnet": 0.6, "ftp": 0.3, "login": 0.1},
    flags={"SF": 0.9, "RSTO": 0.1}, duration=_s(60, 1.5, 0.1), src=_s(250, 1.1),
    dst=_s(900, 1.3), count=_s(1.2, 0.4), host_count=_s(60, 1.2),
    host_same_service=0.3, logged_in=0.85, guest=0.1, hot=0.6, failed_logins=0.03,
    compromised=0.1, root=0.2, files=0.1, access=0.03, root_shell=0.02,
)
_MAIL = Profile(
    weight=0.12, services={"smtp": 0.9, "pop_3": 0.07, "imap4": 0.03},
    duration=_s(1, 1, 0.4), src=_s(900, 0.8), dst=_s(330, 0.3), count=_s(1.5, 0.6),
    host_same_service=0.6, logged_in=0.96,
)
_NAMES = Profile(
    weight=0.16, protocol="udp",
    services={"domain_u": 0.75, "private": 0.15, "other": 0.07, "ntp_u": 0.03},
    src=_s(44, 0.15), dst=_s(90, 0.5, 0.12), count=_s(40, 1.2),
    host_count=_s(220, 0.5), host_same_service=0.85,
)
_FILES = Profile(
    weight=0.1, services={"ftp_data": 0.8, "ftp": 0.2}, duration=_s(2, 1.2, 0.6),
    src=_s(1500, 2, 0.3), dst=_s(800, 2.2, 0.5), count=_s(2, 0.8),
    host_same_service=0.3, host_same_port=0.3, logged_in=0.7, guest=0.05, hot=0.2,
)
_PING = Profile(
    weight=0.03, protocol="icmp", services={"eco_i": 0.4, "ecr_i": 0.4, "urp_i": 0.2},
    src=_s(56, 0.6), count=_s(2, 0.8), host_same_service=0.4, host_same_port=0.3,
)
_FAILED = Profile(
    weight=0.06, services={"http": 0.5, "private": 0.2, "smtp": 0.15, "auth": 0.15},
    flags={"REJ": 0.6, "S0": 0.2, "RSTO": 0.1, "S1": 0.1}, duration=_s(2, 1, 0.9),
    src=_s(100, 1, 0.8), count=_s(5, 1.2), same_service=0.8, serror=0.2, rerror=0.5,
)

_SCAN_FLAGS = {"REJ": 0.5, "RSTR": 0.2, "S0": 0.2, "SF": 0.1}
_MANY = {"private": 0.5, "other": 0.2, "http": 0.06, "telnet": 0.06, "ftp": 0.06,
         "smtp": 0.06, "finger": 0.06}

PROFILES: dict[str, tuple[Profile, ...]] = {
    "benign": (_WEB, _SHELL, _MAIL, _NAMES, _FILES, _PING, _FAILED),
    # denial of service
    "neptune": (Profile(
        services=_MANY | {"http": 0.15}, flags={"S0": 0.83, "REJ": 0.17},
        count=_s(170, 0.5), same_service=0.07, host_count=_s(300, 0.2),
        host_same_service=0.05, serror=0.85, rerror=0.15,
    ),),
    "smurf": (Profile(
        protocol="icmp", services={"ecr_i": 1}, src=_s(800, 0.35), count=_s(400, 0.6),
        host_count=_s(250, 0.4), host_same_service=0.97, host_same_port=0.9,
    ),),
    "back": (Profile(
        services={"http": 1}, flags={"SF": 0.8, "RSTR": 0.2}, duration=_s(2, 1, 0.8),
        src=_s(54_000, 0.1), dst=_s(8000, 0.3, 0.1), count=_s(6, 0.8),
        host_same_service=0.95, logged_in=0.97, hot=1.9, compromised=0.9,
    ),),
    "teardrop": (Profile(
        protocol="udp", services={"private": 1}, src=_s(28, 0.02), count=_s(50, 0.9),
        host_same_service=0.25, host_same_port=0.2, wrong_fragment=3,
    ),),
    "pod": (Profile(
        protocol="icmp", services={"ecr_i": 0.85, "tim_i": 0.15}, src=_s(1400, 0.2),
        count=_s(3, 0.8), host_same_service=0.4, host_same_port=0.4, wrong_fragment=1,
    ),),
    "apache2": (Profile(
        services={"http": 1}, flags={"RSTR": 0.4, "S3": 0.3, "SF": 0.3},
        duration=_s(300, 1.5, 0.3), src=_s(20_000, 1.2), dst=_s(2000, 1, 0.4),
        count=_s(20, 1.2), host_count=_s(240, 0.3), host_same_service=0.97,
        serror=0.2, rerror=0.3, logged_in=0.6,
    ),),
    "processtable": (Profile(
        services={"telnet": 0.5, "finger": 0.3, "smtp": 0.2},
        flags={"S3": 0.4, "S0": 0.3, "SF": 0.3}, duration=_s(2000, 1.2, 0.2),
        dst=_s(40, 0.4, 0.4), count=_s(2, 0.8), host_count=_s(240, 0.3),
        host_same_service=0.5, serror=0.4, rerror=0.2,
    ),),
    "mailbomb": (Profile(
        services={"smtp": 1}, duration=_s(1, 0.8, 0.4), src=_s(2600, 0.1),
        dst=_s(330, 0.1), count=_s(5, 0.9), host_same_service=0.7, logged_in=1,
    ),),
    # probes
    "satan": (Profile(
        services=_MANY, flags=_SCAN_FLAGS, src=_s(10, 1, 0.8), count=_s(60, 1.5),
        same_service=0.1, host_count=_s(250, 0.3), host_same_service=0.04, serror=0.1,
        rerror=0.75,
    ),),
    "ipsweep": (Profile(
        protocol="icmp", services={"eco_i": 0.9, "ecr_i": 0.1}, src=_s(9, 0.3),
        count=_s(1.5, 0.5), host_count=_s(10, 1.3), host_same_service=0.95,
        host_same_port=0.95, host_other_hosts=0.5,
    ), Profile(
        weight=0.15, services=_MANY, flags={"REJ": 0.6, "SF": 0.4},
        src=_s(20, 1, 0.7), count=_s(1.5, 0.5), host_same_service=0.3,
        host_other_hosts=0.4, rerror=0.5,
    ),),
    "portsweep": (Profile(
        services=_MANY, flags={"REJ": 0.45, "RSTR": 0.45, "S0": 0.1},
        duration=_s(1000, 2, 0.8), count=_s(2, 1.2), same_service=0.6,
        host_count=_s(200, 0.6), host_same_service=0.03, host_same_port=0.6,
        rerror=0.75,
    ),),
    "nmap": (Profile(
        services=_MANY, flags={"SH": 0.6, "S0": 0.2, "SF": 0.2}, count=_s(3, 1.4),
        same_service=0.5, host_same_service=0.1, host_same_port=0.7, serror=0.6,
    ), Profile(
        protocol="icmp", services={"eco_i": 1}, src=_s(8, 0.1), count=_s(1.3, 0.4),
        host_same_service=0.9, host_same_port=0.9, host_other_hosts=0.5,
    ),),
    "mscan": (Profile(
        services=_MANY | {"imap4": 0.2, "sunrpc": 0.2, "domain": 0.15},
        flags={"REJ": 0.4, "S0": 0.35, "SF": 0.25}, duration=_s(3, 1.5, 0.6),
        src=_s(30, 1.5, 0.6), dst=_s(100, 1.5, 0.7), count=_s(5, 1.2),
        same_service=0.5, host_same_service=0.2, host_other_hosts=0.3, serror=0.4,
        rerror=0.4,
    ),),
    "saint": (Profile(
        services=_MANY, flags=_SCAN_FLAGS, src=_s(10, 1.2, 0.8), count=_s(12, 1.8),
        same_service=0.3, host_count=_s(220, 0.5), host_same_service=0.08, serror=0.1,
        rerror=0.6,
    ),),
    # from outside to an account
    "guess_passwd": (Profile(
        services={"telnet": 0.7, "pop_3": 0.25, "ftp": 0.05},
        flags={"SF": 0.6, "RSTO": 0.4}, duration=_s(3, 0.6, 0.1), src=_s(125, 0.1),
        dst=_s(180, 0.25), count=_s(1.2, 0.4), host_same_service=0.5, rerror=0.15,
        failed_logins=0.95,
    ),),
    "warezclient": (Profile(
        services={"ftp_data": 0.75, "ftp": 0.25}, duration=_s(20, 1.8, 0.4),
        src=_s(900, 2, 0.1), dst=_s(500, 2, 0.6), count=_s(1.5, 0.6),
        host_same_service=0.5, host_same_port=0.4, logged_in=0.9, guest=0.4, hot=4,
    ),),
    "warezmaster": (Profile(
        services={"ftp": 0.6, "ftp_data": 0.4}, duration=_s(60, 1.3, 0.2),
        src=_s(280, 0.7, 0.2), dst=_s(30_000, 2.5, 0.3), count=_s(1.3, 0.4),
        host_same_service=0.6, host_same_port=0.3, logged_in=0.9, guest=0.6, hot=6,
        files=0.2,
    ),),
    "imap": (Profile(
        services={"imap4": 1}, flags={"SF": 0.4, "S0": 0.3, "RSTO": 0.3},
        duration=_s(20, 1.2, 0.4), src=_s(1200, 0.6, 0.4), dst=_s(900, 1.4, 0.5),
        count=_s(2, 0.7), serror=0.3, rerror=0.2, logged_in=0.4, root_shell=0.1,
    ),),
    "ftp_write": (Profile(
        services={"ftp": 0.6, "ftp_data": 0.25, "login": 0.15},
        duration=_s(30, 1, 0.3), src=_s(220, 0.9), dst=_s(600, 1.2, 0.3),
        count=_s(1.2, 0.4), host_same_service=0.3, logged_in=0.9, guest=0.4, hot=1.2,
        files=0.9, access=0.5,
    ),),
    "snmpguess": (Profile(
        protocol="udp", services={"private": 1}, src=_s(45, 0.08), count=_s(3, 0.8),
        host_count=_s(250, 0.2), host_same_service=0.98,
    ),),
    # the same as a benign answer, on purpose: no model can tell all of them
    "snmpgetattack": (Profile(
        protocol="udp", services={"private": 0.6, "domain_u": 0.4}, src=_s(44, 0.15),
        dst=_s(90, 0.5, 0.12), count=_s(30, 1.2), host_count=_s(220, 0.5),
        host_same_service=0.85,
    ),),
    # from an account to root
    "buffer_overflow": (Profile(
        services={"telnet": 0.75, "ftp_data": 0.15, "ftp": 0.1},
        duration=_s(90, 1, 0.1), src=_s(1400, 0.7), dst=_s(2800), count=_s(1.2, 0.4),
        host_same_service=0.5, logged_in=0.97, hot=1.5, compromised=0.8, root=0.6,
        files=1.1, shells=0.5, root_shell=0.6,
    ),),
    "rootkit": (Profile(
        services={"telnet": 0.5, "ftp_data": 0.3, "login": 0.2},
        duration=_s(60, 1.5, 0.2), src=_s(500, 1.3, 0.1), dst=_s(1500, 1.6, 0.2),
        count=_s(1.4, 0.5), host_same_service=0.4, logged_in=0.8, hot=0.9,
        compromised=0.5, root=1.2, files=0.7, root_shell=0.25,
    ),),
    "loadmodule": (Profile(
        services={"telnet": 0.7, "ftp_data": 0.3}, duration=_s(60, 0.9, 0.1),
        src=_s(500, 0.9), dst=_s(2200, 0.9), count=_s(1.2, 0.4),
        host_same_service=0.4, logged_in=0.9, hot=1.4, root=0.5, files=0.7,
        shells=0.4, root_shell=0.5,
    ),),
    "perl": (Profile(
        services={"telnet": 1}, duration=_s(40, 0.5), src=_s(260, 0.2),
        dst=_s(980, 0.3), count=_s(1.1, 0.3), host_same_service=0.3, logged_in=1,
        hot=0.8, root=1.5, files=1, shells=0.8, root_shell=0.8,
    ),),
    "httptunnel": (Profile(
        services={"http": 0.6, "other": 0.2, "private": 0.2},
        duration=_s(5, 1.5, 0.3), src=_s(300, 0.8), dst=_s(600, 1, 0.05),
        count=_s(1.3, 0.4), host_same_service=0.9, host_same_port=0.2, logged_in=0.5,
    ),),
    "xterm": (Profile(
        services={"telnet": 0.7, "X11": 0.3}, duration=_s(120, 1.2), src=_s(2500),
        dst=_s(5000, 1.3), count=_s(1.2, 0.3), host_same_service=0.3, logged_in=0.9,
        hot=0.7, compromised=0.5, root=1, root_shell=0.5,
    ),),
    "ps": (Profile(
        services={"telnet": 0.8, "ftp_data": 0.2}, duration=_s(90, 1.2, 0.1),
        src=_s(800), dst=_s(2000, 1.2), count=_s(1.2, 0.3), host_same_service=0.3,
        logged_in=0.95, hot=1, compromised=0.3, root=0.8, files=0.5, root_shell=0.4,
    ),),
}
# fmt: on

# Rows of each kind in 100,000, in proportions like those of NSL-KDD.
TRAIN = {
    "benign": 53_400, "neptune": 30_600, "smurf": 2_900, "back": 1_300,
    "teardrop": 1_200, "pod": 400, "satan": 2_900, "ipsweep": 2_900,
    "portsweep": 2_300, "nmap": 1_200, "warezclient": 500, "guess_passwd": 150,
    "warezmaster": 70, "imap": 30, "ftp_write": 30, "buffer_overflow": 100,
    "rootkit": 50, "loadmodule": 40, "perl": 20,
}  # fmt: skip
TEST = {
    "benign": 43_000, "neptune": 20_600, "smurf": 3_000, "back": 1_600,
    "teardrop": 200, "pod": 200, "apache2": 3_300, "processtable": 3_000,
    "mailbomb": 1_300, "satan": 3_300, "ipsweep": 700, "portsweep": 700,
    "nmap": 400, "mscan": 4_400, "saint": 1_400, "guess_passwd": 5_400,
    "warezmaster": 4_200, "imap": 50, "ftp_write": 50, "snmpguess": 1_500,
    "snmpgetattack": 800, "buffer_overflow": 150, "rootkit": 100,
    "loadmodule": 40, "perl": 30, "httptunnel": 500, "xterm": 40, "ps": 40,
}  # fmt: skip
