"""A stream of Redis or Valkey, its consumer group, and where rejected entries go.

Only what every scorer group has dealt with is removed from the stream, never an entry
that waits; a stream that is full makes sensors wait. What a group scored is a stream of
its own, which the one scorer that leads reads. The only file that uses redis-py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
MOST_SCORED = 2**26
"""Bytes of the entries that are scored and not grouped, beyond which none is read."""
MOST_PART = 2**22
"""Bytes of a value: servers may be set up to refuse larger ones."""
SAMPLES = 50
Fields = dict[bytes, bytes]
Number = tuple[int, int]
"""The id of an entry: ids count up."""


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
        mine = f"{address.stream}:{address.group}"
        self._scored, self._lead = f"{mine}:scored", f"{mine}:lead"
        self._incidents = f"{mine}:incidents"
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

    def finish(self, entries: Sequence[tuple[bytes, dict[str, bytes]]]) -> None:
        """Add what came of entries, and take note that they are dealt with: at once."""
        with self._failures(), self._server.pipeline() as both:
            for entry, fields in entries:
                both.xadd(self._scored, {"entry": entry, **fields})
            both.xack(self._key, self._group, *(entry for entry, _ in entries))
            both.execute()

    def finished_before(self) -> Number:
        """Return the id before which the group has dealt with all entries."""
        with self._failures(), self._server.pipeline() as both:
            both.xinfo_groups(self._key)
            both.xpending(self._key, self._group)
            groups, pending = both.execute()
        if pending["pending"]:
            return number(pending["min"])
        for one in groups:
            if one["name"].decode() == self._group:
                first, second = number(one["last-delivered-id"])
                return first, second + 1
        return 0, 0

    def scored(self, after: bytes, *, most: int) -> list[Entry]:
        """Return the next entries of what was scored."""
        with self._failures():
            found = self._server.xrange(self._scored, b"(" + after, count=most)
        return [Entry(id=i, fields=fields) for i, fields in found]

    def n_scored(self) -> int:
        """Return how many entries were scored, and are not known to be grouped."""
        with self._failures():
            return int(self._server.xlen(self._scored))

    def is_full(self) -> bool:
        """Return whether so much was scored that it is to be grouped first."""
        with self._failures():
            n_bytes = self._server.memory_usage(self._scored, samples=SAMPLES) or 0
        return bool(n_bytes >= MOST_SCORED)

    def lead(self, consumer: str, *, lease_ms: int) -> bool:
        """Lead the group for some time, if nobody does; return whether it does."""
        with self._failures():
            return bool(
                self._server.set(self._lead, consumer, nx=True, px=max(lease_ms, 1))
            )

    def lead_on(self, consumer: str, *, lease_ms: int) -> bool:
        """Go on leading; return False where another does, or nobody."""
        return self._leading(consumer, lambda b: b.pexpire(self._lead, lease_ms))

    def let_lead(self, consumer: str) -> None:
        """Let another lead."""
        self._leading(consumer, lambda both: both.delete(self._lead))

    def save(self, consumer: str, data: bytes, grouped: Sequence[bytes]) -> bool:
        """Keep a state in place of the last one, and remove what it has dealt with.

        Nothing is done where another leads; then the answer is False.
        """
        parts = [data[i : i + MOST_PART] for i in range(0, len(data), MOST_PART)]

        def write(both: Any) -> None:
            both.delete(self._incidents)
            both.rpush(self._incidents, *parts)
            if grouped:
                both.xdel(self._scored, *grouped)

        return self._leading(consumer, write)

    def saved(self) -> bytes:
        """Return the state that was kept last; nothing if there is none."""
        with self._failures():
            return b"".join(self._server.lrange(self._incidents, 0, -1))

    def _leading(self, consumer: str, write: Callable[[Any], Any]) -> bool:
        """Write if this scorer leads until it is written; return whether it was."""
        with self._failures(), self._server.pipeline() as both:
            try:
                both.watch(self._lead)
                if both.get(self._lead) != consumer.encode():
                    return False
                both.multi()
                write(both)
                both.execute()
            except self._redis.WatchError:
                return False
        return True

    def reject(self, entry: Entry, reason: str, *, is_pending: bool = True) -> None:
        """Put an entry aside, with the reason; one that is pending is dealt with."""
        data = entry.fields.get(FIELD, b"")
        kept = {
            "id": entry.id, "reason": reason[:500], "n_bytes": len(data),
            "batch": data[:MOST_KEPT],
        }  # fmt: skip
        with self._failures(), self._server.pipeline() as both:
            both.xadd(
                f"{self._key}:rejected", kept, maxlen=MOST_REJECTED, approximate=False
            )
            if is_pending:
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
                oldest = min(kept_from, key=number)
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


def number(entry: bytes) -> Number:
    """Return the id of an entry, which is made of two numbers."""
    first, _, second = entry.partition(b"-")
    return int(first), int(second)
