"""A stream of Redis or Valkey, its consumer group, and where rejected entries go.

Only what every scorer group has dealt with is removed from the stream, never an entry
that waits; a stream that is full makes sensors wait. The only file that uses redis-py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evenflow.errors import DataError, MissingExtraError, StorageError
from evenflow.runtime.bus.address import Address

OLDEST = (6, 2)
"""Oldest version of Redis that has what is used here."""
TIMEOUT_S = 10.0
FIELD = b"batch"
MOST_REJECTED = 200
"""Rejected entries that are kept, in a stream of their own."""
MOST_KEPT = 2**18
"""Bytes of a rejected entry that are kept."""
SAMPLES = 50
Fields = dict[bytes, bytes]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a stream."""

    id: bytes
    fields: Fields
    deliveries: int = 1

    @property
    def seconds(self) -> float:
        """When it was added, by the server's clock, since 1970."""
        return int(self.id.partition(b"-")[0]) / 1000


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Entries that a group has not dealt with."""

    lag: int | None
    """Those that nobody read; None where the server does not know."""
    pending: int
    """Those that were read and not acknowledged."""


class Stream:
    """A connection to a stream; made again when it is lost.

    Every method raises StorageError where the server does not answer or refuses.

    Raises
    ------
    DataError
        The server is too old.
    MissingExtraError
        redis-py is not installed.
    StorageError
        The server is away, or refuses the password.
    """

    def __init__(self, address: Address) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError(
                "the bus needs redis-py; install it with: pip install 'evenflow[bus]'"
            ) from error
        if address.ca is not None and not address.ca.is_file():
            raise DataError(f"cannot read the certificates {address.ca}: no such file")
        self.address, self._redis = address, redis
        self._key, self._group = address.stream, address.group
        self._cursor = b"0-0"
        tls: dict[str, Any] = {"ssl": True} if address.has_tls else {}
        if address.ca is not None:
            tls["ssl_ca_certs"] = str(address.ca)
        self._server: Any = redis.Redis(
            host=address.host, port=address.port, db=address.db,
            username=address.user, password=address.password, protocol=2,
            socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0), **tls,
        )  # fmt: skip
        with self._failures():
            version = str(self._server.info("server")["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            self.close()
            raise DataError(
                f"{address.name} is Redis {version}, expected 6.2 or newer, or Valkey"
            )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise what redis-py raises as an error of ours."""
        try:
            yield
        except (self._redis.RedisError, OSError) as error:
            text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise StorageError(f"{self.address.name}: {text[:300]}") from error

    def add(self, data: bytes, *, most_bytes: int) -> None:
        """Add an entry, unless the stream has so many bytes already."""
        with self._failures():
            n_bytes = self._server.memory_usage(self._key, samples=SAMPLES) or 0
            if n_bytes >= most_bytes:
                raise StorageError(
                    f"{self.address.name}: the stream {self._key} is full, with "
                    f"{n_bytes / 2**20:,.0f} MiB: scorers are behind"
                )
            self._server.xadd(self._key, {FIELD: data})

    def join(self) -> None:
        """Make the group, from the first entry on, if there is none."""
        with self._failures():
            try:
                self._server.xgroup_create(
                    self._key, self._group, id="0", mkstream=True
                )
            except self._redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def read(self, consumer: str, *, most: int, wait_ms: int) -> list[Entry]:
        """Return the next entries, which nobody has read."""
        with self._failures():
            found = self._server.xreadgroup(
                self._group, consumer, {self._key: ">"}, count=most, block=wait_ms
            )
        return [Entry(id=i, fields=f) for _, some in found or () for i, f in some if f]

    def take_over(
        self, consumer: str, *, idle_ms: int, most: int
    ) -> tuple[list[Entry], int]:
        """Return entries that another had for too long, and how many are removed."""
        with self._failures():
            self._cursor, found, *rest = self._server.xautoclaim(
                self._key, self._group, consumer, idle_ms, self._cursor, count=most
            )
            claimed = [(i, fields) for i, fields in found if fields]
            if not claimed:
                return [], len(rest[0]) if rest else 0
            n = {
                one["message_id"]: one["times_delivered"]
                for one in self._server.xpending_range(
                    self._key, self._group, claimed[0][0], claimed[-1][0],
                    4 * most, consumer,
                )
            }  # fmt: skip
        entries = [
            Entry(id=i, fields=fields, deliveries=n.get(i, 1)) for i, fields in claimed
        ]
        return entries, len(rest[0]) if rest else 0

    def acknowledge(self, ids: Sequence[bytes]) -> None:
        """Take note that entries are dealt with."""
        with self._failures():
            self._server.xack(self._key, self._group, *ids)

    def reject(self, entry: Entry, reason: str) -> None:
        """Put an entry aside, with the reason, and take note that it is dealt with."""
        data = entry.fields.get(FIELD, b"")
        kept = {
            "id": entry.id, "reason": reason[:500], "n_bytes": len(data),
            "batch": data[:MOST_KEPT],
        }  # fmt: skip
        with self._failures(), self._server.pipeline() as both:
            both.xadd(
                f"{self._key}:rejected", kept, maxlen=MOST_REJECTED, approximate=False
            )
            both.xack(self._key, self._group, entry.id)
            both.execute()

    def trim(self) -> None:
        """Remove the entries that every group has dealt with."""
        with self._failures():
            kept_from = [
                self._server.xpending(self._key, one["name"])["min"]
                if one["pending"]
                else one["last-delivered-id"]
                for one in self._server.xinfo_groups(self._key)
            ]
            if kept_from and all(kept_from):
                oldest = min(kept_from, key=_number)
                self._server.xtrim(self._key, minid=oldest, approximate=False)

    def backlog(self) -> Backlog:
        """Return how far the group is behind."""
        with self._failures():
            for one in self._server.xinfo_groups(self._key):
                if one["name"].decode() == self._group:
                    return Backlog(lag=one.get("lag"), pending=one["pending"])
        return Backlog(lag=None, pending=0)

    def leave(self, consumer: str, *, idle_ms: int) -> None:
        """Remove a reader that has nothing, and others that ended without it."""
        with self._failures():
            for one in self._server.xinfo_consumers(self._key, self._group):
                is_it = one["name"].decode(errors="replace") == consumer
                if not one["pending"] and (is_it or one["idle"] > idle_ms):
                    self._server.xgroup_delconsumer(self._key, self._group, one["name"])

    def close(self) -> None:
        """Close the connection."""
        self._server.close()


def _number(entry: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in entry.split(b"-"))
