"""A bundle trained again with feedback, and compared with the one in use.

Feedback is split by its order, which is that of time: what came last evaluates, so
that an incident is not on both sides. Rows that trained either model evaluate nothing,
and feedback that equals a test row trains nothing. Feedback does not have the shares of
traffic: it is fitted, and neither stops the training nor sets the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow import datasets, registry
from evenflow.conform import fold, shown
from evenflow.errors import DataError
from evenflow.experiment.run import Experiment, run
from evenflow.metrics.paired import Paired, paired
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Schema, Table

if TYPE_CHECKING:
    from evenflow.decision import Scores
    from evenflow.runtime.bundle import Bundle

LABEL = "label"
HELD_OUT = 0.3
"""Share of the feedback that evaluates."""
LEAST = 10
"""Rows that must be left to evaluate."""
SURE = 0.05
"""Probability of a difference by chance up to which it counts."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of the two models."""

    name: str
    found: Paired

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        found = self.found
        return {
            "name": self.name,
            "rows": found.n,
            "in_use": found.before,
            "retrained": found.after,
            "difference": round(found.difference, 6),
            "interval": [round(end, 6) for end in found.interval],
            "p_gain": round(found.p_gain, 6),
            "p_loss": round(found.p_loss, 6),
        }


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """The new model beside the one in use."""

    experiment: Experiment
    checks: tuple[Check, ...]
    """Attacks and benign rows of the test rows, then the feedback."""
    n_fitted: int
    """Rows of feedback that were fitted."""
    reasons: tuple[str, ...]
    """Why it is not better; empty where it is."""

    @property
    def is_better(self) -> bool:
        """Whether it is better by the rule of :func:`retrain`."""
        return not self.reasons


def retrain(
    bundle: Bundle,
    feedback: Table,
    *,
    folders: Sequence[Path],
    repeat: int = 10,
    tolerance: float = 0.005,
    device: str = "auto",
    deterministic: bool = False,
    on_event: OnEvent = ignore,
) -> Retrained:
    """Train the recipe of a bundle again with feedback, and compare the two.

    The new model is better where it decides more of the held-out feedback rightly, by
    more than chance, and where it loses neither attacks nor benign rows of the test
    rows: by chance at most, or by no more than ``tolerance``.

    Parameters
    ----------
    bundle : Bundle
        The model in use.
    feedback : Table
        Labelled rows of the bundle's columns, the oldest first; see
        :func:`read_feedback`.
    folders : sequence of Path
        Where data sets are looked for, in order.
    repeat : int
        How often each row of feedback is fitted.
    tolerance : float
        Share of the test rows that may be lost.
    device : {'auto', 'cpu', 'cuda'}
    deterministic : bool

    Raises
    ------
    DataError
        Too little feedback is left to evaluate.
    RecipeError
        The recipe selects columns by their values, and feedback has only those.
    """
    recipe = Recipe.from_dict(bundle.recipe, source=f"{bundle.path}: recipe")
    _check_columns(bundle, recipe)
    fit, held = _split(bundle, recipe, feedback, folders, on_event)
    made = run(
        recipe,
        folders=folders,
        more=fit.take(np.tile(np.arange(len(fit)), repeat)),
        device=device,
        deterministic=deterministic,
        on_event=on_event,
    )
    test, trained = made.trained.test, made.trained
    is_attack = test.labels > 0
    before = bundle.decide(test.keeping(bundle.schema.names))
    after = trained.scores
    distinct = _distinct(test)
    checks = [
        Check(name=name, found=_compared(before, after, is_attack, distinct & which))
        for name, which in (
            ("test: attacks detected", is_attack),
            ("test: benign rows passed", ~is_attack),
        )
    ]
    log_proba = _log_proba(
        trained.model,
        trained.preprocessor.transform(_with_columns(held, trained.schema)),
        trained,
    )
    every = np.ones(len(held), dtype=np.bool_)
    found = _compared(
        bundle.decide(held), trained.decision.apply(log_proba), held.labels > 0, every
    )
    checks.append(Check(name="feedback: decided rightly", found=found))
    return Retrained(
        experiment=made,
        checks=tuple(checks),
        n_fitted=len(fit),
        reasons=_reasons(checks, tolerance),
    )


