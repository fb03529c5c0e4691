"""Run a group of scenarios, or a suite, and publish its results.

    python benchmarks/quality/run.py nsl_kdd_official --data ../shared/datasets
    python benchmarks/quality/run.py bot_iot
    python benchmarks/quality/run.py nsl_kdd_official --cell nsl_kdd/cnn-hybrid
    python benchmarks/quality/run.py nsl_kdd --finished

Every cell is trained with one thread, saved as a bundle, and its figures come from that
bundle, loaded again. Cells are kept under ``--work`` and not trained again, so a
stopped run goes on; nor are published cells: delete one from ``results`` to train it
again. What is committed under ``results/<group>`` is the comparison's tables and, for
each cell, its report without curves (they are drawn in the comparison's page, which is
not committed).

``--cell`` trains one cell, and fails where a figure differs from the committed one by
more than its tolerance: networks depend on the processor's instruction set.
"""

from __future__ import annotations

import os

# sums depend on the number of threads: with one, the number of cores does not matter
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenarios import FIGURES, GROUPS, NETWORKS, TOLERANCE, Group

import evenflow
from evenflow.experiment import suite
from evenflow.experiment.compare import Entry, cell_name, with_baselines
from evenflow.files import write_json, write_text

RESULTS = Path(__file__).parent / "results"
BULKY = ("curves", "leaks")
"""Parts of a report that are drawn, not read: not committed."""


def recipes(group: Group) -> list[evenflow.Recipe]:
    """Return the group's recipes with the group's changes."""
    return [evenflow.Recipe.load(name).with_(**group.changes) for name in group.recipes]


def entries(name: str) -> list[Entry]:
    """Return what a group or a suite compares."""
    if name not in GROUPS:  # a suite names its baselines itself
        return suite.load(name).entries()
    group = GROUPS[name]
    found = [Entry(recipe=r, seeds=group.seeds) for r in recipes(group)]
    return with_baselines(found) if group.baselines else found


def reuse(name: str, folder: Path) -> None:
    """Copy the cells that this comparison or another has published."""
    wanted = {cell_name(c) for e in entries(name) for c in e.cells(1, folds=False)}
    wanted -= {path.stem for path in folder.glob("*.json")}
    for path in sorted(RESULTS.glob("*/cells/*.json")):
        if path.stem in wanted:
            write_text(folder / path.name, path.read_text())


def finished_seeds(entry: Entry, cells: Path) -> int:
    """Return how many of a recipe's seeds are there, all before the first missing."""
    for n in range(entry.seeds):
        wanted = replace(entry, seeds=n + 1).cells(1, folds=False)
        if not all((cells / f"{cell_name(one)}.json").exists() for one in wanted):
            return n
    return entry.seeds


def run(name: str, folders: list[Path], work: Path, *, finished: bool) -> list[str]:
    """Train what is missing of a comparison's cells, then evaluate every bundle.

    With ``finished`` nothing is trained; what is not finished is returned.
    """
    cells, left = work / name / "cells", []
    reuse(name, cells)
    wanted = entries(name)
    if finished:
        done = [finished_seeds(entry, cells) for entry in wanted]
        left = [
            f"`{entry.recipe.name}`: {n} of {entry.seeds} seeds"
            for entry, n in zip(wanted, done, strict=True)
            if n < entry.seeds
        ]
        wanted = [replace(e, seeds=n) for e, n in zip(wanted, done, strict=True) if n]

    def compare() -> None:
        comparison = evenflow.compare(
            wanted,
            work / name,
            bundles=True,
            baselines=False,  # they are among the entries
            folders=folders,
        )
        if comparison.failed:
            raise SystemExit(f"{name}: {len(comparison.failed)} cells failed")

    compare()
    for path in sorted((work / name / "cells").glob("*.json")):
        cell = json.loads(path.read_text())
        bundle = work / name / "bundles" / path.stem
        if not bundle.exists():  # published, so its figures are those of a bundle
            continue
        report = evenflow.evaluate(
            bundle, cell["recipe"]["dataset"]["name"], "held_out", folders=folders
        )
        write_json(path, cell | {"report": report.to_dict()})
    compare()  # no cell is trained again: the tables are made from the bundles' reports
    return left


def check(name: str, group: Group, recipe: str, folders: list[Path]) -> str:
    """Train one cell, print its figures beside the committed ones; name those apart."""
    (chosen,) = (r for r in recipes(group) if r.name == recipe)
    committed = json.loads(
        (RESULTS / name / "cells" / f"{cell_name(chosen)}.json").read_text()
    )["report"]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        made = evenflow.train(chosen, bundle, folders=folders).report.to_dict()
    kind = "networks" if chosen.model.name in NETWORKS else "others"
    print(f"{recipe}, seed {chosen.seed}, per cent; tolerance of {kind}")
    apart = []
    for part, figure in FIGURES:
        here, there = made[part][figure], committed[part][figure]
        is_near = abs(here - there) <= TOLERANCE[kind]
        text = f"{figure:22} {100 * here:7.2f} here  {100 * there:7.2f} committed"
        print(f"{text}  tolerance {100 * TOLERANCE[kind]:.1f}")
        apart += [] if is_near else [" ".join(text.split())]
    for side, report in (("here", made), ("committed", committed)):
        print(f"{side}: {json.dumps(report['training']['machine'])}")
    return "; ".join(apart)


def publish(name: str, work: Path, left: list[str]) -> None:
    """Copy a comparison into the committed results."""
    folder, done = RESULTS / name, work / name
    text = (done / "comparison.md").read_text()
    if left:
        text += "\n## Not run to the end yet\n\n- " + "\n- ".join(left) + "\n"
    write_text(folder / "comparison.md", text)
    comparison = json.loads((done / "comparison.json").read_text())
    del comparison["published"]  # the survey's figures ship with evenflow
    write_json(folder / "comparison.json", comparison | {"commit": commit()})
    for path in sorted((folder / "cells").glob("*.json")):
        path.unlink()
    for path in sorted((done / "cells").glob("*.json")):
        cell = json.loads(path.read_text())
        write_json(folder / "cells" / path.name, slim(cell))


def slim(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell without what is only drawn."""
    report = {k: v for k, v in cell["report"].items() if k not in BULKY}
    return cell | {"report": report}


def commit() -> str:
    """Return the commit that ran."""
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    """Run and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="groups or suites; all groups")
    parser.add_argument("--data", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--work", type=Path, default=Path("runs"))
    parser.add_argument(
        "--finished", action="store_true", help="train nothing; publish what is there"
    )
    parser.add_argument("--cell", metavar="RECIPE", help="train and compare one cell")
    arguments = parser.parse_args()
    names = arguments.names or list(GROUPS)
    if unknown := {*names} - {*GROUPS, *suite.shipped()}:
        parser.error(f"no group or suite is called {', '.join(sorted(unknown))}")
    if arguments.cell:
        if len(names) != 1 or names[0] not in GROUPS:
            parser.error("--cell needs the name of one group")
        name = names[0]
        apart = check(name, GROUPS[name], arguments.cell, [arguments.data])
        raise SystemExit(f"differs: {apart}" if apart else 0)
    for name in names:
        left = run(name, [arguments.data], arguments.work, finished=arguments.finished)
        publish(name, arguments.work, left)


if __name__ == "__main__":
    main()
