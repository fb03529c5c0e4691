"""The drawing library that pages with charts fetch, as one file.

The library is the one the HTML reports carry, so a chart looks the same in both. Its
name holds a hash of what is in it: a browser may keep it for good, and a new version is
fetched at once.
"""

from __future__ import annotations

import hashlib
from functools import cache

from evenflow.judge import page


@cache
def library() -> tuple[str, bytes]:
    """Return the library's file name and its content.

    The first call takes about a second; every process makes it once.

    Returns
    -------
    name : str
        ``vega.<hash>.js``.
    content : bytes
        JavaScript, UTF-8, that defines ``vegaEmbed``; about 0.9 MB.

    Raises
    ------
    MissingExtraError
        Altair, whose specifications it draws, is not installed.
    """
    text, _ = page._scripts()
    content = text.encode()
    return f"vega.{hashlib.sha256(content).hexdigest()[:16]}.js", content
