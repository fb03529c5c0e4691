"""Hosts, described by the training rows that they took part in.

Rows are the edges of a graph whose nodes are addresses. A host is described by the mean
of its training rows, as prepared; its address itself is not a feature. Rows that are
scored are not edges: none changes the description of a host or another row's score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import RecipeError
from evenflow.prepare.dealing import column, groups
from evenflow.schema import Column, Table

Words = Mapping[str, pl.Series | Sequence[str | None]]

MAX_NUMBERS = 2_000_000
"""Numbers that describe hosts, 40 MB of JSON: those with the most rows are kept."""
LONGEST_ADDRESS = 255
"""Characters of an address, as of a DNS name; a longer one is an unknown host."""
OF_CONNECTIONS = (("id.orig_h",), ("id.resp_h",))
"""Names of the addresses of a connection in captures and logs of sensors."""


def addressed(table: Table, names: Sequence[str]) -> Table:
    """Return the rows with those columns as addresses, at the end.

    Parameters
    ----------
    names : sequence of str
        Columns with addresses: who began, then who answered. Of features, or of the
        columns that stand beside them.

    Raises
    ------
    RecipeError
        There is no such column, or it holds numbers.
    """
    if not names:
        return table
    found = []
    for name in names:
        values = column(table, name, where="[prepare] hosts")
        if values.dtype != pl.String:
            raise RecipeError(
                f"[prepare] hosts: the column {name!r} holds {values.dtype}, expected "
                "addresses as text. Name a column of addresses"
            )
        values = values.str.strip_chars()
        found.append(values.set(values == "", None))
    rest = [c for c in table.schema.columns if c.name not in names]
    addresses = [
        Column(name=name, kind="address", aliases=aliases)
        for name, aliases in zip(names, OF_CONNECTIONS, strict=True)
    ]
    return replace(
        table,
        schema=replace(table.schema, columns=(*rest, *addresses)),
        frame=table.frame.select(c.name for c in rest).with_columns(found),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Hosts:
    """A table of hosts; made by :meth:`of` on training rows."""

    columns: tuple[str, ...]
    """Columns of the addresses."""
    addresses: tuple[str, ...]
    """Address of each host: most training rows first, then as they appear."""
    mean: NDArray[np.float32]
    """Mean of the training rows of each host, as prepared, ``(n_hosts, n_features)``; a
    row from a host to itself counts once."""

    @classmethod
    def of(
        cls, table: Table, X: NDArray[np.float32]
    ) -> tuple[Self, NDArray[np.float32]]:
        """Return the table of hosts, and what it says of the training rows.

        A row is described without itself and its copies: by the mean of the rows of its
        hosts that have other features. Its own in there would be an answer that no new
        row brings along, as equal rows are on one side of a split. A host without other
        rows is unknown.

        Parameters
        ----------
        table : Table
            Training rows with address columns.
        X : ndarray of shape (n_samples, n_features), float32
            The same rows, prepared.

        Returns
        -------
        hosts : Hosts
        described : ndarray of shape (n_samples, n_columns * (n_features + 1)), float32
            As :meth:`describe` returns, each row without itself and its copies.
        """
        columns = tuple(c.name for c in table.schema.addresses)
        words = pl.concat([table.frame[name].alias("address") for name in columns])
        usable = words.str.len_chars().is_between(1, LONGEST_ADDRESS)
        names = words.filter(usable.fill_null(value=False)).unique(maintain_order=True)
        places = {name: place for place, name in enumerate(names.to_list())}
        ends = np.stack([_codes(places, table.frame[name]) for name in columns])
        n = np.zeros(len(names) + 1, dtype=np.int64)
        total = np.zeros((len(names) + 1, X.shape[1]))
        kinds = np.unique(groups(table), return_inverse=True)[1]
        met = []
        for j, code in enumerate(ends):
            # an edge from a host to itself is one edge
            code = np.where((code[None] == ends[:j]).any(axis=0), len(names), code)
            n += np.bincount(code, minlength=len(n))
            for k in range(X.shape[1]):
                total[:, k] += np.bincount(code, X[:, k], minlength=len(n))
            met.append(code * len(table) + kinds)
        of_kind, copies = np.unique(np.concatenate(met), return_counts=True)
        most = max(1, MAX_NUMBERS // max(1, X.shape[1]))
        kept = np.argsort(-n[:-1], kind="stable")[:most]
        mean = total[kept] / n[kept, None]
        made = cls(
            columns=columns,
            addresses=tuple(names[kept].to_list()),
            mean=mean.astype(np.float32),
        )
        is_kept = np.zeros(len(n), dtype=np.bool_)
        is_kept[kept] = True
        parts = []
        for code in ends:
            place = np.searchsorted(of_kind, code * len(table) + kinds)
            equal = copies[np.minimum(place, len(copies) - 1)]
            known = (is_kept[code] & (n[code] > equal))[:, None]
            others = np.maximum(n[code] - equal, 1)[:, None]
            rest = np.where(known, (total[code] - equal[:, None] * X) / others, 0.0)
            parts += [rest.astype(np.float32), known.astype(np.float32)]
        return made, np.hstack(parts)

    def describe(self, words: Words) -> NDArray[np.float32]:
        """Return what training rows say of the hosts of rows.

        Parameters
        ----------
        words : mapping of str to Series or sequence of str or None
            Addresses by the name of their column.

        Returns
        -------
        ndarray of shape (n_samples, n_columns * (n_features + 1)), float32
            For each address the mean of the host's training rows and a 1; zeros alone
            for an unknown host, as one without an edge has in the graph.
        """
        codes = [_codes(self._places, words[name]) for name in self.columns]
        return np.hstack([self._known[code] for code in codes])

    def notes(self, test: Table) -> list[str]:
        """Return what a user should know of the hosts.

        Parameters
        ----------
        test : Table
            Test rows; counted, not learnt from.
        """
        known = [test.frame[name].is_in([*self.addresses]) for name in self.columns]
        n = int(pl.select(pl.all_horizontal(known)).to_series().sum())
        return [
            f"the bundle holds the addresses of {len(self.addresses):,} hosts",
            f"both hosts of {n:,} of {len(test):,} test rows are hosts of training "
            "rows. Where the hosts of an attack are, the model may know the host again "
            "and not the attack: figures are optimistic for other hosts "
            '(split = "grouped" holds out whole hosts)',
        ]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.addresses)}

    @cached_property
    def _known(self) -> NDArray[np.float32]:
        """The description of each host, an unknown one last."""
        ones = np.ones((len(self.mean), 1), dtype=np.float32)
        return np.pad(np.hstack([self.mean, ones]), ((0, 1), (0, 0)))

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        return {
            "columns": list(self.columns),
            "addresses": list(self.addresses),
            "mean": self.mean.tolist(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, n_features: int) -> Self:
        """Return the table that :meth:`to_dict` described."""
        mean = np.asarray(value["mean"], dtype=np.float32)
        return cls(
            columns=tuple(value["columns"]),
            addresses=tuple(value["addresses"]),
            mean=mean.reshape(len(value["addresses"]), n_features),
        )


def _codes(
    places: Mapping[str, int], words: pl.Series | Sequence[str | None]
) -> NDArray[np.int64]:
    """Return the place of each address, ``(n_samples,)``; the one after all if none."""
    n = len(places)
    if len(words) == 1:  # fast path for one record
        word = words[0]
        return np.array([n if word is None else places.get(word, n)])
    found = pl.Series(words, dtype=pl.String)
    code = found.replace_strict(places, default=n, return_dtype=pl.Int64)
    return code.fill_null(n).to_numpy()
