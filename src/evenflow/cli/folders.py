"""Where published files are looked for; the only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def folders(first: Sequence[Path] = ()) -> list[Path]:
    """Return the roots, in the order they are searched.

    Those in ``first``, those of ``EVENFLOW_DATA`` (separated as in ``PATH``), then
    ``evenflow/datasets`` in the user's cache, which is also where ``evenflow data
    fetch`` writes.
    """
    named = os.environ.get("EVENFLOW_DATA", "")
    roots = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    return [*first, *roots, cache()]


def cache() -> Path:
    """Return the folder that fetched files go to."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG rules: a relative path there is to be ignored
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "evenflow" / "datasets"
