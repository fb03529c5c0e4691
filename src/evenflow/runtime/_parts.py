"""The parts of a bundle but its model: read from the files, checked to fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import Decision
from evenflow.errors import BundleError
from evenflow.prepare.features import Preprocessor
from evenflow.runtime._folder import AGAIN, from_json, sha256
from evenflow.runtime._rows import read_rows, with_codes
from evenflow.schema import Schema, Table

FORMAT = 2
"""Version of the folder's format; a newer one is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the files of a bundle hold, as the fields of ``Bundle``."""

    schema: Schema
    preprocessor: Preprocessor
    decision: Decision
    manifest: Mapping[str, Any]
    recipe: Mapping[str, Any]
    report: Mapping[str, Any]
    card: str
    golden: Table
    golden_log_proba: NDArray[np.float64]
    golden_decided: NDArray[np.int64]
    reference: Table


def read_parts(folder: Path, files: Mapping[str, bytes]) -> Parts:
    """Return the parts that the files of a bundle hold.

    Raises
    ------
    BundleError
        A part is damaged, or parts do not fit together.
    """

    def read(name: str) -> dict[str, Any]:
        return from_json(files[name], source=str(folder / name))

    manifest = read("manifest.json")
    _check_format(folder, manifest)
    try:
        schema = Schema.from_dict(manifest["schema"])
        preprocessor = Preprocessor.from_dict(read("preprocessor.json"))
        decision = Decision.from_dict(read("decision.json"))
        golden, arrays = read_rows(files, "golden.npz", schema)
        reference, _ = read_rows(files, "reference.npz", schema)
        _check_contract(folder, manifest, schema, preprocessor, decision)
        golden = with_codes(golden, arrays)
        if len(golden) != len(arrays["log_proba"]) or not len(golden):
            raise ValueError("no or too few golden rows")
        if sha256(files["model.onnx"]) != manifest["model_sha256"]:
            raise ValueError("a model that is not the manifest's")
        card = files["card.md"].decode()
    except BundleError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise BundleError(
            f"{folder}: found parts that do not fit together "
            f"({type(error).__name__}: {error}), expected a whole bundle. {AGAIN}"
        ) from error
    return Parts(
        schema=schema,
        preprocessor=preprocessor,
        decision=decision,
        manifest=manifest,
        recipe=read("recipe.json"),
        report=read("report.json"),
        card=card,
        golden=golden,
        golden_log_proba=arrays["log_proba"],
        golden_decided=arrays["decided"],
        reference=reference,
    )


def _check_format(folder: Path, manifest: Mapping[str, Any]) -> None:
    found = manifest.get("format")
    if found == FORMAT:
        return
    newer = isinstance(found, int) and found > FORMAT
    raise BundleError(
        f"{folder}: found bundle format {found!r}, expected format {FORMAT}. "
        + ("Upgrade evenflow: pip install -U evenflow" if newer else AGAIN)
    )


def _check_contract(
    folder: Path,
    manifest: Mapping[str, Any],
    schema: Schema,
    preprocessor: Preprocessor,
    decision: Decision,
) -> None:
    numeric = {c.name for c in schema.numeric}
    categories = tuple(c.name for c in schema.categories)
    fits = {
        "preprocessor.json": preprocessor.schema_name == schema.name
        and {*preprocessor.numeric, *preprocessor.indicator} <= numeric
        and tuple(preprocessor.categories) == categories
        and preprocessor.layout.n_features == manifest["n_features"],
        "decision.json": decision.bias.shape == (len(schema.classes),)
        and bool(np.isfinite(decision.bias).all())
        and decision.temperature > 0
        and bool(np.isfinite(decision.threshold)),
    }
    for name, fit in fits.items():
        if not fit:
            raise BundleError(
                f"{folder / name} belongs to another contract; expected one for the "
                f"columns and classes of {schema.name!r} in manifest.json. {AGAIN}"
            )
