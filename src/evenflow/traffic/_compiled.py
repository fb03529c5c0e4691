"""The functions that take one packet after another, compiled where Numba is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any, NamedTuple

from evenflow.traffic import _endpoints, _follow, _tcp


class Kernel(NamedTuple):
    """The functions that follow packets, in Python or compiled: to the same results."""

    follow: Callable[..., tuple[int, int]]
    settle: Callable[..., tuple[int, int]]


PYTHON = Kernel(_follow.follow, _follow.settle)


def can_compile() -> bool:
    """Return whether Numba is installed."""
    return find_spec("numba") is not None


@cache
def compiled() -> Kernel:
    """Return the compiled functions; compiling takes seconds, in each process.

    Numba could keep what it compiled in a file, but would load it by pickle.
    """
    import numba

    names: dict[str, Any] = {}
    for module in (_endpoints, _tcp, _follow):
        names |= vars(module)
    for name, found in list(names.items()):
        if isinstance(found, FunctionType):
            names[name] = numba.njit(
                FunctionType(found.__code__, names, name), nogil=True
            )
    return Kernel(names["follow"], names["settle"])
