"""The results of a comparison: for each recipe its figures over the seeds.

A mean never stands alone: with it go the number of seeds and folds, their spread, the
protocol and the taxonomy, and the same figures at the plain argmax.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evenflow import __version__, metrics
from evenflow.judge import published
from evenflow.judge.report import BINARY
from evenflow.recipe import Recipe

ARGMAX = {"binary": BINARY, "multiclass": metrics.MULTICLASS}
"""Parts of a report that stand twice, and their figures."""
IGNORED = ("title", "reference", "seed", "split.fold")
"""Keys of a recipe that do not set a row apart."""
LONGEST = 60
"""Characters of what a label says sets a row apart; where it would be longer, the label
has the first digits of the recipe's SHA-256."""
OverSeeds = dict[str, Any]
"""``n, mean, std, low, high`` of one figure over the seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One recipe with one seed, judged."""

    recipe: Recipe
    report: Mapping[str, Any]
    why: str = ""
    of: Recipe | None = None
    """The recipe of which this is one fold; None where it is not one of several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """One recipe with one seed that came to nothing."""

    name: str
    seed: int
    error: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recipe over its seeds."""

    label: str
    model: str
    balance: str
    why: str
    """Why it is there when nobody named it."""
    title: str
    reference: str
    dataset: str
    is_synthetic: bool
    protocol: str
    protocol_description: str
    is_optimistic: bool
    taxonomy: str
    n_rows: int
    """Test rows with one seed, in all folds."""
    seeds: tuple[int, ...]
    folds: int
    """Folds judged with each seed; 1 where the figures are of one split."""
    binary: dict[str, OverSeeds]
    multiclass: dict[str, OverSeeds]
    recall: dict[str, dict[str, Any]]
    """Class -> ``n, mean, std, low, high`` over the seeds, ``rows`` judged, and the
    Wilson interval ``wilson`` of the mean on that many rows."""
    argmax: dict[str, dict[str, OverSeeds]]
    """``binary`` and ``multiclass`` again, each row given its likeliest class."""
    rows_fitted: OverSeeds
    """After balancing."""
    train_s: OverSeeds
    score_rows_per_s: OverSeeds
    model_bytes: OverSeeds
    n_parameters: OverSeeds
    recipe: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Rows of our own, what failed, and what others published."""

    rows: tuple[Row, ...]
    failed: tuple[Failed, ...] = ()
    evenflow_version: str = __version__
    published: dict[str, Any] = field(
        default_factory=lambda: published.read().to_dict()
    )

    def __repr__(self) -> str:
        names = ", ".join(row.label for row in self.rows[:5])
        more = len(self.rows) - 5
        return (
            f"<Comparison of {len(self.rows)} recipes, {len(self.failed)} failed: "
            f"{names}{f' and {more} more' if more > 0 else ''}>"
        )

    def _repr_html_(self) -> str:
        from evenflow.judge.pages import notebook

        return notebook.comparison(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return asdict(self)


def collect(cells: Sequence[Cell], failed: Sequence[Failed] = ()) -> Comparison:
    """Gather cells that differ in seed and fold alone into rows, first come first."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        whole = cell.of or cell.recipe
        groups.setdefault(whole.with_(seed=0).sha256, []).append(cell)
    labels = _labels([cells[0].of or cells[0].recipe for cells in groups.values()])
    rows = [_row(*one) for one in zip(labels, groups.values(), strict=True)]
    return Comparison(rows=tuple(rows), failed=tuple(failed))


