"""Measure p-values within groups, by attacks and benign traffic hidden from training.

The members of ``nsl_kdd/fusion-trees`` are fitted once for each fold of
``select_fusion.py`` and fused with p-values among all benign validation rows, among
those of the same protocol, or of the same protocol and service where a group has enough
of them. The criterion is that of ``select_fusion.py``. The test file is not opened.

    python benchmarks/quality/select_groups.py --data ../shared/datasets

Budgets are few, so detection is also read off at 8 % false alarms, between two of
them. At the recipe's budget the script measures the false alarms of each protocol and
service among held-out benign rows of kinds that training shows. The thinned rows leave
some 1,600 benign ones for validation, where the whole file leaves 5,400: groups of 70
rows or more are here what those of 230 or more are there. The results are in
``results/selection_groups.json``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # the number of cores does not matter

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import select_fusion as by

from evenflow import datasets
from evenflow.files import write_json
from evenflow.learn.fitting import Rows
from evenflow.learn.systems._groups import Groups
from evenflow.learn.systems.fusion import Member
from evenflow.schema import Table

SET = (
    "trees -service -load",
    "trees -service -load -hosts",
    "distance 5000 -service -load",
)
"""The members of ``nsl_kdd/fusion-trees``."""
PROTOCOL, SERVICE = ("protocol_type",), ("protocol_type", "service")
GROUPS = {
    "none": ((), 0),
    "protocol": (PROTOCOL, 70),
    **{f"protocol and service, {n} rows": (SERVICE, n) for n in (20, 70, 230)},
}
SAMPLES = 6
"""Ways to thin the rows; the first two are those of ``select_fusion.py``."""
BUDGET = 0.015
"""Of the recipe: the false alarms of each group are measured at it."""
FEWEST = 100
"""Held-out benign rows, over all folds, of a group whose false alarms are shown."""


def fold(table: Table, kind: str, number: int) -> dict[str, dict[str, Any]]:
    """Return for each grouping what ``select_fusion.fold`` returns of the members."""
    task, known, hidden, which = by.rows_of(table, kind, number)
    benign = task.valid.benign()
    found: dict[str, dict[str, Any]] = {}
    for name, (columns, n) in GROUPS.items():
        found[name] = which | {"groups": Groups.of(columns, n, benign)}
        found[name] |= {"held": of_groups(known, benign)}
    for name in SET:
        model = by.fitted(by.MEMBERS[name], task)
        for one in found.values():
            member = Member.of(model, benign.X, one["groups"])
            one[name] = (member.of_rows(known), member.of_rows(hidden))
    return found


def of_groups(X: np.ndarray, benign: Rows) -> dict[str, np.ndarray]:
    """Return the rows of each protocol and service, by the name of its feature."""
    layout = benign.layout
    assert layout is not None
    features = layout.features_of(SERVICE)
    return {layout.names[j]: np.flatnonzero(X[:, j] > 0.5) for j in features}


def alarms(folds: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return false alarms at the budget among held-out rows, and how many there are."""
    counts: dict[str, np.ndarray] = {}
    for one in folds:
        known = np.mean([one[name][0] for name in SET], axis=0)
        is_over = known > np.quantile(known, 1 - BUDGET, method="higher")
        for group, rows in one["held"].items():
            here = np.array([is_over[rows].sum(), len(rows)])
            counts[group] = counts.get(group, 0) + here
    return {
        group: [float(n_over / n), int(n)]
        for group, (n_over, n) in counts.items()
        if n >= FEWEST
    }


def main() -> None:
    """Fit the members on all folds and write what each grouping makes of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    table = datasets.load("nsl_kdd", "train", folders=[arguments.data])
    scores: dict[str, list[Any]] = {name: [] for name in GROUPS}
    read_off: dict[str, list[float]] = {name: [] for name in GROUPS}
    at_budget: dict[str, list[Any]] = {name: [] for name in GROUPS}
    every: dict[str, list[Any]] = {name: [] for name in GROUPS}
    for sample in range(SAMPLES):
        rows = by.clustered(by.thinned(table, sample))
        folds = {kind: [fold(rows, kind, n) for n in range(by.FOLDS)]
                 for kind in by.KINDS}  # fmt: skip
        for name in GROUPS:
            mine = {kind: [f[name] for f in of_kind] for kind, of_kind in folds.items()}
            scores[name].append(by.score(mine, SET))
            judged = np.mean([by.judged(mine[k], SET) for k in by.KINDS], axis=0)
            at_budget[name].append(judged[:, by.BUDGETS.index(BUDGET)])
            read_off[name].append(
                float(np.interp(by.MOST_FALSE_ALARMS, *judged[:, ::-1]))
            )
            every[name] += [one for of_kind in mine.values() for one in of_kind]
        print(f"sample {sample + 1} of {SAMPLES}", flush=True)
    results = []
    for name, (columns, n) in GROUPS.items():
        results.append(
            {
                "groups": columns,
                "min_group_rows": n,
                "n_groups": statistics.fmean(
                    len(one["groups"].paths) - 1 for one in every[name]
                ),
                "score": statistics.fmean(one[0] for one in scores[name]),
                "samples": [
                    dict(zip(("detected", "false_alarms", "budget"), one, strict=True))
                    for one in scores[name]
                ],
                "detected_at_8": read_off[name],
                "at_budget": dict(
                    zip(
                        ("false_alarms", "detected"),
                        np.mean(at_budget[name], axis=0).tolist(),
                        strict=True,
                    )
                ),
                "false_alarms": alarms(every[name]),
            }
        )
        worst = max(rate for rate, _ in results[-1]["false_alarms"].values())
        budgets = [one["budget"] for one in results[-1]["samples"]]
        figures = [results[-1]["score"], statistics.fmean(read_off[name]), worst]
        print(
            "score {:.4f}, at 8 % {:.4f}, worst {:.3f}".format(*figures), name, budgets
        )
    write_json(
        by.HERE / "results" / "selection_groups.json",
        {"members": SET, "budget": BUDGET, "groupings": results},
    )


if __name__ == "__main__":
    main()
