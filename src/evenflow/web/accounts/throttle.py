"""Guessing made slow: tries counted in the database, so shared by all workers.

Each thing that can be guessed has keys: one for an account tried from an address,
one for the address alone, one for the account from everywhere. The first tries are
free, then each one doubles the wait. The two keys that hold an address wait long; the
account's own key waits a minute at most and is not asked at an address where the
person has logged in before: an attacker elsewhere slows a person down, and cannot
lock them out.

A try is counted before it is judged and taken back when it was right: a hundred
tries sent at once are a hundred tries.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, delete, literal, or_, select, update

from evenflow.web.store.base import Moment
from evenflow.web.store.database import AnySession, upsert
from evenflow.web.store.tables import Throttle, now


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How many tries are free and how long the next ones wait."""

    free: int
    """Tries before the first wait."""
    first_s: float = 1.0
    """Seconds of the first wait; each one after is twice as long."""
    most_s: float
    """Longest wait."""
    forget_s: float = 86_400.0
    """Seconds without an attempt after which the count starts again."""

    def wait_s(self, n: int) -> float:
        """Return the seconds after the ``n``-th try in which there is no next one."""
        if n <= self.free:
            return 0.0
        return min(self.first_s * 2.0 ** min(n - self.free - 1, 40), self.most_s)


RULES = {
    "login-pair": Rule(free=5, first_s=2, most_s=900),
    "login-address": Rule(free=30, first_s=2, most_s=900, forget_s=7200),
    # at most 20 + 6 + 57 tries an hour, whoever asks from wherever
    "login-account": Rule(free=20, first_s=1, most_s=60, forget_s=7200),
    "password": Rule(free=5, first_s=2, most_s=300, forget_s=7200),
    "code": Rule(free=5, first_s=5, most_s=900),
    "code-address": Rule(free=30, first_s=2, most_s=900, forget_s=7200),
    "reset": Rule(free=3, first_s=60, most_s=3600),
    "reset-address": Rule(free=10, first_s=10, most_s=900, forget_s=7200),
    "sign-up-address": Rule(free=10, first_s=30, most_s=1800, forget_s=7200),
    "link-address": Rule(free=20, first_s=2, most_s=300, forget_s=7200),
    "token-address": Rule(free=20, first_s=1, most_s=60, forget_s=3600),
}
"""By the first part of a key."""
SKEW_S = 60.0
"""Seconds by which the clocks of servers with one database may differ."""
USUAL = Rule(free=10, first_s=1, most_s=300, forget_s=7200)


def key(kind: str, *parts: object) -> str:
    """Return the key of what is guessed; of its parts only a hash is stored.

    The kind is a name in :data:`RULES`, a part an e-mail address, the number of an
    account or the :func:`network` of an address.

    Examples
    --------
    >>> key("login-address", network("192.0.2.1")).partition(":")[0]
    'login-address'
    """
    text = "\0".join(str(part) for part in parts)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def network(address: str | None) -> str:
    """Return what one party holds: an IPv4 address, or the /64 of an IPv6 address.

    Examples
    --------
    >>> network("2001:db8::1") == network("2001:db8::ffff")
    True
    >>> network("192.0.2.1"), network(None)
    ('192.0.2.1', 'unknown')
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def attempt(session: AnySession, key: str) -> int:
    """Count a try and allow it (0), or return the whole seconds to wait first.

    The count is one statement: of tries at the same moment no two are taken for the
    same one, and the next one waits for the caller to commit. The caller commits
    before it judges the try, then calls :func:`clear` or :func:`forgive` if it was
    right.
    """
    rule, at = _rule(key), now()
    here = literal(at, Moment())
    stale = Throttle.until < at - timedelta(seconds=rule.forget_s)
    may_try = or_(
        Throttle.until.is_(None),
        Throttle.until <= at,
        # a clock was set back: no wait is longer than the longest
        Throttle.until > at + timedelta(seconds=rule.most_s + SKEW_S),
        # free tries never wait, also where one that came later was counted first
        Throttle.failures <= rule.free,
    )
    counted = {
        "failures": case((stale, 1), else_=Throttle.failures + 1),
        "first_at": case((stale, here), else_=Throttle.first_at),
        "until": here,
    }
    n = session.execute(
        upsert(session, Throttle)
        .values(key=key[:80], failures=1, first_at=at, until=at)
        .on_conflict_do_update(index_elements=["key"], set_=counted, where=may_try)
        .returning(Throttle.failures)
    ).scalar_one_or_none()
    if n is None:
        return max(check(session, key), 1)
    if wait := rule.wait_s(n):
        until = at + timedelta(seconds=wait)
        waits = update(Throttle).where(Throttle.key == key[:80]).values(until=until)
        session.execute(waits.execution_options(synchronize_session=False))
    return 0


def check(session: AnySession, key: str) -> int:
    """Return the whole seconds until the next try of that key, 0 for now."""
    until = session.scalar(
        select(Throttle.until).where(
            Throttle.key == key[:80], Throttle.failures > _rule(key).free
        )
    )
    wait = 0 if until is None else math.ceil((until - now()).total_seconds())
    return wait if 0 < wait <= _rule(key).most_s + SKEW_S else 0


def clear(session: AnySession, key: str) -> None:
    """Forget the tries of a key: the right answer was given. The caller commits."""
    session.execute(delete(Throttle).where(Throttle.key == key[:80]))


def forgive(session: AnySession, key: str) -> None:
    """Take back one try, which was right, and keep the others. The caller commits.

    For an address: with an account of one's own one cannot wash away what one tried
    on those of others.
    """
    session.execute(
        update(Throttle)
        .where(Throttle.key == key[:80], Throttle.failures > 0)
        .values(failures=Throttle.failures - 1, until=now())
    )


def once(session: AnySession, key: str) -> bool:
    """Return True the first time a key is seen, and False after: a code used twice.

    The caller commits. Sweeping forgets a key after a day.
    """
    at = now()
    added = session.execute(
        upsert(session, Throttle)
        .values(key=key[:80], failures=1, first_at=at, until=at)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Throttle.key)
    ).scalar_one_or_none()
    return added is not None


def _rule(key: str) -> Rule:
    return RULES.get(key.partition(":")[0], USUAL)
