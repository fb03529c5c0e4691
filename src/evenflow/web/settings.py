"""The settings of the server; no setting has an unsafe default."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evenflow import registry
from evenflow.errors import DataError

STRICT = ConfigDict(frozen=True, extra="forbid")
HOST = re.compile(
    r"(\[[0-9a-f:.]{2,45}\]|(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,126})"
    r"(?::(\d{1,5}))?"
)
"""Host and port as a request names them, in lower case."""


class Mail(BaseModel):
    """The SMTP server that sends links; without one the command line prints them."""

    model_config = STRICT

    host: str
    """Its name."""
    port: int = Field(587, ge=1, le=65535)
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """Protection of the connection; ``none`` is for a server on this machine."""
    user: str = ""
    """User name on the mail server, if it needs one."""
    password: str = Field("", repr=False)
    """Password on the mail server."""
    sender: str
    """Address that mails come from."""


class Notify(BaseModel):
    """Who is told of new alerts; a message is sent every so often at most."""

    model_config = STRICT

    webhook: str = Field("", repr=False)
    """Address that gets new alerts by POST, as a JSON array; it may hold a user and a
    password."""
    mail_to: tuple[str, ...] = Field((), max_length=20)
    """Addresses that get a mail; needs the settings of `mail`."""
    severities: tuple[Literal[1, 2, 3], ...] = Field((1,), min_length=1)
    """Severities that are sent: 1 is high, 2 medium, 3 low."""
    every_s: float = Field(60, ge=10)
    """Minimum number of seconds between two messages; what comes in between is in the
    next one."""
    allow_private: bool = False
    """Whether the web hook may have an address of this machine or a private network."""


class Settings(BaseModel):
    """Everything about one server."""

    model_config = STRICT

    home: Path
    """Folder of the secret, the database, bundles, uploads and results."""
    secret_key: str = Field(min_length=32, repr=False)
    """Signs cookies; passwords and second factors depend on it. Created on the first
    start: back it up with the database."""
    database: str = Field("", repr=False)
    """Address of a PostgreSQL database; SQLite under ``home`` if absent."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 chooses a free one."""
    public_url: str = ""
    """Public https address, if a proxy is in front of the server."""
    trusted_proxies: int = Field(0, ge=0, le=5)
    """Number of proxies in front whose X-Forwarded headers are trusted."""
    workers: int = Field(2, ge=1, le=64)
    """Web processes."""
    threads: int = Field(8, ge=1, le=128)
    """Threads of each web process."""
    sign_up: Literal["open", "invited", "off"] = "open"
    """Who may create an account: anybody who reaches the page (open), people whom an
    admin invites (invited), or only people whom a command adds (off)."""
    sign_up_role: Literal["viewer", "analyst"] = "viewer"
    """Role of people who sign up without an invitation."""
    demo: bool = False
    """Whether anybody who reaches the server may read it without an account: the pages
    of viewers, with everybody's records, uploads and alerts, but no e-mail address.
    Visitors change nothing; the API stays closed. Only for data that may be public."""
    mail: Mail | None = None
    """The server that sends mail."""
    notify: Notify | None = None
    """Who is told of new alerts."""
    session_idle_hours: float = Field(12, gt=0)
    """Hours without a request after which a person is logged out."""
    session_days: float = Field(7, gt=0)
    """Days after which a person logs in again, whatever they do."""
    max_body_mb: float = Field(8, gt=0)
    """Maximum megabytes of one request, except for uploads."""
    max_upload_mb: float = Field(512, gt=0)
    """Maximum megabytes of one uploaded file, as it is sent."""
    max_unpacked_mb: float = Field(4096, gt=0)
    """Maximum megabytes of an uploaded file when it is unpacked."""
    max_rows: int = Field(5_000_000, ge=1)
    """Maximum number of records of one uploaded file."""
    max_waiting_jobs: int = Field(20, ge=1)
    """Maximum number of queued or running jobs of one person."""
    max_own_datasets: int = Field(20, ge=0)
    """Maximum number of data sets that one person may keep on the server; 0 forbids
    them."""
    alerts_per_upload: int = Field(5_000, ge=0)
    """Maximum number of alerts that one upload opens, likeliest first; its result holds
    all verdicts."""
    lease_s: float = Field(60, gt=0)
    """Seconds without a heartbeat of a worker after which its job goes to another."""
    worker_memory_mb: int = Field(6144, ge=1024)
    """Maximum megabytes of memory of a scoring worker."""
    web_memory_mb: int = Field(4096, ge=1024)
    """Maximum megabytes of memory of one web process."""
    train_memory_mb: int = Field(0, ge=0)
    """Maximum megabytes of memory of a training; 0 is three quarters of the machine's
    memory."""
    retention_days: int = Field(90, ge=1)
    """Days that history, alerts, incidents and uploads are kept, unless an admin sets
    another number."""
    data_folders: tuple[Path, ...] = ()
    """Folders to search for published data sets, in order."""

    @property
    def all_data_folders(self) -> tuple[Path, ...]:
        """Those folders, then that of the team's own data sets."""
        return (*self.data_folders, self.home / "datasets")

    @model_validator(mode="after")
    def _check(self) -> Self:
        url = urlsplit(self.public_url)
        if self.public_url and (url.scheme not in {"http", "https"} or not url.netloc):
            raise ValueError(
                f"public_url is {self.public_url!r}, expected https://NAME"
            )
        if self.public_url and not HOST.fullmatch(url.netloc.lower()):
            raise ValueError(
                f"public_url is {self.public_url!r}, expected https://NAME or "
                "https://NAME:PORT in letters, digits, hyphens and points; of an "
                "international name write the form that begins with xn--"
            )
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise ValueError(
                f"public_url is {self.public_url!r}: passwords would cross the network "
                "in the clear, expected https://NAME"
            )
        if not is_loopback(self.host) and url.scheme != "https":
            raise ValueError(
                f"host is {self.host!r}, which others can reach, and public_url is not "
                'https; expected 127.0.0.1, or public_url = "https://NAME" of the '
                "proxy in front that speaks TLS"
            )
        hook = urlsplit(self.notify.webhook if self.notify else "")
        if hook.geturl() and (hook.scheme not in {"http", "https"} or not hook.netloc):
            raise ValueError("notify.webhook is not an address, expected https://NAME")
        if self.notify and self.notify.mail_to and not self.mail:
            raise ValueError(
                "notify.mail_to names addresses and there is no mail server, expected "
                "one under [mail]. Add it, or delete mail_to"
            )
        return self

    @property
    def is_https(self) -> bool:
        """Whether people reach the server by https, so that cookies are Secure."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def address(self) -> str:
        """The address of the server, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @classmethod
    def from_dict(cls, value: dict[str, Any], *, source: str) -> Self:
        """Return checked settings.

        Raises
        ------
        DataError
            A key is unknown (the nearest known one is named) or a value is refused.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            problems = "; ".join(_problem(e) for e in error.errors())
            raise DataError(f"{source}: {problems}") from None


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches that address."""
    if host in {"localhost", ""}:
        return host == "localhost"
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _problem(error: Any) -> str:
    path = [str(step) for step in error["loc"]]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"mail": Mail, "notify": Notify}
        model = parts.get(path[0], Settings) if path[1:] else Settings
        return (
            f"unknown key {key!r}; "
            f"{registry.nearest(path[-1], sorted(model.model_fields))}"
        )
    if error["type"] == "missing":
        return f"the key {key!r} is missing; add it"
    if error["type"] == "value_error" and not key:
        return str(error["ctx"]["error"])
    return f"{key!r} is refused: {error['msg']}"
