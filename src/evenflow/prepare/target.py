"""The target: attack families, single attack types, or attack and benign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl

from evenflow.errors import DataError
from evenflow.schema import ATTACK, BENIGN, Schema, Table

Target = Literal["family", "attack", "binary"]


def target_schema(schema: Schema, target: Target, attacks: Sequence[str]) -> Schema:
    """Return the schema with the classes of that target.

    Parameters
    ----------
    schema : Schema
        With attack families as classes, as data sets give it.
    target : {'family', 'attack', 'binary'}
    attacks : sequence of str
        Attack types there may be, those of the training rows first; they become the
        classes for ``'attack'``.
    """
    if target == "family":
        return schema
    named = f"{schema.taxonomy}; target: {target}"
    if target == "binary":
        families = dict.fromkeys([*schema.families, *schema.classes[1:]], ATTACK)
        return replace(
            schema, classes=(BENIGN, ATTACK), families=families, taxonomy=named
        )
    types = tuple(dict.fromkeys(a for a in attacks if a != BENIGN))
    return replace(schema, classes=(BENIGN, *types), families={}, taxonomy=named)


def label(table: Table, schema: Schema) -> Table:
    """Return the table labelled by another schema's classes.

    An attack type that the schema does not know is judged all the same: it belongs to
    the class the table's own schema gives it, if the other schema has that class, and
    to a further class of its own otherwise (:meth:`Schema.including`).

    Raises
    ------
    DataError
        The table has no labels.
    """
    if table.y is None:
        raise DataError("these rows carry no labels; expected a label column")
    names = table.attack
    if names is None:
        names = pl.Series("attack", np.array(table.schema.classes)[table.y])
    types = sorted(names.unique().to_list())
    schema = schema.including(
        types, {name: table.schema.class_of(name) for name in types}
    )
    codes = {name: code for code, name in enumerate(schema.classes)}
    code = {name: codes[schema.class_of(name)] for name in types}
    y = np.array([code[name] for name in names.to_list()], dtype=np.int64)
    return replace(table, schema=schema, y=y, attack=names)
