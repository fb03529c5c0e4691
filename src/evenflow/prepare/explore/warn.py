"""Warnings to act on before training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from evenflow.errors import LeakError
from evenflow.prepare import suspects
from evenflow.prepare.leaks import MOSTLY_SEEN
from evenflow.prepare.names import tells_label
from evenflow.schema import Column, Table, synthetic_warning

FEW_ROWS = 50
GIVES_AWAY = 0.95
SAME = 0.999
MANY_VALUES = 1_000


def warnings(table: Table, found: dict[str, Any]) -> list[dict[str, str]]:
    """Return what stands out in a table and its exploration, gravest first."""
    parts = (_labels, _columns, _rows, _splits, _pairs)
    return [
        {"kind": kind, "text": text}
        for kind, text in (
            *_training(table, found),
            *(warning for part in parts for warning in part(found)),
        )
    ]


def _training(table: Table, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a training on these rows would refuse or warn of."""
    for other in found["splits"]:
        if table.schema.label and other["shared_share"] > MOSTLY_SEEN:
            yield (
                "shared_rows",
                f"Training rejects {other['name']} as the other file: more than "
                f"{MOSTLY_SEEN:.0%} of its rows occur here. Remove those rows.",
            )
    if aside := _aside(table):
        yield (
            "label_twins",
            f"More columns reveal the label, so no model reads them: "
            f"{_listed(aside)}. Name one under [columns] if it describes the traffic.",
        )
    try:
        suspects.check_features(table)
    except LeakError as error:
        yield "label_as_feature", f"Training rejects these columns: {error}."
    for check, text in suspects.warnings(table).items():
        yield check.replace(" ", "_"), text
    if table.y is None:
        return
    types = {} if table.attack is None else dict(table.attack.value_counts().rows())
    if suspects.is_balanced(table.counts()) or suspects.is_balanced(types):
        yield "balanced", suspects.BALANCED


def _aside(table: Table) -> list[str]:
    """Return the columns of a user's own table that stand aside as label twins."""
    if not table.schema.label or table.extra is None:
        return []
    names = table.extra.columns
    schema = replace(table.schema, columns=tuple(Column(name=name) for name in names))
    twins = suspects.label_twins(replace(table, schema=schema, frame=table.extra))
    return [name for name in names if name in twins or tells_label(name)]


def _listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _labels(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if found["overview"]["is_synthetic"]:
        yield "synthetic", synthetic_warning()
    classes = found["classes"]
    if not classes:
        yield (
            "no_labels",
            "The rows carry no labels: they can be scored, not trained on.",
        )
        return
    if absent := [c["name"] for c in classes if not c["n"]]:
        yield (
            "absent_class",
            f"No row of {_listed(absent)}: a model trained here can never predict  "
            f"{'it' if len(absent) == 1 else 'them'}.",
        )
    if sum(1 for c in classes if c["n"]) < 2:
        yield "one_class", "Only one class has rows: there is nothing to classify."
    for c in classes:
        distinct = found["duplicates"]["distinct_by_class"][c["name"]]
        if 0 < distinct < FEW_ROWS:
            only = f" ({distinct} of them distinct)" if distinct < c["n"] else ""
            yield (
                "rare_class",
                f"Only {c['n']:,} rows of {c['name']}{only}: its figures have wide "
                "intervals; read the intervals, not the point values.",
            )


def _columns(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    columns, n = found["columns"], found["overview"]["n_rows"]
    for c in columns:
        share = c["mutual_information_share"]
        if share is not None and share > GIVES_AWAY:
            yield (
                "gives_away_label",
                f"{c['name']} alone tells {share:.0%} of the label: is it known when "
                "traffic is scored, or derived from the label?",
            )
    for c in columns:
        if c["missing"]:
            yield (
                "missing",
                f"{c['name']}: {c['missing']:,} values missing "
                f"({c['missing'] / n:.1%})",
            )
        if c["infinite"]:
            yield (
                "infinite",
                f"{c['name']}: {c['infinite']:,} infinite values "
                f"({c['infinite'] / n:.1%}); they are treated as missing",
            )
        if c["out_of_bounds"]:
            yield (
                "out_of_bounds",
                f"{c['name']}: {c['out_of_bounds']:,} values outside the bounds of the "
                "contract",
            )
        if c["kind"] == "category" and c["distinct"] > min(MANY_VALUES, 0.5 * n + 10):
            yield (
                "many_values",
                f"{c['name']}: {c['distinct']:,} different values; is it an identifier "
                "or an address? Those are not features",
            )
    if constant := [c["name"] for c in columns if c["is_constant"]]:
        yield "constant", f"One value only, so no information: {_listed(constant)}"


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    duplicates, conflicts = found["duplicates"], found["conflicts"]
    if duplicates["duplicate_share"] > 0.01:
        yield (
            "duplicates",
            f"{duplicates['duplicate_rows']:,} rows repeat an earlier one "
            f"({duplicates['duplicate_share']:.1%}): only "
            f"{duplicates['distinct_rows']:,} are distinct. Every split of evenflow "
            "keeps copies on one side.",
        )
    for c in found["classes"]:
        distinct = duplicates["distinct_by_class"][c["name"]]
        if c["n"] >= FEW_ROWS and distinct < 0.5 * c["n"]:
            yield (
                "copied_class",
                f"{c['n'] - distinct:,} of {c['n']:,} rows of {c['name']} are copies: "
                "captured so, or copied to balance the classes?",
            )
    if conflicts["vectors"]:
        yield (
            "conflicts",
            f"{conflicts['vectors']:,} feature vectors ({conflicts['rows']:,} rows) "
            "carry more than one class: no model can get all of them right.",
        )


def _splits(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for other in found["splits"]:
        if other["shared_rows"]:
            yield (
                "shared_rows",
                f"{other['shared_rows']:,} rows of {other['name']} "
                f"({other['shared_share']:.1%}) also occur here: a model may have "
                "memorised them.",
            )
        if unseen := other["unseen_attacks"]:
            n = sum(a["n"] for a in unseen)
            yield (
                "unseen_attacks",
                f"{len(unseen)} attack types ({n:,} rows) occur in {other['name']} "
                f"only: {_listed([a['name'] for a in unseen])}",
            )
        for column, values in other["unseen_values"].items():
            yield (
                "unseen_values",
                f"{column}: values of {other['name']} not found here: "
                f"{_listed(values)}",
            )


def _pairs(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names, r = found["correlation"]["columns"], found["correlation"]["pearson"]
    same = [
        f"{names[i]} = {names[j]}"
        for i in range(len(names))
        for j in range(i)
        if r[i][j] is not None and abs(r[i][j]) > SAME
    ]
    if same:
        yield (
            "same_columns",
            f"Redundant columns (|r| > {SAME}): {_listed(same)}",
        )
