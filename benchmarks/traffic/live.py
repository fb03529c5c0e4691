"""Attacks and browsing on a network of its own, and what ``evenflow watch -i`` says.

    python benchmarks/traffic/live.py [--bundle DIR] [--browse SECONDS] [-o PAGE]

Needs root and Linux; ip, openssl, and dropbear with its client. Hosts are network
namespaces on a bridge, from which nothing can leave; when the script ends, however it
ends, the kernel ends all that it started. A watch listens on the bridge while people
browse, first alone, then beside a port scan, SSH guessing, slow HTTP and a SYN flood,
each by its own host.

Printed are, for each attack, the incidents that name its host, the seconds from its
first packet to the first event in the sink and to the first of the right family, and
the share of the attack's packets that had passed by then; and every other incident.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evenflow.traffic.decoding import decode
from evenflow.traffic.interface import Interface
from evenflow.traffic.packets import End

HOSTS = Path(__file__).with_name("_hosts.py")
NET = "10.83.0"
BRIDGE = "bridge0"
SERVERS = {"web": 10, "shop": 11, "box": 12, "names": 13}
PEOPLE = {f"desk{i}": 20 + i for i in range(4)}
ATTACKERS = {"scan": 66, "guessing": 67, "slow": 68, "flood": 69}
PAUSE_S = 4.0
CLONE_NEWNET = 0x40000000
NEEDED = {
    "ip": "iproute2", "dropbear": "dropbear-bin", "dbclient": "dropbear-bin",
    "dropbearkey": "dropbear-bin", "openssl": "openssl",
}  # fmt: skip
ATTACKS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "scan": (
        "port scan", "scan",
        ("scan", f"source={NET}.66", f"target={NET}.12", "ports=400", "rate=130"),
    ),
    "guessing": (
        "SSH guessing", "guessing",
        ("guess", f"target={NET}.12", "user=operator", "sessions=16", "at_once=3"),
    ),
    "slow": (
        "slow HTTP", "dos",
        ("slow", f"target={NET}.11", "port=8088", "connections=220", "rate=45",
         "seconds=15"),
    ),
    "flood": (
        "SYN flood", "dos",
        ("flood", f"source={NET}.69", f"target={NET}.10", "port=80", "packets=7000",
         "rate=1800"),
    ),
}  # fmt: skip
"""Name -> title, class of the lab, role and its arguments."""


def address(host: str) -> str:
    """Return the address of a host."""
    return f"{NET}.{({**SERVERS, **PEOPLE, **ATTACKERS})[host]}"


@dataclass(kw_only=True)
class Outcome:
    """What was reported of one attack."""

    attack: str
    family: str
    attacker: str
    begun_ns: int
    packets: int = 0
    incidents: int = 0
    """Incidents that name the attacker and were not merged into another one."""
    found: list[str] = field(default_factory=list)
    """Class and summary of each."""
    seconds: float | None = None
    """From the first packet to the first event that names the attacker."""
    first_class: str = ""
    right_seconds: float | None = None
    """The same for the first event of the right family."""
    share_before: float | None = None
    """Share of the attack's packets that had passed by then."""


class Observer(threading.Thread):
    """Counts the packets of attackers on the bridge, apart from the watch."""

    def __init__(self, namespace: str) -> None:
        super().__init__(daemon=True)
        self.namespace, self.over = namespace, threading.Event()
        self.times: dict[str, list[np.ndarray]] = {host: [] for host in ATTACKERS}
        self.error: BaseException | None = None

    def run(self) -> None:
        """Capture until it is over."""
        try:
            enter(self.namespace)
            with Interface(BRIDGE) as card:
                for frames in card.batches():
                    packets = decode(frames, checksums=False)
                    kept = packets.end == End.TRANSPORT
                    sides = packets.source[:, 1], packets.destination[:, 1]
                    for host, last in ATTACKERS.items():
                        number = int.from_bytes(socket.inet_aton(f"{NET}.{last}"))
                        of_it = kept & ((sides[0] == number) | (sides[1] == number))
                        if of_it.any():
                            self.times[host].append(packets.frames.time_ns[of_it])
                    if self.over.is_set() and not len(frames):
                        return
        except BaseException as error:  # noqa: BLE001 (raised by the main thread)
            self.error = error

    def of(self, host: str) -> np.ndarray:
        """Return the times of a host's packets."""
        return np.sort(np.concatenate([*self.times[host], np.zeros(0, np.int64)]))


