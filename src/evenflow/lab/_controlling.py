"""Machines that talk to machines: controllers, sensors, logs, names, addresses."""

from __future__ import annotations

import socket
from contextlib import suppress

from evenflow.lab.doing import Doing
from evenflow.lab.words import NAMES


def _request(d: Doing, number: int) -> bytes:
    """Return a message that asks for registers, or sets one."""
    body = bytes([1, d.rng.choice([1, 2, 3, 3, 3, 4, 6]), 0, d.rng.randrange(200), 0,
                  d.rng.randint(1, 50)])  # fmt: skip
    return number.to_bytes(2, "big") + b"\0\0\0\6" + body


def _exchange(d: Doing, s: socket.socket, n: int, wait: float) -> int:
    """Ask a controller some times in one connection; return the answers."""
    found = 0
    with suppress(OSError):
        for i in range(n):
            s.sendall(_request(d, i % 65_536))
            found += bool(s.recv(500))
            if wait:
                d.think(wait)
            if d.is_over():
                break
    return found


def poll_controller(d: Doing) -> bool:
    """Read registers of a controller: a connection each time."""
    ip, port = d.service("modbus")
    wait = d.between(0.1, 8)
    d.note(wait=round(wait, 3))
    per, found = d.rng.choice([1, 1, 2, 10]), 0
    for _ in range(d.rng.randint(2, 40)):
        if s := d.connect(ip, port):
            with s:
                found += _exchange(d, s, per, 0)
        d.think(wait)
        if d.is_over():
            break
    return found > 0


def watch_controller(d: Doing) -> bool:
    """Read registers of a controller in one session without end."""
    ip, port = d.service("modbus")
    wait = d.between(0.1, 5)
    d.note(wait=round(wait, 3))
    if s := d.connect(ip, port):
        with s:
            return _exchange(d, s, 10**6, wait) > 0
    return False


def snmp(d: Doing) -> bool:
    """Read counters of machines by SNMP."""
    ip, port = d.service("snmp")
    found = 0
    for _ in range(d.rng.randint(1, 10)):
        how = d.rng.choice([["snmpget", "-v2c"], ["snmpwalk", "-v2c"],
                            ["snmpbulkwalk", "-v2c"]])  # fmt: skip
        what = ["1.3.6.1.2.1.1.3.0"] if how[0] == "snmpget" else ["1.3.6.1.2.1.1"]
        found += d.run(*how, "-c", "public", "-t", 2, "-r", 1, f"{ip}:{port}",
                       *what) == 0  # fmt: skip
        d.think(3)
        if d.is_over():
            break
    return found > 0


def _line(d: Doing) -> bytes:
    return (
        f"<{d.rng.randrange(8, 190)}>Nov 30 10:00:00 host app[{d.rng.randrange(9)}]"
        f": {d.rng.randbytes(d.rng.randint(4, 200)).hex()}\n".encode()
    )


def send_log(d: Doing) -> bool:
    """Send lines of a log by UDP, from one port or from a new one each time."""
    ip, port = d.service("syslog")
    rate = d.rate(0.2, 60)
    many = d.rng.random() < 0.3
    with d.udp() as here:
        for _ in range(d.rng.randint(3, 200)):
            if many:
                d.ask(ip, port, _line(d), 0.01)
            else:
                here.sendto(_line(d), (ip, port))
            d.think(1 / rate)
            if d.is_over():
                break
    return True


def stream_log(d: Doing) -> bool:
    """Send lines of a log in one connection without end."""
    ip, port = d.service("log")
    rate = d.rate(0.1, 10)
    if s := d.connect(ip, port):
        with s, suppress(OSError):
            while not d.is_over():
                s.sendall(_line(d))
                d.think(1 / rate)
    return True


SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
    b"MX: 2\r\nST: ssdp:all\r\n\r\n"
)
NOTIFY = (
    b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n"
    b"LOCATION: http://host/desc.xml\r\nNT: upnp:rootdevice\r\n\r\n"
)


def _shout(d: Doing, ip: str, port: int, data: list[bytes], own: int = 0) -> None:
    """Send datagrams to whoever listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        here.bind((d.machine.ip, own))
        for one in data:
            with suppress(OSError):
                here.sendto(one, (ip, port))
            d.think(d.between(0.05, 3))


def chatter(d: Doing) -> bool:
    """Make oneself known, or look for others, as devices in a house do."""
    everyone = d.machine.ip.rpartition(".")[0] + ".255"
    n = d.rng.randint(1, 8)
    asks = [d.question(f"_{d.rng.choice(['ipp', 'http', 'smb'])}._tcp.local", 12)
            for _ in range(n)]  # fmt: skip
    names = [d.question(d.rng.choice(NAMES)) for _ in range(n)]
    netbios = [q[:12] + b"\x20" + b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + b"\0\0\x20\0\1"
               for q in names]  # fmt: skip
    host = [b'{"host": "%d"}' % d.rng.getrandbits(200)] * n
    for args in d.rng.sample([
        ("239.255.255.250", 1900, [SEARCH] * min(n, 4)),
        ("239.255.255.250", 1900, [NOTIFY] * (2 * n), 1900),
        ("224.0.0.251", 5353, asks, 5353),
        ("224.0.0.252", 5355, names[:2]),
        (everyone, 137, netbios[:6], 137),
        (everyone, 138, [b"\x11\x02" + bytes(180)], 138),
        (everyone, 17_500, host, 17_500),
        (everyone, 57_621, [b"SpotUdp0" + bytes(36)] * n, 57_621),
    ], d.rng.randint(1, 4)):  # fmt: skip
        _shout(d, *args)  # type: ignore[arg-type]
        d.think(1)
    return True


def renew_address(d: Doing) -> bool:
    """Ask whether the own address may be kept."""
    ip, port = d.service("dhcp")
    head = b"\1\1\6\0" + d.rng.randbytes(4) + bytes(4)
    data = head + socket.inet_aton(d.machine.ip) + bytes(220)
    data += b"\x63\x82\x53\x63\x35\1\3\xff" + bytes(52)
    found = 0
    for _ in range(d.rng.choice([1, 1, 2])):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            here.settimeout(2)
            here.bind((d.machine.ip, 68))
            here.sendto(data, (ip, port))
            with suppress(OSError):
                found += bool(here.recv(1000))
        d.think(8)
    return found > 0


def sense(d: Doing) -> bool:
    """Report measurements by UDP or MQTT, seldom, without end."""
    ip, port = d.service("telemetry")
    wait = d.between(1, 30)
    with d.udp() as here:
        here.settimeout(1)
        while not d.is_over():
            here.sendto(b"\x40\x02" + d.rng.randbytes(d.rng.randint(6, 90)), (ip, port))
            with suppress(OSError):
                here.recv(500)
            d.think(wait)
    return True
