"""The parts of a Vega-Lite specification: channels and the frame around them.

Plain dicts, not Altair: a page is drawn for each request, and Altair takes about 10 ms
to make and check a chart (and a second to import), these take microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenflow.runtime.explanation import VEGA_LITE

Json = dict[str, Any]


def nominal(field: str, **options: Any) -> Json:
    """Return a channel of names."""
    return {"field": field, "type": "nominal", **options}


def quantitative(field: str, **options: Any) -> Json:
    """Return a channel of numbers."""
    return {"field": field, "type": "quantitative", **options}


def temporal(field: str, **options: Any) -> Json:
    """Return a channel of times."""
    return {"field": field, "type": "temporal", **options}


def filtered_bars(test: str, **mark: Any) -> Json:
    """Return a layer of bars that pass a test."""
    return {"transform": [{"filter": test}], "mark": {"type": "bar", **mark}}


def chart(
    values: Sequence[Mapping[str, Any]], *, height: int, encoding: Json, **parts: Any
) -> Json:
    """Return a specification as wide as the page lets it be."""
    return {
        "$schema": VEGA_LITE,
        "width": "container",
        "height": height,
        "data": {"values": list(values)},
        "encoding": encoding,
        **parts,
    }