def _labels(recipes: Sequence[Recipe]) -> list[str]:
    """Return the names of recipes, with what sets those of one name apart.

    That is the models and other plug-ins they name, where these differ; else all their
    settings that differ; else the first digits of the SHA-256.
    """
    labels = [recipe.name for recipe in recipes]
    for name in {name for name in labels if labels.count(name) > 1}:
        alike = [k for k, recipe in enumerate(recipes) if recipe.name == name]
        settings = [_settings(recipes[k].to_dict()) for k in alike]
        keys = [
            key
            for key in dict.fromkeys(key for one in settings for key in one)
            if key not in IGNORED and len({one.get(key) for one in settings}) > 1
        ]
        found = [f" [{recipes[k].sha256[:6]}]" for k in alike]
        for some in ([key for key in keys if key.endswith(".name")], keys):
            texts = [
                ", ".join(f"{key}={one[key]}" for key in some if key in one)
                for one in settings
            ]
            if len({*texts}) == len(texts) and max(map(len, texts)) <= LONGEST:
                found = [f" ({text})" if text else "" for text in texts]
                break
        for k, what in zip(alike, found, strict=True):
            labels[k] = name + what
    return labels


def _settings(value: Mapping[str, Any], under: str = "") -> dict[str, str]:
    """Return a recipe's keys with their values, as ``--set`` takes them."""
    found: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            found |= _settings(inner, f"{under}{key}.")
        else:
            found[f"{under}{key}"] = str(inner)
    return found


def _row(label: str, cells: Sequence[Cell]) -> Row:
    first, reports = cells[0], [cell.report for cell in cells]
    report, recipe = first.report, first.of or first.recipe
    seeds = tuple(dict.fromkeys(cell.recipe.seed for cell in cells))
    folds = len(cells) // len(seeds)
    one_seed = [c.report for c in cells if c.recipe.seed == seeds[0]]
    # folds and seeds may differ in their classes: attack types that few rows have
    names = dict.fromkeys(name for part in reports for name in part["class_counts"])
    counts = {
        name: sum(part["class_counts"].get(name, 0) for part in one_seed)
        for name in names
    }

    protocol, description = report["protocol"], report["protocol_description"]
    if folds > 1:
        protocol = f"{recipe.split.name}, {folds} folds"
        description = f"mean over {folds} folds; the first: {description}"

    def over(*path: str) -> OverSeeds:
        return metrics.over_seeds(_at(one, path) for one in reports)

    return Row(
        label=label,
        model=recipe.model.name,
        balance=recipe.balance.name,
        why=first.why,
        title=recipe.title,
        reference=recipe.reference,
        dataset=report["dataset"],
        is_synthetic=report["is_synthetic"],
        protocol=protocol,
        protocol_description=description,
        is_optimistic=report["is_optimistic"],
        taxonomy=report["taxonomy"],
        n_rows=sum(part["n_rows"] for part in one_seed),
        seeds=seeds,
        folds=folds,
        binary={name: over("binary", name) for name in BINARY},
        multiclass={name: over("multiclass", name) for name in metrics.MULTICLASS},
        recall={
            name: _recall(over("multiclass", "recall", name), n)
            for name, n in counts.items()
        },
        argmax={
            part: {name: over("argmax", part, name) for name in names}
            for part, names in ARGMAX.items()
        },
        rows_fitted=over("training", "rows", "balanced"),
        train_s=metrics.over_seeds(map(train_seconds, reports)),
        score_rows_per_s=over("training", "score_rows_per_s"),
        model_bytes=over("training", "model_bytes"),
        n_parameters=over("training", "n_parameters"),
        recipe=recipe.to_dict(),
    )


def train_seconds(report: Mapping[str, Any]) -> float:
    """Return seconds from raw rows to a decided model: prepare, balance, fit, set."""
    seconds: dict[str, float] = report["training"]["seconds"]
    steps = ("prepare", "balance", "fit", "calibrate")  # detectors balance nothing
    return sum(seconds.get(step, 0.0) for step in steps)


def _recall(over: OverSeeds, n_rows: int) -> dict[str, Any]:
    """Add Wilson's interval: one seed more is not one test row more."""
    mean = over["mean"]
    edges = None if mean is None else metrics.wilson(round(mean * n_rows), n_rows)
    return over | {"rows": n_rows, "wilson": None if edges is None else list(edges)}


def _at(value: Mapping[str, Any], path: Sequence[str]) -> float | None:
    found: Any = value
    for step in path[:-1]:
        found = found[step]
    found = found.get(path[-1])
    return None if found is None else float(found)
