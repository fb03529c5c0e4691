"""Servers of the machines of a lab: Debian's, and some of our own."""

from __future__ import annotations

import random
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from evenflow.lab import contents, finding, handlers, resolver
from evenflow.lab.doing import ALIKE
from evenflow.lab.handlers import TAKES_PORT, Api, Rpc, Tcp, Web, answer_datagrams
from evenflow.lab.network import Machine, Network, enter
from evenflow.lab.words import DOMAIN, USERS

PLACES: dict[str, tuple[int, ...]] = {
    "nginx": (80, 8080), "tls": (443, 8443), "lighttpd": (80, 8000, 8081),
    "api": (5000, 8090, 9000), "dns": (53,), "dns2": (53,), "tunnel": (53,),
    "ftp": (21,),
    "ssh": (22,), "dropbear": (22, 2222), "mqtt": (1883,), "broker": (1883,),
    "rsync": (873,), "ntp": (123,), "telemetry": (5683,), "rpc": (0,), "rpc2": (0,),
    "pop3": (110,), "imap": (143,), "mail": (25, 587), "modbus": (502,),
    "snmp": (161,), "syslog": (514,), "log": (514, 601), "dhcp": (67,),
    "smb": (445,), "redis": (6379,), "database": (5432,), "socket": (8082, 3128),
    "quic": (443,), "telnet": (23, 2323), "dns2tcp": (53,), "tls2": (443,),
    "tls3": (443, 8443), "names": (53,), "push": (443, 5223, 5228),
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
        self.pages = contents.make(self.folder, self.rng)
        self.folder.chmod(0o755)
        for service, ports in PLACES.items():
            port = self.rng.choice(ports) or self.rng.randrange(33_000, 60_000)
            free = [m for m in self.network.machines if port not in m.services.values()]
            # few machines serve a lot, as anywhere
            machine = self.rng.choice(free[: max(5, len(free) // 2)])
            machine.services[service] = port
            self.at[service] = (machine.ip, port)
            kind = "tls" if service in ALIKE["tls"] else service.rstrip("2")
            getattr(self, f"_{kind}")(machine, port)
        for machine in self.network.machines:
            self._own(machine, partial(finding.answer_all, machine.number))

    def stop(self) -> None:
        """End the processes of the servers."""
        for process in self.processes:
            process.kill()
            process.wait()

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
        self._run(
            machine,
            "nginx",
            "-c",
            self._nginx_conf("nginx", f"listen {port}; listen [::]:{port};"),
        )

    def _tls(self, machine: Machine, port: int) -> None:
        key, cert = contents.certificate(self.folder)
        listen = (
            f"listen {port} ssl; listen [::]:{port} ssl; "
            f"ssl_certificate {cert}; ssl_certificate_key {key};"
        )
        self._run(
            machine,
            "nginx",
            "-c",
            self._nginx_conf(f"tls-{machine.number}-{port}", listen),
        )

    def _push(self, machine: Machine, port: int) -> None:
        key, cert = contents.certificate(self.folder)
        handlers.Push.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        handlers.Push.context.load_cert_chain(cert, key)
        self._serve(machine, port, handlers.Push)

    def _names(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, resolver.Stream)
        self._own(
            machine,
            lambda: resolver.ByUdp(("", port), resolver.Datagrams).serve_forever(),
        )

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
            f"server {{ {listen} root {self.folder}/site; rewrite ^/old/(.*) /$1 "
            "redirect;"
            f"location /private/ {{ auth_basic x; auth_basic_user_file "
            f"{self.folder}/site/.users; }} }} }}",
        )

    def _lighttpd(self, machine: Machine, port: int) -> None:
        conf = self._file(
            "lighttpd.conf",
            'server.modules = ("mod_auth", "mod_authn_file")\n'
            f'server.document-root = "{self.folder}/site"\nserver.port = {port}\n'
            'index-file.names = ("index.html")\n'
            f'$SERVER["socket"] == "[::]:{port}" {{}}\n'
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
        self._own(machine, lambda: Web(("", TAKES_PORT), Api).serve_forever())
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
            f"listen_ipv6=YES\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\n"
            "local_enable=YES\nwrite_enable=YES\nanon_root=" + f"{self.folder}/site\n"
            "no_anon_password=YES\nseccomp_sandbox=NO\npasv_enable=YES\n"
            "secure_chroot_dir=/var/run/vsftpd/empty\n"
            f"max_clients={self.rng.choice([12, 30, 60])}\n"
            f"max_per_ip={self.rng.choice([4, 12, 30])}\n"
            f"delay_failed_login={self.rng.choice([0, 1, 2])}\n"
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
            f"PidFile {self.folder}/sshd.pid\nUseDNS no\n"
            f"MaxStartups {self.rng.choice(['4:50:10', '10:30:100', '60:30:100'])}\n"
            f"MaxAuthTries {self.rng.choice([3, 6, 6])}\n"
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

        self._own(machine, lambda: answer_datagrams(port, answer))

    def _telemetry(self, machine: Machine, port: int) -> None:
        self._own(
            machine, lambda: answer_datagrams(port, lambda d: b"\x60\x00" + d[2:4])
        )

    def _pop3(self, machine: Machine, port: int) -> None:
        self._dovecot(machine, port, "pop3")

    def _imap(self, machine: Machine, port: int) -> None:
        self._dovecot(machine, port, "imap")

    def _dovecot(self, machine: Machine, port: int, kind: str) -> None:
        inbox = self.folder / kind
        for user in USERS:
            new = inbox / user / "new"
            new.mkdir(parents=True)
            for i in range(self.rng.randint(3, 12)):
                size = int(10 ** self.rng.uniform(2.5, 5))
                text = f"From: a@{DOMAIN}\nTo: {user}@{DOMAIN}\nSubject: {i}\n\n"
                (new / f"1.{i}.host").write_text(
                    text + "some words in it\n" * (size // 17)
                )
        subprocess.run(["chown", "-R", "nobody:nogroup", inbox], check=True)
        conf = self._file(
            f"{kind}.conf",
            f"protocols = {kind}\nbase_dir = {self.folder}/{kind}-base\n"
            f"log_path = {self.folder}/{kind}.log\nssl = no\n"
            "disable_plaintext_auth = no\nauth_mechanisms = plain login\n"
            f"passdb {{\n driver = passwd-file\n args = scheme=PLAIN "
            f"{self.folder}/users\n}}\n"
            f"userdb {{\n driver = static\n args = uid=nobody gid=nogroup "
            f"home={inbox}/%u\n}}\n"
            "mail_location = maildir:~/\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
            "mail_max_userip_connections = 60\n"
            f"service {kind}-login {{\n inet_listener {kind} {{\n port = {port}\n }}\n"
            f" inet_listener {kind}s {{\n port = 0\n }}\n}}\n",
        )
        self._run(machine, "dovecot", "-F", "-c", conf)

    def _mail(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Mail)

    def _modbus(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Modbus)

    def _log(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Sink)

    def _database(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Database)

    def _socket(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Tunnel)

    def _telnet(self, machine: Machine, port: int) -> None:
        self._serve(machine, port, handlers.Telnet)

    def _serve(self, machine: Machine, port: int, handler: Any) -> None:
        self._own(machine, lambda: Tcp(("", port), handler).serve_forever())

    def _syslog(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: answer_datagrams(port, lambda _: b""))

    def _dhcp(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: handlers.dhcp(port))

    def _quic(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: handlers.quic(port))

    def _snmp(self, machine: Machine, port: int) -> None:
        conf = self._file("snmp.conf", "rocommunity public\nsysLocation here\n")
        self._run(
            machine, "snmpd", "-f", "-C", "-c", conf, "-Lf", "/dev/null", "-p",
            self.folder / "snmp.pid", f"udp:{port},udp6:{port}",
        )  # fmt: skip

    def _smb(self, machine: Machine, port: int) -> None:
        state = self.folder / "smb"
        (state / "share").mkdir(parents=True)
        (state / "share").chmod(0o777)
        for page in self.pages[:40]:
            (state / "share" / page).write_bytes(bytes(self.rng.randint(100, 9000)))
        places = "".join(
            f"{name} = {state}\n"
            for name in ("private dir", "lock directory", "state directory",
                         "cache directory", "pid directory", "ncalrpc dir")
        )  # fmt: skip
        conf = self._file(
            "smb.conf",
            f"[global]\nsmb ports = {port}\nmap to guest = Bad User\n{places}"
            f"log file = {state}/log\nload printers = no\ndisable spoolss = yes\n"
            f"[share]\npath = {state}/share\nguest ok = yes\nread only = no\n",
        )
        self._run(machine, "smbd", "-F", "--no-process-group", "-s", conf)

    def _redis(self, machine: Machine, port: int) -> None:
        self._run(
            machine, "redis-server", "--port", str(port), "--protected-mode", "no",
            "--save", "", "--dir", self.folder,
        )  # fmt: skip

    def _dns2tcp(self, machine: Machine, port: int) -> None:
        conf = self._file(
            "dns2tcp.conf",
            f"listen = {machine.ip}\nport = {port}\nuser = nobody\nchroot = /tmp\n"
            f"domain = u.{DOMAIN}\nkey = lab\nresources = files:127.0.0.1:7000\n",
        )
        self._own(machine, lambda: Tcp(("::ffff:127.0.0.1", 7000), Rpc).serve_forever())
        # it never waits, so that it takes all time that others leave
        self._run(machine, "nice", "-n", "19", "dns2tcpd", "-F", "-f", conf)

    def _rpc(self, machine: Machine, port: int) -> None:
        self._own(machine, lambda: Tcp(("", port), Rpc).serve_forever())


def _in_thread(do: Callable[[], None]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def wait_until_up(servers: Servers, seconds: float = 8) -> None:
    """Wait for the servers to listen."""
    time.sleep(seconds)
