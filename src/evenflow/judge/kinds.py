"""The kinds of attack that a model names, and those it calls unknown.

Both on the rows that it calls attacks: how often the named class is right where its
probability says so, and how often an attack of a type in training, one of another type,
and a benign row are called an attack of an unknown kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import metrics
from evenflow.decision import Decision, Scores


def kinds(
    y: NDArray[np.int64],
    scores: Scores,
    decision: Decision,
    is_unseen: NDArray[np.bool_],
    types: NDArray[Any],
) -> dict[str, Any] | None:
    """Return the figures of naming the kind of an attack.

    Parameters
    ----------
    y : ndarray of shape (n_samples,), int64
        True class codes.
    scores : Scores
        What the model said of the rows, in the same order.
    decision : Decision
        What made the scores.
    is_unseen : ndarray of shape (n_samples,), bool
        Rows of attack types of which the model saw no training row.
    types : ndarray of shape (n_samples,), str
        Attack type of each row.

    Returns
    -------
    dict or None
        None where there is one class of attack only. ``calibration``: ``ece``,
        ``brier``, ``bins`` of the stated probability of the class, on rows whose class
        is named. Where a kind may be unknown also ``unknown_budget``; ``unknown``:
        ``n, unknown, share, low, high`` of the rows called attacks that are ``known``,
        ``unseen`` or ``benign``; ``right``: ``n, right, share, low, high`` of the
        attacks whose class was ``named``, and of the ``unknown`` by their likeliest
        class; ``types``: attack type -> rows that are of an unknown kind.
    """
    if scores.proba.shape[1] < 3:
        return None
    named = scores.is_attack & ~scores.is_unknown
    stated = scores.proba[np.arange(len(y)), scores.code]
    is_right = scores.code == y
    found: dict[str, Any] = {
        "calibration": metrics.calibration(is_right[named], stated[named])
    }
    if decision.unknown_below is None:
        return found
    attack = y > 0
    groups = {
        "known": attack & ~is_unseen,
        "unseen": attack & is_unseen,
        "benign": ~attack,
    }
    hits = scores.is_attack
    counted = metrics.detection_by_type(types[attack], scores.is_unknown[attack])
    return found | {
        "unknown_budget": decision.unknown_budget,
        "unknown": {
            name: _share(scores.is_unknown[rows & hits], "unknown")
            for name, rows in groups.items()
        },
        "right": {
            "named": _share(is_right[attack & named], "right"),
            "unknown": _share(is_right[attack & scores.is_unknown], "right"),
        },
        "types": {one["type"]: one["detected"] for one in counted},
    }


def _share(is_one: NDArray[np.bool_], name: str) -> dict[str, Any]:
    n, hits = len(is_one), int(is_one.sum())
    low, high = metrics.wilson(hits, n) or (None, None)
    share = hits / n if n else None
    return {"n": n, name: hits, "share": share, "low": low, "high": high}
