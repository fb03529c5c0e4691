"""The colour of each class, one for every page, chart and report file.

A chart names no colour: its scale has a domain in which each class stands at its place,
over the theme's range ``ordinal``, light or dark. Blue is benign and vermilion is an
attack of any class; no class of attack has either. Classes of a meaning share a colour
across data sets. All twelve differ for people with protanopia and deuteranopia too, and
stand out from the paper by 3 to 1.

References
----------
.. [1] M. Okabe and K. Ito, "Color universal design: how to make figures and
   presentations that are friendly to colorblind people", 2008.
.. [2] G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, "A physiologically-based
   model for simulation of color vision deficiency", IEEE TVCG 15(6), 2009.
   doi:10.1109/TVCG.2009.113
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from evenflow.schema import ATTACK, BENIGN, UNKNOWN_ATTACK

LIGHT = (
    "#0072b2", "#d55e00", "#882255", "#cc79a7", "#009e73", "#5c4a00", "#332288",
    "#0b4d2c", "#6f90ea", "#2a2f35", "#a58d52", "#6e6e6e",
)  # fmt: skip
DARK = (
    "#3b8bc0", "#f0803c", "#b8407a", "#f0a8cd", "#2fc39b", "#f2e08a", "#8f7df0",
    "#3f7d3a", "#b8d4ff", "#ffffff", "#c9a46a", "#909090",
)  # fmt: skip
_PLACES: Sequence[tuple[str, ...]] = (
    (BENIGN,),
    (ATTACK,),
    ("dos",),
    ("ddos", "analysis"),
    ("probe", "scan", "reconnaissance", "port_scan"),
    ("r2l", "guessing", "brute_force", "fuzzers"),
    ("u2r", "exploits", "web_attack"),
    ("exfiltration", "theft", "infiltration", "backdoor"),
    ("botnet", "worms"),
    ("heartbleed", "shellcode"),
    ("generic",),
    (UNKNOWN_ATTACK,),
)
"""The classes of each place in the range."""
FIRST, LAST = 2, 10
"""Places of classes of attack; a class of a user's own gets one by its name."""
_PLACE = {label: place for place, some in enumerate(_PLACES) for label in some}


def place(label: str) -> int:
    """Return the place of a class in the range of colours, from 0.

    Examples
    --------
    >>> place("benign"), place("dos"), place("scan") == place("probe")
    (0, 2, True)
    """
    key = label.strip().lower()
    if key in _PLACE:
        return _PLACE[key]
    return FIRST + zlib.crc32(key.encode()) % (LAST - FIRST + 1)


def domain(
    labels: Iterable[str], name: Callable[[str], str] = lambda label: label
) -> list[str]:
    """Return the domain of a scale in which each class stands at its place.

    Two classes of one place, as users' own may be, share no colour as long as one is
    free: the later of them gets the next. Blanks fill what no class takes.

    Parameters
    ----------
    labels : iterable of str
        All classes that the chart may show, in the order of the model.
    name : callable
        The name by which the chart calls a class.
    """
    found: dict[int, str] = {}
    for label in dict.fromkeys(labels):
        wanted = place(label)
        free = [wanted] if wanted not in found else []
        if FIRST <= wanted <= LAST:
            free += [k for k in range(wanted, LAST + 1) if k not in found]
            free += [k for k in range(FIRST, wanted) if k not in found]
        while not free:  # the range begins again
            wanted += len(LIGHT)
            free = [wanted] if wanted not in found else []
        found[free[0]] = name(label)
    size = max(len(LIGHT), max(found, default=0) + 1)
    return [found.get(k, " " * (k + 1)) for k in range(size)]


def scale(
    labels: Iterable[str], name: Callable[[str], str] = lambda label: label
) -> dict[str, Any]:
    """Return the colour scale of classes, as :func:`domain` describes them."""
    return {"domain": domain(labels, name), "range": "ordinal"}
