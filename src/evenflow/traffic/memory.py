"""The memory of windows: a clock, which rows are first, hosts' numbers, the entries.

All of it is bounded, and is saved as arrays and restored from them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.traffic.windows import Ints, Past

State = dict[str, NDArray[np.int64] | NDArray[np.str_]]
"""What a sensor saves: arrays of numbers and texts, as ``numpy.savez`` takes them."""
HOUR_NS = 3600 * 10**9
MOST_GOING_ON = 2**20
FORM = (
    "of another form; expected what evenflow saved. Delete it to start with empty "
    "windows"
)


@dataclass
class Clock:
    """Times of rows that never run backwards.

    A row that comes late has the time of the latest before it. A time that falls back
    by more than an hour is that of another clock: it goes on from there.
    """

    latest: int = 0
    ahead: int = 0
    """By how much this clock is ahead of the rows'."""
    is_set: bool = False

    def read(self, ns: Ints) -> Ints:
        """Return the time of each row in nanoseconds, non-decreasing."""
        if not len(ns):
            return ns
        if not self.is_set:
            self.latest, self.is_set = int(ns[0]), True
        found = np.maximum.accumulate(np.maximum(ns + self.ahead, self.latest))
        if int((found - ns).max()) - self.ahead > HOUR_NS:
            found = self._stepwise(ns)
        self.latest = int(found[-1])
        return found

    def _stepwise(self, ns: Ints) -> Ints:
        found, latest = np.empty_like(ns), self.latest
        for i, time in enumerate(ns.tolist()):
            if latest - time - self.ahead > HOUR_NS:
                self.ahead = latest - time
            found[i] = latest = max(latest, time + self.ahead)
        return found


@dataclass
class GoingOn:
    """The connections that go on: which row of one is its first.

    Parameters
    ----------
    most : int
        Maximum number of connections to remember; the oldest are forgotten.

    Attributes
    ----------
    n_forgotten : int
        Connections forgotten: a later row of one enters the windows again.
    """

    most: int = MOST_GOING_ON
    n_forgotten: int = 0
    uids: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def first(self, uid: pl.Series, is_over: pl.Series) -> NDArray[np.bool_]:
        """Return whether each row is the first of its connection."""
        over = is_over.fill_null(True).to_numpy()
        found = np.ones(len(over), bool)
        if not self.uids and over.all():
            return found
        for i, (name, ends) in enumerate(zip(uid.to_list(), over, strict=True)):
            if name is None:
                continue
            if name in self.uids:
                found[i] = False
                if ends:
                    del self.uids[name]
            elif not ends:
                if len(self.uids) >= self.most:
                    self.uids.popitem(last=False)
                    self.n_forgotten += 1
                self.uids[name] = None
        return found


@dataclass
class Codes:
    """Numbers for names, such as those of hosts."""

    of: dict[str, int] = field(default_factory=dict)

    def add(self, *names: pl.Series) -> list[Ints]:
        """Return the number of each name; a new name gets the next."""
        known = pl.concat([s.unique() for s in names]).unique()
        numbers = [self.of.setdefault(name, len(self.of)) for name in known]
        if len(known) < 2:
            return [np.full(len(s), sum(numbers), np.int64) for s in names]
        return [
            s.replace_strict(known, numbers, return_dtype=pl.Int64).to_numpy()
            for s in names
        ]

    def keep(self, *used: Ints) -> list[Ints]:
        """Forget the names of all other numbers; return the new numbers of these."""
        old, new = np.unique(np.concatenate(used), return_inverse=True)
        names = list(self.of)
        self.of = {names[number]: i for i, number in enumerate(old.tolist())}
        ends = np.cumsum([len(part) for part in used])[:-1]
        return np.split(new.astype(np.int64), ends)


class Memory:
    """The memory of a contract.

    Parameters
    ----------
    hosts : sequence of str
        Columns of an entry that are numbers of hosts.
    names : sequence of str
        Its other columns; all are whole numbers from 0.
    """

    def __init__(self, hosts: Sequence[str], names: Sequence[str] = ()) -> None:
        self.clock, self.going_on, self.hosts = Clock(), GoingOn(), Codes()
        self.past = Past([*hosts, *names])
        self.host_columns = tuple(hosts)

    def tidy(self, kept: NDArray[np.bool_]) -> None:
        """Forget the other entries, and the hosts of none."""
        past = self.past
        past.keep(kept)
        columns = [past.entries[name] for name in self.host_columns]
        for name, numbers in zip(
            self.host_columns, self.hosts.keep(*columns), strict=True
        ):
            past.entries[name] = numbers

    def state(self) -> State:
        """Return all of it as arrays."""
        clock = self.clock
        return {
            **{f"past.{name}": values for name, values in self.past.state().items()},
            "clock": np.array([clock.latest, clock.ahead, clock.is_set], np.int64),
            "hosts": np.array(list(self.hosts.of), np.str_),
            "going_on": np.array(list(self.going_on.uids), np.str_),
            "n_forgotten": np.array([self.going_on.n_forgotten]),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Have what :meth:`state` returned.

        Raises
        ------
        DataError
            An array is missing, of another form, or contradicts the others.
        """
        made = self.state()
        for name, like in made.items():
            found = state.get(name)
            if (
                found is None
                or found.ndim != 1
                or found.dtype.kind != like.dtype.kind
                or (name in {"clock", "n_forgotten"} and found.shape != like.shape)
            ):
                raise DataError(f"the saved windows: {name!r} is missing or {FORM}")
        numbers = {
            name.removeprefix("past."): np.asarray(state[name], np.int64)
            for name in made
            if name.startswith("past.")
        }
        hosts = {name: i for i, name in enumerate(state["hosts"].tolist())}
        for name, values in numbers.items():
            most = len(hosts) if name in self.host_columns else 2**62
            if len(values) and not 0 <= values.min() <= values.max() < most:
                raise DataError(
                    f"the saved windows: {name!r} is out of range or {FORM}"
                )
        self.past.restore(numbers)
        latest, ahead, is_set = state["clock"].tolist()
        self.clock, self.hosts = Clock(latest, ahead, bool(is_set)), Codes(hosts)
        self.going_on = GoingOn(
            n_forgotten=int(state["n_forgotten"][0]),
            uids=OrderedDict.fromkeys(state["going_on"].tolist()),
        )
