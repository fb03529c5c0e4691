"""Run recipes x seeds, cell by cell, so that nothing finished is ever lost.

Each cell is one file; a comparison that was stopped, or that gets one more recipe,
runs only the cells that are not there. A cell that fails does not stop the others.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenflow import __version__, files, registry
from evenflow.errors import RecipeError, StorageError
from evenflow.judge.comparison import Cell, Comparison, Failed, collect
from evenflow.judge.pages import comparison as comparison_page
from evenflow.learn.models import BASELINES
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.recipe import Recipe

logger = logging.getLogger(__name__)

FORMAT = 1
UNBALANCED = "none"

RunCell = Callable[[Recipe], Mapping[str, Any]]
"""Trains and judges one recipe; returns its report as JSON values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A recipe to compare, and why it is there."""

    recipe: Recipe
    why: str = ""
    """Empty for one the user named."""


def compare(
    recipes: Sequence[Recipe],
    seeds: int,
    folder: Path,
    *,
    run_cell: RunCell,
    folds: bool = False,
    baselines: bool = True,
    pages: bool = True,
    on_event: OnEvent = ignore,
) -> Comparison:
    """Run what is not finished, then write the tables, the page and the charts.

    Parameters
    ----------
    recipes : sequence of Recipe
    seeds : int
        Cells of each recipe: its own seed, then the next ones.
    folder : Path
        Finished cells lie in ``folder/cells`` and are taken as they are.
    run_cell : callable
        Runs one cell and returns its report.
    folds : bool
        Run every fold of each recipe's split and average over them.
    baselines : bool
        Add what makes a figure comparable: see :func:`with_baselines`.
    pages : bool
        Draw the page and the pictures too, not the tables alone.

    Raises
    ------
    RecipeError
        No recipe, fewer than one seed, or ``folds`` with a split that has none.
    StorageError
        ``folder`` cannot be written; BusyError if another comparison writes it.
    """
    if not recipes or seeds < 1:
        raise RecipeError(
            f"{len(recipes)} recipes with {seeds} seeds make no comparison; expected "
            "one recipe or more and one seed or more"
        )
    entries = with_baselines(recipes) if baselines else distinct(recipes)
    with files.owned(folder):
        cells, failed = run_cells(
            entries, seeds, folder, run_cell=run_cell, folds=folds, on_event=on_event
        )
        comparison = collect(cells, failed)
        comparison_page.write_tables(comparison, folder)
        if pages:
            on_event(Progress(step="draw", done=0, unit="step"))
            comparison_page.write_pages(comparison, folder)
    return comparison


def run_cells(
    entries: Sequence[Entry],
    seeds: int,
    folder: Path,
    *,
    run_cell: RunCell,
    folds: bool = False,
    on_event: OnEvent = ignore,
) -> tuple[list[Cell], list[Failed]]:
    """Run what is not finished; return the cells that are, and those that failed.

    The folder has to be owned.
    """
    todo = [
        (entry, cell.with_(seed=cell.seed + k))
        for k in range(seeds)
        for entry in entries
        for cell in (each_fold(entry.recipe) if folds else (entry.recipe,))
    ]
    cells: list[Cell] = []
    failed: list[Failed] = []
    for number, (entry, recipe) in enumerate(todo):
        on_event(Progress(step="compare", done=number, total=len(todo), unit="cells"))
        label = f"{recipe.name} with seed {recipe.seed}"
        if folds:
            label += f", fold {recipe.split.params['fold'] + 1}"
        report = _kept(folder, recipe, on_event)
        if report is None:
            on_event(Note(text=f"cell {number + 1} of {len(todo)}: {label}"))
            try:
                report = _run(folder, recipe, run_cell)
            except StorageError:
                raise
            except Exception as error:  # one cell must not cost the rest
                logger.info("%s failed", label, exc_info=True)
                text = f"{type(error).__name__}: {error}"
                on_event(Note(text=f"{label} failed: {text}"))
                failed.append(Failed(name=recipe.name, seed=recipe.seed, error=text))
                continue
        cells.append(Cell(recipe=recipe, why=entry.why, report=report, of=entry.recipe))
    on_event(Progress(step="compare", done=len(todo), total=len(todo), unit="cells"))
    return cells, failed


def with_baselines(recipes: Sequence[Recipe]) -> list[Entry]:
    """Return the recipes, each with the lines it must be compared with.

    A model that balances is followed by the same model without balancing, its
    threshold set in the same way, or one could not tell what balancing brought. A
    network, a system and a novelty detector are followed by a forest and boosted
    trees on the same rows.
    """
    entries = [Entry(recipe=recipe) for recipe in recipes]
    entries += [
        Entry(
            recipe=instead(recipe, balance={"name": UNBALANCED}),
            why="no balancing, threshold moved",
        )
        for recipe in recipes
        if recipe.balance.name != UNBALANCED
    ]
    for recipe in recipes:
        if registry.load("models", recipe.model.name).compared_with_trees:
            entries += [
                Entry(
                    recipe=instead(
                        recipe,
                        balance={"name": UNBALANCED},
                        model={"name": tree},
                    ),
                    why="trees on the same rows",
                )
                for tree in BASELINES
            ]
    return _first_of_each(entries)


def each_fold(recipe: Recipe) -> list[Recipe]:
    """Return the recipe once for every fold of its split.

    Raises
    ------
    RecipeError
        The split has no folds.
    """
    params = recipe.split.params
    if not {"k", "fold"} <= params.keys():
        raise RecipeError(
            f"{recipe.name}: the split {recipe.split.name!r} has no folds; expected "
            "kfold or unseen. Add --set split=kfold, or leave out --folds"
        )
    return [recipe.with_(split__fold=fold) for fold in range(params["k"])]


def distinct(recipes: Sequence[Recipe]) -> list[Entry]:
    """Return each recipe once, in the order given."""
    return _first_of_each([Entry(recipe=recipe) for recipe in recipes])


def _first_of_each(entries: Sequence[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(entry.recipe.sha256, entry)
    return list(found.values())


def instead(recipe: Recipe, **parts: Any) -> Recipe:
    """Return the recipe with other parts, without its title."""
    value = recipe.to_dict() | parts | {"title": "", "reference": ""}
    return Recipe.from_dict(value, source=recipe.name)


def cell_name(recipe: Recipe) -> str:
    """Return the name under which a cell is kept; equal recipes share it."""
    name = recipe.name.replace("/", "-")
    return f"{name}-seed{recipe.seed}-{recipe.sha256[:12]}"


def _path(folder: Path, recipe: Recipe) -> Path:
    return folder / "cells" / f"{cell_name(recipe)}.json"


def _run(folder: Path, recipe: Recipe, run_cell: RunCell) -> dict[str, Any]:
    start = time.perf_counter()
    report = dict(run_cell(recipe))
    files.write_json(
        _path(folder, recipe),
        {
            "format": FORMAT,
            "evenflow": __version__,
            "recipe": recipe.to_dict(),
            "recipe_sha256": recipe.sha256,
            "seconds": time.perf_counter() - start,
            "report": report,
        },
    )
    return report


def _kept(folder: Path, recipe: Recipe, on_event: OnEvent) -> dict[str, Any] | None:
    """Return the report of a finished cell, None where it must be run."""
    path = _path(folder, recipe)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        whole = (
            value["format"] == FORMAT
            and value["recipe_sha256"] == recipe.sha256
            and isinstance(value["report"], dict)
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        on_event(Note(text=f"{path} is damaged; the cell is run again"))
        return None
    if value["evenflow"] != __version__:
        on_event(
            Note(
                text=f"{path} was made by evenflow {value['evenflow']}, this is "
                f"{__version__}; the cell is run again"
            )
        )
        return None
    report: dict[str, Any] = value["report"]
    return report
