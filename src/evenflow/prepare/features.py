"""Turn a table's rows into the matrix a model reads; learnt on training rows only.

Everything learnt (fills, indicators, scaling, categories) is a plain number or
string kept as JSON, and is applied with NumPy alone: a sensor that scores needs no
scikit-learn. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.hosts import MAX_NUMBERS as MAX_NUMBERS
from evenflow.prepare.hosts import Hosts
from evenflow.prepare.layout import Layout
from evenflow.prepare.scaling import N_QUANTILES as N_QUANTILES
from evenflow.prepare.scaling import SCALINGS as SCALINGS
from evenflow.prepare.scaling import Scaler as Scaler
from evenflow.prepare.scaling import Scaling as Scaling
from evenflow.schema import Table

UNSEEN = "<unseen>"
MIN_CATEGORY_ROWS = 5
"""Training rows that a word needs for a column of its own, unless a recipe says."""
LONGEST_WORD = 20_000
"""Characters of a category value that can have a column of its own."""


@dataclass(frozen=True, kw_only=True)
class Preprocessor:
    """Fill, scale and one-hot encode rows of one schema.

    Made by :meth:`fit` on training rows; the same object prepares every other row.
    """

    schema_name: str
    numeric: tuple[str, ...]
    """Numeric columns kept; those with one value in training are dropped."""
    step: NDArray[np.float64]
    fill: NDArray[np.float64]
    """Median of each numeric column, put where a value is missing or infinite."""
    indicator: tuple[str, ...]
    """Numeric columns with values missing in training: their absence is a feature."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    scaler: Scaler
    categories: Mapping[str, tuple[str, ...]]
    """Category column -> values with a column of their own; the last is UNSEEN."""
    dropped: tuple[str, ...]
    hosts: Hosts | None = None
    """What training rows say of hosts, where addresses are read."""

    @classmethod
    def fit(
        cls,
        table: Table,
        *,
        scaling: Scaling = "log1p_standard",
        min_category_rows: int = MIN_CATEGORY_ROWS,
    ) -> Self:
        """Learn from training rows.

        Parameters
        ----------
        table : Table
            Training rows; never validation or test rows.
        scaling : {'log1p_standard', 'standard', 'minmax', 'quantile'}
            How numeric columns are scaled.
        min_category_rows : int
            A category value in fewer rows shares the bucket for the unseen, so that
            the bucket's weights are learnt rather than left at random. So does one
            of more than ``LONGEST_WORD`` characters.

        Raises
        ------
        DataError
            A column's values are too large to be scaled.
        """
        x = numeric_matrix(table, tuple(c.name for c in table.schema.numeric))
        missing = np.isnan(x)
        with np.errstate(all="ignore"):
            seen = ~missing.all(axis=0)
            fill = np.zeros(x.shape[1])
            fill[seen] = np.nanmedian(x[:, seen], axis=0)
            # the mean of the two middle values may overflow where neither does
            wide = np.flatnonzero(~np.isfinite(fill))
            fill[wide] = np.nanquantile(x[:, wide], 0.5, axis=0, method="lower")
        x = np.where(missing, fill, x)
        with np.errstate(over="ignore"):
            constant = np.ptp(x, axis=0) == 0
        keep = np.flatnonzero(~constant)
        columns = table.schema.numeric
        categories = {}
        for column in table.schema.categories:
            words = table.frame[column.name].drop_nulls().alias("word")
            often = words.value_counts(name="n").filter(
                pl.col("n") >= min_category_rows,
                pl.col("word") != UNSEEN,
                pl.col("word").str.len_chars() <= LONGEST_WORD,
            )
            categories[column.name] = (*sorted(often["word"].to_list()), UNSEEN)
        made = cls(
            schema_name=table.schema.name,
            numeric=tuple(columns[j].name for j in keep),
            step=np.array([columns[j].step or 0.0 for j in keep]),
            fill=fill[keep],
            indicator=tuple(
                columns[j].name for j in np.flatnonzero(missing.any(axis=0))
            ),
            low=x[:, keep].min(axis=0),
            high=x[:, keep].max(axis=0),
            scaler=Scaler.fit(scaling, x[:, keep]),
            categories=categories,
            dropped=tuple(
                columns[j].name
                for j in np.flatnonzero(constant)
                if not missing[:, j].any()
            ),
        )
        made.check(table)
        return made

    @property
    def expected(self) -> str:
        """The range of a numeric value, in words."""
        return (
            f"a value that {self.scaler.kind} scaling, as learnt from the training "
            "rows, turns into a finite float32"
        )

    def check(self, table: Table) -> None:
        """Refuse rows that cannot be prepared, without preparing them.

        Raises
        ------
        DataError
            A value leaves the range of float32 when it is scaled; the message names
            the column.
        """
        x = numeric_matrix(table, self.numeric)
        if not x.size:
            return
        # scaling keeps the order of values, so the extremes stand for all of them
        x = np.where(np.isnan(x), self.fill, x)
        ends = np.stack([x.min(axis=0), x.max(axis=0)])
        with np.errstate(all="ignore"):
            prepared = self.scaler.forward(ends).astype(np.float32)
        bad = ~(np.isfinite(prepared).all(axis=0) & self.scaler.is_finite)
        if not bad.any():
            return
        j = int(np.flatnonzero(bad)[0])
        worst = ends[np.abs(ends[:, j]).argmax(), j]
        raise DataError(
            f"column {self.numeric[j]}: found {worst:g}, expected {self.expected}. "
            "Correct or remove such rows, or set prepare.scaling to log1p_standard "
            "or quantile"
        )

    def first_not_finite(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return for each prepared row its first numeric column that is not finite.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            Number of the column in ``numeric``; -1 for a row without one.
        """
        found = np.full(len(X), -1)
        is_finite = np.isfinite(X[:, : len(self.numeric)])
        for row in np.flatnonzero(~is_finite.all(axis=1)):
            found[row] = is_finite[row].argmin()
        return found

    @cached_property
    def layout(self) -> Layout:
        """The meaning of the columns of the prepared matrix."""
        names = [*self.numeric, *(f"{name} is missing" for name in self.indicator)]
        groups: dict[str, list[int]] = {}
        for j, column in enumerate((*self.numeric, *self.indicator)):
            groups.setdefault(column, []).append(j)
        blocks = []
        for column, values in self.categories.items():
            start, stop = len(names), len(names) + len(values)
            blocks.append((start, stop))
            groups[column] = list(range(start, stop))
            names += [f"{column}={value}" for value in values]
        hosts = []
        if self.hosts is not None:
            means = [f"mean {name}" for name in names]
            for column in self.hosts.columns:
                start = len(names)
                names += [f"{column}: {text}" for text in (*means, "known")]
                hosts.append((start, len(names)))
                groups[column] = list(range(start, len(names)))
        return Layout(
            names=tuple(names),
            n_numeric=len(self.numeric),
            blocks=tuple(blocks),
            hosts=tuple(hosts),
            low=self.low,
            high=self.high,
            step=self.step,
            scaler=self.scaler,
            groups={column: np.array(where) for column, where in groups.items()},
        )

    def keeping(self, columns: Collection[str]) -> Self:
        """Return the preprocessor of some of the columns, as it was learnt for all."""
        kept = [j for j, name in enumerate(self.numeric) if name in columns]
        return replace(
            self,
            numeric=tuple(self.numeric[j] for j in kept),
            step=self.step[kept],
            fill=self.fill[kept],
            indicator=tuple(name for name in self.indicator if name in columns),
            low=self.low[kept],
            high=self.high[kept],
            scaler=self.scaler.keeping(kept),
            categories={k: v for k, v in self.categories.items() if k in columns},
            dropped=tuple(name for name in self.dropped if name in columns),
        )

    def with_hosts(
        self, table: Table, X: NDArray[np.float32]
    ) -> tuple[Self, NDArray[np.float32]]:
        """Return the preprocessor with hosts, and the training rows prepared by it.

        A training row is described without itself: see :meth:`Hosts.of`. Each other
        row is by all training rows of its hosts: see :meth:`transform`.

        Parameters
        ----------
        table : Table
            Training rows with address columns.
        X : ndarray of shape (n_samples, n_features), float32
            The same rows, prepared without hosts.
        """
        hosts, described = Hosts.of(table, X)
        return replace(self, hosts=hosts), np.hstack([X, described])

    @cached_property
    def _codes(self) -> dict[str, dict[str | None, int]]:
        return {
            name: {value: code for code, value in enumerate(values[:-1])}
            for name, values in self.categories.items()
        }

    def transform(self, table: Table) -> NDArray[np.float32]:
        """Prepare rows.

        Parameters
        ----------
        table : Table
            Rows of the schema the preprocessor was fitted on.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            C-contiguous. A value far beyond the training rows' may become infinite:
            see :meth:`first_not_finite`.
        """
        absent = np.isnan(numeric_matrix(table, self.indicator))
        texts = (*self.categories, *(self.hosts.columns if self.hosts else ()))
        words = {name: table.frame[name] for name in texts}
        return self.encode(numeric_matrix(table, self.numeric), absent, words)

    def encode(
        self,
        x: NDArray[np.float64],
        absent: NDArray[np.bool_],
        words: Mapping[str, pl.Series | Sequence[str | None]],
    ) -> NDArray[np.float32]:
        """Prepare rows given column by column: what :meth:`transform` does to a table.

        Parameters
        ----------
        x : ndarray of shape (n_samples, n_numeric), float64
            The ``numeric`` columns; NaN where missing, never infinite.
        absent : ndarray of shape (n_samples, n_indicators), bool
            Whether a value of the ``indicator`` columns is missing.
        words : mapping of str to Series or sequence of (str or None)
            Each category column.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
        """
        layout, n, k = self.layout, len(x), len(self.numeric)
        out = np.zeros((n, layout.n_features), dtype=np.float32)
        missing = np.isnan(x)
        if missing.any():
            x = np.where(missing, self.fill, x)
        with np.errstate(over="ignore", invalid="ignore"):  # see first_not_finite
            out[:, :k] = self.scaler.forward(x)
        out[:, k : k + len(self.indicator)] = absent
        rows = np.arange(n)
        for (start, stop), (name, codes) in zip(
            layout.blocks, self._codes.items(), strict=True
        ):
            unseen = stop - start - 1
            if n == 1:  # the fast path for one record
                out[0, start + codes.get(words[name][0], unseen)] = 1.0
                continue
            found = pl.Series(words[name], dtype=pl.String)
            code = found.replace_strict(codes, default=unseen, return_dtype=pl.Int64)
            out[rows, start + code.fill_null(unseen).to_numpy()] = 1.0
        if self.hosts is not None:
            out[:, layout.hosts[0][0] :] = self.hosts.describe(words)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the preprocessor as plain JSON values; floats survive exactly."""
        return {
            "schema": self.schema_name,
            "numeric": list(self.numeric),
            "step": self.step.tolist(),
            "fill": self.fill.tolist(),
            "indicator": list(self.indicator),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "scaler": {
                "kind": self.scaler.kind,
                "center": self.scaler.center.tolist(),
                "scale": self.scaler.scale.tolist(),
                "quantiles": self.scaler.quantiles.tolist(),
            },
            "categories": {k: list(v) for k, v in self.categories.items()},
            "dropped": list(self.dropped),
            **({"hosts": self.hosts.to_dict()} if self.hosts else {}),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the preprocessor that :meth:`to_dict` described."""
        k = len(value["numeric"])
        scaler = value["scaler"]
        array = {
            name: np.asarray(value[name], dtype=np.float64).reshape(k)
            for name in ("step", "fill", "low", "high")
        }
        made = cls(
            schema_name=value["schema"],
            numeric=tuple(value["numeric"]),
            indicator=tuple(value["indicator"]),
            scaler=Scaler(
                kind=scaler["kind"],
                center=np.asarray(scaler["center"], dtype=np.float64).reshape(k),
                scale=np.asarray(scaler["scale"], dtype=np.float64).reshape(k),
                quantiles=np.asarray(scaler["quantiles"], dtype=np.float64).reshape(
                    k, -1 if k and scaler["quantiles"][0] else 0
                ),
            ),
            categories={k: tuple(v) for k, v in value["categories"].items()},
            dropped=tuple(value["dropped"]),
            hosts=None,
            **array,
        )
        if (found := value.get("hosts")) is None:
            return made
        hosts = Hosts.from_dict(found, n_features=made.layout.n_features)
        return replace(made, hosts=hosts)


def numeric_matrix(table: Table, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return those columns as ``(n_samples, len(names))``; infinity becomes NaN."""
    if not names:
        return np.empty((len(table), 0))
    # column after column, as Polars holds them: for a batch, cheaper than its to_numpy
    columns = np.empty((len(names), len(table)))
    for values, name in zip(columns, names, strict=True):
        values[:] = table.frame.get_column(name).to_numpy()
    x = columns.T
    return np.where(np.isinf(x), np.nan, x) if np.isinf(x).any() else x
