"""The label column of a user's own table: which attack, or benign, each row is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from evenflow import conform
from evenflow.datasets import _guess, _tables
from evenflow.datasets._table_config import Config, Value
from evenflow.errors import DataError
from evenflow.registry import nearest
from evenflow.schema import BENIGN, Schema, unseen_attacks

SHORTEST_SINGULAR = 4
"""Letters of a class name whose plural is the same class: dos is not a plural of do."""
MOST_LISTED = 10
"""Values of a label that a message lists."""
Key = tuple[str, str | bool | float]
"""One reading of a value: as a word, as true or false, or as a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """The meaning of the values of a label column."""

    attack: pl.Series
    """Attack type of each row, ``benign`` for benign ones."""
    families: dict[str, str]
    """Attack type -> class."""
    benign: tuple[str, ...]
    """Names of the values that mean benign."""


def read(
    values: pl.Series,
    settings: Config,
    *,
    where: Path,
    at: Callable[[int], str],
    binary: Sequence[str],
    notes: list[str],
) -> Labels:
    """Return the labels of rows that may train.

    Parameters
    ----------
    values : Series
        The label column as it stands in the file.
    at : callable
        Names where a row stands in the file.
    binary : sequence of str
        Other columns of 0 and 1 that may be the label.
    notes : list of str
        Gets what was guessed.

    Raises
    ------
    DataError
        A row has no label, no value is known to mean benign, or a value that the
        settings name is not there.
    """
    words = _words(values)
    present = _present(words)
    named = _values(settings.benign)
    benign = [w for w in present if any(_is_same(v, w) for v in named)]
    _refuse_missing(words, benign, values.name, where, at, binary)
    if settings.benign is None:
        benign, why = _guess.benign_values(list(present))
        if not benign:
            raise DataError(_which_is_benign(present, values.name, where, binary))
        notes.append(f"guessed: benign is {_guess.listed(benign)} ({why})")
    for value in named:
        if not any(_is_same(value, word) for word in benign):
            raise DataError(
                f"{where}: no row has the label {value!r}, which benign lists; "
                f"{nearest(str(value), sorted(present))}"
            )
    names = {w: _attack_name(w) for w in present if w not in benign}
    if usual := [w for w in names if _guess.is_benign(w)]:
        notes.append(
            f"{_guess.listed(usual)}: treated as attacks, because benign does not list "
            "them"
        )
    one = _one_spelling(names.values())
    for name, other in one.items():
        notes.append(f"the labels {name!r} and {other!r} are treated as one class")
    names = {w: one.get(n, n) for w, n in names.items()} | dict.fromkeys(benign, BENIGN)
    family = {n: n for n in names.values()}
    same = _index(present)
    for word, to in settings.families.items():
        found = same(word)
        if not found:
            raise DataError(
                f"{where}: no row has the label {word!r} of [families]; "
                f"{nearest(word, sorted(names))}"
            )
        if set(found) & set(benign):
            raise DataError(
                f"{where}: {word!r} means benign and is listed under [families] too; "
                "expected only attacks there. Remove it from one of the two"
            )
        family |= {names[w]: to.strip().lower() for w in found}
    _refuse_many(family.values(), values.name, where)
    return Labels(
        attack=words.replace_strict(names).alias("attack"),
        families=family,
        benign=tuple(dict.fromkeys(map(_guess.label_name, benign))),
    )


