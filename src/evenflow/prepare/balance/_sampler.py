"""The contract of samplers, checked once."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin

from evenflow.errors import DataError
from evenflow.prepare.balance._forms import Forms, Plain
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, ignore

Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]
Kind = Literal["none", "over", "under", "clean", "both", "weight"]

LARGEST = 1e18
"""Squared distances between larger values leave the range of float32."""


class Sampler(OneToOneFeatureMixin, BaseEstimator):  # type: ignore[misc]
    """Parent of all samplers; a child stores its parameters and makes rows.

    It works inside an imbalanced-learn pipeline, too: parameters are stored as
    given, and the work is in :meth:`fit_resample`. It takes the rows and labels that
    imbalanced-learn takes and gives them back in the same form: arrays, lists, data
    frames of pandas and Polars, labels that are words. ``sampling_strategy`` may be
    ``'minority'``, ``'not minority'``, ``'not majority'`` or ``'all'`` (``'majority'``
    of a sampler that only removes rows), a ratio of two classes, or a function of the
    labels, beside what a recipe may hold.

    All of imbalanced-learn's checks for samplers hold but ``check_samplers_fit`` of
    samplers without a ``sampling_strategy``, and those of ``smotenc`` that balance,
    which it does not without a layout.

    Attributes
    ----------
    kind : {'none', 'over', 'under', 'clean', 'both', 'weight'}
        What the sampler promises. ``none`` and ``weight`` return the rows as they
        came; ``over`` returns them first and unchanged, then new rows; ``under``
        and ``clean`` return some of them, in their order; ``both`` returns some of
        them, in their order, then new rows.
    notes_ : list of str
        Facts a reader of the result must know: caps, adapted neighbour counts,
        fallbacks, rows removed.
    """

    kind: ClassVar[Kind]
    min_classes: ClassVar[int] = 2
    notes_: list[str]
    sampling_strategy_: Plain
    """Rows wanted by class code, where there is a ``sampling_strategy``."""
    class_weight_: NDArray[np.float64]
    """Shape ``(n_classes,)``; set by samplers of kind ``weight`` only."""

    def fit_resample(
        self,
        X: Any,
        y: Any,
        *,
        layout: Layout | None = None,
        on_event: OnEvent = ignore,
    ) -> tuple[Any, Any]:
        """Return balanced training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Prepared training rows, float32. Never pass validation or test rows.
        y : array-like of shape (n_samples,)
            Class codes ``0 .. n_classes - 1``, or labels that are words.
        layout : Layout, optional
            What the columns mean. With it every new row is a possible row: counts
            are whole, values within what training rows showed, and each one-hot
            block names exactly one category.
        on_event : callable
            Told how far the sampler has come.

        Returns
        -------
        X_new : array-like of shape (n_samples_new, n_features), float32
        y_new : array-like of shape (n_samples_new,)

        Raises
        ------
        DataError
            The rows hold NaN, infinity or values beyond 1e18, labels are not class
            codes, only one class has rows, or the counts wanted are impossible.
        """
        forms, X, y = self._begun(X, y, layout)
        try:
            X_new, y_new = self._resample(X, y, layout, on_event)
        except DataError as error:
            error.args = (forms.named(str(error)),)
            raise
        self.notes_ = [forms.named(text) for text in self.notes_]
        X_new = np.ascontiguousarray(X_new, dtype=np.float32)
        return forms.back(X_new, y_new.astype(np.int64))

    def fit(self, X: Any, y: Any) -> Self:
        """Check rows and labels, and how many rows are wanted; make none.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Prepared training rows.
        y : array-like of shape (n_samples,)
            Class codes or labels.

        Raises
        ------
        DataError
            As :meth:`fit_resample`.
        """
        self._begun(X, y, None)
        return self

    def _begun(
        self, X: Any, y: Any, layout: Layout | None
    ) -> tuple[Forms, Matrix, Labels]:
        """Return the forms of the rows, and the rows and codes, checked."""
        forms = Forms.of(X, y)
        self._keep_names(X)
        X, y = checked(forms.X, forms.y, layout, self.min_classes)
        self.n_features_in_ = X.shape[1]
        self.notes_ = []
        if hasattr(self, "sampling_strategy"):
            kind = "under" if self.kind == "under" else "over"
            self.sampling_strategy_ = forms.strategy(self.sampling_strategy, kind)
        return forms, X, y

    def _keep_names(self, X: Any) -> None:
        """Keep the names of columns, as scikit-learn does."""
        names = getattr(X, "columns", ())
        if len(names) and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def __sklearn_tags__(self) -> Any:
        """Return what imbalanced-learn's own samplers say of themselves."""
        from imblearn.base import BaseSampler

        tags = BaseSampler.__sklearn_tags__(self)
        tags.input_tags.sparse = False
        return tags

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        raise NotImplementedError


def checked(
    X: Any, y: Any, layout: Layout | None, min_classes: int
) -> tuple[Matrix, Labels]:
    """Return the rows as float32 and the labels as int64, or say what is wrong."""
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise DataError(
            f"balancing: rows of shape {X.shape} and labels of shape {y.shape}; "
            "expected (n_samples, n_features) and (n_samples,)"
        )
    if layout is not None and layout.n_features != X.shape[1]:
        raise DataError(
            f"balancing: rows have {X.shape[1]} columns but the layout names "
            f"{layout.n_features}; pass the layout of the same preprocessor"
        )
    if y.dtype.kind not in "iu":
        raise DataError(
            f"balancing: labels of type {y.dtype}"
            + (f" from {y.min()}" if y.dtype.kind == "f" and len(y) else "")
            + "; expected class codes 0, 1, 2 and so on, or words"
        )
    if X.dtype.kind not in "fiub":
        raise DataError(f"balancing: rows of type {X.dtype}; expected float32")
    if not (np.abs(X) <= LARGEST).all():  # false for NaN, too
        row, column = np.argwhere(~(np.abs(X) <= LARGEST))[0]
        raise DataError(
            f"balancing: row {row}, column {column} holds {X[row, column]}; expected "
            f"finite values up to {LARGEST:g}. Prepare the rows first (fill missing "
            "values, scale)"
        )
    if (n := len(np.unique(y))) < min_classes:
        raise DataError(
            f"balancing: the {len(y)} training rows have {n} of the {min_classes} "
            "classes expected at least. Bring rows of another class, or balance with "
            "'none'"
        )
    return np.ascontiguousarray(X, dtype=np.float32), y.astype(np.int64)
