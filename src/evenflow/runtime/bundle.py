"""A trained detector as a folder: save it, load it with suspicion, score with it.

The folder holds plain JSON, plain arrays and an ONNX model; no pickle. Loading checks
sums, sizes, formats, operators, and that golden rows are decided as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import inference
from evenflow.baseline import Baseline
from evenflow.conform import match_columns, parse_numbers, shown
from evenflow.decision import Decision, Scores
from evenflow.errors import BundleError, DataError
from evenflow.frames import to_table
from evenflow.prepare.features import Preprocessor
from evenflow.runtime._arrays import pack
from evenflow.runtime._model import open_model
from evenflow.runtime._rows import pack_codes, pack_rows
from evenflow.runtime.bundle_files import FORMAT, BundleFiles, read_bundle_files
from evenflow.runtime.detect import Verdict, verdicts
from evenflow.runtime.folder import (
    AGAIN,
    LIMITS,
    read_folder,
    sha256,
    to_json,
    write_folder,
)
from evenflow.runtime.judging import judge
from evenflow.runtime.words import word
from evenflow.schema import Column, Schema, Table

TOLERANCE = 1e-4
"""Tolerance of a golden log-probability, absolute and relative; or ..."""
TOLERANCE_PROBA = 1e-6
"""... of its probability (a forest's log of almost nothing is noise)."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Bundle(BundleFiles):
    """A model that is ready to decide rows, by the conventions of scikit-learn.

    Made by :func:`evenflow.load_bundle`.
    """

    path: Path
    model: bytes = field(repr=False)
    session: Any = field(repr=False)
    threads: int = field(default=1, repr=False)
    """Batches of rows that are scored at once."""

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the model's log-probabilities, ``(n_samples, n_classes)``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32
            Rows prepared by ``preprocessor``.
        """
        n = len(self.schema.classes)
        return inference.log_proba(self.session, X, n, threads=self.threads)

    @cached_property
    def compiled(self) -> Bundle:
        """The bundle with a faster session where there is one, for many rows."""
        X = self.preprocessor.transform(self.golden)
        session = inference.compiled(self.model, self.session, X)
        return self if session is self.session else replace(self, session=session)

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Class names, ``(n_classes,)``: the columns of :meth:`predict_proba`."""
        return np.array(self.schema.classes)

    @property
    def feature_names_in_(self) -> NDArray[np.str_]:
        """Columns of a row, ``(n_columns,)``, in the order of an array of rows."""
        return np.array(self.schema.names)

    def predict(self, X: Any) -> NDArray[np.str_]:
        """Return the class of each row, decided at the bundle's threshold.

        It is the verdict that a sensor gives: the likeliest attack class where the
        probability of an attack exceeds the threshold, ``unknown_attack`` where that
        is too unsure, else ``benign``. Another class may have a greater probability.

        Parameters
        ----------
        X : DataFrame, ndarray or Table
            As for :meth:`decide`.

        Returns
        -------
        ndarray of shape (n_samples,), str
            Names from ``verdicts``.
        """
        return np.array(self.verdicts)[self.decide(X).verdict]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the calibrated probability of each class.

        Parameters
        ----------
        X : DataFrame, ndarray or Table
            As for :meth:`decide`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            In the order of ``classes_``; rows sum to 1.
        """
        return self.decide(X).proba

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy of :meth:`predict` on labelled rows.

        With many benign rows it says little: :func:`evenflow.evaluate` returns
        detection and false alarms with intervals, and counts training rows.

        Parameters
        ----------
        X : DataFrame, ndarray or Table
            As for :meth:`decide`.
        y : array-like of shape (n_samples,), str
            Class or attack type of each row.

        Returns
        -------
        float
            Share of rows whose class is predicted, from 0 to 1.

        Raises
        ------
        DataError
            A name is not a class or attack type of the bundle, or ``y`` has
            another length.
        """
        predicted, names = self.predict(X), np.asarray(y, dtype=object)
        if names.shape != predicted.shape or not names.size:
            raise DataError(
                f"found {len(predicted)} rows and labels of shape {names.shape}, "
                "expected one label for each row, and at least one row"
            )
        known = {*self.schema.classes, *self.schema.families}
        for row, name in enumerate(names.tolist(), 1):
            if name not in known:
                raise DataError(
                    f"y, row {row}: found {shown(name)}, expected one of "
                    f"{', '.join(self.schema.classes)}. Name the classes as predict "
                    "does, or use evenflow.evaluate, which reads labels and scores new "
                    "attack types"
                )
        return float(np.mean([*map(self.schema.class_of, names)] == predicted))

    def decide(self, X: Any) -> Scores:
        """Return what the model says of rows, and what it decides.

        Parameters
        ----------
        X : DataFrame, ndarray or Table
            Rows as a pandas or Polars DataFrame with the bundle's columns, in any
            order and beside others; an array of shape (n_samples, n_columns) with the
            columns of ``feature_names_in_``; or a Table of the bundle's columns.

        Raises
        ------
        DataError
            A column is missing, or a row has a value that is not possible or no
            finite score; the message names the first such row and column.
        """
        table = X if isinstance(X, Table) else to_table(self.schema, X)
        if table.schema.names != self.schema.names:
            raise DataError(
                f"found rows of {table.schema.name!r}, expected rows of "
                f"{self.schema.name!r}, which {self.path.name} was trained on. "
                "Use a bundle made for these rows"
            )
        scores, _, bad = judge(self, table)
        if bad:
            raise DataError(f"{bad[0]}. Correct the value, or leave the row out")
        return scores

    def decide_record(self, record: Mapping[str, object]) -> Verdict:
        """Return the verdict of one record; made to be fast.

        Parameters
        ----------
        record : mapping of str to object
            Raw values by column name.

        Raises
        ------
        DataError
            A column is missing, or a value is not a number or impossible.
        """
        schema, prepare = self.schema, self.preprocessor
        wanted, numeric, names, texts = self._plan
        if not record.keys() >= wanted:
            found = match_columns(schema, list(record))
            record = {name: record[key] for name, key in found.items()}
        numbers = dict(zip(names, parse_numbers(record, numeric), strict=True))
        x = np.array([[numbers[name] for name in prepare.numeric]])
        x[np.isinf(x)] = np.nan
        absent = ~np.isfinite([[numbers[name] for name in prepare.indicator]])
        words = {name: [word(record[name])] for name in texts}
        X = prepare.encode(x, absent, words)
        if (j := prepare.first_not_finite(X)[0]) >= 0:
            name = prepare.numeric[j]
            raise DataError(
                f"column {name}: found {shown(record[name])}, expected "
                f"{prepare.expected}. Correct the value"
            )
        scores = self.decision.apply(self.session.run(["log_proba"], {"x": X})[0])
        return next(verdicts(scores, schema, self.decision, bands=self.bands))

    def __repr__(self) -> str:
        classes = ", ".join(self.schema.classes[:5])
        more = len(self.schema.classes) - 5
        return (
            f"<Bundle {self.path.name}: {len(self.schema.columns)} columns of "
            f"{self.schema.name}, classes {classes}"
            f"{f' and {more} more' if more > 0 else ''}>"
        )

    @cached_property
    def _plan(self) -> tuple[Any, tuple[Column, ...], tuple[str, ...], tuple[str, ...]]:
        """The part of the schema that each single record needs, worked out once."""
        numeric = self.schema.numeric
        return (
            frozenset(self.schema.names),
            numeric,
            tuple(c.name for c in numeric),
            tuple(c.name for c in self.schema.texts),
        )


def save(
    folder: Path,
    *,
    schema: Schema,
    preprocessor: Preprocessor,
    model: bytes,
    decision: Decision,
    golden: Table,
    reference: Table,
    recipe: Mapping[str, Any],
    report: Mapping[str, Any],
    card: str,
    fingerprint: NDArray[np.uint64],
    baseline: Baseline | None = None,
    overwrite: bool = False,
) -> None:
    """Write a bundle, whole or not at all; equal arguments give equal bytes.

    Parameters
    ----------
    folder : Path
        A new folder; with ``overwrite`` an existing bundle is replaced.
    model : bytes
        ONNX: input ``x`` float32 ``(N, n_features)``, output ``log_proba`` float32
        ``(N, n_classes)``.
    golden : Table
        A few rows; what the model says of them is kept and compared on load. Their
        classes are kept too, as examples of each.
    reference : Table
        Benign training rows, for explanations.
    fingerprint : ndarray of shape (n_rows,), uint64
        Hashes of the training rows.
    baseline : Baseline, optional
        Of the calibration rows; without it drift is not watched.

    Raises
    ------
    BundleError
        The parts do not fit together, or the model reaches outside itself.
    StorageError
        The folder exists already, or cannot be written.
    """
    source = str(folder)
    if not len(golden):
        raise BundleError(
            f"{source}: found no golden rows, expected a few training rows to score "
            "again on load. Give some"
        )
    session = open_model(model, preprocessor, schema, source=source)
    prepared = preprocessor.transform(golden)
    expected = session.run(["log_proba"], {"x": prepared})[0].astype(np.float64)
    if not np.isfinite(expected).all():
        raise BundleError(
            f"{source}: the model's log-probabilities of the golden rows hold NaN or "
            "infinity, expected finite numbers. Train it again"
        )
    recipe_json, calibrated = to_json(recipe), baseline.to_arrays() if baseline else {}
    files = {
        "preprocessor.json": to_json(preprocessor.to_dict()),
        "decision.json": to_json(decision.to_dict()),
        "model.onnx": model,
        "golden.npz": pack(
            pack_rows(golden)
            | pack_codes(golden)
            | {"log_proba": expected, "decided": decision.apply(expected).code}
        ),
        "reference.npz": pack(pack_rows(reference) | calibrated),
        "fingerprint.npz": pack({"rows": np.asarray(fingerprint, dtype=np.uint64)}),
        "report.json": to_json(report),
        "recipe.json": recipe_json,
        "card.md": card.encode(),
        "manifest.json": to_json(
            {
                "format": FORMAT,
                "evenflow": version("evenflow"),
                "schema": schema.to_dict(),
                "n_features": prepared.shape[1],
                "n_classes": len(schema.classes),
                "n_golden": len(golden),
                "n_reference": len(reference),
                "n_fingerprint": len(fingerprint),
                "recipe_sha256": sha256(recipe_json),
                "model_sha256": sha256(model),
                "model_bytes": len(model),
            }
        ),
    }
    for name, data in files.items():
        if len(data) > LIMITS[name]:
            raise BundleError(
                f"{source}: {name} would have {len(data)} bytes, expected at most "
                f"{LIMITS[name]}. Train a smaller model"
            )
    read_bundle_files(Path(folder), files)  # nothing is written that would not load
    write_folder(Path(folder), files, overwrite=overwrite)


def load(folder: Path, *, threads: int | None = None) -> Bundle:
    """Return the bundle in ``folder``, after checking all of it.

    Parameters
    ----------
    folder : Path
        What :func:`save` wrote; it may have been moved or copied.
    threads : int, optional
        Batches scored at once; by default the cores this process may use.

    Raises
    ------
    BundleError
        The bundle is damaged, foreign, hostile, or written by a newer evenflow.
    """
    folder = Path(folder)
    files = read_folder(folder)
    bundle = _open(folder, files, threads=threads)
    _rescore(bundle)
    return bundle


def _open(folder: Path, files: Mapping[str, bytes], *, threads: int | None) -> Bundle:
    content, model = read_bundle_files(folder, files), files["model.onnx"]
    source = str(folder / "model.onnx")
    return Bundle(
        path=folder,
        **{f.name: getattr(content, f.name) for f in fields(content)},
        model=model,
        session=open_model(model, content.preprocessor, content.schema, source=source),
        threads=threads or inference.cores(),
    )


def _rescore(bundle: Bundle) -> None:
    """Score the golden rows; refuse the bundle where they come out otherwise."""
    try:
        decided = bundle.decide(bundle.golden).code
        found = bundle.log_proba(bundle.preprocessor.transform(bundle.golden))
    except Exception as error:  # whatever a hostile model does
        raise BundleError(
            f"{bundle.path}: the golden rows cannot be scored: {str(error)[:300]!r}. "
            f"Expected the scores of the machine that made the bundle. {AGAIN}"
        ) from error
    if found.shape == (expected := bundle.golden_log_proba).shape:
        apart = np.abs(found - expected)
        near = apart <= TOLERANCE * (1 + np.abs(expected))
        near |= np.abs(np.exp(found) - np.exp(expected)) <= TOLERANCE_PROBA
        near &= (decided == bundle.golden_decided)[:, None]
        if near.all():
            return
    rows = int((~near).any(axis=1).sum()) if found.shape == expected.shape else "all"
    raise BundleError(
        f"{bundle.path}: {rows} of {len(expected)} golden rows get other scores than "
        "where the bundle was made, expected the same. The bundle was changed, or "
        f"this machine computes different results. {AGAIN}"
    )
