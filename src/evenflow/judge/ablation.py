"""By how much the figures of a recipe change without each of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evenflow import metrics
from evenflow.judge.comparison import Cell, Comparison, Failed, OverSeeds, collect
from evenflow.recipe import Recipe

FIGURES = {
    "accuracy": ("binary", "accuracy"),
    "detection": ("binary", "detection_rate"),
    "false alarms": ("binary", "false_alarm_rate"),
    "ROC-AUC": ("binary", "roc_auc"),
    "unseen types": ("binary", "unseen_detection_rate"),
    "macro F1": ("multiclass", "macro_f1"),
}
"""Head of a column, and where a report has the figure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A recipe without one part."""

    what: str
    runs: int
    figures: dict[str, OverSeeds]
    changes: dict[str, OverSeeds]
    """Its figures less those of the whole recipe with the same seed and fold."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The whole recipe in the first line, then the recipe without each part."""

    lines: tuple[Line, ...]
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Return the lines as plain JSON values."""
        return {
            "lines": [asdict(line) for line in self.lines],
            "failed": [asdict(one) for one in self.comparison.failed],
        }


def ablation(
    whole: Recipe, cells: Sequence[Cell], failed: Sequence[Failed]
) -> Ablation:
    """Return the changes, run by run: cells of one seed and fold are compared."""
    by_line: dict[tuple[str, str], dict[tuple[int, Any], Cell]] = {}
    for cell in cells:
        run = cell.recipe.seed, cell.recipe.split.params.get("fold")
        line = cell.why, (cell.of or cell.recipe).with_(seed=0).sha256
        by_line.setdefault(line, {})[run] = cell
    first = next(
        (runs for runs in by_line.values() if _is_of(whole, runs.values())), {}
    )
    lines = []
    for (what, _), runs in by_line.items():
        figures = {
            head: [_figure(cell.report, path) for cell in runs.values()]
            for head, path in FIGURES.items()
        }
        changes = {
            head: [
                _less(_figure(cell.report, path), _figure(first[run].report, path))
                for run, cell in runs.items()
                if run in first
            ]
            for head, path in FIGURES.items()
        }
        lines.append(
            Line(
                what=what,
                runs=len(runs),
                figures={h: metrics.over_seeds(v) for h, v in figures.items()},
                changes={h: metrics.over_seeds(v) for h, v in changes.items()},
            )
        )
    return Ablation(lines=tuple(lines), comparison=collect(cells, failed))


def _is_of(whole: Recipe, cells: Any) -> bool:
    wanted = whole.with_(seed=0).sha256
    return any((c.of or c.recipe).with_(seed=0).sha256 == wanted for c in cells)


def _figure(report: Mapping[str, Any], path: tuple[str, str]) -> float | None:
    part, name = path
    found: float | None = report[part].get(name)
    return found


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
