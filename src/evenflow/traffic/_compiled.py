"""The functions that take one packet after another, compiled where Numba is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any, NamedTuple

from evenflow.traffic import (
    _checksums,
    _endpoints,
    _follow,
    _index,
    _records,
    _tcp,
    _timeouts,
)


class Kernel(NamedTuple):
    """The functions that follow packets, in Python or compiled: to the same results."""

    follow: Callable[..., int]
    tick: Callable[..., bool]
    release: Callable[..., None]
    find: Callable[..., int]
    forget: Callable[..., None]
    link_all: Callable[..., None]
    sums: Callable[..., Any]
    records: Callable[..., tuple[int, int, int]]


PYTHON = Kernel(
    _follow.follow, _follow.tick, _follow.release, _index.find, _index.forget,
    _index.link_all, _checksums.sums, _records.records,
)  # fmt: skip


def can_compile() -> bool:
    """Return whether Numba is installed."""
    return find_spec("numba") is not None


def _copy_row(given: Any, row: int, out: Any, n: int) -> None:
    # the words of the error that ``out[n] = given[row]`` may raise take seconds
    for k in range(given.shape[1]):
        out[n, k] = given[row, k]


@cache
def compiled() -> Kernel:
    """Return the compiled functions; compiling takes seconds, in each process.

    Numba could keep what it compiled in a file, but would load it by pickle.
    """
    import numba

    names: dict[str, Any] = {}
    for module in (_checksums, _endpoints, _tcp, _timeouts, _follow, _index, _records):
        names |= vars(module)
    names["copy_row"], names["sums"] = _copy_row, _checksums.sums_in_turn
    for name, found in list(names.items()):
        if isinstance(found, FunctionType):
            names[name] = numba.njit(
                FunctionType(found.__code__, names, name), nogil=True
            )
    return Kernel(**{name: names[name] for name in Kernel._fields})
