"""One run of a lab, as the first process of its own namespaces.

When it ends, however it ends, the kernel ends all that it started and drops the
networks, mounts and accounts.
"""

from __future__ import annotations

import ftplib
import http.client
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from evenflow.errors import DataError
from evenflow.lab import attacks, benign, network
from evenflow.lab._steps import KEY
from evenflow.lab.doing import LONGEST_S, Action, Doing, NotElsewhereError
from evenflow.lab.network import DEVICE, Machine, Network
from evenflow.lab.servers import Servers, wait_until_up
from evenflow.lab.words import USERS

SNAP = 400
LONGEST_ATTACK_S = 60
STATE = Path("/run/lab")
"""In the mounts of this process alone, in memory, gone with it."""
FIRST_UID = 61_000
LONG_S = 600
"""The rows of a longer run are made of one capture, so some connections are old."""
ANSWERING = Action(name="answering", tool="own", do=lambda _: None)
"""What a machine answers that was asked with all others; it does so until the end."""
Seen = tuple[Network, dict[str, tuple[str, int]]]
"""The network and where its services are, by one IP."""
WRONG = (OSError, EOFError, ftplib.Error, http.client.HTTPException)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Size and kind of a run, drawn from its seed but for what is asked for."""

    folder: str
    seed: int
    seconds: float
    part: str
    """train, test (all tools and kinds) or natural (attacks are rare)."""
    n_machines: int
    n_clients: int
    n_attackers: int
    attack_pause_s: float
    scale: float
    client_pause_s: float
    n_long: int
    """Clients that do one thing until the run ends."""
    n_slow: int
    """Attackers that do."""
    pieces: int
    """Captures that its rows are made of, one after the other; see ``views``."""
    ipv6_share: float
    """Of what clients and attackers do that can be done by IPv6."""


def plan(folder: Path, seed: int, seconds: float, part: str) -> Plan:
    """Return the plan of a run."""
    rng = random.Random(f"{seed} {part}")
    is_rare = part == "natural"
    return Plan(
        folder=str(folder),
        seed=seed,
        seconds=seconds,
        part=part,
        n_machines=rng.randint(7, 11),
        n_clients=rng.randint(8, 18),
        n_attackers=1 if is_rare else rng.randint(3, 5),
        attack_pause_s=25 if is_rare else rng.uniform(1, 3),
        scale=0.02 if is_rare else 1,
        client_pause_s=rng.choice([0.8, 2, 4]),
        n_long=4,
        n_slow=0 if is_rare else 2,
        pieces=1 if is_rare or seconds > LONG_S else max(2, round(seconds / 25)),
        ipv6_share=rng.choice([0.1, 0.2, 0.4]),
    )


class Run:
    """A run: its network, its servers, and the threads in which clients act."""

    def __init__(self, plan: Plan, state: Path) -> None:
        self.plan, self.state = plan, state
        self.folder = Path(plan.folder)
        self.rng = random.Random(f"{plan.seed} {plan.part} network")
        self.network: Network = network.make(self.rng, plan.n_machines)
        self.servers = Servers(self.network, state / "servers", self.rng)
        self.lock = threading.Lock()
        self.ends_at = 0.0
        self.n = 0
        self.seen: tuple[Seen, Seen]
        """By IPv4 and by IPv6."""

    def record(self) -> dict[str, Any]:
        """Make the run; return what was counted."""
        (self.state / "servers").mkdir()
        wire = self.network.start_wire(self.folder / "packets.csv", self.plan.seed)
        capture = self._start_capture()
        self.servers.start()
        wait_until_up(self.servers)
        by_ipv6 = self.network.by_ipv6()
        ip6 = {m.ip: m.ip6 for m in self.network.machines}
        at6 = {name: (ip6[ip], port) for name, (ip, port) in self.servers.at.items()}
        self.seen = (self.network, self.servers.at), (by_ipv6, at6)
        begun = time.time_ns()
        self.ends_at = time.monotonic() + self.plan.seconds
        with (self.folder / "actions.jsonl").open("w", encoding="utf-8") as log:
            plan = self.plan
            for machine in self.network.machines:
                self._log(log, machine, 0, ANSWERING, begun)
            kinds = [
                *[(True, False)] * plan.n_clients, *[(False, False)] * plan.n_attackers,
                *[(True, True)] * plan.n_long, *[(False, True)] * plan.n_slow,
            ]  # fmt: skip
            threads = [
                threading.Thread(target=self._work, args=(log, i, *kind))
                for i, kind in enumerate(kinds)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        time.sleep(2)
        capture.send_signal(signal.SIGINT)
        _, said = capture.communicate(timeout=30)
        lost: int = network.inside(self.network.mirror_slot, _lost)
        self.servers.stop()
        was_up = wire.poll() is None
        wire.kill()
        wire.wait()
        counts = {
            what: int(n)
            for n, what in re.findall(r"(\d+) packets? (captured|dropped by \w+)", said)
        }
        return {
            "begun_ns": begun,
            "ended_ns": time.time_ns(),
            "n_actions": self.n,
            "wire_was_up": was_up,
            "packets": counts.get("captured", 0),
            "dropped": lost + sum(n for what, n in counts.items() if "dropped" in what),
            "machines": [
                {
                    "ip": m.ip,
                    "ip6": m.ip6,
                    "mac": m.mac,
                    "services": m.services,
                    "cable": m.cable,
                }
                for m in self.network.machines
            ],
        }  # fmt: skip

    def _start_capture(self) -> subprocess.Popen[str]:
        command = [
            "tcpdump", "-n", "-i", DEVICE, "-s", str(SNAP), "-B", "65536", "-Z", "root",
            "-w", str(self.folder / "capture.pcap"),
        ]  # fmt: skip
        process: subprocess.Popen[str] = network.inside(
            self.network.mirror_slot,
            lambda: subprocess.Popen(command, stderr=subprocess.PIPE, text=True),
        )
        return process

    def _work(self, log: TextIO, number: int, is_client: bool, is_long: bool) -> None:
        """Do one action after the other, until the time is up."""
        rng = random.Random(f"{self.plan.seed} {self.plan.part} {number}")
        pause = self.plan.client_pause_s if is_client else self.plan.attack_pause_s
        longest = float(LONGEST_S if is_client else LONGEST_ATTACK_S)
        if is_long:
            longest = self.plan.seconds
        # the slowest and the fastest attacks are in test runs alone
        margin = 2.0 if self.plan.part == "train" and not is_client else 1.0
        actions = [
            a
            for a in (benign.ACTIONS if is_client else attacks.ACTIONS)
            if (not a.only_in_test or self.plan.part != "train")
            and a.is_long == is_long
        ]
        weights = [a.weight for a in actions]
        while (left := self.ends_at - time.monotonic()) > 1:
            time.sleep(min(rng.expovariate(1 / pause), left))
            leased = self.network.lease(rng)
            if leased is None:
                continue
            machine, slot = leased
            action = rng.choices(actions, weights)[0]
            folder = self.state / f"{number}"
            folder.mkdir()
            by_ipv6 = not action.only_ipv4 and rng.random() < self.plan.ipv6_share
            seen, at = self.seen[by_ipv6]
            doing = Doing(
                network=seen,
                machine=seen.machines[machine.number],
                at=at,
                pages=self.servers.pages,
                folder=folder,
                rng=rng,
                ends_at=min(self.ends_at, time.monotonic() + longest),
                scale=1 if is_client else self.plan.scale,
                margin=margin,
                slot=slot,
            )
            self._do(action, doing, slot, log)
            shutil.rmtree(folder, ignore_errors=True)
            self.network.give_back(machine, slot)

    def _do(self, action: Action, doing: Doing, slot: int, log: TextIO) -> None:
        start = time.time_ns()
        network.enter(doing.machine.slots[slot])
        succeeded: bool | None = False
        try:
            succeeded = action.do(doing)
        except NotElsewhereError:
            return
        except WRONG as error:
            doing.note(error=f"{type(error).__name__}: {error}"[:200])
        self._log(
            log, doing.machine, slot, action, start, succeeded=succeeded,
            settings=doing.settings,
            said=doing.outputs[-1][-300:] if doing.outputs else "",
        )  # fmt: skip

    def _log(
        self,
        log: TextIO,
        machine: Machine,
        slot: int,
        action: Action,
        start: int,
        *,
        succeeded: bool | None = None,
        settings: dict[str, Any] | None = None,
        said: str = "",
    ) -> None:
        """Write down who did what since when."""
        with self.lock:
            line = {
                "id": self.n,
                "start_ns": start,
                "end_ns": time.time_ns(),
                "machine": machine.number,
                "slot": slot,
                "source": machine.ip,
                "action": action.name,
                "family": action.family,
                "twin_of": action.twin_of,
                "tool": action.tool,
                "succeeded": succeeded,
                "settings": settings or {},
                "said": said,
            }
            self.n += 1
            log.write(json.dumps(line) + "\n")
            log.flush()


def _lost() -> int:
    """Return the frames that the tap lost before the capture."""
    done = subprocess.run(
        ["ip", "-s", "-j", "link", "show", DEVICE],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    [device] = json.loads(done.stdout)
    return int(device["stats64"]["rx"]["dropped"])


def _make_accounts(state: Path) -> None:
    """Add the users of the lab, which exist in this mount namespace alone."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / KEY], check=True
    )
    passwd = Path("/etc/passwd").read_text(encoding="utf-8")
    shadow = Path("/etc/shadow").read_text(encoding="utf-8")
    for i, (user, password) in enumerate(USERS.items()):
        home = state / f"home-{user}"
        home.mkdir()
        (home / ".ssh").mkdir(mode=0o700)
        shutil.copy(state / f"{KEY}.pub", home / ".ssh" / "authorized_keys")
        for path in (home, home / ".ssh", home / ".ssh" / "authorized_keys"):
            shutil.chown(path, FIRST_UID + i, FIRST_UID)
        made = subprocess.run(
            ["openssl", "passwd", "-6", password],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        passwd += f"{user}:x:{FIRST_UID + i}:{FIRST_UID}::{home}:/bin/sh\n"
        shadow += f"{user}:{made.stdout.strip()}:19000:0:99999:7:::\n"
    # what a tool itself looks up is no part of its attack, and there is nobody to ask
    no_names = "nameserver 127.0.0.1\n"
    for name, text in (
        ("passwd", passwd), ("shadow", shadow), ("resolv.conf", no_names)
    ):  # fmt: skip
        path = state / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600 if name == "shadow" else 0o644)
        subprocess.run(["mount", "--bind", path, f"/etc/{name}"], check=True)


def main() -> None:
    """Make the run that the one argument describes."""
    made = Plan(**json.loads(sys.argv[1]))
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "mode=755,size=1g", "lab", STATE.parent],
            check=True,
        )
        STATE.mkdir()
        _make_accounts(STATE)
        found = Run(made, STATE).record()
    except (OSError, subprocess.SubprocessError, DataError) as error:
        raise SystemExit(f"the run stopped: {error}") from error
    Path(made.folder, "counts.json").write_text(
        json.dumps({"plan": asdict(made), **found}, indent=1), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
