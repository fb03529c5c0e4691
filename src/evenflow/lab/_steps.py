"""Steps that ordinary clients and attackers share."""

from __future__ import annotations

import ftplib
import http.client
import ssl
import time
from base64 import b64encode
from contextlib import suppress

from evenflow.lab.doing import Doing

KEY = "key"
"""File by which every user may log in by SSH, beside the folders of the clients."""
WRONG = (OSError, http.client.HTTPException)


def http_connection(
    d: Doing, ip: str, port: int, source: str = ""
) -> http.client.HTTPConnection:
    """Return a connection to a web server, over TLS where it speaks that."""
    seconds = min(10.0, d.left())
    start = (source, 0) if source else None
    if d.is_tls((ip, port)):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(
            ip, port, timeout=seconds, source_address=start, context=context
        )
    return http.client.HTTPConnection(ip, port, timeout=seconds, source_address=start)


def fetch(
    d: Doing, web: http.client.HTTPConnection, path: str, *, keep: bool, user: str = ""
) -> int:
    """Get a page; return the status, 0 where there is none."""
    headers = {"Host": "www.lab.example", "User-Agent": "Mozilla/5.0 (X11; Linux)"}
    if user:
        headers["Authorization"] = "Basic " + b64encode(user.encode()).decode()
    if not keep:
        headers["Connection"] = "close"
    try:
        web.request("GET", f"/{path}", headers=headers)
        answer = web.getresponse()
        answer.read()
    except WRONG:
        web.close()
        return 0
    if not keep:
        web.close()
    return answer.status


def six(ip: str) -> list[str]:
    """Return the option by which scanners and others speak IPv6, where they shall."""
    return ["-6"] if ":" in ip else []


def in_url(ip: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{ip}]" if ":" in ip else ip


def url(d: Doing, *names: str) -> str:
    """Return the address of a web service, without a path."""
    ip, port = d.service(*names)
    return f"http{'s' * d.is_tls((ip, port))}://{in_url(ip)}:{port}"


def ssh(d: Doing, user: str, password: str, command: str, ip: str, port: int) -> int:
    """Log in by SSH and run a command; return the status."""
    return d.run(
        "sshpass", "-p", password, "ssh", "-p", port, "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=8",
        "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1",
        "-F", "/dev/null", f"{user}@{ip}", command, seconds=40,
    )  # fmt: skip


SSH = ("-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o",
       "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=8")  # fmt: skip


def ssh_by_key(d: Doing, user: str, command: str, ip: str, port: int) -> int:
    """Log in by SSH without a password and run a command; return the status."""
    return d.run(
        "ssh", *SSH, "-o", "BatchMode=yes", "-i", d.folder.parent / KEY, "-p", port,
        f"{user}@{ip}", command, seconds=30,
    )  # fmt: skip


def ssh_tries(
    d: Doing, user: str, words: list[str], ip: str, port: int, command: str
) -> int:
    """Give one password after the other in one connection; return the status."""
    name = f"{time.monotonic_ns()}-{d.rng.randrange(10**9)}"
    left, asked = d.folder / f"{name}.words", d.folder / f"{name}.sh"
    left.write_text("\n".join(words) + "\n")
    asked.write_text(f"#!/bin/sh\nhead -n 1 {left}\nsed -i 1d {left}\n")
    asked.chmod(0o700)
    return d.run(
        "env", f"SSH_ASKPASS={asked}", "SSH_ASKPASS_REQUIRE=force", "ssh", *SSH, "-o",
        "PreferredAuthentications=password,keyboard-interactive", "-o",
        f"NumberOfPasswordPrompts={len(words)}", "-p", port, f"{user}@{ip}", command,
        seconds=50,
    )  # fmt: skip


def ftp_login(
    d: Doing, ip: str, port: int, user: str, password: str, source: str = ""
) -> bool | None:
    """Try to log in by FTP; None: nobody answered."""
    server = ftplib.FTP(timeout=min(8.0, d.left()))  # noqa: S321 (it is to be read)
    try:
        server.connect(ip, port, source_address=(source, 0) if source else None)
        server.login(user, password)
        server.quit()
    except ftplib.error_perm:
        with suppress(ftplib.Error, EOFError, OSError):
            server.quit()
        return False
    except (ftplib.Error, EOFError, OSError):
        server.close()
        return None
    return True


def mqtt_connect(client: str, user: str = "", password: str = "") -> bytes:
    """Return the packet that opens an MQTT session."""
    flags = 2 + (0xC0 if user else 0)
    body = b"\0\4MQTT\4" + bytes([flags]) + b"\0\x3c"
    for text in (client, *((user, password) if user else ())):
        body += len(text).to_bytes(2, "big") + text.encode()
    return b"\x10" + bytes([len(body)]) + body
