"""JSON values as TOML, which the standard library reads but does not write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(value: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Return JSON values as TOML: plain keys first, then the tables."""
    plain = {k: v for k, v in value.items() if not isinstance(v, Mapping)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items() if v is not None]
    for key, table in value.items():
        if isinstance(table, Mapping):
            here = (*path, key)
            head = "\n" if lines else ""
            lines.append(f"{head}[{'.'.join(map(_key, here))}]")
            lines += [body] if (body := dumps(table, here)) else []
    return "\n".join(lines)


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
