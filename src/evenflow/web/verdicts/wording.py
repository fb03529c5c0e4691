"""A verdict in words: a headline, how sure it is, and how far from the threshold."""

from __future__ import annotations

from typing import Literal

from evenflow.bands import Sureness
from evenflow.knowledge import Knowledge, about
from evenflow.runtime.detect import Verdict
from evenflow.schema import BENIGN, UNKNOWN_ATTACK

CLOSE = 2.0
"""Odds within this factor of the threshold's are a borderline verdict."""
RIVAL = 0.5
"""An attack class at least this likely, relative to the decided one, is named too."""
LIKELY = 0.5
"""Probability from which an attack is likelier than not."""

Tone = Literal["attack", "benign", "unsure"]


def percent(p: float) -> str:
    """Return a probability as a person reads it.

    Examples
    --------
    >>> percent(0.1234), percent(0.00043), percent(0.999999), percent(0.0)
    ('12.3 %', '0.043 %', 'over 99.99 %', 'under 0.001 %')
    """
    if p < 1e-5:
        return "under 0.001 %"
    if p > 0.9999:
        return "over 99.99 %"
    digits = 2 if p < 0.001 else 3 if p < 0.99 else 4
    return f"{100 * p:.{digits}g} %"


def tone(verdict: Verdict, times: float) -> Tone:
    """Return how sure the verdict is; ``times`` as in :func:`margin`."""
    is_odd = not verdict.is_attack and (
        verdict.probability >= LIKELY or sureness(verdict) == "unsure"
    )
    if times < CLOSE or is_odd:
        return "unsure"
    return "attack" if verdict.is_attack else "benign"


def sureness(verdict: Verdict) -> Sureness:
    """Return how sure a verdict is by the test rows that were scored like it."""
    return "unknown" if verdict.band is None else verdict.band.sureness


def headline(verdict: Verdict, known: Knowledge, times: float) -> str:
    """Return the verdict in a line; ``times`` as in :func:`margin`."""
    is_close = times < CLOSE
    if not verdict.is_attack:
        return _no_alert(verdict, is_close=is_close)
    attacks = {c: p for c, p in verdict.classes.items() if c != BENIGN}
    own = attacks.pop(verdict.label, 0.0)
    rival = max(attacks, key=lambda label: attacks[label], default="")
    others = ""
    if rival and verdict.label == UNKNOWN_ATTACK:
        others = f", most like {about(rival).phrase}"
    elif rival and attacks[rival] >= RIVAL * own:
        others = f", or {about(rival).phrase}"
    if is_close:
        return f"Perhaps {known.phrase}{others}: just above the alert threshold"
    if verdict.probability < LIKELY or _share(verdict, 1.0) < LIKELY:
        return f"Suspicious: may be {known.phrase}{others}"
    return f"This looks like {known.phrase}{others}"


def _no_alert(verdict: Verdict, *, is_close: bool) -> str:
    """Return the headline of a benign verdict."""
    if verdict.probability >= LIKELY:
        return "No alert, though an attack is likelier than not"
    if _share(verdict, 0.0) >= LIKELY:
        return "No alert, though most test rows scored like this were attacks"
    if is_close:
        return "No alert, but close to the alert threshold"
    return {
        "clear": "Nothing suspicious: looks like benign traffic",
        "fair": "Probably benign traffic",
        "unsure": "No alert, but many test rows scored like this were attacks",
        "unknown": "No alert: more like benign traffic than like an attack",
    }[sureness(verdict)]


def _share(verdict: Verdict, otherwise: float) -> float:
    """Return the share of attacks among test rows of such scores."""
    share = None if verdict.band is None else verdict.band.share
    return otherwise if share is None else share


def margin(verdict: Verdict, times: float) -> str:
    """Return where the probability lies against the threshold.

    The record's odds are so many times higher or lower than the threshold's.
    """
    said_of = (
        f"The probability of an attack is {percent(verdict.probability)}; an alert "
        f"opens above {percent(verdict.threshold)}."
    )
    if times < CLOSE:
        return f"{said_of} That is close to the threshold: check the record."
    much = "more than a million" if times >= 0.999e6 else f"{times:,.0f}"
    side = "higher" if verdict.is_attack else "lower"
    clear = ": clear" if sureness(verdict) == "clear" else ""
    text = f"{said_of} Its odds are {much} times {side} than the threshold's{clear}."
    if verdict.is_attack and verdict.probability < LIKELY:
        text += " The threshold is low, so that fewer attacks are missed."
    return text
