"""Checks of a bundle's folder, in words, before it is trusted."""

from __future__ import annotations

from pathlib import Path

from evenflow.runtime import load_check
from evenflow.runtime.bundle import load
from evenflow.runtime.bundle_files import FORMAT
from evenflow.runtime.folder import LIMITS


def verify(folder: Path) -> list[str]:
    """Return the checks that a bundle passed, in words.

    It is loaded in a process of its own, with limits of time and memory.

    Raises
    ------
    BundleError
        A check failed; the message says which. Or the load crashed, or passed a limit.
    """
    return load_check.run(Path(folder))


def checks(folder: Path, *, threads: int | None = None) -> list[str]:
    """Return the checks that a bundle passed, in words: in this process.

    Raises
    ------
    BundleError
        A check failed; the message says which.
    """
    bundle = load(folder, threads=threads)
    n = bundle.manifest["n_golden"]
    return [
        f"{len(LIMITS)} files, each listed in SHA256SUMS with its SHA-256, no other",
        f"format {FORMAT}, written by evenflow {bundle.manifest['evenflow']}",
        "model of standard operators, self-contained, "
        f"{bundle.manifest['n_features']} features to "
        f"{bundle.manifest['n_classes']} classes",
        f"columns of {bundle.schema.name!r} fit the preprocessor and the decision",
        f"{len(bundle.reference)} reference rows, {len(bundle.fingerprint)} hashes of "
        "training rows, arrays without objects",
        f"{n} golden rows scored again, each as where the bundle was made",
    ]
