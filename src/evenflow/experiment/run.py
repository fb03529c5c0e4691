"""One experiment from recipe to bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenflow import datasets
from evenflow.errors import RecipeError, StorageError
from evenflow.experiment.notes import once, warn
from evenflow.files import followed, owned, storage_error, write_json
from evenflow.progress import OnEvent, Progress, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Table

if TYPE_CHECKING:
    from evenflow.judge.report import Report
    from evenflow.learn.training import Trained

STARTED = "recipe.json"
"""File in the folder of an unfinished run with the recipe of its start."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The outcome of one recipe."""

    trained: Trained
    """The model, its scores of the test rows, and the record of the training."""
    report: Report
    """What it did on the test rows."""

    def __repr__(self) -> str:
        recipe = self.trained.recipe
        return f"<Experiment {recipe.name}, seed {recipe.seed}: {self.report!r}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the bundle, whole or not at all.

        Raises
        ------
        StorageError
            Something already exists, or it cannot be written.
        """
        from evenflow.judge.pages.card import model_card
        from evenflow.runtime import bundle

        trained = self.trained
        bundle.save(
            folder,
            schema=trained.schema,
            preprocessor=trained.preprocessor,
            model=trained.model,
            decision=trained.decision,
            golden=trained.golden,
            reference=trained.reference,
            recipe=trained.recipe.to_dict(),
            report=self.report.to_dict(),
            card=model_card(self.report),
            fingerprint=trained.fingerprint,
            baseline=trained.baseline,
            overwrite=overwrite,
        )


def run(
    recipe: Recipe,
    *,
    folders: Sequence[Path],
    rows: Mapping[str, Any] | None = None,
    more: Table | None = None,
    output: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    deterministic: bool = False,
    overwrite: bool = False,
    on_event: OnEvent = ignore,
) -> Experiment:
    """Train, judge and, with ``output``, save.

    Parameters
    ----------
    recipe : Recipe
    folders : sequence of Path
        Where data sets are looked for, in order.
    rows : mapping of str to DataFrame or Table, optional
        Part -> rows, for the data set ``memory``.
    more : Table, optional
        Labelled rows to fit beside those of the data set, such as feedback.
    output : Path, optional
        Folder to write the bundle to. While it is made, its checkpoint lies in
        ``<output>.partial``.
    cache : Path, optional
        Folder that keeps balanced rows for runs that balance alike.
    resume : bool
        Go on from the checkpoint that an interrupted run left.
    device : {'auto', 'cpu', 'cuda'}
    deterministic : bool
        Train in float32 with one thread: equal results on equal processors.
    overwrite : bool
        Replace a bundle that is already there.

    Raises
    ------
    BusyError
        Another run writes the same bundle.
    RecipeError
        ``resume`` is set and the interrupted run had another recipe.
    StorageError
        Something is in the way of ``output``.
    """
    make = partial(
        _experiment,
        recipe,
        folders,
        rows,
        on_event,
        more=more,
        cache=cache,
        resume=resume,
        device=device,
        deterministic=deterministic,
    )
    if output is None:
        return make(workdir=None)
    output = followed(output)
    _is_free(output, overwrite=overwrite)
    workdir = output.with_name(f"{output.name}.partial")
    with owned(workdir):
        # the run that owned it a moment ago may have finished
        _is_free(output, overwrite=overwrite)
        if resume:
            _same_recipe(workdir, recipe)
        write_json(workdir / STARTED, recipe.to_dict())
        try:
            experiment = make(workdir=workdir)
        except BaseException:
            if {path.name for path in workdir.iterdir()} <= {".lock", STARTED}:
                shutil.rmtree(workdir, ignore_errors=True)  # nothing to resume
            raise
        experiment.save(output, overwrite=overwrite)
        try:
            shutil.rmtree(workdir)
        except OSError as error:
            raise storage_error(workdir, error) from error
    return experiment


def is_done(output: Path, recipe: Recipe) -> bool:
    """Return whether the recipe's bundle is there; delete what its run left beside it.

    A bundle that is there and damaged is a BundleError.
    """
    from evenflow.runtime import bundle

    output = followed(output)
    is_there = (output / "manifest.json").is_file()
    if not is_there or _changed(bundle.load(output, threads=1).recipe, recipe):
        return False
    workdir = output.with_name(f"{output.name}.partial")
    if (workdir / STARTED).is_file():  # killed after the bundle was written
        with owned(workdir):
            shutil.rmtree(workdir, ignore_errors=True)
    return True


def _is_free(output: Path, *, overwrite: bool) -> None:
    """Refuse a path that the bundle could not take, before anything is trained."""
    is_bundle = (output / "manifest.json").is_file()
    is_empty = output.is_dir() and not any(output.iterdir())
    if output.exists() and not is_empty and not (overwrite and is_bundle):
        do = "another or ask to overwrite it" if is_bundle else "another"
        raise StorageError(
            f"{output} already exists{'' if is_bundle else ' and is not a bundle'}; "
            f"expected a new path. Choose {do}"
        )


def _same_recipe(workdir: Path, recipe: Recipe) -> None:
    """Refuse to resume with another recipe than that of the interrupted run.

    Raises
    ------
    RecipeError
        The recipes differ; the message names the keys.
    """
    try:
        before = json.loads((workdir / STARTED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # killed before it was written; the checkpoint tells rows and settings
    if changed := _changed(before, recipe):
        raise RecipeError(
            f"{workdir} holds an interrupted run of another recipe: "
            f"{'; '.join(changed)}. Resume with the recipe and seed it was started "
            "with, or train again without --resume"
        )


def _changed(before: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """Return the keys by which a recipe differs from an earlier one, in words."""
    now = json.loads(json.dumps(recipe.to_dict()))
    return [
        f"{key} was {before.get(key)!r}, is {now[key]!r}"
        for key in now
        if key not in ("title", "reference") and before.get(key) != now[key]
    ]


def _experiment(
    recipe: Recipe, folders: Sequence[Path], rows: Any, on_event: OnEvent, **how: Any
) -> Experiment:
    """Train as ``how`` says and judge."""
    from evenflow.judge.report import judge
    from evenflow.learn.training import train
    from evenflow.prepare.leaks import Shared
    from evenflow.runtime.contents import check_recipe, check_table

    check_recipe(recipe.to_dict())
    found_notes: list[str] = []
    on_new = once(on_event, found_notes)

    def load(split: str) -> Table:
        table = datasets.load(
            recipe.dataset.name,
            split,
            folders=folders,
            rows=rows,
            on_event=on_new,
            **recipe.dataset.params,
        )
        check_table(table, recipe.target)
        return table

    trained = train(recipe, load=load, on_event=on_event, **how)
    # what was guessed of the rows comes first
    notes = [*found_notes, *trained.record["notes"]]
    trained = replace(trained, record=trained.record | {"notes": notes})
    on_event(Progress(step="judge", done=0, unit="step"))
    report = judge(
        trained.test,
        trained.scores,
        protocol=trained.protocol,
        unseen_attacks=trained.unseen_attacks,
        decision=trained.decision,
        training=trained.record | {"model_bytes": len(trained.model)},
        shared=Shared(
            rows=len(trained.test),
            compared=len(trained.test),
            found=trained.record["rows_shared_with_test"],
        ),
    )
    warn(report, on_event)
    on_event(Progress(step="judge", done=1, total=1, unit="step"))
    return Experiment(trained=trained, report=report)