class Tail(threading.Thread):
    """Reads the events of a sink as they come, with the time at which they came."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.over = path, threading.Event()
        self.events: list[tuple[int, dict[str, Any]]] = []

    def run(self) -> None:
        """Read until it is over and nothing more comes."""
        rest = b""
        while not self.path.exists() and not self.over.is_set():
            time.sleep(0.01)
        with self.path.open("rb") as stream:
            while True:
                is_over = self.over.is_set()
                *lines, rest = (rest + stream.read()).split(b"\n")
                now = time.time_ns()
                self.events += [(now, json.loads(line)) for line in lines]
                if is_over and not lines:
                    return
                time.sleep(0.01)


def enter(namespace: str) -> None:
    """Put the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open() as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def ip(*words: str) -> None:
    """Run ip."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def make_network(*, offload: bool) -> None:
    """Make the bridge and the hosts on it."""
    ip("netns", "add", "sensor")
    ip("-n", "sensor", "link", "add", BRIDGE, "type", "bridge")
    ip("-n", "sensor", "link", "set", BRIDGE, "up")
    for host, last in {**SERVERS, **PEOPLE, **ATTACKERS}.items():
        port = f"to-{host}"
        ip("netns", "add", host)
        ip("-n", "sensor", "link", "add", "name", port, "type", "veth", "peer",
           "name", "eth0", "netns", host)  # fmt: skip
        ip("-n", "sensor", "link", "set", port, "master", BRIDGE, "up")
        if not offload:  # as on a cable: no packet is larger than the MTU
            ip("-n", host, "link", "set", "eth0", "gso_max_size", "1500",
               "gso_max_segs", "1")  # fmt: skip
        ip("-n", host, "addr", "add", f"{NET}.{last}/24", "dev", "eth0")
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "link", "set", "eth0", "up")


class Network:
    """The hosts at work."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed

    def role(self, host: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a role on a host."""
        return self.run(host, sys.executable, "-P", str(HOSTS), *words)

    def run(self, host: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a program on a host."""
        log = (self.folder / "hosts.log").open("ab")
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    def start_servers(self) -> None:
        """Start the servers, and wait until they listen."""
        key, cert = str(self.folder / "key.pem"), str(self.folder / "cert.pem")
        host_key = str(self.folder / "host_key")
        for command in (
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
             "-out", cert, "-days", "2", "-subj", "/CN=www.site.example"],
            ["dropbearkey", "-t", "ed25519", "-f", host_key],
        ):  # fmt: skip
            subprocess.run(command, check=True, capture_output=True)
        self.role("web", "web", "port=80", "seed=1")
        self.role("web", "web", "port=443", "seed=2", f"cert={cert}", f"key={key}")
        self.role("shop", "web", "port=8088", "seed=3")
        self.role("shop", "web", "port=443", "seed=4", f"cert={cert}", f"key={key}")
        self.role("names", "names", f"address={address('web')}")
        self.run("box", "dropbear", "-F", "-E", "-r", host_key, "-p", "22", "-T", "6",
                 "-P", str(self.folder / "dropbear.pid"))  # fmt: skip
        for host, port in (("web", 80), ("web", 443), ("shop", 8088), ("shop", 443),
                           ("box", 22)):  # fmt: skip
            self._wait_for(host, port)

    def _wait_for(self, host: str, port: int) -> None:
        ends = time.monotonic() + 20
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
        while time.monotonic() < ends:
            if not self.run(host, sys.executable, "-I", "-c", probe).wait():
                return
        raise RuntimeError(f"{host} does not listen on {port}; see hosts.log")

    def start_people(self, seconds: float) -> list[subprocess.Popen[bytes]]:
        """Let people browse for some time."""
        web, shop = address("web"), address("shop")
        sites = f"{web}:80,{web}:443,{web}:443,{shop}:8088,{shop}:443"
        return [
            self.role(
                host, "browse", f"sites={sites}", f"resolver={address('names')}",
                f"seconds={seconds}", "people=2", f"seed={self.seed + i}",
            )
            for i, host in enumerate(PEOPLE)
        ]  # fmt: skip


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run all of it; return what was measured."""
    ip("link", "set", "lo", "up")
    make_network(offload=given.offload)
    network = Network(folder, given.seed)
    network.start_servers()
    sink = folder / "events.json"
    command = [
        "ip", "netns", "exec", "sensor", sys.executable, "-P", "-m", "evenflow",
        "watch", *(["--bundle", str(given.bundle)] if given.bundle else []),
        "-i", BRIDGE, "--sink", f"eve:{sink}", "--alerts", str(given.alerts),
    ]  # fmt: skip
    with ExitStack() as stack:
        log = stack.enter_context((folder / "watch.log").open("wb"))
        watch = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(watch.kill)
        until(lambda: b"watching bridge0" in (folder / "watch.log").read_bytes(), watch)
        if given.capture:
            dump = network.run(
                "sensor", "tcpdump", "-i", BRIDGE, "-B", "65536", "-s", "400", "-U",
                "-Z", "root", "-w", str(given.capture.absolute()),
            )  # fmt: skip
            stack.callback(dump.wait)
            stack.callback(dump.terminate)
        observer, tail = Observer("sensor"), Tail(sink)
        observer.start()
        tail.start()
        time.sleep(0.5)
        begun_ns = time.time_ns()
        people = network.start_people(given.browse + 180)
        time.sleep(given.browse)
        quiet_until_ns = time.time_ns()
        outcomes = [attack(network, name) for name in given.attacks.split(",") if name]
        for person in people:
            person.kill()
        time.sleep(PAUSE_S)
        watch.send_signal(signal.SIGTERM)  # a shell may have SIGINT ignored
        status = watch.wait(60)
        for thread in (observer, tail):
            thread.over.set()
            thread.join(10)
        if observer.error is not None:
            raise observer.error
    said = (folder / "watch.log").read_text(encoding="utf-8")
    if status:
        raise RuntimeError(f"the watch ended with {status}:\n{said}")
    for one in outcomes:
        judge(one, tail.events, observer.of(one.attack))
    others = strangers(tail.events)
    return {
        "browsing_s": given.browse,
        "attacks": [
            asdict(one) | {"title": ATTACKS[one.attack][0]} for one in outcomes
        ],
        "false_while_browsing": [
            one for one in others if begun_ns <= one["at_ns"] < quiet_until_ns
        ],
        "false_beside_attacks": [
            one for one in others if one["at_ns"] >= quiet_until_ns
        ],
        "watch": [line for line in said.splitlines() if " of bridge0: " in line
                  or line.startswith(("age of", "packets dropped"))],
    }  # fmt: skip


def attack(network: Network, name: str) -> Outcome:
    """Run an attack to its end, and wait a little."""
    _, family, words = ATTACKS[name]
    seeded = [] if words[0] == "guess" else [f"seed={network.seed}"]
    begun = time.time_ns()
    network.role(name, *words, *seeded).wait(90)
    time.sleep(PAUSE_S)
    return Outcome(attack=name, family=family, attacker=address(name), begun_ns=begun)


def judge(one: Outcome, events: list[tuple[int, dict[str, Any]]], times: Any) -> None:
    """Fill in what was reported of an attack."""
    one.packets = len(times)
    if not len(times):
        raise RuntimeError(f"no packet of {one.attack} was seen; see hosts.log")
    last: dict[str, dict[str, Any]] = {}
    for at, event in events:
        if event["event_type"] != "incident":
            continue
        incident = event["incident"]
        if one.attacker not in incident["attackers"]["first"]:
            continue
        label, seconds = event["ml"]["class"], (at - int(times[0])) / 1e9
        last[event["incident_id"]] = event
        if one.seconds is None:
            one.seconds, one.first_class = round(seconds, 2), label
            one.share_before = round(float((times < at).mean()), 3)
        if one.right_seconds is None and label == one.family:
            one.right_seconds = round(seconds, 2)
    whole = [
        event for event in last.values()
        if not event["incident"].get("reason", "").startswith("part of")
    ]  # fmt: skip
    one.incidents = len(whole)
    one.found = [f"{e['ml']['class']}: {e['incident']['summary']}" for e in whole]


def strangers(events: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the incidents that name no attacker, as last reported."""
    hosts = {address(host) for host in ATTACKERS}
    found: dict[str, dict[str, Any]] = {}
    for at, event in events:
        name = event["incident_id"]
        if event["event_type"] == "alert":
            if name in found:
                found[name]["features"].append(event["ml"]["top_features"])
            continue
        incident = event["incident"]
        before = found.get(
            name, {"at_ns": at, "features": [], "score": 0.0, "is_part": False}
        )
        found[name] = {
            **before,
            "class": event["ml"]["class"],
            "score": round(event["ml"]["score"], 4),
            "summary": incident["summary"],
            "is_attack": bool(hosts & {*incident["attackers"]["first"]}),
            "is_part": incident.get("reason", "").startswith("part of"),
        }
    return [one for one in found.values() if not (one["is_attack"] or one["is_part"])]


