"""Windows over connections: what came before each row, the same however it is cut.

An entry is a connection as it enters the windows, once, with its first row. A window
of a row holds entries up to that row: those of one key (a host, a service) that are
young enough and among the last so many. Whatever bounds a window depends on the rows
alone, and everything is counted in whole numbers, so one batch, batches of one row and
live traffic give the same figures.

The age of an entry is that of ``known``, not of the first packet: whether a connection
failed is not known before it is over, and a sensor cannot wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError

Ints = NDArray[np.int64]
SHIFT = np.int64(32)
N_BUCKETS = 2**20


class Past:
    """The entries that a later window may hold, oldest first.

    Parameters
    ----------
    names : sequence of str
        The whole numbers that an entry has, beside ``time``.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.n = 0
        """Entries so far, forgotten ones included."""
        self.number = np.zeros(0, np.int64)
        """How many came before each entry."""
        self.entries = {name: np.zeros(0, np.int64) for name in ("time", *names)}

    def __len__(self) -> int:
        return len(self.number)

    def add(self, rows: Mapping[str, Ints], is_entry: NDArray[np.bool_]) -> View:
        """Add the entries among some rows; return what these rows may look at.

        Parameters
        ----------
        rows : mapping of str to ndarray of shape (n_rows,)
            The columns of the entries.
        is_entry : ndarray of shape (n_rows,), bool
        """
        n_old, n_new = len(self), np.cumsum(is_entry)
        numbers = self.n + np.arange(int(is_entry.sum()))
        self.entries = {
            name: np.concatenate([values, rows[name][is_entry]])
            for name, values in self.entries.items()
        }
        self.number = np.concatenate([self.number, numbers])
        view = View(
            entries=self.entries,
            number=self.number,
            rows=rows,
            upto=n_old + n_new,
            n_before=self.n + n_new,
        )
        self.n += len(numbers)
        return view

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the other entries."""
        self.number = self.number[kept]
        self.entries = {name: values[kept] for name, values in self.entries.items()}

    def state(self) -> dict[str, Ints]:
        """Return the entries as arrays."""
        return {**self.entries, "number": self.number, "n": np.array([self.n])}

    def restore(self, state: Mapping[str, Ints]) -> None:
        """Have the entries that :meth:`state` returned."""
        number, n = state["number"], state["n"]
        entries = {name: state[name] for name in self.entries}
        if (
            len(n) != 1
            or {len(values) for values in entries.values()} != {len(number)}
            or (np.diff(entries["time"]) < 0).any()
            or (np.diff(number, append=n) <= 0).any()
            or (number < 0).any()
        ):
            raise DataError(
                "the saved windows contradict themselves; expected those that evenflow "
                "saved. Delete them to start with empty windows"
            )
        self.number, self.n, self.entries = number, int(n[0]), entries


@dataclass(frozen=True, kw_only=True)
class View:
    """Rows, and the entries that their windows may hold."""

    entries: Mapping[str, Ints]
    number: Ints
    rows: Mapping[str, Ints]
    upto: Ints
    """Entries of ``entries`` up to and with each row."""
    n_before: Ints
    """The same, with those that were forgotten."""

    def younger(self, ns: int) -> Ints:
        """Return for each row the first entry that is at most ``ns`` older."""
        return np.searchsorted(self.entries["time"], self.rows["time"] - ns)

    def last(self, most: int) -> Ints:
        """Return for each row the first of the last ``most`` entries of all keys."""
        return np.searchsorted(self.number, self.n_before - most)

    def by(self, *names: str, alive: NDArray[np.bool_] | None = None) -> Keyed:
        """Return the entries by what they have in these columns.

        Parameters
        ----------
        *names : str
        alive : ndarray of shape (n_entries,), bool, optional
            The entries that a window of their key may hold; all without.
        """
        columns = [self.entries[name] for name in names]
        rows = [self.rows[name] for name in names]
        index = np.arange(len(self.number))
        if alive is not None:
            # those of a key that a row has, and few others
            is_here = np.zeros(N_BUCKETS, bool)
            is_here[_bucket(rows)] = True
            index = np.flatnonzero(alive & is_here[_bucket(columns)])
            columns = [column[index] for column in columns]
        n = len(index)
        both = [np.concatenate(pair) for pair in zip(columns, rows, strict=True)]
        order, again = in_order(*both)
        key = both[0]
        if len(names) > 1:
            key = np.empty(len(order), np.int64)
            key[order] = np.cumsum(~again)
        return Keyed(
            view=self,
            index=index,
            key=key[:n],
            row_key=key[n:],
            order=order[order < n],
            row_order=order[order >= n] - n,
        )


def _bucket(columns: Sequence[Ints]) -> Ints:
    """Return a number below ``N_BUCKETS`` for the values of each row."""
    found = columns[0]
    for column in columns[1:]:
        found = found * 0x9E3779B1 + column
    return found & (N_BUCKETS - 1)


def in_order(*columns: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the order of some columns, and which row has the values of that before.

    Rows of the same values keep their order. Columns hold whole numbers from 0.
    """
    n = len(columns[0])
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    width = n.bit_length()
    again = np.zeros(n, bool)
    if sum(bits) + width > 63:
        order = np.lexsort(columns[::-1])
        again[1:] = True
        for column in columns:
            again[1:] &= column[order[1:]] == column[order[:-1]]
        return order, again
    # all of it in one number: sorting these is many times as fast
    packed = columns[0]
    for column, n_bits in zip(columns[1:], bits[1:], strict=True):
        packed = packed << n_bits | column
    packed = np.sort(packed << width | np.arange(n))
    values = packed >> width
    again[1:] = values[1:] == values[:-1]
    return packed & ((1 << width) - 1), again


