"""Rows, labels and strategies in the forms that imbalanced-learn takes.

Inside, a sampler works on float32 rows and class codes; here other forms are brought to
that and back: data frames of pandas and Polars, lists, labels that are words, columns
of one label or of one class each, and each ``sampling_strategy`` that fits a sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.names import named

Plain = Literal["auto"] | dict[int, int]
"""A strategy by class codes: ``auto``, or rows wanted of the classes to change."""
WORDS = {
    "over": ("auto", "minority", "not minority", "not majority", "all"),
    "under": ("auto", "majority", "not minority", "not majority", "all"),
}
"""Strategies by name: which classes grow to the largest, or are cut to the smallest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Forms:
    """Rows and labels as they came, and as a sampler works on them."""

    given: tuple[Any, Any]
    X: NDArray[Any]
    y: NDArray[Any]
    """Class codes, or what was given where it cannot be read as labels."""
    classes: NDArray[Any] | None = None
    """Label of each code; None where labels are codes."""
    is_one_hot: bool = False
    """Whether labels came as one column for each class."""

    @classmethod
    def of(cls, X: Any, y: Any) -> Self:
        """Return the forms of some rows and labels."""
        given, X, y = (X, y), np.asarray(X), np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if (
            y.ndim == 2
            and ((y == 1).sum(axis=1) == 1).all()
            and set(np.unique(y))
            == {
                0,
                1,
            }
        ):
            return cls(given=given, X=X, y=y.argmax(axis=1), is_one_hot=True)
        is_word = y.dtype.kind in "UOSb" or (y.dtype.kind == "i" and (y < 0).any())
        if y.ndim != 1 or not is_word:
            return cls(given=given, X=X, y=y)
        try:
            classes, codes = np.unique(y, return_inverse=True)
        except TypeError as error:  # words and numbers, or None
            raise DataError(
                f"balancing: labels of several types ({error}); expected labels of one "
                "type. Replace missing ones"
            ) from error
        return cls(given=given, X=X, y=codes.astype(np.int64), classes=classes)

    def named(self, text: str) -> str:
        """Return the text with ``class 'dos'`` for ``class 1``."""
        return text if self.classes is None else named(text, self.classes.tolist())

    def labels(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """Return labels as they came, for codes."""
        if self.classes is not None:
            return self.classes[codes]
        return codes

    def strategy(self, given: Any, kind: str) -> Plain:
        """Return a strategy by class codes.

        Parameters
        ----------
        given : str, float, dict or callable
            As imbalanced-learn takes it.
        kind : {'over', 'under'}

        Raises
        ------
        DataError
            That kind, or so many classes, cannot have this strategy.
        """
        if callable(given):
            given = given(self.labels(self.y))
        if isinstance(given, Mapping):
            return {self._code(label): int(n) for label, n in given.items()}
        if isinstance(given, str) and given in WORDS[kind]:
            return "auto" if given == "auto" else self._by_name(given, kind)
        if isinstance(given, float | int) and not isinstance(given, bool):
            return self._by_ratio(float(given), kind)
        raise DataError(
            f"sampling_strategy is {given!r}; expected one of "
            f"{', '.join(map(repr, WORDS[kind]))}, a ratio of two classes, rows for "
            "each class or a function that returns them"
        )

    def back(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Any, Any]:
        """Return rows and labels in the forms in which they came."""
        given_X, given_y = self.given
        labels: NDArray[Any] = self.labels(y)
        if self.is_one_hot:
            labels = np.eye(np.asarray(given_y).shape[1], dtype=np.int64)[y]
        if isinstance(given_y, np.ndarray) and given_y.dtype.kind in "iu":
            labels = labels.astype(given_y.dtype)
        if isinstance(given_X, np.ndarray) and isinstance(given_y, np.ndarray):
            return X, labels
        if isinstance(given_X, pl.DataFrame):
            frame = pl.DataFrame(X, schema=given_X.columns).cast(given_X.schema)
            return frame, _column(given_y, labels)
        from imblearn.utils._validation import ArraysTransformer

        rows, found = ArraysTransformer(given_X, given_y).transform(X, labels)
        return rows, _column(given_y, labels) if _is_polars(given_y) else found

    def _code(self, label: Any) -> int:
        if self.classes is None:
            return int(label)  # the keys of a TOML table are text
        where = np.flatnonzero(self.classes == label)
        if not len(where):
            raise DataError(
                f"sampling_strategy names class {label!r}, which has no row; expected "
                f"classes among {self.classes.tolist()}"
            )
        return int(where[0])

    def _by_name(self, name: str, kind: str) -> dict[int, int]:
        codes, n = np.unique(self.y, return_counts=True)
        target = int(n.max() if kind == "over" else n.min())
        least, most = codes[n.argmin()], codes[n.argmax()]
        chosen: Callable[[int], bool] = {
            "minority": lambda code: code == least,
            "majority": lambda code: code == most,
            "not minority": lambda code: code != least,
            "not majority": lambda code: code != most,
            "all": lambda code: True,
        }[name]
        return {code: target for code in codes.tolist() if chosen(code)}

    def _by_ratio(self, ratio: float, kind: str) -> dict[int, int]:
        codes, n = np.unique(self.y, return_counts=True)
        if not 0 < ratio <= 1 or len(codes) != 2:
            raise DataError(
                f"sampling_strategy is {ratio:g} for {len(codes)} classes; expected a "
                "ratio over 0 and up to 1, of two classes. Say the rows of each class"
            )
        if kind == "over":
            return {int(codes[n.argmin()]): int(n.max() * ratio)}
        return {int(codes[n.argmax()]): int(n.min() / ratio)}


def _is_polars(value: Any) -> bool:
    return isinstance(value, pl.DataFrame | pl.Series)


def _column(given: Any, labels: NDArray[Any]) -> Any:
    """Return labels as a column of Polars, or as a list, where they came so."""
    if isinstance(given, pl.DataFrame):
        return pl.DataFrame(labels, schema=dict(given.schema))
    if isinstance(given, pl.Series):
        return pl.Series(given.name, labels, dtype=given.dtype)
    return labels.tolist() if isinstance(given, list) else labels
