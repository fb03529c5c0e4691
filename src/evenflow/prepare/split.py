"""Decide which rows train and which judge: the only place that does.

Rows with equal features (duplicates) always fall on one side. Nothing here reads a
clock, a file or Python's ``hash``: the same rows and seed split the same way in
every process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Annotated

import numpy as np
import polars as pl

from evenflow import registry
from evenflow.errors import DataError, RecipeError
from evenflow.plugins import Part, PlugIn
from evenflow.prepare.dealing import (
    column,
    groups,
    hold_out,
    largest_first,
    of_fold,
    stratified_parts,
)
from evenflow.prepare.hosts import addressed
from evenflow.prepare.order import order_of
from evenflow.schema import Table, unseen_attacks

Load = Callable[[str], Table]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How rows were chosen; stands beside every figure."""

    name: str
    description: str
    is_optimistic: bool = False
    """Rows of one capture on both sides: the figure says little about new traffic."""
    may_share_rows: bool = False
    """Training and test rows come from separate files, so that some rows may be in
    both. Without it, a single shared row is an error."""
    is_published: bool = False
    """The test rows are the publisher's own test file: shared rows are counted, and
    everybody who reports a figure on that file has them too."""
    compares_part: bool = False
    """Rows are compared by the columns that a selector chose: rows that are equal in
    those may differ in others, so that many are not leaks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Rows that may train and rows that may only judge."""

    train: Table
    test: Table
    protocol: Protocol

    def keeping(self, columns: Collection[str]) -> Split:
        """Return the split with those columns alone."""
        return replace(
            self, train=self.train.keeping(columns), test=self.test.keeping(columns)
        )

    def addressed(self, columns: Sequence[str]) -> Split:
        """Return the split with those columns as addresses."""
        return replace(
            self,
            train=addressed(self.train, columns),
            test=addressed(self.test, columns),
        )

    @property
    def unseen_attacks(self) -> tuple[str, ...]:
        """Attack types of the test rows that no training row shows."""
        if self.train.attack is None or self.test.attack is None:
            return ()
        return unseen_attacks(
            self.test.attack.unique().to_list(), self.train.attack.unique().to_list()
        )


def official(load: Load, seed: int, *, test: str = "test") -> Split:
    """Train on the publisher's training file, test on its test file.

    Parameters
    ----------
    test : str
        Which published file judges: ``test``, or another the data set names.
    """
    del seed
    return Split(
        train=load("train"),
        test=load(test),
        protocol=Protocol(
            name="official" if test == "test" else f"official ({test})",
            description=f"publisher's training file -> publisher's {test} file",
            may_share_rows=True,
        ),
    )


def stratified(
    load: Load, seed: int, *, fraction: float = 0.2, source: str = "train"
) -> Split:
    """Draw test rows at random, class proportions kept, duplicates on one side."""
    table = load(source)
    train, test = hold_out(table, fraction=fraction, seed=seed)
    return Split(
        train=table.take(train),
        test=table.take(test),
        protocol=Protocol(
            name="stratified",
            description=f"random {1 - fraction:.0%}/{fraction:.0%} split of the "
            f"{source} file, classes in proportion, duplicates on one side",
            is_optimistic=True,
        ),
    )


def kfold(
    load: Load, seed: int, *, k: int = 5, fold: int = 0, source: str = "train"
) -> Split:
    """Judge on fold number ``fold`` of ``k`` random folds, classes in proportion."""
    if not 0 <= fold < k or k < 2:
        raise RecipeError(
            f"kfold: fold {fold} of {k} does not exist; expected k of 2 or more and "
            "a fold from 0 to k - 1"
        )
    table = load(source)
    part = stratified_parts(table, np.full(k, 1 / k), seed)
    return Split(
        train=table.take(np.flatnonzero(part != fold)),
        test=table.take(np.flatnonzero(part == fold)),
        protocol=Protocol(
            name=f"kfold {fold + 1}/{k}",
            description=f"fold {fold + 1} of {k} random folds of the {source} file, "
            "classes in proportion, duplicates on one side",
            is_optimistic=True,
        ),
    )


