"""Pictures of a search: how it went on, and what each key does."""

from __future__ import annotations

from typing import Any

from evenflow.judge.charts.base import WIDTH, Chart, Picture, altair, rows, titled
from evenflow.judge.tuning import Tuning


def pictures(found: Tuning) -> list[Picture]:
    """Return each chart: file name, chart, and what it shows in words."""
    whole = [
        (number, trial)
        for number, trial in enumerate(found.trials, start=1)
        if trial.mean is not None
    ]
    if not whole:
        return []
    best = 0.0
    records = []
    for number, trial in whole:
        best = max(best, trial.mean or 0.0)
        records.append({"trial": number, "mean": trial.mean, "best": best})
    made: list[Picture] = [
        ("tuning", _course(found, records), "The measure of each trial, and the best.")
    ]
    keys = [
        _of_key(
            found,
            key,
            [(t.values[key], t.mean) for _, t in whole if t.values[key] is not None],
        )
        for key in found.trials[0].values
    ]
    chart = altair().vconcat(*keys)
    made.append(("tuning_keys", chart, "The measure by the values of each key."))
    return made


def _course(found: Tuning, records: list[dict[str, Any]]) -> Chart:
    alt = altair()
    base = alt.Chart(rows(records)).encode(
        x=alt.X("trial:Q", title="trial", axis=alt.Axis(tickMinStep=1))
    )
    scale = alt.Scale(zero=False)
    points = base.mark_circle(size=40).encode(
        y=alt.Y("mean:Q", title=found.measure, scale=scale)
    )
    line = base.mark_line(interpolate="step-after").encode(
        y=alt.Y("best:Q", scale=scale)
    )
    return titled(
        (line + points).properties(width=WIDTH, height=240),
        f"{found.measure} of {len(found.trials)} trials of {found.recipe.name}",
        f"dots: trials; line: the best so far · {found.protocol}",
    )


def _of_key(found: Tuning, key: str, values: list[tuple[Any, float | None]]) -> Chart:
    alt = altair()
    is_number = all(type(value) in (int, float) for value, _ in values)
    records = [
        {"value": value if is_number else str(value), "mean": mean}
        for value, mean in values
    ]
    x = alt.X("value:Q", title=key, scale=alt.Scale(zero=False))
    if not is_number:
        x = alt.X("value:N", title=key)
    return (
        alt.Chart(rows(records))
        .mark_circle(size=40)
        .encode(
            x=x, y=alt.Y("mean:Q", title=found.measure, scale=alt.Scale(zero=False))
        )
        .properties(width=WIDTH, height=120)
    )
