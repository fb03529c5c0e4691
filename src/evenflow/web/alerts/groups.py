"""Groups of alerts: one for what alerts of a kind have in common.

An alert gets its group when it is stored, so that a list of groups is a count over an
index. Where a class of attack meets many services, destinations or sources, as in a
scan or a flood, they are one group from the sixth on: a file of 20,000 attacks of a
kind is a few lines of work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select

from evenflow.runtime.incidents.incident import severity
from evenflow.web.alerts import suppress
from evenflow.web.store.database import AnySession, upsert
from evenflow.web.store.tables import AlertGroup

SEVERAL = "*"
"""Of a service or an address: more than :data:`MAX_NAMED` of them."""
MAX_NAMED = 5
"""Services, destinations or sources that get groups of their own."""
MERGED = {"service": 50, "dst": 50, "src": 100}
"""Parts that may become several, in this order: each where it has too many names, or
where the owner, class and model have so many groups."""
BATCH = 500


class Common(NamedTuple):
    """Values that the alerts of a group have in common."""

    owner_id: int | None
    label: str
    bundle: str
    src: str
    dst: str
    service: str

    @property
    def key(self) -> str:
        """The SHA-256 by which the group is found."""
        # the number of an account outlives it: nobody is 0
        text = json.dumps([self.owner_id or 0, *self[1:]])
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Common:
        """Return what an alert, as a row of the table, would share exactly."""
        texts = (str(row.get(name) or "") for name in cls._fields[1:])
        return cls(row["owner_id"], *texts)

    def but(self, part: str, value: str) -> Common:
        """Return it with another value in one part."""
        return Common(**{**self._asdict(), part: value})


class Placing:
    """Finds the group for a new kind of alert among those that there are.

    ``known`` are the groups of one owner, class and model.
    """

    def __init__(self, known: Iterable[Common]) -> None:
        self.known = set(known)

    def place(self, exact: Common) -> Common:
        """Return the group of alerts that share ``exact``, and remember it.

        Examples
        --------
        >>> scan = Placing([])
        >>> for port in map(str, range(1, 8)):
        ...     found = scan.place(Common(1, "probe", "m", "10.0.0.9", "", port))
        >>> found.service, len(scan.known)
        ('*', 6)
        """
        found = exact
        while found not in self.known and (part := self._full(found)):
            found = found.but(part, SEVERAL)
        self.known.add(found)
        return found

    def _full(self, wanted: Common) -> str | None:
        """Return the part that becomes several, None if there is room for one more."""
        for part, most in MERGED.items():
            if getattr(wanted, part) == SEVERAL:
                continue
            if len(self.known) >= most:
                return part
            named = {
                getattr(other, part)
                for other in self.known
                if other.but(part, "") == wanted.but(part, "")
            } - {SEVERAL}
            if len(named) >= MAX_NAMED:
                return part
        return None


def assign(
    session: AnySession,
    rows: Sequence[dict[str, Any]],
    reason: Callable[[dict[str, Any]], str] = lambda _row: "",
) -> None:
    """Set group and severity of alerts about to be stored; make the groups they lack.

    Those of a group that is suppressed are closed, and counted by the suppression.

    Parameters
    ----------
    rows : sequence of dict
        Alerts as rows of the table, changed in place.
    reason : callable
        Returns the strongest reason for the verdict on a row; called once for each
        new group.
    """
    exact = [Common.of(row) for row in rows]
    first = dict(zip(reversed(exact), reversed(rows), strict=True))
    ids = _ids(session, first)
    placed = {common: common for common in ids}
    for common, row in _missing(session, first, ids, placed):
        session.execute(
            upsert(session, AlertGroup)
            .values(key=common.key, reason=reason(row)[:200], **common._asdict())
            .on_conflict_do_nothing(index_elements=["key"])
        )
    ids |= _ids(session, set(placed.values()) - ids.keys())
    for row, common in zip(rows, exact, strict=True):
        row["group_id"] = ids[placed[common]]
        row["severity"] = severity(row["label"])
    suppress.close(session, rows)


def _missing(
    session: AnySession,
    first: Mapping[Common, dict[str, Any]],
    ids: Mapping[Common, int],
    placed: dict[Common, Common],
) -> Iterator[tuple[Common, dict[str, Any]]]:
    """Yield the groups to make, each with an alert of it; fill ``placed``."""
    placings: dict[tuple[Any, ...], Placing] = {}
    # always in the same order: two writers cannot wait for each other
    for common in sorted(first.keys() - ids.keys(), key=lambda c: c.key):
        kin = common[:3]
        if kin not in placings:
            placings[kin] = Placing(_kin(session, common))
        known = len(placings[kin].known)
        placed[common] = placings[kin].place(common)
        if len(placings[kin].known) > known:
            yield placed[common], first[common]


def _kin(session: AnySession, common: Common) -> list[Common]:
    columns = [getattr(AlertGroup, name) for name in Common._fields]
    its = {name: getattr(common, name) for name in ("owner_id", "label", "bundle")}
    found = session.execute(select(*columns).filter_by(**its))
    return [Common(*row) for row in found]


def _ids(session: AnySession, wanted: Iterable[Common]) -> dict[Common, int]:
    keys = {common.key: common for common in wanted}
    names = list(keys)
    found: dict[Common, int] = {}
    for start in range(0, len(names), BATCH):
        its = AlertGroup.key.in_(names[start : start + BATCH])
        rows = session.execute(select(AlertGroup.key, AlertGroup.id).where(its))
        found |= {keys[key]: number for key, number in rows}
    return found
