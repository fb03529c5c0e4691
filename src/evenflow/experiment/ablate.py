"""A recipe without each of its parts or columns, and by how much its figures change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evenflow import files, registry
from evenflow.errors import RecipeError
from evenflow.experiment.compare import (
    Entry,
    RunCell,
    distinct,
    instead,
    run_cells,
    studied,
)
from evenflow.judge.ablation import Ablation, ablation
from evenflow.judge.pages.comparison import write_tables
from evenflow.judge.tables.ablation import grid
from evenflow.judge.tables.grid import markdown
from evenflow.plugins import Part, part_mark, parts_mark, within
from evenflow.progress import OnEvent, ignore
from evenflow.recipe import Recipe

WHOLE = "the recipe"


def ablate(
    recipe: Recipe,
    seeds: int,
    folder: Path,
    *,
    run_cell: RunCell,
    columns: Sequence[Sequence[str]] = (),
    folds: bool = False,
    on_event: OnEvent = ignore,
) -> Ablation:
    """Run the recipe and the recipe without each part, then write the tables.

    Parameters
    ----------
    recipe : Recipe
    seeds : int
        Cells of each line: the recipe's own seed, then the next ones.
    folder : Path
        Finished cells lie in ``folder/cells`` and are taken as they are.
    run_cell : callable
        Runs one cell and returns its report.
    columns : sequence of sequence of str
        Columns to leave out, a line for each group of them.
    folds : bool
        Run every fold of the recipe's split and average over them.

    Raises
    ------
    RecipeError
        Nothing can be left out, or the recipe's own selection is in the way.
    StorageError
        ``folder`` cannot be written; BusyError if another run writes it.
    """
    entries = [Entry(recipe=recipe, why=WHOLE)]
    entries += without_parts(recipe)
    entries += [without_columns(recipe, group) for group in columns]
    entries = distinct(entries)
    if len(entries) < 2:
        raise RecipeError(
            f"{recipe.name} has no part that can be left out; expected balancing, a "
            "loss, a selection, a system of models, or columns to leave out"
        )
    with studied(folder):
        cells, failed = run_cells(
            entries, seeds, folder, run_cell=run_cell, folds=folds, on_event=on_event
        )
        found = ablation(entries[0].recipe, cells, failed)
        write_tables(found.comparison, folder)
        files.write_json(folder / "ablation.json", found.to_dict())
        files.write_text(
            folder / "ablation.md", f"# Ablation\n\n{markdown(grid(found))}"
        )
    return found


def without_parts(recipe: Recipe) -> list[Entry]:
    """Return the recipe without each part that it has, and why."""
    return list(_without_parts(recipe))


def _without_parts(recipe: Recipe) -> Iterator[Entry]:
    if recipe.balance.name != "none":
        yield Entry(
            recipe=instead(recipe, balance={"name": "none"}), why="without balancing"
        )
    for key, why in (("loss", "with cross-entropy"), ("select", "with all columns")):
        if getattr(recipe, key) is not None:
            value = {k: v for k, v in recipe.to_dict().items() if k != key}
            yield Entry(recipe=Recipe.from_dict(value, source=recipe.name), why=why)
    if recipe.prepare.scaling == "log1p_standard":
        prepare = recipe.prepare.model_dump() | {"scaling": "standard"}
        yield Entry(
            recipe=instead(recipe, prepare=prepare),
            why="standardised without the logarithm",
        )
    if recipe.decide.attack_shares != "training":
        decide = recipe.decide.model_dump() | {"attack_shares": "training"}
        yield Entry(
            recipe=instead(recipe, decide=decide),
            why="with the attack shares of the training rows",
        )
    for mark, inner in within("models", recipe.model):
        if mark.names_classes:  # what names no classes is no whole detector
            yield Entry(
                recipe=instead(recipe, model=inner.flat()), why=f"{inner.name} alone"
            )
    for name, rest in _without_members(recipe.model):
        yield Entry(
            recipe=instead(recipe, model=rest.flat()), why=f"without the member {name}"
        )


def _without_members(model: Part) -> Iterator[tuple[str, Part]]:
    """Yield the name of each of several members, and the model without it."""
    for key, (hint, _) in registry.parameters("models", model.name).items():
        value = model.params.get(key) or {}
        if parts_mark(hint) and len(value) > 1:
            for name in value:
                others = {n: part for n, part in value.items() if n != name}
                yield name, _with(model, key, others)
        elif part_mark(hint) and value:
            for name, rest in _without_members(Part.model_validate(value)):
                yield name, _with(model, key, rest.flat())


def _with(model: Part, key: str, value: object) -> Part:
    return model.model_copy(update={"params": model.params | {key: value}})


def without_columns(recipe: Recipe, names: Sequence[str]) -> Entry:
    """Return the recipe without some columns.

    Raises
    ------
    RecipeError
        The recipe selects its columns by a rule, which would choose others.
    """
    own = {} if recipe.select is None else dict(recipe.select.params)
    if recipe.select is not None and recipe.select.name != "columns":
        raise RecipeError(
            f"{recipe.name} selects columns by {recipe.select.name!r}, which would "
            "choose others in place of those left out; expected no selection, or "
            "columns by name. Ablate the recipe without [select]"
        )
    without = dict.fromkeys([*own.get("without", ()), *names])
    select = own | {"name": "columns", "without": list(without)}
    return Entry(
        recipe=instead(recipe, select=select), why=f"without {', '.join(names)}"
    )