def until(condition: Any, process: subprocess.Popen[bytes]) -> None:
    """Wait for something while a process runs."""
    ends = time.monotonic() + 60
    while not condition():
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("the watch did not start; see watch.log")
        time.sleep(0.05)


PAGE = """\
# Attacks on a live network

A network of namespaces on one machine: {people} people browse two sites over HTTP and
HTTPS, and four hosts attack, each with a tool and a rate that no training run of the
[lab](../datasets/lab.md) has. `evenflow watch -i` runs on the bridge between them, with
the model {model}. This page is written by

```sh
{command}
```

{table}

*Alerted after*: from the first packet of the attack to the first event of the right
family in the sink. *Packets before*: share of all packets of the attack that had passed
by the first event that names its host. A second capture on the bridge counts them.
"""


def page(found: dict[str, Any], given: argparse.Namespace) -> str:
    """Return the page of documentation."""
    name = f"`{given.bundle.name}`" if given.bundle else "that comes with evenflow"
    words = f"--browse {given.browse:.0f} -o docs/reference/live.md"
    return PAGE.format(
        people=2 * len(PEOPLE), model=name, table="\n".join(lines(found)),
        command=f"python benchmarks/traffic/live.py {words}",
    )  # fmt: skip


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the result as Markdown."""
    yield "| attack | class | incidents | alerted after | packets before | of |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for one in found["attacks"]:
        right = one["right_seconds"]
        share = one["share_before"]
        yield (
            f"| {one['title']} | {', '.join(f.split(':')[0] for f in one['found'])} | "
            f"{one['incidents']} | {'never' if right is None else f'{right:.2f} s'} | "
            f"{'' if share is None else f'{share:.1%}'} | {one['packets']:,} |"
        )
    yield ""
    quiet, beside = found["false_while_browsing"], found["false_beside_attacks"]
    seconds = f"{found['browsing_s']:.0f} s"
    yield f"- Browsing alone, for {seconds}: false incidents {len(quiet)}"
    yield f"- Browsing beside the attacks: false incidents {len(beside)}"
    for one in quiet + beside:
        yield f"  - {one['summary']} (score {one['score']})"
    for line in found["watch"]:
        yield f"- {line}"


def missing() -> str:
    """Return why it cannot run here; empty where it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    packages = sorted({p for n, p in NEEDED.items() if not shutil.which(n, path=path)})
    if packages:
        return f"needs {', '.join(packages)} (Debian's packages)"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    probe = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "needs the right to make namespaces"


ALONE = (
    "unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc",
    "--kill-child=KILL",
)  # fmt: skip


def main() -> None:
    """Measure, in namespaces of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--bundle", type=Path, help="instead of the model that is shipped"
    )
    parser.add_argument("--browse", type=float, default=300, metavar="SECONDS")
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--alerts", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--offload", action="store_true", help="packets up to 64 KiB")
    parser.add_argument("--capture", type=Path, help="a capture of all, by tcpdump")
    parser.add_argument("--json", type=Path, help="all figures")
    parser.add_argument("-o", "--output", type=Path, help="the page of documentation")
    parser.add_argument("--keep", type=Path, help="a folder for events and logs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if reason := missing():
        parser.error(reason)
    if not given.inside:
        command = [*ALONE, sys.executable, "-P", *sys.argv, "--inside"]
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        sys.exit(subprocess.run(command, env={**os.environ, "PATH": path}).returncode)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    with ExitStack() as stack:
        folder = given.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(given, folder)
    print(*lines(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.output:
        given.output.write_text(page(found, given), encoding="utf-8")


if __name__ == "__main__":
    main()
