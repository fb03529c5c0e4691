"""Look at rows before anything is learnt from them.

:func:`explore` answers what a careful person asks first: how many rows of what, what
is missing, constant, doubled or contradictory, which rows a test file shares with
the training file, how each column looks in each class, and which columns tell the
classes apart suspiciously well. The answer, an :class:`Exploration`, is plain data:
a report, a page of charts and a terminal show the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evenflow.prepare.explore import association, columns, rows, warn
from evenflow.prepare.explore.text import to_text
from evenflow.progress import OnEvent, Progress, ignore
from evenflow.schema import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """The contents of a table. Every part holds JSON values only: no NaN, no infinity.

    Attributes
    ----------
    overview : dict
        ``name, split, taxonomy, is_synthetic, n_rows, n_columns, n_numeric,
        n_category, n_classes, n_attack_types, label_entropy_bits`` (None without
        labels), ``imbalance_ratio`` (largest class / smallest present one).
    columns : list of dict
        One a column, in schema order: ``name, kind, unit, description, missing,
        infinite, out_of_bounds, distinct, is_constant, most_common, most_common_share,
        mutual_information_bits, mutual_information_share`` (of the label's entropy),
        and

        * ``numeric`` (None for a category): ``min, max, mean, std, zeros`` (share) and
          ``quantiles`` ``{"0.01": v, "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"}``;
        * ``category`` (None for a number): ``top`` ``[{"value", "n"}]``, most frequent
          first, and ``other``: rows of the values not listed;
        * ``by_class`` ``{class: {quantiles}}``, numbers only, classes with rows only;
        * ``distribution``: ``scale`` (``values`` | ``linear`` | ``log``), ``labels``
          (k strings, an ordinal axis), ``edges`` (k + 1 numbers, or None for
          ``values``) and ``counts`` ``{class: [k row counts]}``. Missing and infinite
          values are in no bin. Without labels the one class is ``all``.
    classes : list of dict
        ``{"name", "n", "share"}`` in class order, absent classes with ``n = 0``.
    attacks : list of dict
        ``{"name", "family", "n", "share"}``, most frequent first, benign left out.
    duplicates : dict
        ``distinct_rows``; ``duplicate_rows``: rows that repeat the features of an
        earlier one; ``duplicate_share``; ``largest_group``; ``distinct_by_class``
        ``{class: n}`` feature vectors met in that class.
    conflicts : dict
        ``vectors``: feature vectors met with more than one class; ``rows``: the rows
        carrying them; ``attack_vectors``: met with more than one attack type;
        ``examples``: up to 5 ``{"classes": {class: n}}``, most frequent first.
    splits : list of dict
        One for each other table: ``name, n_rows, classes [{name, n, share}],
        shared_rows`` (its rows whose features occur here), ``shared_share,
        shared_same_class, shared_other_class, unseen_attacks [{name, family, n}]``,
        ``absent_attacks [names]`` (here but not there), ``unseen_values
        {category column: [values]}``.
    correlation : dict
        ``columns [names]``, ``pearson`` and ``spearman``: square matrices, None where
        a column is constant.
    warnings : list of dict
        ``{"kind", "text"}``: what a user should act on, gravest first.
    """

    overview: dict[str, Any]
    columns: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    attacks: list[dict[str, Any]]
    duplicates: dict[str, Any]
    conflicts: dict[str, Any]
    splits: list[dict[str, Any]]
    correlation: dict[str, Any]
    warnings: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return all parts as JSON values, keyed by attribute name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def to_text(self, *, width: int = 88) -> str:
        """Return a report for a terminal of that width."""
        return to_text(self.to_dict(), width=width)


def explore(
    table: Table,
    *,
    others: Mapping[str, Table] | None = None,
    split: str = "train",
    on_event: OnEvent = ignore,
) -> Exploration:
    """Look at a table, and at what it shares with other splits of its data set.

    Parameters
    ----------
    table : Table
        Rows with or without labels; usually the training split.
    others : mapping of str to Table, optional
        Other splits by name, of the same columns: ``{"test": ...}``.
    split : str
        Which split ``table`` is, for the report.
    on_event : callable
        Gets a :class:`~evenflow.progress.Progress` after each step.

    Returns
    -------
    Exploration

    Raises
    ------
    DataError
        There are no rows, or another split has other columns.
    """
    others = {} if others is None else dict(others)
    rows.check(table, others)
    steps = 5 + len(others)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        on_event(Progress(step="explore", done=done, total=steps, unit="steps"))

    group = rows.numbered(table)
    duplicates, conflicts = rows.duplicates(table, group), rows.conflicts(table, group)
    step()
    described = columns.describe(table)
    step()
    entropy = association.label_entropy(table)
    for column, bits in zip(
        described, association.mutual_information(table), strict=True
    ):
        share = None if bits is None or not entropy else min(1.0, bits / entropy)
        column["mutual_information_bits"] = bits
        column["mutual_information_share"] = share
    step()
    correlation = association.correlation(table)
    step()
    splits = []
    for name, other in others.items():
        splits.append(rows.compare(table, name, other))
        step()
    found = Exploration(
        overview=rows.overview(table, split, entropy),
        columns=described,
        classes=rows.classes(table),
        attacks=rows.attacks(table),
        duplicates=duplicates,
        conflicts=conflicts,
        splits=splits,
        correlation=correlation,
        warnings=[],
    )
    found.warnings.extend(warn.warnings(table, found.to_dict()))
    step()
    return found