def read_later(
    values: pl.Series,
    settings: Config,
    schema: Schema,
    *,
    where: Path,
    at: Callable[[int], str],
    notes: list[str],
) -> Labels:
    """Return the labels of rows that judge a model trained before.

    Benign and the attack types mean what they meant in training, however a value is
    spelled. The rows may be of one class only, or of types that no training row has.

    Parameters
    ----------
    schema : Schema
        Of the rows that trained.

    Raises
    ------
    DataError
        A row has no label, or no value is known to mean benign and others are unknown.
    """
    words = _words(values)
    present = _present(words)
    types = [*schema.families, *schema.classes[1:]]
    spelled = {_spelling(name): name for name in reversed(types)}
    known = {w: name for w in present if (name := _known_as(w, spelled))}
    named = _values(settings.benign) or [*schema.benign]
    benign = [w for w in present if any(_is_same(v, w) for v in named)]
    _refuse_missing(words, benign, values.name, where, at, ())
    rest = [w for w in present if w not in benign and w not in known]
    usual = [w for w in rest if _guess.is_benign(w)]
    if not (usual or benign):
        usual, _ = _guess.benign_values(rest)
    # without a benign row, a code such as 0 may be it, and so may any unknown value
    # where the training does not say what benign is called
    unsure = rest if not named else [w for w in rest if _guess.is_negative(w)]
    if unsure and not (usual or benign):
        raise DataError(_which_is_benign(present, values.name, where))
    known_by = "named" if settings.benign is not None else "as in training"
    for found, why in ((benign, known_by), (usual, "usual words for it")):
        if found:
            shown = [word or "an empty value" for word in found]
            notes.append(f"benign is {_guess.listed(shown)} ({why})")
    benign += usual
    if not benign:
        notes.append("no row is benign, so false alarms cannot be counted")
    attacks = [w for w in present if w not in benign]
    new = {w: _attack_name(w) for w in attacks if w not in known}
    one = _one_spelling(new.values())
    names = {w: one.get(n, n) for w, n in new.items()}
    names |= {w: known[w] for w in attacks if w in known}
    names |= dict.fromkeys(benign, BENIGN)
    family = {names[w]: schema.class_of(names[w]) for w in attacks}
    same = _index(new)
    for word, to in settings.families.items():
        family |= {names[w]: to.strip().lower() for w in same(word)}
    unknown = {names[w] for w in new}
    _refuse_many(unknown, values.name, where)
    if unseen := unseen_attacks(unknown, types):
        notes.append(f"attack types not in training: {_guess.listed(unseen)}")
    if untyped := sorted(unknown.difference(unseen)):
        notes.append(
            f"the model does not know these labels: {_guess.listed(untyped)}; use the "
            "detection figures, not those of classes"
        )
    return Labels(
        attack=words.replace_strict(names).alias("attack"),
        families=family,
        benign=schema.benign,
    )


def _refuse_many(classes: Iterable[str], column: str, where: Path) -> None:
    """Refuse a column of too many values, which hardly is a label."""
    found = sorted(set(classes))
    if len(found) > _guess.MOST_CLASSES:
        raise DataError(
            f"{where}: found {len(found):,} classes in the label column {column!r} "
            f"({', '.join(found[:5])}, ...), expected {_guess.MOST_CLASSES} at most. "
            "Name another column as label, or group values into classes under "
            "[families]"
        )


def _words(values: pl.Series) -> pl.Series:
    """Return the label values as stripped words, an empty one for no value."""
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int8)
    return conform.words(values).str.strip_chars(conform.SPACE).fill_null("")


def _present(words: pl.Series) -> dict[str, int]:
    """Return each value and its number of rows, the most frequent first."""
    counts = words.alias("").value_counts(name="n").rows()
    return dict(sorted(counts, key=lambda one: (-one[1], one[0])))


def _values(benign: Value | list[Value] | None) -> list[Value]:
    if benign is None:
        return []
    return benign if isinstance(benign, list) else [benign]


def _is_same(value: Value, word: str) -> bool:
    """Return whether a label of the file is the value that was named.

    A number is the same however it is written (0, 0.0, 0e0), a word in whatever case;
    true and false are also 1 and 0, as many tables have them.
    """
    return not _meanings(value).isdisjoint(_readings(word))


def _index(words: Collection[str]) -> Callable[[Value], list[str]]:
    """Return a function of a value: the words that are the same, in their order.

    One pass over the words, where :func:`_is_same` takes one for each value.
    """
    found: dict[Key, list[str]] = {}
    for word in words:
        for key in _readings(word):
            found.setdefault(key, []).append(word)
    place = {word: k for k, word in enumerate(words)}

    def same(value: Value) -> list[str]:
        hits = {w for key in _meanings(value) for w in found.get(key, ())}
        return sorted(hits, key=place.__getitem__)

    return same


def _meanings(value: Value) -> set[Key]:
    """Return what a value that was named stands for."""
    if isinstance(value, str):
        keys: set[Key] = {("word", _guess.label_name(value))} | _number(value)
        if value.lower() in ("true", "false"):
            keys |= _meanings(value.lower() == "true")
        return keys
    if isinstance(value, bool):
        return {("bool", value)} | _number(value)
    return _number(value)


