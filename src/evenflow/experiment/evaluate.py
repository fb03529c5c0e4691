"""A bundle evaluated on rows that did not train it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow import datasets
from evenflow.errors import BundleError, DataError
from evenflow.experiment.notes import once, warn
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Column, Schema, Table, unseen_attacks

if TYPE_CHECKING:
    import polars as pl

    from evenflow.decision import Scores
    from evenflow.judge.report import Report
    from evenflow.prepare.leaks import Shared
    from evenflow.prepare.split import Protocol
    from evenflow.runtime.bundle import Bundle

HELD_OUT = "held_out"
"""Name of the rows that a bundle's own recipe held out."""
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
"""Unit of a time -> seconds."""


def evaluate(
    bundle: Bundle,
    dataset: str,
    split: str,
    *,
    folders: Sequence[Path],
    params: dict[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    on_event: OnEvent = ignore,
) -> Report:
    """Judge a bundle on rows that did not train it.

    Parameters
    ----------
    bundle : Bundle
    dataset : str
        Name of a data set with the bundle's columns.
    split : str
        A published part of it, or ``held_out``: the rows its recipe held out.
    folders : sequence of Path
        Where data sets are looked for, in order.
    params : dict, optional
        Of the data set; those of the bundle's recipe stand where it is the same one.
    rename : mapping of str to str, optional
        Column of the bundle -> column of the data set with the same meaning; times are
        brought to the bundle's unit. It is how a model is tested on another data set's
        rows.

    Raises
    ------
    LeakError
        Rows that trained the bundle are among them: more than one in five, or for
        ``held_out`` other rows than its training held out.
    DataError
        The data set has other columns than the bundle was trained on.
    BundleError
        The bundle does not say which attack types trained it.
    """
    from evenflow.prepare.leaks import MOSTLY_SEEN, check_shared, count_shared

    record = _training(bundle)
    recipe = Recipe.from_dict(bundle.recipe, source=f"{bundle.path}: recipe")
    own = recipe.dataset.params if dataset == recipe.dataset.name else {}
    params = own | (params or {})
    found_notes: list[str] = []
    on_new = once(on_event, found_notes)
    # held-out rows are drawn from the training file, which is read as in training
    like = None if split == HELD_OUT else _as_theirs(bundle.schema, rename or {})

    def load(part: str) -> Table:
        on_event(Progress(step=f"load {dataset} {part}", done=0, unit="step"))
        return datasets.load(
            dataset, part, folders=folders, like=like, on_event=on_new, **params
        )

    table, protocol = _rows(recipe, dataset, split, load)
    table = _labelled(bundle, dataset, table, rename or {})
    if rename:
        pairs = ", ".join(f"{name} = {theirs}" for name, theirs in rename.items())
        on_new(Note(text=f"columns of {dataset} taken for those of the model: {pairs}"))
    shared = count_shared(table, record, bundle.fingerprint, split == HELD_OUT)
    own_test = recipe.split.params.get("test", "test")
    if split not in (HELD_OUT, own_test) and shared.least_share > MOSTLY_SEEN:
        protocol = replace(protocol, is_published=False)
    if (recipe.select is not None or rename) and split != HELD_OUT:
        protocol = replace(protocol, compares_part=True)
    check_shared(shared, protocol)
    report, _, _ = _judged(bundle, table, protocol, shared, on_new)
    # what was guessed of the rows comes first
    report = replace(report, notes=[*found_notes, *report.notes])
    warn(report, on_event)
    return report


def evaluate_labelled(
    bundle: Bundle, table: Table, *, name: str, on_event: OnEvent = ignore
) -> tuple[Report, Table, Scores]:
    """Judge a bundle on labelled rows that a person brings in its own columns.

    Parameters
    ----------
    bundle : Bundle
    table : Table
        Rows of the bundle's columns, with labels.
    name : str
        What the report calls the rows.

    Returns
    -------
    report : Report
    table : Table
        The rows that were scored, with the classes of the bundle and those that only
        these rows have.
    scores : Scores
        Of these rows.

    Raises
    ------
    LeakError
        More than one in five of the rows trained the bundle.
    DataError
        There are no rows that can be scored.
    BundleError
        The bundle does not say which attack types trained it.
    """
    from evenflow.prepare.leaks import check_shared, count_shared
    from evenflow.prepare.split import Protocol

    found_notes: list[str] = []
    on_new = once(on_event, found_notes)
    recipe = Recipe.from_dict(bundle.recipe, source=f"{bundle.path}: recipe")
    table = _labelled(bundle, name, table, {})
    protocol = Protocol(
        name="other data",
        description=f"trained on {recipe.dataset.name} ({recipe.split.name} split), "
        f"tested on the labelled rows of {name}",
        may_share_rows=True,
        compares_part=recipe.select is not None,
    )
    shared = count_shared(table, _training(bundle), bundle.fingerprint, False)
    check_shared(shared, protocol)
    report, table, scores = _judged(bundle, table, protocol, shared, on_new)
    return replace(report, notes=[*found_notes, *report.notes]), table, scores


def _training(bundle: Bundle) -> dict[str, Any]:
    """Return the record of a bundle's training."""
    record = bundle.report.get("training")
    if not isinstance(record, dict) or not isinstance(record.get("attacks"), dict):
        raise BundleError(
            f"{bundle.path}: report.json lacks the record of the training, expected "
            "the attack types that trained it. Train the bundle again"
        )
    return record


def _judged(
    bundle: Bundle, table: Table, protocol: Protocol, shared: Shared, on_new: OnEvent
) -> tuple[Report, Table, Scores]:
    """Return the report, the rows that can be scored, and their scores."""
    from evenflow.judge.report import judge
    from evenflow.runtime.judging import judge_labelled

    record = _training(bundle)
    # a row may be labelled with its family alone
    trained = {*record["attacks"], *map(bundle.schema.class_of, record["attacks"])}
    present = [] if table.attack is None else table.attack.unique().to_list()
    table, scores, bad = judge_labelled(bundle, table)
    if bad:
        text = f"rows rejected, as score rejects them: {len(bad):,} ({bad[0]})"
        on_new(Note(text=text))
    report = judge(
        table,
        scores,
        protocol=protocol,
        unseen_attacks=unseen_attacks(present, trained),
        decision=bundle.decision,
        training=record,
        shared=shared,
    )
    return report, table, scores


def _rows(
    recipe: Recipe, dataset: str, split: str, load: Callable[[str], Table]
) -> tuple[Table, Protocol]:
    """Return the rows that evaluate the bundle, and under which protocol."""
    from evenflow import registry
    from evenflow.prepare.split import Protocol

    has_test = datasets.get(dataset).has_official_test
    if split == HELD_OUT:
        if dataset != recipe.dataset.name:
            raise DataError(
                f"'{HELD_OUT}' names rows of {recipe.dataset.name}, which trained "
                f"this bundle, not of {dataset}; name one of its published parts"
            )
        make = registry.load("splits", recipe.split.name)
        parts = make(load, recipe.seed, **recipe.split.params)
        shares = parts.protocol.may_share_rows
        return parts.test, replace(parts.protocol, is_published=shares and has_test)
    same = dataset == recipe.dataset.name and recipe.split.name == "official"
    name = "official" if same else "other data"
    if same and split != "test":
        name = f"official ({split})"
    return load(split), Protocol(
        name=name,
        description=f"trained on {recipe.dataset.name} ({recipe.split.name} split), "
        f"tested on {dataset} {split}",
        may_share_rows=True,
        is_published=same and has_test,
    )


def _labelled(
    bundle: Bundle, dataset: str, table: Table, rename: Mapping[str, str]
) -> Table:
    """Return the rows with the bundle's columns and classes."""
    import polars as pl

    from evenflow.conform import match_columns
    from evenflow.prepare.hosts import addressed
    from evenflow.prepare.target import label

    mine = bundle.schema
    table = addressed(table, [rename.get(c.name, c.name) for c in mine.addresses])
    names = table.frame.columns
    for theirs in rename.values():
        if theirs not in names:
            raise DataError(
                f"found no column {theirs!r} in {', '.join(names)}; expected a column "
                f"of {dataset} behind the sign =. Correct the name"
            )
    same = mine.keeping([name for name in mine.names if name not in rename])
    found = match_columns(same, names, source=dataset)
    frame = table.frame.select(
        _meaning(table.schema.column(rename[c.name]), c).alias(c.name)
        if c.name in rename
        else pl.col(found[c.name]).alias(c.name)
        for c in mine.columns
    )
    own = table.schema
    schema = replace(own, columns=bundle.schema.columns)
    labelled = label(replace(table, schema=schema, frame=frame), bundle.schema)
    # the bundle's classes, but rows of this data set, whatever it was trained on
    named = replace(labelled.schema, name=own.name, is_synthetic=own.is_synthetic)
    return replace(labelled, schema=named)


def _as_theirs(schema: Schema, rename: Mapping[str, str]) -> Schema:
    """Return the schema with the data set's names; its units are not known.

    Raises
    ------
    DataError
        The model has no such column, or two are to be the same one.
    """
    if absent := rename.keys() - set(schema.names):
        raise DataError(
            f"found no column {min(absent)!r} in {', '.join(schema.names)}; "
            "expected a column of the model before the sign =. Correct the name"
        )
    theirs = [rename.get(name, name) for name in schema.names]
    if twice := {name for name in theirs if theirs.count(name) > 1}:
        raise DataError(
            f"found {', '.join(sorted(twice))} for several columns of the model; "
            "expected one for each. Name another, or leave one out of the model"
        )
    return replace(
        schema,
        columns=tuple(
            replace(c, name=rename[c.name], aliases=(), unit="")
            if c.name in rename
            else c
            for c in schema.columns
        ),
    )


def _meaning(theirs: Column, mine: Column) -> pl.Expr:
    """Return a column in the unit of the model's."""
    import polars as pl

    units = theirs.unit, mine.unit
    are_times = all(unit in SECONDS for unit in units)
    if theirs.kind != mine.kind or (all(units) and len({*units}) > 1 and not are_times):
        sides = [
            f"{c.name} ({' in '.join(filter(None, (c.kind, c.unit)))})"
            for c in (theirs, mine)
        ]
        raise DataError(
            f"found {sides[0]} for {sides[1]}; expected a column of the same kind and "
            "unit. Name another, or leave it out of the model"
        )
    factor = SECONDS[theirs.unit] / SECONDS[mine.unit] if are_times else 1.0
    return pl.col(theirs.name) * factor if factor != 1 else pl.col(theirs.name)