def newest_first(*columns: Ints) -> Ints:
    """Return how many later rows have the same values as each row."""
    order, again = in_order(*columns)
    ends = np.append(np.flatnonzero(~again), len(order))
    found = np.empty(len(order), np.int64)
    found[order] = np.repeat(ends[1:], np.diff(ends)) - np.arange(len(order)) - 1
    return found


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """The entries of each key, in order; ``place`` is that of an entry in this order.

    What is made of them, row by row, is in the order of ``row_order`` until
    :meth:`Window.rows` returns it in that of the rows.
    """

    view: View
    index: Ints
    """Numbers of these entries among those of the view, ascending."""
    key: Ints
    """Of each of them, from 0, below 2^31."""
    row_key: Ints
    order: Ints
    """These entries sorted by key, the oldest of a key first."""
    row_order: Ints
    """The rows sorted by key, the first of a key first."""

    @cached_property
    def _numbers(self) -> Ints:
        return self.index[self.order]

    def values(self, name: str) -> Ints:
        """Return a column of the entries in this order."""
        return self.view.entries[name][self._numbers]

    @cached_property
    def _places(self) -> Ints:
        return self.key[self.order] << SHIFT | self._numbers

    @cached_property
    def _low(self) -> Ints:
        return self.row_key[self.row_order] << SHIFT

    @cached_property
    def _stop(self) -> Ints:
        return np.searchsorted(self._places, self._low | self.view.upto[self.row_order])

    @cached_property
    def _repeated(self) -> dict[str, tuple[Ints, Ints]]:
        return {}

    def repeated(self, name: str) -> tuple[Ints, Ints]:
        """Return places of entries, and of the last one of that key and value."""
        if name not in self._repeated:
            by, again = in_order(self.key[self.order], self.values(name))
            places = np.flatnonzero(again)
            self._repeated[name] = by[places], by[places - 1]
        return self._repeated[name]

    def window(self, since: Ints, most: int | None = None) -> Window:
        """Return the entries of a row's key from ``since`` up to and with the row.

        Parameters
        ----------
        since : ndarray of shape (n_rows,)
            First entry that may be in it, of whatever key; non-decreasing.
        most : int, optional
            Maximum number of entries; the last ones.
        """
        first = np.searchsorted(self._places, self._low | since[self.row_order])
        if most is not None:
            first = np.maximum(first, self._stop - most)
        return Window(keyed=self, first=first, stop=self._stop)


@dataclass(frozen=True, kw_only=True)
class Window:
    """For each row a stretch of the entries of its key."""

    keyed: Keyed
    first: Ints
    stop: Ints

    @property
    def count(self) -> Ints:
        """Entries in each row's window."""
        return self.rows(self.stop - self.first)

    def rows(self, values: Ints) -> Ints:
        """Return values in the order of the rows."""
        found = np.empty_like(values)
        found[self.keyed.row_order] = values
        return found

    @cached_property
    def _n_begun(self) -> Ints:
        """For each entry the number of rows whose window begins up to it."""
        return self._n_upto(self.first)

    @cached_property
    def _n_stopped(self) -> Ints:
        """For each entry the number of rows whose window stops up to it."""
        return self._n_upto(self.stop)

    def _n_upto(self, places: Ints) -> Ints:
        # both are in order: counting them is many times as fast as searching
        return np.cumsum(np.bincount(places, minlength=len(self.keyed.index) + 1))

    def total(self, name: str) -> Ints:
        """Return the total of a column over each row's window."""
        sums = np.concatenate([[0], np.cumsum(self.keyed.values(name))])
        return self.rows(sums[self.stop] - sums[self.first])

    def oldest(self, name: str, default: Ints) -> Ints:
        """Return a column of the oldest entry; the default where there is no entry."""
        values = self.keyed.values(name)
        found = np.append(values, 0)[np.minimum(self.first, len(values))]
        return np.where(self.count > 0, self.rows(found), default)

    def distinct(self, name: str) -> Ints:
        """Return the number of values of a column in each row's window.

        An entry repeats a value while the entry before it with that value is in the
        window too: for the rows of a stretch, as both ends of a window only move on.
        """
        entry, earlier = self.keyed.repeated(name)
        begins, ends = self._n_stopped[entry], self._n_begun[earlier]
        n = len(self.first) + 1
        change = np.bincount(begins, minlength=n)
        change -= np.bincount(np.maximum(begins, ends), minlength=n)
        return self.rows(self.stop - self.first - np.cumsum(change)[:-1])
