"""The preprocessor as a transformer of scikit-learn, for pipelines of one's own.

A recipe does not need it: its bundle holds the same preprocessor as plain numbers.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from evenflow import frames
from evenflow.errors import DataError
from evenflow.prepare.features import SCALINGS, Preprocessor, Scaling
from evenflow.schema import ATTACK, BENIGN, Column, Schema, Table


class TablePreprocessor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill, scale and one-hot encode the columns of a DataFrame.

    Columns of numbers (true and false among them) are filled with their median where
    they are missing or infinite, and scaled; a column with missing values gets a
    second one that marks them. Columns of words are one-hot encoded, words that are
    rare or not in training together. Columns with a single value are left out. Cast
    codes, such as protocol numbers, to words to have them encoded.

    Parameters
    ----------
    scaling : {'log1p_standard', 'standard', 'minmax', 'quantile'}
        How columns of numbers are scaled.
    min_category_rows : int, default=5
        A word in fewer training rows counts as one not in training.

    Attributes
    ----------
    preprocessor_ : Preprocessor
        What was learnt, as a bundle holds it.
    schema_ : Schema
        The columns, and which of them are words.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the columns have names.
    """

    preprocessor_: Preprocessor
    schema_: Schema

    def __init__(
        self, scaling: Scaling = "log1p_standard", min_category_rows: int = 5
    ) -> None:
        self.scaling = scaling
        self.min_category_rows = min_category_rows

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Training rows; never validation or test rows.
        y : None
            Not used.

        Raises
        ------
        DataError
            There are no rows, or a column's values are too large to be scaled.
        """
        if self.scaling not in SCALINGS:
            raise ValueError(
                f"scaling is {self.scaling!r}, expected one of {', '.join(SCALINGS)}"
            )
        frame = self._read(X, is_first=True)
        schema = Schema(
            name="rows",
            columns=tuple(_column(series) for series in frame.iter_columns()),
            classes=(BENIGN, ATTACK),
        )
        self.preprocessor_ = Preprocessor.fit(
            frames.to_table(schema, frame),
            scaling=self.scaling,
            min_category_rows=self.min_category_rows,
        )
        self.schema_ = schema
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Prepare rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows of the columns that :meth:`fit` saw, in the same order.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), float32

        Raises
        ------
        DataError
            A word stands in a column of numbers, or a value is too large to be
            scaled; the message names row or column.
        """
        check_is_fitted(self)
        frame = self._read(X, is_first=False)
        table: Table = frames.to_table(self.schema_, frame)
        self.preprocessor_.check(table)
        return self.preprocessor_.transform(table)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the prepared columns, ``(n_features_out,)``.

        Parameters
        ----------
        input_features : array-like of str, optional
            Checked against ``feature_names_in_`` and otherwise not used.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        return np.array(self.preprocessor_.layout.names, dtype=object)

    def _read(self, X: Any, *, is_first: bool) -> pl.DataFrame:
        """Return rows as a frame; arrays get the names x0, x1 and so on."""
        if hasattr(X, "columns"):
            validate_data(self, X, reset=is_first, skip_check_array=True)
            frame = frames.to_polars(X)
        else:
            array = validate_data(
                self, X, reset=is_first, dtype=None, ensure_all_finite=False
            )
            names = [f"x{j}" for j in range(array.shape[1])]
            frame = frames.to_polars(array, names=names)
        if is_first and not frame.height:
            raise DataError("found no rows, expected training rows. Give some")
        return frame

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _column(series: pl.Series) -> Column:
    kind = series.dtype
    is_number = kind.is_numeric() or kind in (pl.Boolean, pl.Null)
    return Column(name=series.name, kind="numeric" if is_number else "category")
