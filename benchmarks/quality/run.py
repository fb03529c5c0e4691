"""Run a group of scenarios and publish its results.

    python benchmarks/quality/run.py nsl_kdd_official --data ../shared/datasets
    python benchmarks/quality/run.py --publish-only --work runs

Cells are kept under ``--work`` and not run again, so a stopped run goes on. What is
committed under ``results/<group>`` is the comparison's tables and, for each cell, its
report without curves (they are drawn in the comparison's page, which is not committed).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scenarios import GROUPS, Group

import evenflow
from evenflow.files import write_json, write_text

RESULTS = Path(__file__).parent / "results"
BULKY = ("curves", "leaks")
"""Parts of a report that are drawn, not read: not committed."""


def run(name: str, group: Group, folders: list[Path], work: Path) -> None:
    """Run what is missing of a group's cells, then write its comparison."""
    recipes = [
        evenflow.Recipe.load(recipe).with_(**group.changes) for recipe in group.recipes
    ]
    comparison = evenflow.compare(
        recipes, work / name, seeds=group.seeds, folders=folders
    )
    if comparison.failed:
        raise SystemExit(f"{name}: {len(comparison.failed)} cells failed")


def publish(name: str, work: Path) -> None:
    """Copy a finished comparison into the committed results."""
    folder, done = RESULTS / name, work / name
    write_text(folder / "comparison.md", (done / "comparison.md").read_text())
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


def chosen(names: list[str]) -> Iterator[tuple[str, Group]]:
    """Yield the groups asked for; all without a name."""
    for name in names or GROUPS:
        yield name, GROUPS[name]


def main() -> None:
    """Run and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS])
    parser.add_argument("--data", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--work", type=Path, default=Path("runs"))
    parser.add_argument("--publish-only", action="store_true")
    arguments = parser.parse_args()
    for name, group in chosen(arguments.groups):
        if not arguments.publish_only:
            run(name, group, [arguments.data], arguments.work)
        publish(name, arguments.work)


if __name__ == "__main__":
    main()
