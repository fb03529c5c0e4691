"""Run recipes x seeds, cell by cell, so that nothing finished is ever lost.

Each cell is one file; a comparison that was stopped, or that gets one more recipe,
runs only the cells that are not there. A cell that fails does not stop the others.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from evenflow import __version__, files, registry
from evenflow.errors import RecipeError, StorageError
from evenflow.judge.comparison import Cell, Comparison, Failed, collect
from evenflow.judge.pages import comparison as comparison_page
from evenflow.learn.models import BASELINES
from evenflow.places import threads_of_children
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.recipe import Recipe

logger = logging.getLogger(__name__)

FORMAT = 1
UNBALANCED = "none"
CACHE = "cache"
"""Folder of a study for what its cells share."""

RunCell = Callable[[Recipe], Mapping[str, Any]]
"""Trains and judges one recipe; returns its report as JSON values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A recipe to compare, and why it is there."""

    recipe: Recipe
    why: str = ""
    """Empty for one the user named."""
    seeds: int = 0
    """Cells of it; 0: as many as the comparison asks for."""
    folds: bool = False
    """Whether every fold of its split is run, whatever the comparison asks for."""

    def cells(self, seeds: int, *, folds: bool) -> list[Recipe]:
        """Return the recipe with each seed, in each fold."""
        recipe = self.recipe
        every = each_fold(recipe) if folds or self.folds else [recipe]
        return [
            one.with_(seed=one.seed + k)
            for k in range(self.seeds or seeds)
            for one in every
        ]


def compare(
    recipes: Sequence[Recipe | Entry],
    seeds: int,
    folder: Path,
    *,
    run_cell: RunCell,
    folds: bool = False,
    baselines: bool = True,
    pages: bool = True,
    jobs: int = 1,
    on_event: OnEvent = ignore,
) -> Comparison:
    """Run what is not finished, then write the tables, the page and the charts.

    Parameters
    ----------
    recipes : sequence of Recipe or Entry
    seeds : int
        Cells of each recipe, its own seed, then the next ones; for an entry that says
        nothing else.
    folder : Path
        Finished cells lie in ``folder/cells`` and are taken as they are.
    run_cell : callable
        Runs one cell and returns its report; with ``jobs`` it is pickled.
    folds : bool
        Run every fold of each recipe's split and average over them.
    baselines : bool
        Add what makes a figure comparable: see :func:`with_baselines`.
    pages : bool
        Draw the page and the pictures too, not the tables alone.
    jobs : int
        Processes that run cells, each on its share of the cores.

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
    with studied(folder):
        cells, failed = run_cells(
            entries, seeds, folder,
            run_cell=run_cell, folds=folds, jobs=jobs, on_event=on_event,
        )  # fmt: skip
        comparison = collect(cells, failed)
        comparison_page.write_tables(comparison, folder)
        if pages:
            on_event(Progress(step="draw", done=0, unit="step"))
            comparison_page.write_pages(comparison, folder)
    return comparison


@contextmanager
def studied(folder: Path) -> Iterator[None]:
    """Own the folder of a study; delete what its cells shared if it ends well."""
    with files.owned(folder):
        yield
        # balanced rows, by the gigabyte; those of whoever owns the folder next stay
        shutil.rmtree(folder / CACHE, ignore_errors=True)


def run_cells(
    entries: Sequence[Entry],
    seeds: int,
    folder: Path,
    *,
    run_cell: RunCell,
    folds: bool = False,
    jobs: int = 1,
    on_event: OnEvent = ignore,
) -> tuple[list[Cell], list[Failed]]:
    """Run what is not finished; return the cells that are, and those that failed.

    The folder has to be owned.
    """
    todo = [
        (entry, cell) for entry in entries for cell in entry.cells(seeds, folds=folds)
    ]
    # the first seed of each recipe before the second of any
    todo.sort(key=lambda one: one[1].seed - one[0].recipe.seed)
    reports = [_kept(folder, recipe, on_event) for _, recipe in todo]
    missing = [n for n, report in enumerate(reports) if report is None]
    failed: list[Failed] = []

    def count(done: int) -> None:
        done += len(todo) - len(missing)
        on_event(Progress(step="compare", done=done, total=len(todo), unit="cells"))

    def label(number: int) -> str:
        recipe = todo[number][1]
        fold = recipe.split.params.get("fold")
        fold = "" if fold is None else f", fold {fold + 1}"
        return f"{recipe.name} with seed {recipe.seed}{fold}"

    def begun(number: int) -> None:
        on_event(Note(text=f"cell {number + 1} of {len(todo)}: {label(number)}"))

    made = _in_turn if jobs < 2 else partial(_beside, jobs=jobs)
    runs = [partial(_run, folder, todo[n][1], run_cell) for n in missing]
    count(0)
    for done, (k, outcome) in enumerate(made(runs, lambda k: begun(missing[k])), 1):
        number = missing[k]
        try:
            reports[number] = outcome()
        except StorageError:
            raise
        except Exception as error:  # one cell must not cost the rest
            logger.info("%s failed", label(number), exc_info=True)
            text = f"{type(error).__name__}: {error}"
            on_event(Note(text=f"{label(number)} failed: {text}"))
            recipe = todo[number][1]
            failed.append(Failed(name=recipe.name, seed=recipe.seed, error=text))
        count(done)
    cells = [
        Cell(recipe=recipe, why=entry.why, report=report, of=entry.recipe)
        for (entry, recipe), report in zip(todo, reports, strict=True)
        if report is not None
    ]
    return cells, failed


