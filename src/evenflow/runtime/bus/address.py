"""Where a bus is: a URL of Redis, and the names of the stream and the group on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from evenflow.errors import DataError
from evenflow.places import bus_password

PORT = 6379
EXPECTED = (
    "redis://HOST:PORT/DB or rediss://HOST:PORT/DB, with ?stream=NAME&group=NAME&"
    "ca=FILE as needed"
)
NAME = re.compile(r"[\w.:-]{1,100}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A stream on a server."""

    host: str
    port: int = PORT
    db: int = 0
    stream: str
    group: str = "evenflow"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    has_tls: bool = False
    ca: Path | None = None
    """Certificates of authorities to trust, in place of the system's."""

    @property
    def name(self) -> str:
        """The server without secrets, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' * self.has_tls}://{host}:{self.port}/{self.db}"


def address(text: str, *, contract: str, password_file: Path | None = None) -> Address:
    """Return the address that a URL gives.

    Parameters
    ----------
    text : str
        ``redis://[USER:PASSWORD@]HOST[:PORT][/DB][?stream=NAME&group=NAME&ca=FILE]``;
        ``rediss`` for TLS.
    contract : str
        Name of what the stream holds: without a name it is ``evenflow:CONTRACT``.
    password_file : path, optional
        Goes before the password of the URL; ``EVENFLOW_BUS_PASSWORD`` comes last.

    Raises
    ------
    DataError
        The URL is invalid. The message does not repeat it, as it may hold a password.
    """
    try:
        url = urlsplit(text)
        port, host = url.port or PORT, url.hostname
    except ValueError as error:
        raise _wrong("a port or a host that is invalid") from error
    if url.scheme not in ("redis", "rediss"):
        raise _wrong(f"the scheme {url.scheme[:20]!r}")
    if not host:
        raise _wrong("no host")
    db = url.path.strip("/") or "0"
    if not (db.isascii() and db.isdecimal() and len(db) < 6):
        raise _wrong(f"the database {db[:20]!r}")
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if unknown := query.keys() - {"stream", "group", "ca"}:
        raise _wrong(f"{min(unknown)[:20]!r} after the question mark")
    names = {
        "stream": query.get("stream", f"evenflow:{contract}"),
        "group": query.get("group", "evenflow"),
    }
    for key, name in names.items():
        if not NAME.fullmatch(name):
            raise _wrong(f"the {key} {name[:20]!r}")
    given = unquote(url.password) if url.password else bus_password()
    return Address(
        host=host,
        port=port,
        db=int(db),
        user=unquote(url.username) if url.username else None,
        password=_read(password_file) if password_file else given,
        has_tls=url.scheme == "rediss",
        ca=Path(query["ca"]) if "ca" in query else None,
        **names,
    )


def _wrong(found: str) -> DataError:
    return DataError(f"the address of the bus has {found}; expected {EXPECTED}")


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            found = stream.readline(4096).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise DataError(f"cannot read the password of the bus in {path}: {why}") from (
            error
        )
    if not found:
        raise DataError(f"{path} is empty, expected the password of the bus")
    return found
