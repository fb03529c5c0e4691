"""Servers of the machines of a lab: Debian's, and some of our own."""

from __future__ import annotations

import random
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from evenflow.lab.network import Machine, Network, enter
from evenflow.lab.words import DOMAIN, USERS

LONGEST_BODY = 8_000_000
SILENT_S = 30
PLACES: dict[str, tuple[int, ...]] = {
    "nginx": (80, 8080), "tls": (443, 8443), "lighttpd": (80, 8000, 8081),
    "api": (5000, 8090, 9000), "dns": (53,), "dns2": (53,), "tunnel": (53,),
    "ftp": (21,),
    "ssh": (22,), "dropbear": (22, 2222), "mqtt": (1883,), "broker": (1883,),
    "rsync": (873,), "ntp": (123,), "telemetry": (5683,), "rpc": (0,), "rpc2": (0,),
}  # fmt: skip
"""Service -> the ports it may have; 0: any."""


class Servers:
    """All servers of a lab, each in the first namespace of its machine."""

    def __init__(self, network: Network, folder: Path, rng: random.Random) -> None:
        self.network, self.folder, self.rng = network, folder, rng
        self.processes: list[subprocess.Popen[bytes]] = []
        self.at: dict[str, tuple[str, int]] = {}
        self.pages: list[str] = []

    def start(self) -> None:
        """Spread the services over the machines and start them."""
        self._content()
        self.folder.chmod(0o755)
        for service, ports in PLACES.items():
            port = self.rng.choice(ports) or self.rng.randrange(33_000, 60_000)
            free = [m for m in self.network.machines if port not in m.services.values()]
            # few machines serve a lot, as anywhere
            machine = self.rng.choice(free[: max(5, len(free) // 2)])
            machine.services[service] = port
            self.at[service] = (machine.ip, port)
            getattr(self, f"_{service.rstrip('2')}")(machine, port)

    def stop(self) -> None:
        """End the processes of the servers."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _content(self) -> None:
        """Make the pages and files that are served."""
        site = self.folder / "site"
        (site / "private").mkdir(parents=True)
        sizes = [int(10 ** self.rng.uniform(2, 5)) for _ in range(80)]
        sizes += [int(10 ** self.rng.uniform(5, 6.3)) for _ in range(12)]
        for i, size in enumerate(sizes):
            name = f"{'page' if i < 40 else 'file'}{i}.{'html' if i < 40 else 'bin'}"
            (site / name).write_bytes(self.rng.randbytes(size))
            self.pages.append(name)
        links = "".join(
            f'<img src="{p}"><a href="{p}">{p}</a>' for p in self.pages[30:60]
        )
        (site / "index.html").write_text(f"<html><body>{links}</body></html>")
        (site / "private" / "index.html").write_text("yours\n" * 20)
        (site / ".users").write_text(
            "".join(f"{u}:{{PLAIN}}{p}\n" for u, p in USERS.items())
        )
        (self.folder / "users").write_text(
            "".join(f"{u}:{p}\n" for u, p in USERS.items())
        )
        (self.folder / "backup").mkdir()

    def _run(self, machine: Machine, *command: str | Path) -> None:
        """Start a server in the first namespace of a machine."""
        path = self.folder / f"{Path(command[0]).name}-{machine.number}.log"

        def run() -> None:
            enter(machine.slots[0])
            with path.open("ab") as log:
                process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self.processes.append(process)

        _in_thread(run)

    def _own(self, machine: Machine, serve: Callable[[], Any]) -> None:
        """Serve by a thread of this process."""

        def run() -> None:
            enter(machine.slots[0])
            serve()

        threading.Thread(target=run, daemon=True).start()

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def _nginx(self, machine: Machine, port: int) -> None:
        self._run(machine, "nginx", "-c", self._nginx_conf("nginx", f"listen {port};"))

    def _tls(self, machine: Machine, port: int) -> None:
        key, cert = self.folder / "key.pem", self.folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
             "-out", cert, "-days", "30", "-subj", f"/CN=www.{DOMAIN}"],
            check=True, capture_output=True,
        )  # fmt: skip
        listen = (
            f"listen {port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
        )
        self._run(machine, "nginx", "-c", self._nginx_conf("tls", listen))

    def _nginx_conf(self, name: str, listen: str) -> Path:
        keep = self.rng.choice([5, 15, 65])
        return self._file(
            f"{name}.conf",
            f"daemon off; user root; worker_processes 1; pid {self.folder}/{name}.pid;"
            f"error_log {self.folder}/{name}.error;"
            "events { worker_connections 400; }"
            f"http {{ access_log off; keepalive_timeout {keep};"
            f"client_body_temp_path {self.folder}/{name}-body;"
            f"proxy_temp_path {self.folder}/{name}-1;"
            f"fastcgi_temp_path {self.folder}/{name}-2;"
            f"uwsgi_temp_path {self.folder}/{name}-3;"
            f"scgi_temp_path {self.folder}/{name}-4;"
            f"server {{ {listen} root {self.folder}/site;"
            f"location /private/ {{ auth_basic x; auth_basic_user_file "
            f"{self.folder}/site/.users; }} }} }}",
        )

    def _lighttpd(self, machine: Machine, port: int) -> None:
        conf = self._file(
            "lighttpd.conf",
            'server.modules = ("mod_auth", "mod_authn_file")\n'
            f'server.document-root = "{self.folder}/site"\nserver.port = {port}\n'
            'index-file.names = ("index.html")\n'
            'auth.backend = "plain"\n'
            f'auth.backend.plain.userfile = "{self.folder}/users"\n'
            'auth.require = ("/private/" => ("method" => "basic", "realm" => "x", '
            '"require" => "valid-user"))\n',
        )
        self._run(machine, "lighttpd", "-D", "-f", conf)

    def _dns(self, machine: Machine, port: int) -> None:
        self._run(
            machine, "dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts",
            "-p", str(port), "-u", "root", f"--address=/{DOMAIN}/{machine.ip}",
            f"--txt-record=info.{DOMAIN},{'a note ' * 12}", "--log-facility=/dev/null",
            f"--pid-file={self.folder}/dns-{machine.number}.pid",
        )  # fmt: skip

    def _tunnel(self, machine: Machine, _port: int) -> None:
        self._run(
            machine,
            "iodined",
            "-f",
            "-c",
            "-P",
            "lab",
            "172.31.255.1/24",
            f"t.{DOMAIN}",
        )

    def _ftp(self, machine: Machine, port: int) -> None:
        conf = self._file(
            "vsftpd.conf",
            f"listen=YES\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\n"
            "local_enable=YES\nwrite_enable=YES\nanon_root=" + f"{self.folder}/site\n"
            "no_anon_password=YES\nseccomp_sandbox=NO\npasv_enable=YES\n"
            "secure_chroot_dir=/var/run/vsftpd/empty\nmax_clients=60\nmax_per_ip=30\n"
            "pam_service_name=vsftpd\n",
        )
        Path("/var/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
        conf.chmod(0o600)
        self._run(machine, "vsftpd", conf)

    def _ssh(self, machine: Machine, port: int) -> None:
        key = self.folder / "ssh_key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True
        )
        Path("/run/sshd").mkdir()
        conf = self._file(
            "sshd.conf",
            f"Port {port}\nHostKey {key}\nUsePAM yes\nPasswordAuthentication yes\n"
            f"PidFile {self.folder}/sshd.pid\nUseDNS no\nMaxStartups 60:30:100\n"
            "PrintMotd no\nSubsystem sftp internal-sftp\n",
        )
        self._run(machine, "/usr/sbin/sshd", "-D", "-f", conf)

    def _dropbear(self, machine: Machine, port: int) -> None:
        key = self.folder / "dropbear_key"
        subprocess.run(
            ["dropbearkey", "-t", "ed25519", "-f", key], check=True, capture_output=True
        )
        self._run(
            machine, "dropbear", "-F", "-r", key, "-p", str(port), "-P",
            self.folder / "dropbear.pid",
        )  # fmt: skip

    def _mqtt(self, machine: Machine, port: int) -> None:
        conf = self._file("mqtt.conf", f"listener {port}\nallow_anonymous true\n")
        self._run(machine, "mosquitto", "-c", conf)

    def _broker(self, machine: Machine, port: int) -> None:
        users = self.folder / "mqtt.users"
        for user, password in USERS.items():
            made = [] if users.exists() else ["-c"]
            subprocess.run(
                ["mosquitto_passwd", "-b", *made, users, user, password],
                check=True, capture_output=True,
            )  # fmt: skip
        users.chmod(0o644)
        conf = self._file(
            "broker.conf",
            f"listener {port}\nallow_anonymous false\npassword_file {users}\n",
        )
        self._run(machine, "mosquitto", "-c", conf)

    def _rsync(self, machine: Machine, port: int) -> None:
        conf = self._file(
            "rsync.conf",
            f"port = {port}\nuse chroot = no\nuid = root\ngid = root\n"
            f"[backup]\npath = {self.folder}/backup\nread only = no\n"
            f"[site]\npath = {self.folder}/site\n",
        )
        self._run(
            machine, "rsync", "--daemon", "--no-detach", "--config", conf,
            f"--log-file={self.folder}/rsync.log",
        )  # fmt: skip

    def _api(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: Web(("", port), Api).serve_forever())

    def _ntp(self, machine: Machine, port: int) -> None:
        def answer(data: bytes) -> bytes:
            return (b"\x24\x01" + data[2:])[:48].ljust(48, b"\0")

        self._own(machine, lambda: _answer_datagrams(port, answer))

    def _telemetry(self, machine: Machine, port: int) -> None:
        self._own(
            machine, lambda: _answer_datagrams(port, lambda d: b"\x60\x00" + d[2:4])
        )

    def _rpc(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: Tcp(("", port), Rpc).serve_forever())


class Web(ThreadingHTTPServer):
    """A web server of our own."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that left."""


class Tcp(socketserver.ThreadingTCPServer):
    """A server of a protocol of our own."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that left."""


class Api(BaseHTTPRequestHandler):
    """A small application: it answers, and takes what is sent to it."""

    protocol_version = "HTTP/1.1"
    timeout = SILENT_S

    def do_GET(self) -> None:
        """Answer with a size that depends on what is asked."""
        self._answer(200, b"x" * (40 + sum(self.path.encode()) % 3000))

    def do_POST(self) -> None:
        """Take a body."""
        left = min(int(self.headers.get("Content-Length", 0)), LONGEST_BODY)
        while left > 0 and (part := self.rfile.read(min(left, 65_536))):
            left -= len(part)
        self._answer(201, b'{"stored": true}')

    do_PUT = do_POST  # noqa: N815 (the name that is looked for)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write no log."""


class Rpc(socketserver.BaseRequestHandler):
    """Answers each message with another one, in binary."""

    def handle(self) -> None:
        """Answer until the client leaves."""
        self.request.settimeout(SILENT_S)
        with suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data[:1] * (len(data) % 700 + 8))


def _answer_datagrams(port: int, answer: Callable[[bytes], bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("", port))
        while True:
            with suppress(OSError):
                data, other = here.recvfrom(4096)
                here.sendto(answer(data), other)


def _in_thread(do: Callable[[], None]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def wait_until_up(servers: Servers, seconds: float = 8) -> None:
    """Wait for the servers to listen."""
    time.sleep(seconds)
