"""A page that says why one record got its verdict: words, chart, every column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evenflow.judge.charts.explanation import contribution_bars
from evenflow.judge.pages import page
from evenflow.judge.tables.explanation import contributions
from evenflow.schema import synthetic_warning


def html(
    explanation: Mapping[str, Any], *, source: str, is_synthetic: bool = False
) -> str:
    """Return the page.

    Parameters
    ----------
    explanation : mapping
        ``verdict {verdict, is_attack, attack_probability, threshold, classes}``,
        ``contributions [{column, label, value, normal_value, contribution, unit,
        description}]``,
        ``text``, ``method`` and ``quantity``.
    source : str
        Where the record came from.
    """
    verdict = explanation["verdict"]
    likely = max(verdict["classes"].items(), key=lambda pair: pair[1])
    quantity = explanation["quantity"]
    chart = contribution_bars(explanation["contributions"], quantity=quantity)
    above = f"attack above {verdict['threshold']:.3g}"
    words = "Bars: contribution of each column; also in the table."
    return page.render(
        "explanation.html",
        title=f"Why this record was called {verdict['verdict']}",
        marks=[synthetic_warning("those that trained the model")] * is_synthetic,
        source=source,
        headlines=[
            ("verdict", verdict["verdict"], ""),
            ("probability of attack", f"{verdict['attack_probability']:.3g}", above),
            ("likeliest class", likely[0], f"{likely[1]:.1%}"),
        ],
        text=explanation["text"],
        chart=page.figures([("contributions", chart, words)])["contributions"],
        contributions=contributions(explanation),
    )
