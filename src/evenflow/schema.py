"""The schema of a row: its columns, their units and ranges, its classes.

A :class:`Table` is the one thing that travels from every source of rows to every
place that reads them. Inside it a numeric column is ``Float64`` (missing: NaN) and
any other is ``String`` (missing: null), so a file of 3.7 million rows and a live batch
of one look the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

BENIGN = "benign"
ATTACK = "attack"
"""The one attack class of a schema that only says attack or benign."""
UNKNOWN_ATTACK = "unknown_attack"
"""Verdict on an attack that none of the known classes describes well enough."""
UNTYPED = frozenset(
    {ATTACK, "attacks", "malicious", "anomaly", "anomalous", "abnormal", "intrusion"}
    | {"1", "true", "yes", "y", "t"}
)
"""Labels that say attack without saying which."""


def synthetic_warning(rows: str = "") -> str:
    """Return the warning that stands wherever synthetic rows are shown.

    Parameters
    ----------
    rows : str, optional
        Which rows, where it is not obvious: "those of this and that".
    """
    which = f"{rows} were " if rows else ""
    return (
        f"Synthetic rows: {which}made by a program; figures on them say nothing about "
        "real traffic."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One feature of a row, as a person would enter it."""

    name: str
    kind: Literal["numeric", "category", "address"] = "numeric"
    """An address tells which host a row is of, and is not a feature itself."""
    unit: str = ""
    low: float | None = None
    """Least possible value; a smaller one is a bad row."""
    high: float | None = None
    """Greatest possible value; a greater one is a bad row."""
    step: float | None = None
    """Distance between possible values: 1 for a count, None for a continuous one."""
    choices: tuple[str, ...] = ()
    """Documented values of a category; others are still accepted as unseen."""
    aliases: tuple[str, ...] = ()
    """Other names under which published files carry the column."""
    description: str = ""
    decimal: str = ""
    """Decimal mark of the numbers in a text, where it is not the point."""
    thousands: str = ""
    """Mark between the thousands of the numbers in a text."""

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.name}: low {self.low} is over high {self.high}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """The columns of a data set and what its labels mean."""

    name: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    """Class names; a row's code is an index into them. ``classes[0]`` is benign."""
    families: Mapping[str, str] = field(default_factory=dict)
    """Attack type -> class. An attack type that is a class needs no entry."""
    taxonomy: str = ""
    """Which attack-to-family map this is, in words; stands beside every figure."""
    layout: tuple[str, ...] = ()
    """Column names of a published file without a header, label columns included."""
    is_synthetic: bool = False
    """Rows were made by a program; every output says so."""
    label: str = ""
    """Name of the label column in a user's own file."""
    benign: tuple[str, ...] = ()
    """Values of that column that mean benign, in lower case."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or self.classes[0] != BENIGN:
            raise ValueError(f"classes must start with {BENIGN!r}: {self.classes}")
        if len(set(self.names)) != len(self.columns):
            raise ValueError(f"{self.name}: two columns share a name")
        if absent := sorted({*self.families.values()} - {*self.classes}):
            raise ValueError(
                f"{self.name}: families with unknown classes: {absent[:5]}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def numeric(self) -> tuple[Column, ...]:
        """Numeric columns, in order."""
        return tuple(c for c in self.columns if c.kind == "numeric")

    @property
    def categories(self) -> tuple[Column, ...]:
        """Category columns, in order."""
        return tuple(c for c in self.columns if c.kind == "category")

    @property
    def addresses(self) -> tuple[Column, ...]:
        """Address columns, in order."""
        return tuple(c for c in self.columns if c.kind == "address")

    @property
    def texts(self) -> tuple[Column, ...]:
        """Columns of text, categories and addresses, in order."""
        return tuple(c for c in self.columns if c.kind != "numeric")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that are not addresses, in order."""
        return tuple(c.name for c in self.columns if c.kind != "address")

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(c for c in self.columns if c.name == name)

    def keeping(self, names: Collection[str]) -> Schema:
        """Return the schema with the columns of those names alone."""
        return replace(self, columns=tuple(c for c in self.columns if c.name in names))

    def class_of(self, attack: str) -> str:
        """Return the class of an attack type (or of ``benign``)."""
        return self.families.get(attack, attack)

    def including(
        self, attacks: Iterable[str], families: Mapping[str, str] | None = None
    ) -> Schema:
        """Return the schema with a class for each of these attack types.

        A type without a class goes to the class that ``families`` names, if there is
        one here; where the only attack class has no type, it goes there; otherwise it
        becomes the last class. A model of this schema never decides for such a class.
        """
        known, classes = dict(self.families), list(self.classes)
        for attack in attacks:
            family = (families or {}).get(attack, attack)
            if self.class_of(attack) in classes:
                continue
            if len(self.classes) == 2 and self.classes[1] in UNTYPED:
                family = self.classes[1]
            if family in self.classes:
                known[attack] = family
            else:
                classes.append(attack)
        return replace(self, classes=tuple(classes), families=known)

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain JSON values."""
        return {
            "name": self.name,
            "columns": [
                {
                    name: list(value) if isinstance(value, tuple) else value
                    for name in Column.__slots__
                    if (value := getattr(c, name)) not in (None, "", ())
                }
                for c in self.columns
            ],
            "classes": list(self.classes),
            "families": dict(self.families),
            "taxonomy": self.taxonomy,
            "layout": list(self.layout),
            "is_synthetic": self.is_synthetic,
            "label": self.label,
            "benign": list(self.benign),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the schema that :meth:`to_dict` described."""
        columns = tuple(
            Column(**c | {k: tuple(c[k]) for k in ("choices", "aliases") if k in c})
            for c in value["columns"]
        )
        return cls(
            name=value["name"],
            columns=columns,
            classes=tuple(value["classes"]),
            families=dict(value["families"]),
            taxonomy=value["taxonomy"],
            layout=tuple(value["layout"]),
            is_synthetic=value["is_synthetic"],
            label=value["label"],
            benign=tuple(value["benign"]),
        )


