"""Findings that could make a figure optimistic, reported beside the figure.

Impossible splits are refused (:class:`LeakError`): training rows among the test rows
under a protocol that promises none, a feature that is the label. A possible but
optimistic one is a finding in the report: shared rows of published files, an
optimistic split, features that name the capture rather than the traffic, one column
that tells nearly everything, columns scaled before the split, rows that score rejects,
a test set balanced by hand, copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from evenflow.prepare.leaks import Hashes, Shared, check_shared, row_hashes
from evenflow.prepare.split import Protocol
from evenflow.prepare.suspects import BALANCED, check_features, is_balanced, warnings
from evenflow.schema import Table

Status = Literal["pass", "note", "warn"]
WORTH_A_WARNING = 0.01
"""Share of training rows among test rows from which a report warns."""


def examine(
    table: Table,
    protocol: Protocol,
    training: Mapping[str, Any] | None = None,
    shared: Shared | None = None,
) -> list[dict[str, str]]:
    """Return the findings of test rows.

    Parameters
    ----------
    table : Table
        The test rows, with labels.
    protocol : Protocol
    training : mapping, optional
        Record of the training; ``class_counts``, ``attacks`` and ``suspects``
        are read.
    shared : Shared, optional
        How many of the rows have a copy among the training rows.

    Returns
    -------
    list of dict
        ``{"check", "status", "text"}``, status ``pass``, ``note`` or ``warn``.

    Raises
    ------
    LeakError
        A feature is the label under another name.
    """
    known = training or {}
    if "suspects" not in known:  # else the training has checked its own rows
        check_features(table)
    return [
        {"check": name, "status": status, "text": text}
        for name, status, text in (
            *_protocol(protocol),
            *_shared(protocol, shared),
            *_rejected(table),
            *_copies(table),
            *_features(table, known),
            *_balance(table, protocol, known),
        )
    ]


Finding = tuple[str, Status, str]


def _protocol(protocol: Protocol) -> Iterator[Finding]:
    if protocol.is_optimistic:
        yield (
            "protocol",
            "warn",
            f"Optimistic: {protocol.description}. Test rows come from the capture that "
            "trained the model, so the figures say little about new traffic.",
        )
    else:
        yield "protocol", "pass", f"Protocol: {protocol.description}."


def _shared(protocol: Protocol, shared: Shared | None) -> Iterator[Finding]:
    if shared is None:
        yield (
            "shared rows",
            "note",
            "Training rows among the test rows were not counted: the training rows are "
            "not available.",
        )
        return
    check_shared(shared, protocol)
    text = f"{shared} have exactly the features of a training row"
    if protocol.compares_part:
        text += " (in the columns that a selector chose; they may differ in others)"
    text = text[0].upper() + text[1:]
    if not shared.is_exact:
        rows = f"{shared.compared:,} rows that the bundle's sketch"
        text += f": an estimate from the {rows} of its training rows covers"
    if protocol.is_published and shared.found:
        yield "shared rows", "note", f"{text}; the publisher's files overlap."
    elif shared.share >= WORTH_A_WARNING:
        yield (
            "shared rows",
            "warn",
            f"{text}. The model may have memorised them: remove them from the file and "
            "evaluate again.",
        )
    elif shared.found or not shared.is_exact:
        yield "shared rows", "note", f"{text}."
    else:
        yield "shared rows", "pass", f"{text}."


def _rejected(table: Table) -> Iterator[Finding]:
    if n := table.n_rejected:
        yield (
            "rejected rows",
            "warn",
            f"{n:,} row{'s' if n > 1 else ''} of the data set "
            f"{'are' if n > 1 else 'is'} in no figure: score rejects such a row, so it "
            "gets no verdict. Count it as a miss where it was an attack.",
        )
    else:
        yield "rejected rows", "pass", "Every row of the data set can be scored."


def _copies(table: Table) -> Iterator[Finding]:
    hashes = row_hashes(table)
    distinct = len(np.unique(hashes))
    if distinct == len(table):
        yield "copies", "pass", "Every test row is distinct."
        return
    share = 1 - distinct / len(table)
    text = f"{distinct:,} of {len(table):,} test rows are distinct"
    if share > 0.01:
        text += "; intervals take rows as independent and are too narrow here"
    copied = _copied_classes(table, hashes)
    if copied:
        text += (
            f". Copies are usual in {', '.join(copied)} but rare in other classes: "
            "perhaps rows were copied to balance the table before it was split"
        )
    yield "copies", "warn" if share > 0.5 or copied else "note", f"{text}."


def _copied_classes(table: Table, hashes: Hashes) -> list[str]:
    """Return the classes made of copies, where another class has hardly any."""
    shares = {
        name: 1 - len(np.unique(hashes[table.labels == code])) / n
        for code, (name, n) in enumerate(table.counts().items())
        if n >= 30
    }
    if not shares or min(shares.values()) > 0.1:
        return []
    return [name for name, share in shares.items() if share > 0.5]


def _features(table: Table, training: Mapping[str, Any]) -> Iterator[Finding]:
    found = training.get("suspects", {}) | warnings(table)
    for name, clean in (
        ("identifiers", "No feature is an address, a port, a time or a row number."),
        ("single columns", "No column alone tells attack from benign."),
        ("scaling", "No sign that the columns were scaled before the split."),
    ):
        if name in found:
            yield name, "warn", found[name]
        else:
            yield name, "pass", clean


def _balance(
    table: Table, protocol: Protocol, training: Mapping[str, Any]
) -> Iterator[Finding]:
    before = training.get("class_counts", {}).get("before")
    if not before:
        return
    found = _skew(table.counts())
    if found is not None and found < 1.1 and (_skew(before) or 0) > 2:
        yield (
            "balanced test rows",
            "warn",
            "The classes of the test rows are equally large though those of the "
            "training rows are not: precision and accuracy are those of an artificial "
            "mix.",
        )
    elif any(map(is_balanced, _before_the_split(table, protocol, training))):
        yield "balanced test rows", "warn", BALANCED
    else:
        yield "balanced test rows", "pass", "The test rows were not balanced by hand."


def _before_the_split(
    table: Table, protocol: Protocol, training: Mapping[str, Any]
) -> Iterator[Mapping[str, int]]:
    """Yield the rows of each class, and of each attack type, that the split got."""
    yield training["class_counts"]["before"]
    attacks = training.get("attacks", {})
    yield attacks
    if table.attack is not None and not protocol.may_share_rows:  # a part of one file
        # copies stay on one side, so that neither side is as equal as the whole
        tested = table.attack.value_counts(name="n").rows()
        yield {name: attacks.get(name, 0) + n for name, n in tested} | {
            name: n for name, n in attacks.items() if name not in dict(tested)
        }


def _skew(counts: Mapping[str, int]) -> float | None:
    """Return largest over least class, None with fewer than two."""
    sizes = np.array([n for n in counts.values() if n])
    return float(sizes.max() / sizes.min()) if len(sizes) > 1 else None
