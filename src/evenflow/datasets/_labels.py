"""The label column of a user's own table: which attack, or benign, each row is."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from evenflow import contract
from evenflow.datasets import _guess
from evenflow.datasets._table_config import Config, Value
from evenflow.errors import DataError
from evenflow.registry import nearest
from evenflow.schema import BENIGN


def attacks(
    values: pl.Series, settings: Config, where: Path, notes: list[str], is_text: bool
) -> tuple[pl.Series, dict[str, str]]:
    """Return the attack type of each row, and attack type -> class."""
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int8)
    words = contract.words(values)
    bad = words.is_null().arg_true()
    if len(bad):
        at = f"line {int(bad[0]) + 2}" if is_text else f"row {int(bad[0]) + 1}"
        raise DataError(
            f"{where}, {at}: found no value in the label "
            f"column {values.name!r} ({len(bad):,} such rows); expected one in each "
            "row. Mend or drop those rows"
        )
    if settings.benign is None:
        benign, why = _guess.benign_values(words)
        notes.append(f"guessed: benign is {_guess.listed(benign)} ({why})")
    else:
        listed = settings.benign
        present = sorted(words.unique().to_list())
        benign = []
        for value in listed if isinstance(listed, list) else [listed]:
            if not (same := [word for word in present if _is_same(value, word)]):
                raise DataError(
                    f"{where}: no row has the label {value!r}, which benign names; "
                    f"{nearest(str(value), present)}"
                )
            benign += same
    names = {w: w.strip().lower() for w in words.unique().to_list()}
    # a class called benign that the user does not mean to be benign would be taken
    # for it further on
    names = {w: f"{n} (label)" if n == BENIGN else n for w, n in names.items()}
    names |= dict.fromkeys(benign, BENIGN)
    family = {names[w]: n for w, n in names.items()}
    for word, to in settings.families.items():
        if word not in names:
            raise DataError(
                f"{where}: no row has the label {word!r} of [families]; "
                f"{nearest(word, sorted(names))}"
            )
        if word in benign:
            raise DataError(
                f"{where}: {word!r} means benign and stands under [families] too; "
                "expected attacks only there. Take it out of one of the two"
            )
        family[names[word]] = to.strip().lower()
    return words.replace_strict(names).alias("attack"), family


def _is_same(value: Value, word: str) -> bool:
    """Return whether a label of the file is the value that was named.

    A number is the same however it is written (0, 0.0, 0e0); true and false are also
    1 and 0, as many tables have them.
    """
    if isinstance(value, bool) and word.strip().lower() in ("true", "false"):
        return (word.strip().lower() == "true") == value
    if isinstance(value, str):
        return word == value
    try:
        return float(word) == value
    except ValueError:
        return False
