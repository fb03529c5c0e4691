"""Requests that may be sent again: the same key and request, the same answer.

The key is taken before the work begins and the answer is stored in the transaction
that stores the work, so a program that lost its connection sends the request again
and neither loses nor doubles anything. A request that failed frees its key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from flask import Response, abort, request
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.store.tables import Idempotency, now

HEADER = "Idempotency-Key"
MOST_KEY = 200
"""Characters of a key."""
LOST_S = 900
"""Seconds after which a request that never ended is taken for lost with its worker."""
KEPT = ("Content-Type", "Location", "ETag")
"""Headers that are answered again."""
READ_BYTES = 2**18


@dataclass
class Hashed:
    """A stream that is hashed while it is read."""

    stream: Any
    sha256: Any = field(default_factory=hashlib.sha256)

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes."""
        data: bytes = self.stream.read(size)
        self.sha256.update(data)
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(READ_BYTES):
            pass


@dataclass(frozen=True)
class Reserved:
    """A key that this request holds."""

    id: int
    head: str

    def store(self, answer: Response, content: str) -> None:
        """Keep the answer; the caller commits it with what was done.

        Answers 409 where another request was quicker, after this one was taken for
        lost: what this one did must be rolled back.
        """
        kept: Any = web.db.execute(
            update(Idempotency)
            .where(Idempotency.id == self.id, Idempotency.status.is_(None))
            .values(
                request_sha256=_joined(self.head, content),
                status=answer.status_code,
                body=_packed(answer),
            )
        )
        if kept.rowcount != 1:
            _wait()

    def free(self) -> None:
        """Give the key back: nothing was done under it."""
        with web.database.session() as session:
            session.execute(
                delete(Idempotency).where(
                    Idempotency.id == self.id, Idempotency.status.is_(None)
                )
            )


@dataclass(frozen=True)
class Earlier:
    """An answer that was given to a request of the same key."""

    head: str
    request_sha256: str
    answer: Response

    def again(self, content: str) -> Response:
        """Return the answer; 422 if the request was another one.

        Parameters
        ----------
        content : str
            SHA-256 of this request's body.
        """
        if _joined(self.head, content) != self.request_sha256:
            abort(
                errors.answer(
                    422,
                    f"The {HEADER} was used for another request, expected a key of "
                    "its own for each. Make a new one",
                    kind="IdempotencyKeyReused",
                    fields={HEADER: "was used for another request"},
                )
            )
        return self.answer


def begin(user_id: int) -> Reserved | Earlier:
    """Take the key that the request names, or return what was answered under it.

    Answers 409 while the first request of the key is at work.
    """
    key = request.headers[HEADER]
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        told = f"expected 1 to {MOST_KEY} printable characters, such as a UUID"
        abort(
            errors.answer(
                422, f"{HEADER}: {told}", kind="ValidationError", fields={HEADER: told}
            )
        )
    kept = "api:" + hashlib.sha256(key.encode()).hexdigest()
    head = _head()
    try:
        with web.database.session() as session:
            row = Idempotency(user_id=user_id, key=kept, request_sha256="")
            session.add(row)
            session.flush()
            return Reserved(id=row.id, head=head)
    except IntegrityError:
        return _found(user_id, kept, head)


def _found(user_id: int, kept: str, head: str) -> Reserved | Earlier:
    mine = (Idempotency.user_id == user_id, Idempotency.key == kept)
    with web.database.session() as session:
        row = session.scalar(select(Idempotency).where(*mine))
        if row is None:  # the first one failed at this moment
            _wait()
        if row.status is not None:
            answer = _unpacked(row.status, row.body or b"{}\n")
            return Earlier(head=head, request_sha256=row.request_sha256, answer=answer)
        lost = now() - timedelta(seconds=LOST_S)
        taken: Any = session.execute(
            update(Idempotency)
            .where(*mine, Idempotency.status.is_(None), Idempotency.created_at < lost)
            .values(created_at=now())
        )
        if taken.rowcount != 1:
            _wait()
        return Reserved(id=row.id, head=head)


def _wait() -> NoReturn:
    answer = errors.answer(
        409,
        f"The first request with this {HEADER} is still in progress. Try again in a "
        "few seconds",
        kind="InProgress",
        headers={"Retry-After": "1"},
    )
    abort(answer)


def _head() -> str:
    """Return the hash of what a request asks for, its body left out."""
    path = request.full_path.removesuffix("?")
    parts = (
        request.method,
        path,
        request.mimetype,
        request.headers.get("If-Match", ""),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _joined(head: str, content: str) -> str:
    return hashlib.sha256(f"{head}\n{content}".encode()).hexdigest()


def _packed(answer: Response) -> bytes:
    kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
    return json.dumps(kept).encode() + b"\n" + answer.get_data()


def _unpacked(status: int, packed: bytes) -> Response:
    head, _, body = packed.partition(b"\n")
    headers = json.loads(head) | {"Idempotent-Replay": "true"}
    return Response(body, status, headers)
