"""The common part of all checks: synthetic rows, and an error with the promise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import datasets
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.layout import Layout

SIZES = (800, 500, 300, 90, 14)
"""Made-up rows of each class, benign first, the rarest last."""

Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]


@cache
def made_up() -> tuple[Matrix, Labels, Layout]:
    """Return prepared rows, labels and layout; the arrays cannot be written to."""
    table = datasets.load("synthetic", "train", n_rows=12_000)
    rows = [np.flatnonzero(table.labels == code)[:n] for code, n in enumerate(SIZES)]
    table = table.take(np.random.default_rng(0).permutation(np.concatenate(rows)))
    preprocessor = Preprocessor.fit(table)
    X, y = preprocessor.transform(table), table.labels.copy()
    X.flags.writeable = y.flags.writeable = False
    return X, y, preprocessor.layout


class Checked:
    """A plug-in under check, by the name that messages have for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def promises(
        self, promise: str, is_kept: object, *, found: object, do: str
    ) -> None:
        """Raise an AssertionError unless a promise is kept."""
        if not is_kept:
            raise AssertionError(f"{self.name}: {promise}. Found {found}. {do}")

    def refuses(
        self, what: str, call: Callable[[], object], *kinds: type[Exception], do: str
    ) -> None:
        """Raise an AssertionError unless a call raises an error of one of the kinds."""
        promise = f"{what} is refused by {' or '.join(kind.__name__ for kind in kinds)}"
        try:
            call()
        except kinds:
            return
        except Exception as error:
            raise AssertionError(
                f"{self.name}: {promise}. Found {type(error).__name__}: {error}. {do}"
            ) from error
        self.promises(promise, False, found="no error", do=do)

    def config(self, plug_in: Any, given: Any) -> Any:
        """Check the ``Config`` of a plug-in; return one, that given if there is one."""
        config = plug_in.Config
        self.promises(
            "Config is a frozen dataclass with keyword arguments alone",
            isinstance(config, type)
            and dataclasses.is_dataclass(config)
            and config.__dataclass_params__.frozen  # type: ignore[attr-defined]
            and all(field.kw_only for field in dataclasses.fields(config)),
            found=config,
            do="Write @dataclass(frozen=True, kw_only=True)",
        )
        return config() if given is None else given

    def leaves(self, rows: Matrix, labels: Labels) -> None:
        """Check that copies of the made-up rows are as they were."""
        X, y, _ = made_up()
        self.promises(
            "the rows given are not changed",
            np.array_equal(X, rows) and np.array_equal(y, labels),
            found="changed rows",
            do="Work on a copy",
        )
