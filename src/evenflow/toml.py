"""TOML read within limits, and JSON values written as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

MOST_LEVELS = 32
"""Tables and lists inside each other."""
MOST_INT = 2**63 - 1
"""TOML has integers of 64 bits; Python reads longer ones, and cannot write them."""


def loads(text: str) -> dict[str, Any]:
    """Return what TOML says.

    Raises
    ------
    ValueError
        It is not TOML, an integer has more than 64 bits, or it nests too deep.
    """
    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # an integer of more than 4,300 digits
        raise ValueError(_TOO_LARGE) from None
    _check(value)
    return value


_TOO_DEEP = f"found more than {MOST_LEVELS} tables inside each other, expected fewer"
_TOO_LARGE = "found an integer of more than 64 bits, expected a smaller one"


def _check(value: Any, level: int = 0) -> None:
    if level > MOST_LEVELS:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, int) and not -MOST_INT - 1 <= value <= MOST_INT:
        raise ValueError(_TOO_LARGE)
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _check(one, level + 1)


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
