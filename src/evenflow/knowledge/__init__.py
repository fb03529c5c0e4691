"""Knowledge about every class and attack type, for a person without expertise.

A verdict is a word of a data set (``r2l``, ``neptune``); a page says what it means,
what an analyst does next, and which benign traffic usually looks like it. The ids
are those of MITRE ATT&CK; which id fits a data set's label is our reading.

References
----------
.. [1] B. E. Strom et al., "MITRE ATT&CK: design and philosophy", MITRE technical
   report MP180360R1, 2020.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evenflow.knowledge import tables
from evenflow.schema import BENIGN


@dataclass(frozen=True, kw_only=True, slots=True)
class Technique:
    """One technique of MITRE ATT&CK."""

    id: str
    name: str
    tactic: str

    @property
    def url(self) -> str:
        """Page of the technique."""
        return f"https://attack.mitre.org/techniques/{self.id}/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """Knowledge for a person who reads a verdict."""

    label: str
    """The data set's own word."""
    name: str
    """In plain words, to stand alone: ``Denial of service``."""
    phrase: str
    """The same within a sentence: ``a denial-of-service attack``."""
    meaning: str
    """One or two sentences for a person without expertise."""
    techniques: tuple[Technique, ...]
    """Techniques of MITRE ATT&CK; empty where none surely fits."""
    steps: tuple[str, ...]
    """What to do next, in order."""
    false_alarm: str
    """Benign traffic that usually looks like this."""
    is_known: bool
    """False for a label of a user's own data, of which nothing is known."""


def about(label: str, *, attack: str | None = None) -> Knowledge:
    """Return what is known of a class or an attack type.

    Parameters
    ----------
    label : str
        A class or an attack type of any data set; ``benign``; or an unknown word.
    attack : str, optional
        The attack type, where it is known beside the class; told of instead of the
        class if anything is known of it.

    Examples
    --------
    >>> about("dos").name
    'Denial of service'
    >>> about("dos", attack="neptune").name
    'SYN flood (neptune)'
    >>> about("my own label").is_known
    False
    """
    for word in (attack, label):
        if word is None:
            continue
        key = _key(word)
        if key in tables.attack_types():
            return _of_type(key)
        if key in tables.classes():
            return _of_class(key)
    return _unknown(label)


def class_title(label: str) -> str:
    """Return the title of a class: the same in lists, charts and verdicts.

    Examples
    --------
    >>> class_title("dos"), class_title("my own label")
    ('Denial of service', 'my own label')
    """
    return about(label).name


def _key(word: str) -> str:
    """Return the label as the tables spell it."""
    key = re.sub(r"[^a-z0-9]+", "_", word.strip().lower()).strip("_")
    return BENIGN if key == "normal" else key


def _of_class(key: str) -> Knowledge:
    known = tables.classes()[key]
    return Knowledge(
        label=key,
        name=known.name,
        phrase=known.phrase,
        meaning=known.meaning,
        techniques=_techniques(known.techniques),
        steps=known.steps or (),
        false_alarm=known.false_alarm or "",
        is_known=True,
    )


def _of_type(key: str) -> Knowledge:
    known = tables.attack_types()[key]
    base = _of_class(known.base)
    return Knowledge(
        label=key,
        name=known.name,
        phrase=f"{base.phrase}: {known.name}",
        meaning=known.meaning,
        techniques=_techniques(known.techniques) or base.techniques,
        steps=((known.step, *base.steps)[:5] if known.step else base.steps),
        false_alarm=known.false_alarm or base.false_alarm,
        is_known=True,
    )


def _techniques(ids: tuple[str, ...] | None) -> tuple[Technique, ...]:
    known = tables.techniques()
    return tuple(Technique(id=i, **known[i].model_dump()) for i in ids or ())


def _unknown(label: str) -> Knowledge:
    general = _of_class("attack")
    return Knowledge(
        label=label,
        name=label,
        phrase=f"an attack of the kind \u201c{label}\u201d",
        meaning=f"The rows this model was trained on carry the label \u201c{label}"
        "\u201d. evenflow has no more information about it; ask whoever labelled the "
        "rows.",
        techniques=(),
        steps=("Ask whoever labelled the training rows what it means.", *general.steps),
        false_alarm=general.false_alarm,
        is_known=False,
    )
