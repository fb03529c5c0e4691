"""The files of a bundle but its model: read, checked to fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from evenflow.bands import Bands
from evenflow.baseline import Baseline
from evenflow.conform import shown
from evenflow.decision import Decision
from evenflow.errors import BundleError
from evenflow.prepare.features import MIN_CATEGORY_ROWS, Preprocessor
from evenflow.runtime._arrays import Arrays, unpack
from evenflow.runtime._rows import read_rows, with_codes
from evenflow.runtime.contents import (
    DecisionContents,
    ManifestContents,
    PreprocessorContents,
    RecipeContents,
    ReportContents,
    check,
)
from evenflow.runtime.folder import AGAIN, from_json, sha256
from evenflow.runtime.unusual import Usual
from evenflow.schema import Schema, Table

FORMAT = 2
"""Version of the folder's format; a newer one is refused."""


@dataclass(frozen=True, kw_only=True)
class BundleFiles:
    """The contents of a bundle's files, without its model."""

    schema: Schema
    preprocessor: Preprocessor
    decision: Decision
    manifest: Mapping[str, Any]
    recipe: Mapping[str, Any]
    report: Mapping[str, Any]
    bands: Bands | None
    """Share of attacks among the test rows, by score; None in a bundle made without."""
    card: str
    golden: Table
    """Training rows with their classes."""
    golden_log_proba: NDArray[np.float64]
    """Log-probabilities of the golden rows where the bundle was made."""
    golden_decided: NDArray[np.int64]
    """Class decided for each golden row where the bundle was made."""
    reference: Table
    """Benign training rows, for explanations."""
    baseline: Baseline | None = field(repr=False)
    """Of the calibration rows, for drift; None in a bundle that was made without."""
    fingerprint: NDArray[np.uint64] = field(repr=False)
    """Hashes of the training rows, ``(n_rows,)``; tells a row trained on."""

    @cached_property
    def usual(self) -> Usual:
        """The values that the training rows held."""
        prepare = self.recipe.get("prepare", {})
        min_rows = int(prepare.get("min_category_rows", MIN_CATEGORY_ROWS))
        return Usual.of(self.schema, self.preprocessor, min_rows=min_rows)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Every verdict there may be: the classes, then an unknown kind of attack."""
        return self.decision.verdicts(self.schema.classes)


def read_bundle_files(folder: Path, files: Mapping[str, bytes]) -> BundleFiles:
    """Return the content of the files of a bundle, but the model.

    Raises
    ------
    BundleError
        A file is damaged, or files do not fit together.
    """

    def read(name: str) -> dict[str, Any]:
        # a category's values come from records
        of_records = name == "preprocessor.json"
        return from_json(files[name], source=str(folder / name), of_records=of_records)

    manifest = read_manifest(
        files["manifest.json"], source=str(folder / "manifest.json")
    )
    typed: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
        "preprocessor.json": (PreprocessorContents, read("preprocessor.json")),
        "decision.json": (DecisionContents, read("decision.json")),
        "recipe.json": (RecipeContents, read("recipe.json")),
        "report.json": (ReportContents, read("report.json")),
    }
    for name, (kind, value) in typed.items():
        check(kind, value, source=str(folder / name))
    try:
        schema = Schema.from_dict(manifest["schema"])
        preprocessor = Preprocessor.from_dict(typed["preprocessor.json"][1])
        decision = Decision.from_dict(typed["decision.json"][1])
        report = typed["report.json"][1]
        found = report.get("bands")
        bands = None if found is None else Bands.from_dict(found)
        _check_contract(folder, manifest, schema, preprocessor, decision, report)
        golden, arrays = read_rows(files, "golden.npz", schema)
        reference, more = read_rows(files, "reference.npz", schema)
        baseline = Baseline.from_arrays(schema, more)
        golden = with_codes(golden, arrays)
        _check_golden(arrays, len(golden), len(schema.classes))
        fingerprint = unpack(files["fingerprint.npz"], source="fingerprint.npz")["rows"]
        if fingerprint.dtype != np.uint64 or fingerprint.ndim != 1:
            raise ValueError("fingerprint.npz holds no hashes")
        card = files["card.md"].decode()
        _check_counts(
            manifest,
            {
                "n_golden": len(golden),
                "n_reference": len(reference),
                "n_fingerprint": len(fingerprint),
                "n_classes": len(schema.classes),
                "model_bytes": len(files["model.onnx"]),
                "model_sha256": sha256(files["model.onnx"]),
            },
        )
    except BundleError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise BundleError(
            f"{folder}: found parts that do not fit together "
            f"({type(error).__name__}: {error}), expected a whole bundle. {AGAIN}"
        ) from error
    return BundleFiles(
        schema=schema,
        preprocessor=preprocessor,
        decision=decision,
        manifest=manifest,
        recipe=typed["recipe.json"][1],
        report=report,
        bands=bands,
        card=card,
        golden=golden,
        golden_log_proba=arrays["log_proba"],
        golden_decided=arrays["decided"],
        reference=reference,
        baseline=baseline,
        fingerprint=fingerprint,
    )


def _check_golden(arrays: Arrays, n_rows: int, n_classes: int) -> None:
    log_proba, decided = arrays["log_proba"], arrays["decided"]
    if log_proba.shape != (n_rows, n_classes) or log_proba.dtype != np.float64:
        raise ValueError("golden rows without log-probabilities")
    if not np.isfinite(log_proba).all():
        raise ValueError("golden rows with log-probabilities that are not finite")
    if decided.shape != (n_rows,) or decided.dtype != np.int64:
        raise ValueError("golden rows without decisions")


def _check_counts(manifest: Mapping[str, Any], found: Mapping[str, int | str]) -> None:
    for name, value in found.items():
        if manifest[name] != value:
            raise ValueError(
                f"manifest.json has {name} {manifest[name]}, the files have {value}"
            )


def read_manifest(data: bytes, *, source: str) -> dict[str, Any]:
    """Return ``manifest.json``, whose format is looked at first.

    Raises
    ------
    BundleError
        It is of another format, or damaged.
    """
    manifest = from_json(data, source=source)
    _check_format(manifest, source)
    check(ManifestContents, manifest, source=source)
    return manifest


def _check_format(manifest: Mapping[str, Any], source: str) -> None:
    found = manifest.get("format")
    if found == FORMAT and not isinstance(found, bool):
        return
    newer = isinstance(found, int) and found > FORMAT
    raise BundleError(
        f"{source}: found bundle format {shown(found)}, expected format {FORMAT}. "
        + ("Upgrade evenflow: pip install -U evenflow" if newer else AGAIN)
    )


def _check_contract(
    folder: Path,
    manifest: Mapping[str, Any],
    schema: Schema,
    preprocessor: Preprocessor,
    decision: Decision,
    report: Mapping[str, Any],
) -> None:
    numeric = {c.name for c in schema.numeric}
    categories = tuple(c.name for c in schema.categories)
    addresses = tuple(c.name for c in schema.addresses)
    hosts = preprocessor.hosts
    fits = {
        "preprocessor.json": preprocessor.schema_name == schema.name
        and {*preprocessor.numeric, *preprocessor.indicator} <= numeric
        and tuple(preprocessor.categories) == categories
        and (() if hosts is None else hosts.columns) == addresses
        and preprocessor.layout.n_features == manifest["n_features"],
        "decision.json": decision.bias.shape == (len(schema.classes),)
        and (
            decision.unknown_below is None
            or decision.unknown_below.shape == (len(schema.classes) - 1,)
        ),
        "report.json": _trained_classes(report) in (None, schema.classes),
    }
    for name, fit in fits.items():
        if not fit:
            raise BundleError(
                f"{folder / name} does not match the columns and classes of "
                f"{schema.name!r} in manifest.json. {AGAIN}"
            )


def _trained_classes(report: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the classes in the record of the training, in the order of the model."""
    found: Any = report
    for step in ("training", "class_counts", "before"):
        found = found.get(step) if isinstance(found, dict) else None
    return tuple(found) if isinstance(found, dict) else None