def read_feedback(
    schema: Schema, source: Path | BinaryIO, *, label: str = LABEL, name: str = ""
) -> Table:
    """Return labelled records in a model's columns, in the order of the source.

    Parameters
    ----------
    schema : Schema
        Of the bundle.
    source : Path or binary file
        CSV, JSON lines or Parquet.
    label : str
        Column with the class, or the attack type, of each record.
    name : str
        What messages call the source; its path by default.

    Raises
    ------
    DataError
        A row or a label is invalid; the message names the line.
    """
    from evenflow.runtime.records import read_records

    name = name or str(source)
    known = {*schema.classes, *schema.families}
    tables, labels = [], []
    for batch in read_records(source, schema, name=name, all_columns=True):
        if batch.bad:
            raise DataError(f"{name}, {batch.bad[0]}. Correct the row, or remove it")
        found = [c for c in batch.given.columns if fold(c) == fold(label)]
        if not found:
            raise DataError(
                f"{name}: found no column {label!r}, expected the class of each record "
                "in one. Name it with --label"
            )
        words = batch.given[found[0]].cast(pl.String).str.strip_chars().to_list()
        for line, word in zip(batch.lines.tolist(), words, strict=True):
            if word not in known:
                raise DataError(
                    f"{name}, {batch.unit} {line}, column {found[0]}: found "
                    f"{shown(word)}, expected one of {', '.join(schema.classes)}"
                )
        tables.append(batch.table.frame)
        labels += words
    if not tables:
        raise DataError(f"{name} has no records; expected feedback")
    code = {word: schema.classes.index(schema.class_of(word)) for word in {*labels}}
    return Table(
        schema=schema,
        frame=pl.concat(tables),
        y=np.array([code[word] for word in labels], dtype=np.int64),
        attack=pl.Series("attack", labels),
    )


def _check_columns(bundle: Bundle, recipe: Recipe) -> None:
    if recipe.select is not None and recipe.select.name != "columns":
        from evenflow.errors import RecipeError

        raise RecipeError(
            f"{bundle.path}: its recipe selects columns by {recipe.select.name}, and "
            "feedback has only those it selected; expected a recipe without select, or "
            "with columns that it names. Train a model on these columns first"
        )


def _split(
    bundle: Bundle,
    recipe: Recipe,
    feedback: Table,
    folders: Sequence[Path],
    on_event: OnEvent,
) -> tuple[Table, Table]:
    """Return the feedback to fit and the feedback that evaluates."""
    from evenflow.prepare.leaks import row_hashes

    def load(part: str) -> Table:
        return datasets.load(
            recipe.dataset.name, part, folders=folders, on_event=on_event,
            **recipe.dataset.params,
        )  # fmt: skip

    make = registry.load("splits", recipe.split.name)
    own = make(load, recipe.seed, **recipe.split.params)
    own = own.addressed(recipe.prepare.hosts or ())
    names, mine = bundle.schema.names, row_hashes(feedback)
    trained = row_hashes(own.train.keeping(names))
    known = np.concatenate([trained, bundle.fingerprint])
    fresh = np.flatnonzero(~np.isin(mine, known))
    n_held = round(HELD_OUT * len(feedback))
    held = fresh[len(fresh) - min(n_held, len(fresh)) :]
    is_fit = ~np.isin(mine, mine[held]) & ~np.isin(
        mine, row_hashes(own.test.keeping(names))
    )
    fit = np.flatnonzero(is_fit)
    held = held[np.unique(mine[held], return_index=True)[1]]
    if len(held) < LEAST or not len(fit):
        raise DataError(
            f"found {len(feedback):,} rows of feedback, of which {len(held):,} can "
            f"evaluate and {len(fit):,} can be fitted; expected {LEAST} or more that "
            "evaluate: distinct ones of the last three in ten that did not train the "
            "model in use. Collect more feedback"
        )
    return (
        _with_columns(feedback.take(fit), own.train.schema),
        feedback.take(np.sort(held)),
    )


def _with_columns(table: Table, schema: Schema) -> Table:
    """Return the rows with all columns of a data set, missing where they have none.

    The recipe leaves those columns out again.
    """
    frame = table.frame.with_columns(
        pl.lit(None, dtype=pl.String).alias(column.name)
        if column.kind != "numeric"
        else pl.lit(float("nan")).alias(column.name)
        for column in schema.columns
        if column.name not in table.frame.columns
    )
    return replace(
        table,
        schema=replace(table.schema, columns=schema.columns),
        frame=frame.select(schema.names),
    )


def _distinct(table: Table) -> NDArray[np.bool_]:
    """Return which rows are the first of those with equal features."""
    from evenflow.prepare.dealing import groups

    first: NDArray[np.bool_] = groups(table) == np.arange(len(table))
    return first


def _compared(
    before: Scores, after: Scores, truth: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Paired:
    return paired((before.is_attack == truth)[rows], (after.is_attack == truth)[rows])


def _log_proba(model: bytes, X: NDArray[np.float32], trained: Any) -> NDArray[Any]:
    from evenflow import inference

    session = inference.open_session(model)
    return inference.log_proba(session, X, len(trained.schema.classes))


def _reasons(checks: Sequence[Check], tolerance: float) -> tuple[str, ...]:
    """Return why the new model is not better."""
    *tests, feedback = checks
    found = []
    for check in tests:
        one = check.found
        if one.p_loss <= SURE and -one.difference > tolerance:
            found.append(
                f"{check.name}: {-one.difference:.2%} fewer, expected at most "
                f"{tolerance:.2%} fewer"
            )
    one = feedback.found
    if one.after <= one.before:
        found.append(f"{feedback.name}: {one.after} of {one.n}, not more than before")
    elif one.p_gain > SURE:
        found.append(
            f"{feedback.name}: {one.gained} gained and {one.lost} lost, which may be "
            "chance. Collect more feedback"
        )
    return tuple(found)
