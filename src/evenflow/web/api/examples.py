"""Examples in the document: a record in the shipped model's columns, its verdict."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

_FILE = resources.files(__package__).joinpath("examples.json")
_EXAMPLES: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
RECORD, VERDICT, ALERT = (_EXAMPLES[name] for name in ("record", "verdict", "alert"))