def unseen_attacks(judged: Iterable[str], trained: Iterable[str]) -> tuple[str, ...]:
    """Return the attack types of test rows that no training row has, sorted.

    A label of :data:`UNTYPED` is not a type: rows labelled by it, or a training on such
    rows alone, leave open which types were seen. Among types that are codes, 1 is one.
    """
    known = set(trained) - {BENIGN}
    if known and known <= UNTYPED:
        return ()
    untyped = set() if any(a.isdigit() for a in known) else UNTYPED
    return tuple(sorted(set(judged) - known - untyped - {BENIGN}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of a schema, with their labels where they have any."""

    schema: Schema
    frame: pl.DataFrame
    """Exactly the schema's columns, in order: ``Float64`` or ``String``."""
    y: NDArray[np.int64] | None = None
    """Class codes, shape ``(n_samples,)``; None for rows without labels."""
    attack: pl.Series | None = None
    """Attack type of each row (``benign`` for benign ones); None without labels."""
    extra: pl.DataFrame | None = None
    """Columns that are not features (addresses, times, numbers), same height."""
    n_rejected: int = 0
    """Rows of the source that are not among these, as a model gives them no verdict."""

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != self.schema.names:
            raise ValueError("a Table's frame holds exactly the schema's columns")
        for part in (self.y, self.attack, self.extra):
            if part is not None and len(part) != self.frame.height:
                raise ValueError("labels and rows differ in number")

    def __len__(self) -> int:
        return self.frame.height

    def __repr__(self) -> str:
        counts = {} if self.y is None else self.counts()
        shown = [f"{name} {n:,}" for name, n in [*counts.items()][:5]]
        more = [f"{len(counts) - 5} more classes"] if len(counts) > 5 else []
        return (
            f"<Table {self.schema.name}: {len(self):,} rows, "
            f"{len(self.schema.columns)} columns, "
            f"{', '.join(shown + more) or 'no labels'}>"
        )

    def _repr_html_(self) -> str:
        """Return the line and the first rows, as a notebook shows them."""
        return f"<p>{escape(repr(self))}</p>{self.frame[:5, :30]._repr_html_()}"

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class codes; a ``ValueError`` for a table without labels."""
        if self.y is None:
            raise ValueError("this table has no labels")
        return self.y

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each class, in class order."""
        found = np.bincount(self.labels, minlength=len(self.schema.classes))
        return dict(zip(self.schema.classes, found.tolist(), strict=True))

    def keeping(self, names: Collection[str]) -> Table:
        """Return the rows with some of the columns.

        Parameters
        ----------
        names : collection of str
            Columns to keep; they stay in the schema's order.
        """
        schema = self.schema.keeping(names)
        return replace(self, schema=schema, frame=self.frame.select(schema.names))

    def with_rows(self, other: Table) -> Table:
        """Return the rows with those of another table of the same classes below.

        Columns that are not features are lost.

        Parameters
        ----------
        other : Table
            With labels, as these rows.
        """
        attack = None
        if self.attack is not None and other.attack is not None:
            attack = pl.concat([self.attack, other.attack.alias(self.attack.name)])
        return replace(
            self,
            frame=pl.concat([self.frame, other.frame.select(self.frame.columns)]),
            y=np.concatenate([self.labels, other.labels]),
            attack=attack,
            extra=None,
        )

    def take(self, rows: NDArray[np.integer[Any]] | Sequence[int]) -> Table:
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,), int
            Numbers of rows, from 0, in the order wanted.
        """
        rows = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            frame=self.frame[rows],
            y=None if self.y is None else self.y[rows],
            attack=None if self.attack is None else self.attack[rows],
            extra=None if self.extra is None else self.extra[rows],
        )