def blocks(
    load: Load,
    seed: int,
    *,
    fraction: float = 0.2,
    n_blocks: int = 50,
    order: str | None = None,
    day_first: bool | None = None,
    source: str = "train",
) -> Split:
    """Cut the rows, in file or time order, into blocks and test on whole blocks.

    Rows close in time stay on one side, so a burst of near-equal attack rows cannot
    be memorised; copies of a test row are removed from the training side.

    Parameters
    ----------
    order : str, optional
        Column (a feature or an extra one) of numbers or dates that gives the order;
        file order without. Rows without a value in it are on neither side.
    day_first : bool, optional
        Whether dates such as 3/7/2017 have the day or the month first. Needed where
        the dates do not tell and each reading gives another order.

    Raises
    ------
    DataError
        There are fewer rows than blocks, or the column cannot be ordered for sure.
    RecipeError
        There is no such column.
    """
    table = load(source)
    described = "file order"
    if order is not None:
        found = order_of(
            column(table, order, where="[split] order"), day_first=day_first
        )
        described = f"{order} order ({found.kind})"
        if n_without := found.key.null_count():
            table = table.take(found.key.is_not_null().arg_true().to_numpy())
            described += f", without the {n_without:,} rows that have no {order},"
        key = found.key.drop_nulls().to_numpy()
    if n_blocks > len(table):
        raise DataError(
            f"blocks: {len(table)} rows cannot make {n_blocks} blocks; "
            "lower n_blocks in [split]"
        )
    position = np.arange(len(table))
    if order is not None:
        position = np.argsort(np.argsort(key, kind="stable"))
    block = position * n_blocks // len(table)
    n_test = max(1, round(n_blocks * fraction))
    chosen = np.random.default_rng(seed).choice(n_blocks, n_test, replace=False)
    in_test = np.isin(block, chosen)
    group = groups(table)
    in_train = ~in_test & ~np.isin(group, group[in_test])
    return Split(
        train=table.take(np.flatnonzero(in_train)),
        test=table.take(np.flatnonzero(in_test)),
        protocol=Protocol(
            name="blocks",
            description=f"{n_test} of {n_blocks} blocks of the {source} file in "
            f"{described} are test rows; their copies do not train",
        ),
    )


def grouped(
    load: Load,
    seed: int,
    *,
    by: str | list[str],
    fraction: float = 0.2,
    source: str = "train",
) -> Split:
    """Test on whole groups of rows, such as all rows of a host, a run or a day.

    Groups are drawn at random, as many as bring the share of test rows nearest to
    ``fraction``; one that alone has a class trains. Copies of a test row are removed
    from the training side.

    Parameters
    ----------
    by : str or list of str
        Column (a feature or an extra one) whose values are the groups. Of several
        columns, such as both addresses of a connection, the first gives the groups to
        draw, and test rows are all that have such a value in any of them.

    Raises
    ------
    DataError
        No group can be held out.
    RecipeError
        There is no such column.
    """
    table, names = load(source), [by] if isinstance(by, str) else by
    columns = [column(table, name, where="[split] by") for name in names]
    if not columns:
        raise RecipeError('grouped: by is empty; expected a column, as in by = "day"')
    _, held = hold_out(table, fraction=fraction, seed=seed, group=names[0])
    values = columns[0][held].drop_nulls().unique()
    in_test = np.isin(np.arange(len(table)), held)
    for values_of in columns:
        in_test |= values_of.is_in(values.implode()).fill_null(value=False).to_numpy()
    group = groups(table)
    in_train = ~in_test & ~np.isin(group, group[in_test])
    named = " or ".join(names)
    return Split(
        train=table.take(np.flatnonzero(in_train)),
        test=table.take(np.flatnonzero(in_test)),
        protocol=Protocol(
            name=f"grouped by {named}",
            description=f"test rows are all rows of the {source} file with one of "
            f"{len(values)} values of {named}, none of which is in a training row; "
            "their copies do not train",
        ),
    )