def _readings(word: str) -> set[Key]:
    """Return what a label of a file may be read as."""
    keys: set[Key] = {("word", _guess.label_name(word))} | _number(word)
    if word.lower() in ("true", "false"):
        keys.add(("bool", word.lower() == "true"))
    return keys


def _number(value: Value) -> set[Key]:
    try:
        number = float(value)
    except ValueError:
        return set()
    return set() if number != number else {("number", number)}


def _refuse_missing(
    words: pl.Series,
    benign: Sequence[str],
    column: str,
    where: Path,
    at: Callable[[int], str],
    binary: Sequence[str],
) -> None:
    """Refuse rows without a label; a value that ``benign`` names is one."""
    bad = words.str.to_lowercase().is_in(_tables.NOTHING) & ~words.is_in(benign)
    rows = bad.arg_true()
    if not len(rows):
        return
    first = words[int(rows[0])]
    found = f"{first!r}, which means no value," if first else "no value"
    # what is named replaces what is recognised, so the line to write names all
    usual = [w for w in words.unique(maintain_order=True) if _guess.is_benign(w)]
    named = list(dict.fromkeys([*benign, *usual, first]))
    line = json.dumps(named if len(named) > 1 else first, ensure_ascii=False)
    raise DataError(
        f"{where}, {at(rows[0])}: found {found} in the label column {column!r} "
        f"({len(rows):,} such rows); expected a label in each row. "
        f"{_other_label(binary)}If these rows are benign: benign = {line}. Otherwise "
        "drop them"
    )


def _other_label(binary: Sequence[str]) -> str:
    if not binary:
        return ""
    return f'The label may be {binary[0]!r}, of 0 and 1: label = "{binary[0]}". '


def _which_is_benign(
    present: dict[str, int], column: str, where: Path, binary: Sequence[str] = ()
) -> str:
    """Return the message that asks which value means benign."""
    counts = [f"{word!r} ({n:,} rows)" for word, n in present.items()]
    more = len(counts) - MOST_LISTED
    listed = ", ".join(counts[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"{where}: found {listed} in the label column {column!r}; expected one value "
        "that surely means benign, such as benign or normal (a code such as 0 only "
        f"beside 1 alone). {_other_label(binary)}"
        'Name the value that does: benign = "VALUE" in the TOML file '
        "or under [dataset] of the recipe, or --set dataset.benign=VALUE on the "
        "command line (--set benign=VALUE for data inspect and evaluate)"
    )


def _attack_name(word: str) -> str:
    """Return the attack type of a value that does not mean benign."""
    name = _guess.label_name(word)
    # a class called benign that the user does not mean to be benign would be taken
    # for it further on
    return f"{name} (label)" if name == BENIGN else name


def _one_spelling(names: Iterable[str]) -> dict[str, str]:
    """Return names that are another name in another spelling -> that name.

    Separators count alike (``brute_force``, ``brute-force``), and so does a plural
    (``Backdoors`` beside ``Backdoor`` in UNSW-NB15).
    """
    first: dict[str, str] = {}
    each = list(dict.fromkeys(names))
    for name in each:
        first.setdefault(_spelling(name), name)
    found = {}
    for name in each:
        key = _spelling(name)
        is_plural = key.endswith("s") and len(key) > SHORTEST_SINGULAR
        singular = first.get(key[:-1]) if is_plural else None
        if (other := singular or first[key]) != name:
            found[name] = other
    return found


def _known_as(word: str, spelled: Mapping[str, str]) -> str | None:
    """Return the known attack type that a value names; None for another type."""
    key = _spelling(_attack_name(word))
    likely = [key]
    if len(key) >= SHORTEST_SINGULAR:
        likely.append(f"{key}s")
    if key.endswith("s") and len(key) > SHORTEST_SINGULAR:
        likely.append(key[:-1])
    return next((spelled[k] for k in likely if k in spelled), None)


def _spelling(name: str) -> str:
    """Return a name with separators alike; numbers and signs as they are."""
    if not any(c.isalpha() for c in name):
        return name
    return re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", name)
