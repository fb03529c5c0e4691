"""The strongest reason for a verdict, in a line: what a list has room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.errors import DataError
from evenflow.runtime.bundle import Bundle
from evenflow.web.verdicts.view import VerdictView, explain_record


def first_reason(
    bundle: Bundle | None, values: Mapping[str, Any], view: VerdictView | None = None
) -> str:
    """Return the strongest contribution to a verdict; empty if there is none.

    ``view`` is the verdict as it was explained, if it was.
    """
    if view is None or not view.is_explained:
        if bundle is None:
            return ""
        try:
            view = explain_record(bundle, values)
        except DataError:
            return ""
    top = view.top[:1]
    return f"{top[0].label}: {top[0].value}" if top else ""
