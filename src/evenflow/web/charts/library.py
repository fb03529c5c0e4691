"""The drawing library that pages with charts fetch, as one file.

The library is the one the HTML reports carry, so a chart looks the same in both. Its
name tells the versions it was made from: a browser may keep it for good, and a new
version is fetched at once.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version

from evenflow.judge.pages import page

MAKERS = ("altair", "vl-convert-python")


@cache
def name() -> str:
    """Return the library's file name, ``vega.<hash of the versions>.js``; at once."""
    made_from = " ".join(f"{maker} {version(maker)}" for maker in MAKERS)
    return f"vega.{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.js"


@cache
def library() -> bytes:
    """Return the library: JavaScript, UTF-8, that defines ``vegaEmbed``; 0.9 MB.

    The first call takes about a second; every process makes it once.

    Raises
    ------
    MissingExtraError
        Altair, whose specifications it draws, is not installed.
    """
    text, _ = page.program()
    return text.encode()
