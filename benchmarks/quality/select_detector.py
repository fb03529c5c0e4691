"""Choose the best detector by attack types hidden from training.

Every attack type of KDDTrain+ is hidden once: a candidate is trained without it and
judged on it and on held-out benign rows, its threshold set at the usual budget. The
score of a candidate is the mean of two shares: hidden attack types detected (each type
counts once, however many rows it has) and benign rows left in peace. The test file is
not opened.

    python benchmarks/quality/select_detector.py --data ../shared/datasets

Cells are kept under ``--work`` and not run again.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # the number of cores does not matter

import argparse
import json
import statistics
from pathlib import Path

from scenarios import SELECTION, SELECTION_FOLDS

from evenflow.experiment.run import run
from evenflow.files import write_json
from evenflow.recipe import Recipe

HERE = Path(__file__).parent


def cell(recipe: Recipe, folders: list[Path], work: Path) -> dict[str, object]:
    """Return the report of one candidate on one fold, from disk if it is there."""
    path = work / f"{recipe.sha256[:16]}.json"
    if not path.exists():
        report = run(recipe, folders=folders, cache=work / "cache").report
        write_json(path, report.to_dict())
    return json.loads(path.read_text())


def judge_candidate(name: str, folders: list[Path], work: Path) -> dict[str, object]:
    """Return a candidate's score over all folds."""
    hidden, peace, macro = {}, [], []
    for fold in range(SELECTION_FOLDS):
        split = {"name": "unseen", "k": SELECTION_FOLDS, "fold": fold}
        report = cell(Recipe.load(name).with_(split=split), folders, work)
        hidden |= {a["type"]: a["rate"] for a in report["attacks"] if a["is_unseen"]}
        peace.append(report["binary"]["specificity"])
        macro.append(report["multiclass"]["macro_f1"])
        print(
            name, fold, report["binary"]["unseen_detection_rate"], peace[-1], flush=True
        )
    detected, left = statistics.fmean(hidden.values()), statistics.fmean(peace)
    return {
        "recipe": name,
        "recipe_sha256": Recipe.load(name).sha256,
        "score": (detected + left) / 2,
        "hidden_types_detected": detected,
        "specificity": left,
        "hidden": dict(sorted(hidden.items())),
    }


def main() -> None:
    """Run every candidate and write the ranking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/selection"))
    parser.add_argument("--only", nargs="*", default=SELECTION)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    ranking = [
        judge_candidate(name, [arguments.data], arguments.work)
        for name in arguments.only
    ]
    ranking.sort(key=lambda candidate: -candidate["score"])
    for candidate in ranking:
        print(
            f"{candidate['recipe']:32} score {candidate['score']:.4f}  hidden types "
            f"{candidate['hidden_types_detected']:.4f}  specificity "
            f"{candidate['specificity']:.4f}"
        )
    if set(arguments.only) == set(SELECTION):
        write_json(HERE / "results" / "selection.json", ranking)


if __name__ == "__main__":
    main()