def unseen(
    load: Load,
    seed: int,
    *,
    k: int = 5,
    fold: int = 0,
    benign_by: str | None = None,
    fraction: float = 0.2,
    source: str = "train",
) -> Split:
    """Hide attack types, and kinds of benign traffic, from training; test on them.

    The attack types are dealt into ``k`` folds, largest first. Fold number ``fold`` is
    tested on its types and on held-out rows of all others, so the figures tell what
    happens when an attack arrives that nobody trained on. It uses training rows only:
    it is the protocol to choose a model by.

    Parameters
    ----------
    benign_by : str, optional
        Column whose values are kinds of benign traffic, such as the service or the
        load. They are dealt like the attack types; a column of numbers is cut into
        ``k`` ranges of like many benign rows. The test rows are then the hidden ones
        alone: every alarm on a benign row is one on a kind that nobody trained on.

    Raises
    ------
    DataError
        The rows have no attack types, or too few for ``k`` folds.
    RecipeError
        There is no such fold or column.
    """
    if not 0 <= fold < k or k < 2:
        raise RecipeError(
            f"unseen: fold {fold} of {k} does not exist; expected k of 2 or more and a "
            "fold from 0 to k - 1"
        )
    table = load(source)
    if table.attack is None:
        raise DataError("unseen needs rows labelled with attack types")
    is_attack = table.labels > 0
    types = largest_first(table.attack.filter(pl.Series(is_attack)))
    if len(types) <= k:
        raise DataError(
            f"unseen: {len(types)} attack types cannot make {k} folds that "
            "leave some for training; lower k in [split]"
        )
    hidden = types[fold::k]
    is_hidden = table.attack.is_in(hidden).to_numpy() & is_attack
    beside = f"on {fraction:.0%} of the other rows"
    if benign_by is not None:
        kinds = column(table, benign_by, where="[split] benign_by")
        chosen, which = of_fold(kinds, ~is_attack, k, fold)
        is_hidden |= chosen & ~is_attack
        beside = f"on the benign rows with {benign_by} {which}, hidden too,"
    rows = np.flatnonzero(~is_hidden)
    train, judged = rows, np.flatnonzero(is_hidden)
    if benign_by is None:
        kept, held = hold_out(table.take(rows), fraction=fraction, seed=seed)
        train, judged = rows[kept], np.sort(np.concatenate([rows[held], judged]))
    group = groups(table)
    train = train[~np.isin(group[train], group[judged])]
    return Split(
        train=table.take(train),
        test=table.take(judged),
        protocol=Protocol(
            name=f"unseen {fold + 1}/{k}",
            description=f"{', '.join(hidden)} hidden from training; tested on them and "
            f"{beside} of the {source} file",
        ),
    )


def nested(
    load: Load,
    seed: int,
    *,
    outer: Annotated[Part, PlugIn("splits")],
    inner: str = "kfold",
    k: int = 3,
    fold: int = 0,
) -> Split:
    """Judge on folds of the rows that another split lets train.

    Its test rows are in no fold, so what is chosen by them is chosen without it.

    Parameters
    ----------
    outer : Part
        The split whose test rows stay apart.
    inner : str
        Split that makes the folds.

    Raises
    ------
    RecipeError
        ``inner`` has no folds, or ``fold`` is none of ``k``.
    """
    make = SPLITS.get(inner)
    if make is None or not {"k", "fold"} <= signature(make).parameters.keys():
        raise RecipeError(
            f"nested: {inner!r} makes no folds; expected a split that has k and fold, "
            "such as kfold"
        )
    part = Part.model_validate(outer)
    rows = registry.load("splits", part.name)(load, seed, **part.params).train
    found = make(lambda _: rows, seed, k=k, fold=fold)
    protocol = replace(
        found.protocol,
        name=f"nested {found.protocol.name}",
        description=f"{found.protocol.description}, of the training rows of "
        f"{part.name}",
    )
    return replace(found, protocol=protocol)


SPLITS: dict[str, Callable[..., Split]] = {
    "official": official,
    "stratified": stratified,
    "kfold": kfold,
    "blocks": blocks,
    "grouped": grouped,
    "unseen": unseen,
    "nested": nested,
}
