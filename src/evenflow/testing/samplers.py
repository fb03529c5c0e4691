"""Check samplers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from evenflow.errors import DataError
from evenflow.prepare.balance import Outside, Sampler
from evenflow.prepare.layout import Layout
from evenflow.progress import Event, Progress
from evenflow.testing.promises import SIZES, Checked, Labels, Matrix, made_up

CAP = 300
"""Rows that small classes grow to, where a sampler has ``max_rows_per_class``."""
KINDS = ("none", "weight", "over", "under", "clean", "both")


def check_sampler(sampler: Any) -> None:
    """Check a sampler: any class with ``fit_resample(X, y)``.

    What is checked beside that depends on the ``kind`` it declares and on its
    parameters, see :class:`evenflow.prepare.balance.Sampler`.

    Parameters
    ----------
    sampler : object or class
        A sampler with the parameters to be checked, which stays as it is, or a class
        that is called without any.

    Raises
    ------
    AssertionError
        The message says what was promised, what was found and what to do.
    """
    given = sampler() if isinstance(sampler, type) else sampler
    who, is_ours = Checked(type(given).__name__), isinstance(given, Sampler)
    accepted = inspect.signature(type(given)).parameters

    def made(**params: Any) -> Sampler:
        one = copy.deepcopy(given)
        for name, value in ({"random_state": 7} | params).items():
            if name in accepted:
                setattr(one, name, value)
        return one if isinstance(one, Sampler) else Outside(who.name, one)

    kind = made().kind
    who.promises(f"kind is one of {KINDS}", kind in KINDS, found=kind, do="Set it")
    _check_params(who, given, set(accepted))
    X, y, layout = made_up()
    X_new, y_new = _check_rows(who, made)
    if is_ours or _takes_layout(given):
        who.promises(
            "new rows are possible rows",
            not any(wrong.any() for wrong in layout.faults(X_new).values()),
            found="fractions of counts, mixed categories or values out of range",
            do="Return layout.snap(new)",
        )
    do = "Return them so, or declare another kind"
    if kind in ("none", "weight"):
        who.promises(
            f"a sampler of kind {kind!r} returns the rows as they came",
            np.array_equal(X_new, X) and np.array_equal(y_new, y),
            found="other rows",
            do=do,
        )
    if kind in ("under", "clean"):
        who.promises(
            f"a sampler of kind {kind!r} returns some of the rows, in their order",
            _is_within(X_new, X) and len(X_new) < len(X),
            found=f"{len(X_new)} of {len(X)} rows, or moved ones",
            do=do,
        )
    if kind == "over":
        who.promises(
            "a sampler of kind 'over' returns the rows first and unchanged",
            np.array_equal(X_new[: len(X)], X) and np.array_equal(y_new[: len(y)], y),
            found="other rows",
            do=do,
        )
        _check_counts(who, made, y_new, set(accepted))
    if is_ours:
        _check_progress(who, made)
    _check_hard_rows(who, made, is_free=is_ours or not _takes_layout(given))


def _takes_layout(sampler: Any) -> bool:
    return "layout" in inspect.signature(sampler.fit_resample).parameters


def _check_params(who: Checked, sampler: Any, accepted: set[str]) -> None:
    if not hasattr(sampler, "get_params"):
        return
    params = sampler.get_params(deep=False)
    lost = [
        n for n in sorted(accepted) if params.get(n, ...) is not getattr(sampler, n)
    ]
    who.promises(
        "parameters are stored as they are given, so that a clone does the same",
        not lost,
        found=f"{', '.join(lost)} stored otherwise",
        do="Store each under its own name in the constructor",
    )


def _check_rows(who: Checked, made: Callable[..., Sampler]) -> tuple[Matrix, Labels]:
    """Check what every sampler promises of the rows it returns; return them."""
    X, y, layout = made_up()
    own_X, own_y = X.copy(), y.copy()
    X_new, y_new = made(max_rows_per_class=CAP).fit_resample(
        own_X, own_y, layout=layout
    )
    who.leaves(own_X, own_y)
    who.promises(
        "rows are contiguous, finite float32 and labels int64",
        X_new.dtype == np.float32
        and y_new.dtype == np.int64
        and X_new.flags.c_contiguous
        and np.isfinite(X_new).all(),
        found=f"{X_new.dtype} and {y_new.dtype}",
        do="Convert them",
    )
    who.promises(
        "every class keeps a row and none appears",
        set(y.tolist()) == set(y_new.tolist()),
        found=f"classes {np.unique(y_new).tolist()} of {np.unique(y).tolist()}",
        do="Keep at least one row of each class",
    )
    again = made(max_rows_per_class=CAP).fit_resample(X, y, layout=layout)
    who.promises(
        "the same rows and the same seed give the same rows",
        np.array_equal(again[0], X_new) and np.array_equal(again[1], y_new),
        found="other rows",
        do="Take random_state in the constructor and draw from it alone",
    )
    return X_new, y_new


def _check_counts(
    who: Checked, made: Callable[..., Sampler], y_new: Labels, accepted: set[str]
) -> None:
    """Check how many rows an over-sampler makes."""
    X, y, layout = made_up()
    if "max_rows_per_class" in accepted:
        wanted = np.maximum(np.bincount(y), CAP).tolist()
        found = np.bincount(y_new).tolist()
        who.promises(
            f"classes below max_rows_per_class={CAP} grow to it, the others stay",
            found == wanted,
            found=f"{found} rows, expected {wanted}",
            do="Make as many",
        )
    if "sampling_strategy" not in accepted:
        return
    strategy = {4: 40, 3: 120}
    wanted = np.add(np.bincount(y), [0, 0, 0, 30, 26]).tolist()
    _, y_new = made(sampling_strategy=strategy).fit_resample(X, y, layout=layout)
    found = np.bincount(y_new).tolist()
    who.promises(
        f"sampling_strategy={strategy} gives as many rows of those classes",
        found == wanted,
        found=f"{found} rows, expected {wanted}",
        do="Make as many",
    )
    who.refuses(
        "a strategy of fewer rows than there are",
        lambda: made(sampling_strategy={4: 5}).fit_resample(X, y, layout=layout),
        ValueError,
        do="Raise evenflow.DataError",
    )


def _check_progress(who: Checked, made: Callable[..., Sampler]) -> None:
    X, y, layout = made_up()
    events: list[Event] = []
    sampler = made(max_rows_per_class=CAP)
    sampler.fit_resample(X, y, layout=layout, on_event=events.append)
    progress = [e for e in events if isinstance(e, Progress) and e.step == "balance"]
    if sampler.kind not in ("none", "weight"):
        who.promises(
            "progress ends where it said",
            progress and progress[-1].done == progress[-1].total,
            found=progress[-1:] or "no progress",
            do="Send Progress(step='balance', done=n, total=n) to on_event at the end",
        )


def _check_hard_rows(
    who: Checked, made: Callable[..., Sampler], *, is_free: bool
) -> None:
    """Check rows that break samplers: few, equal, extreme or not finite.

    ``is_free`` says whether the sampler works without a layout.
    """
    X, y, layout = made_up()

    def survives(name: str, X: Matrix, y: Labels, layout: Layout | None) -> None:
        try:
            X_new, y_new = made(max_rows_per_class=80).fit_resample(X, y, layout=layout)
        except ValueError:
            return  # the user is told what is wrong; DataError is one
        who.promises(
            f"{name} are balanced, or refused by a ValueError",
            np.isfinite(X_new).all() and set(y_new.tolist()) == set(y.tolist()),
            found=f"classes {np.unique(y_new).tolist()} of {np.unique(y).tolist()}, "
            "or values that are not finite",
            do="Raise evenflow.DataError",
        )

    for n in (1, 2, 3):
        rare = np.flatnonzero(y == len(SIZES) - 1)[n:]
        rows = np.setdiff1d(np.arange(len(y)), rare)
        survives(f"rows with {n} of a class", X[rows], y[rows], layout)
    two = np.repeat([0, 1], [20, 10])
    survives("equal rows of two classes", np.repeat(X[:1], 30, axis=0), two, layout)
    values = np.array([1e18, -1e18, 1e-45, 0, 1, -1e-38], dtype=np.float32)
    far = np.random.default_rng(1).choice(values, size=(60, 4))
    if is_free:
        survives("extreme values", far, np.repeat([0, 1, 2], [40, 15, 5]), None)
    hole = X[:60].copy()
    hole[2, 1] = np.nan
    who.refuses(
        "a value that is not finite",
        lambda: made().fit_resample(hole, y[:60], layout=layout),
        DataError,
        do="Extend evenflow.prepare.balance.Sampler, which checks rows",
    )


def _is_within(part: Matrix, whole: Matrix) -> bool:
    """Return whether ``part`` is a subsequence of ``whole``, row by row."""
    rows = iter(row.tobytes() for row in whole)
    return all(row.tobytes() in rows for row in part)