DIED = (
    "a process that trained a cell was killed, as when memory is short. Finished "
    "cells are kept: run the same command again with fewer --jobs"
)
Run = Callable[[], dict[str, Any]]


def _in_turn(
    runs: Sequence[Run], begun: Callable[[int], None]
) -> Iterator[tuple[int, Run]]:
    for k, run in enumerate(runs):
        begun(k)
        yield k, run


def _beside(
    runs: Sequence[Run], begun: Callable[[int], None], *, jobs: int
) -> Iterator[tuple[int, Run]]:
    """Run in processes, each on its share of the cores; yield what is done."""
    share = max(1, len(os.sched_getaffinity(0)) // jobs)
    context = multiprocessing.get_context("spawn")
    waiting = list(range(len(runs)))[::-1]
    running: dict[Future[dict[str, Any]], int] = {}
    with (
        threads_of_children(share),
        ProcessPoolExecutor(jobs, mp_context=context) as pool,
    ):
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    k = waiting.pop()
                    begun(k)
                    try:
                        running[pool.submit(runs[k])] = k
                    except BrokenProcessPool as error:
                        raise StorageError(DIED) from error
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    if isinstance(future.exception(), BrokenProcessPool):
                        raise StorageError(DIED)
                    yield running.pop(future), future.result
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()  # a cell is written whole or not at all
            raise


def with_baselines(recipes: Sequence[Recipe | Entry]) -> list[Entry]:
    """Return the recipes, each with the lines it must be compared with.

    A model that balances is followed by the same model without balancing, its
    threshold set in the same way, or one could not tell what balancing brought. A
    network, a system and a novelty detector are followed by a forest and boosted
    trees on the same rows.
    """
    entries = distinct(recipes)
    named = list(entries)
    entries += [
        replace(
            entry,
            recipe=instead(entry.recipe, balance={"name": UNBALANCED}),
            why="no balancing, threshold moved",
        )
        for entry in named
        if entry.recipe.balance.name != UNBALANCED
    ]
    entries += [
        replace(
            entry,
            recipe=as_tree(entry.recipe, tree),
            why="trees on the same rows",
        )
        for entry in named
        if registry.load("models", entry.recipe.model.name).compared_with_trees
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


def distinct(recipes: Sequence[Recipe | Entry]) -> list[Entry]:
    """Return each recipe once, in the order given."""
    return _first_of_each(
        [one if isinstance(one, Entry) else Entry(recipe=one) for one in recipes]
    )


def _first_of_each(entries: Sequence[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        first = found.setdefault(entry.recipe.sha256, entry)
        seeds = max(first.seeds, entry.seeds) if first.seeds else 0
        found[entry.recipe.sha256] = replace(
            first, seeds=seeds, folds=first.folds or entry.folds
        )
    return list(found.values())


def instead(recipe: Recipe, **parts: Any) -> Recipe:
    """Return the recipe with other parts, without its title."""
    value = recipe.to_dict() | parts | {"title": "", "reference": ""}
    return Recipe.from_dict(value, source=recipe.name)


def as_tree(recipe: Recipe, tree: str) -> Recipe:
    """Return the recipe with trees in place of its network, and no balancing."""
    value = recipe.to_dict()
    value.pop("loss", None)  # a network's, as the two settings below
    for key in recipe.training.later:
        value["training"].pop(key, None)
    parts = {"balance": {"name": UNBALANCED}, "model": {"name": tree}}
    return Recipe.from_dict(
        value | parts | {"title": "", "reference": ""}, source=recipe.name
    )


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
