"""What is known of every class and attack type, for a person who is no expert.

A verdict is a word of a data set (``r2l``, ``neptune``); a page says what it means,
what an analyst does next, and which harmless thing usually looks like it. The ids
are those of MITRE ATT&CK; which id fits a data set's label is our reading.

References
----------
.. [1] B. E. Strom et al., "MITRE ATT&CK: design and philosophy", MITRE technical
   report MP180360R1, 2020.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from evenflow.schema import BENIGN
from evenflow.web.knowledge._classes import CLASSES
from evenflow.web.knowledge._types import TYPES


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

    def to_dict(self) -> dict[str, str]:
        """Return the technique as plain JSON values."""
        return {
            "id": self.id,
            "name": self.name,
            "tactic": self.tactic,
            "url": self.url,
        }


# id -> name and the tactic under which it matters here
_NAMES = {
    "T1018": ("Remote System Discovery", "Discovery"),
    "T1041": ("Exfiltration Over C2 Channel", "Exfiltration"),
    "T1046": ("Network Service Discovery", "Discovery"),
    "T1048": ("Exfiltration Over Alternative Protocol", "Exfiltration"),
    "T1056": ("Input Capture", "Collection"),
    "T1068": ("Exploitation for Privilege Escalation", "Privilege Escalation"),
    "T1071": ("Application Layer Protocol", "Command and Control"),
    "T1078": ("Valid Accounts", "Initial Access"),
    "T1110": ("Brute Force", "Credential Access"),
    "T1189": ("Drive-by Compromise", "Initial Access"),
    "T1190": ("Exploit Public-Facing Application", "Initial Access"),
    "T1203": ("Exploitation for Client Execution", "Execution"),
    "T1204": ("User Execution", "Execution"),
    "T1210": ("Exploitation of Remote Services", "Lateral Movement"),
    "T1498": ("Network Denial of Service", "Impact"),
    "T1499": ("Endpoint Denial of Service", "Impact"),
    "T1572": ("Protocol Tunneling", "Command and Control"),
    "T1595": ("Active Scanning", "Reconnaissance"),
    "T1602": ("Data from Configuration Repository", "Collection"),
}
TECHNIQUES = {
    number: Technique(id=number, name=name, tactic=tactic)
    for number, (name, tactic) in _NAMES.items()
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """What a person should know who reads a verdict."""

    label: str
    """The data set's own word."""
    name: str
    """In plain words, to stand alone: ``Denial of service``."""
    phrase: str
    """The same within a sentence: ``a denial-of-service attack``."""
    meaning: str
    """One or two sentences for a person who is no expert."""
    techniques: tuple[Technique, ...]
    """Techniques of MITRE ATT&CK; empty where none surely fits."""
    steps: tuple[str, ...]
    """What to do next, in order."""
    false_alarm: str
    """What harmless thing usually looks like this."""
    is_known: bool
    """False for a label of a user's own data, of which nothing is known."""

    def to_dict(self) -> dict[str, Any]:
        """Return the knowledge as plain JSON values."""
        return {
            "label": self.label,
            "name": self.name,
            "phrase": self.phrase,
            "meaning": self.meaning,
            "techniques": [t.to_dict() for t in self.techniques],
            "next_steps": list(self.steps),
            "false_alarm": self.false_alarm,
            "is_known": self.is_known,
        }


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
        if key in TYPES:
            return _of_type(key)
        if key in CLASSES:
            return _of_class(key)
    return _unknown(label)


def techniques(label: str, *, attack: str | None = None) -> tuple[str, ...]:
    """Return the ATT&CK ids of a class or attack type, for alerts sent elsewhere."""
    return tuple(t.id for t in about(label, attack=attack).techniques)


def _key(word: str) -> str:
    """Return the label as the tables spell it."""
    key = re.sub(r"[^a-z0-9]+", "_", word.strip().lower()).strip("_")
    return BENIGN if key == "normal" else key


def _of_class(key: str) -> Knowledge:
    known = CLASSES[key]
    return Knowledge(
        label=key,
        name=known.name,
        phrase=known.phrase,
        meaning=known.meaning,
        techniques=tuple(TECHNIQUES[t] for t in known.techniques),
        steps=known.steps,
        false_alarm=known.false_alarm,
        is_known=True,
    )


def _of_type(key: str) -> Knowledge:
    known = TYPES[key]
    base = CLASSES[known.base]
    return Knowledge(
        label=key,
        name=known.name,
        phrase=f"{base.phrase}: {known.name}",
        meaning=known.meaning,
        techniques=tuple(TECHNIQUES[t] for t in known.techniques or base.techniques),
        steps=((known.step, *base.steps)[:5] if known.step else base.steps),
        false_alarm=known.false_alarm or base.false_alarm,
        is_known=True,
    )


def _unknown(label: str) -> Knowledge:
    general = CLASSES["attack"]
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
