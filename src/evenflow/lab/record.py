"""Make one run of a lab: a capture, and a log of who did what when."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from evenflow import __version__
from evenflow.errors import DataError
from evenflow.lab.inside import plan
from evenflow.places import environment, program
from evenflow.progress import Note, OnEvent, ignore

PACKAGES = {
    "nmap": "nmap", "masscan": "masscan", "hydra": "hydra", "medusa": "medusa",
    "ncrack": "ncrack", "hping3": "hping3", "nginx": "nginx-light",
    "lighttpd": "lighttpd", "vsftpd": "vsftpd", "sshd": "openssh-server",
    "ssh": "openssh-client", "dropbear": "dropbear-bin", "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients", "dnsmasq": "dnsmasq-base",
    "iodine": "iodine", "slowhttptest": "slowhttptest", "ab": "apache2-utils",
    "curl": "curl", "wget": "wget", "lftp": "lftp", "sshpass": "sshpass",
    "rsync": "rsync", "tcpdump": "tcpdump", "ip": "iproute2", "ping": "iputils-ping",
    "dig": "bind9-dnsutils", "openssl": "openssl", "unshare": "util-linux",
    "setpriv": "util-linux", "dovecot": "dovecot-core",
    "pop3-login": "dovecot-pop3d", "imap-login": "dovecot-imapd",
    "dns2tcpd": "dns2tcp", "smbd": "samba", "smbclient": "smbclient",
    "snmpd": "snmpd", "snmpget": "snmp", "redis-server": "redis-server",
    "redis-cli": "redis-tools", "traceroute": "traceroute", "mtr": "mtr-tiny",
    "fping": "fping", "gobuster": "gobuster", "ffuf": "ffuf", "dirb": "dirb",
    "wfuzz": "wfuzz", "httrack": "httrack", "siege": "siege", "dnsperf": "dnsperf",
    "wapiti": "wapiti",
}  # fmt: skip
"""Program -> the Debian package it comes from."""
PLACES = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/lib/dovecot"
FILES = ("capture.pcap", "packets.csv", "actions.jsonl")
META = "meta.json"
LONGEST_END_S = 240
Part = Literal["train", "test", "natural"]


def record(
    folder: Path,
    *,
    seed: int,
    minutes: float,
    part: Part = "train",
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Make a run in a folder, which must not exist; return its ``meta.json``.

    Parameters
    ----------
    folder : Path
    seed : int
        Decides hosts, addresses, cables, clients and their settings. How long a
        packet takes is up to the machine, so two runs of a seed are alike, not equal.
    minutes : float
    part : {'train', 'test', 'natural'}
        ``test`` has tools and kinds of attack that ``train`` lacks; in ``natural``,
        attacks are rare.

    Raises
    ------
    DataError
        The folder exists, a program is missing, this is not root, or packets were
        dropped.
    """
    check()
    if folder.exists():
        raise DataError(f"{folder} exists; expected a new folder for the run. Name one")
    folder.mkdir(parents=True)
    made = plan(folder.resolve(), seed, minutes * 60, part)
    on_event(Note(text=f"run {folder.name}: {made.n_machines} machines, {part}"))
    process = subprocess.Popen(
        # whoever kills this process kills that one too, and the kernel all in it
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid",
         "--fork", "--mount-proc", "--kill-child=KILL", sys.executable, "-P", "-m",
         "evenflow.lab.inside", json.dumps(asdict(made))],
        env=environment(LC_ALL="C"), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        status: int | str = process.wait(made.seconds + LONGEST_END_S)
    except subprocess.TimeoutExpired:
        status = "time-out"
    finally:
        process.kill()
        process.wait()
    if status:
        raise DataError(
            f"the run in {folder} failed with status {status}; what was recorded is "
            "there. Read the lines above, delete the folder and try again"
        )
    counts = folder / "counts.json"
    meta = {
        "format": 1,
        "run": folder.name,
        **json.loads(counts.read_text(encoding="utf-8")),
        "evenflow": __version__,
        "tools": versions(),
        "sha256": {name: digest(folder / name) for name in FILES},
    }
    (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    counts.unlink()
    if meta["dropped"] or not meta["wire_was_up"]:
        raise DataError(
            f"found {meta['dropped']} packets that the capture of {folder} lost, "
            "expected 0. Delete the folder and record it again on a quieter machine"
        )
    return meta


def check() -> None:
    """Refuse to start where a program or the right to make namespaces is missing.

    Raises
    ------
    DataError
        The message says what to install.
    """
    missing = [p for name, p in PACKAGES.items() if _program(name) is None]
    if missing:
        raise DataError(
            f"found no {', '.join(missing)}, expected the programs of these Debian "
            f"packages. Run: apt-get install --no-install-recommends "
            f"{' '.join(missing)}"
        )
    if os.geteuid() != 0:
        raise DataError("expected root, which network namespaces need. Run it as root")


def _program(name: str) -> str | None:
    return program(name) or shutil.which(name, path=PLACES)


def versions() -> dict[str, str]:
    """Return the version of each program, as Debian numbers it."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES.values()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return dict(re.findall(r"^(\S+) (\S+)$", done.stdout, re.MULTILINE))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = sha256()
    with path.open("rb") as stream:
        while part := stream.read(2**20):
            found.update(part)
    return found.hexdigest()
