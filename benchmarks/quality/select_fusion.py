"""Choose the members of a fusion by attacks and benign traffic hidden from training.

Every attack type of KDDTrain+ is hidden once, and with it a fifth of the services, or
of the range of `count`, the load of the network: the protocol `unseen`. Members are
fitted once for each fold, and fused in every combination named here. Rows are thinned
(3,000 of each attack type, 20,000 benign ones), so that it ends in minutes. The test
file is not opened.

    python benchmarks/quality/select_fusion.py --data ../shared/datasets

A combination's rank is its mean area under the ROC curve over all folds, which needs no
threshold. The budget is the greatest of those tried that becomes no more than 8 % false
alarms on hidden load. The results are in ``results/selection_fusion.json``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # the number of cores does not matter

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from evenflow import datasets
from evenflow.files import write_json
from evenflow.learn.fit_model import fit_model
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems.fusion import Member, log_odds
from evenflow.plugins import Part, complete
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.split import unseen
from evenflow.schema import BENIGN, Table

HERE = Path(__file__).parent
FOLDS, SEED = 5, 7
KINDS = ("service", "count")
MOST = {BENIGN: 20_000}
MOST_OF_A_TYPE = 3_000
BUDGETS = (0.05, 0.03, 0.02, 0.01)
FEWEST = 20
"""Rows of an attack type whose detection counts."""

SERVICE = ["service"]
LOAD = [
    "count", "srv_count", "serror_rate", "srv_serror_rate", "rerror_rate",
    "srv_rerror_rate", "same_srv_rate", "diff_srv_rate", "srv_diff_host_rate",
]  # fmt: skip
HOSTS = [
    "dst_host_count", "dst_host_srv_count", "dst_host_same_srv_rate",
    "dst_host_diff_srv_rate", "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate", "dst_host_serror_rate", "dst_host_srv_serror_rate",
    "dst_host_rerror_rate", "dst_host_srv_rerror_rate",
]  # fmt: skip


def view(
    without: list[str], model: dict[str, Any] | None = None, *, rounded: bool = False
) -> dict[str, Any]:
    """Return a view as a recipe writes it; of extra trees where no model is named."""
    steps = {"log_step": 0.5, "rate_step": 0.1} if rounded else {}
    trees = {"name": "extra_trees", "n_estimators": 60, "n_jobs": 1}
    return {"name": "view", "without": without, "model": model or trees, **steps}


FOREST = {"name": "isolation_forest", "n_jobs": 1}
MEMBERS = {
    "trees": view([]),
    "trees -service": view(SERVICE),
    "trees -service rounded": view(SERVICE, rounded=True),
    "trees -service -load": view(SERVICE + LOAD),
    "trees -service -load rounded": view(SERVICE + LOAD, rounded=True),
    "trees -service -load -hosts": view(SERVICE + LOAD + HOSTS),
    "trees -service -load -hosts rounded": view(SERVICE + LOAD + HOSTS, rounded=True),
    "isolation": FOREST,
    "distance": {"name": "knn_distance"},
    "distance -service -load": view(SERVICE + LOAD, {"name": "knn_distance"}),
    "mixture -service -load": view(SERVICE + LOAD, {"name": "gaussian_mixture"}),
}
A, B, C = list(MEMBERS)[4:7]
DISTANCE = "distance -service -load"
CHOICES = [
    *([name] for name in MEMBERS),
    ["trees", "isolation"],
    ["trees", "distance"],
    [A, "isolation"],
    [A, DISTANCE],
    [A, B, "isolation"],
    [A, B, DISTANCE],
    [A, C, DISTANCE],
    [A, C, "mixture -service -load"],
    [A, C, DISTANCE, "isolation"],
]
"""What is fused: the names of members."""


def thinned(table: Table) -> Table:
    """Return some rows of each attack type, in their order."""
    rng, names = np.random.default_rng(0), table.attack.cast(pl.String).to_numpy()
    rows = [
        rng.permutation(np.flatnonzero(names == name))[: MOST.get(name, MOST_OF_A_TYPE)]
        for name in np.unique(names.astype(str))
    ]
    return table.take(np.sort(np.concatenate(rows)))


def fold(table: Table, kind: str, number: int, scaling: str) -> dict[str, Any]:
    """Return the evidence of each member on held-out and on hidden rows."""
    split = unseen(lambda _: table, SEED, k=FOLDS, fold=number, benign_by=kind)
    kept, held = hold_out(split.train, fraction=0.2, seed=SEED + 1)
    rest = split.train.take(kept)
    fit, valid = hold_out(rest, fraction=0.125, seed=SEED + 2)
    preprocessor = Preprocessor.fit(rest.take(fit), scaling=scaling)

    def prepared(part: Table) -> Rows:
        return Rows(
            X=preprocessor.transform(part),
            y=(part.labels > 0).astype(np.int64),
            classes=(BENIGN, "attack"),
            layout=preprocessor.layout,
        )

    parts = [prepared(rest.take(rows)) for rows in (fit, valid)]
    held_out, hidden = prepared(split.train.take(held)), prepared(split.test)
    task = Fitting(fit=parts[0], valid=parts[1], seed=SEED, device="cpu")
    found: dict[str, Any] = {
        "y": hidden.y,
        "attack": split.test.attack.cast(pl.String).to_numpy().astype(str),
    }
    for name, part in MEMBERS.items():
        model = fit_model(complete("models", Part.model_validate(part), name), task)
        member = Member.of(model, log_odds(model, parts[1].benign().X))
        found[name] = (
            member.of_rows(held_out.benign().X), member.of_rows(hidden.X)
        )  # fmt: skip
    return found


def judged(folds: list[dict[str, Any]], members: list[str]) -> dict[str, Any]:
    """Return the figures of a fusion over the folds of one kind of benign traffic."""
    areas, alarms, types = [], {b: [] for b in BUDGETS}, {b: {} for b in BUDGETS}
    for one in folds:
        benign, hidden = (np.mean([one[m][k] for m in members], axis=0) for k in (0, 1))
        areas.append(roc_auc_score(one["y"], hidden))
        for budget in BUDGETS:
            is_alarm = hidden > np.quantile(benign, 1 - budget, method="higher")
            alarms[budget].append(float(is_alarm[one["y"] == 0].mean()))
            for name in np.unique(one["attack"][one["y"] > 0]):
                mine = one["attack"] == name
                if mine.sum() >= FEWEST:
                    types[budget][name] = float(is_alarm[mine].mean())
    return {
        "roc_auc": float(np.mean(areas)),
        "least_roc_auc": float(np.min(areas)),
        "budgets": {
            str(budget): {
                "hidden_types_detected": statistics.fmean(types[budget].values()),
                "false_alarms_on_hidden": statistics.fmean(alarms[budget]),
            }
            for budget in BUDGETS
        },
    }


def main() -> None:
    """Fit all members on all folds and write the ranking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scaling", default="quantile")
    arguments = parser.parse_args()
    table = thinned(datasets.load("nsl_kdd", "train", folders=[arguments.data]))
    folds = {
        kind: [fold(table, kind, n, arguments.scaling) for n in range(FOLDS)]
        for kind in KINDS
    }
    ranking = [
        {"members": names, **{kind: judged(folds[kind], names) for kind in KINDS}}
        for names in CHOICES
    ]
    for choice in ranking:
        choice["roc_auc"] = statistics.fmean(choice[kind]["roc_auc"] for kind in KINDS)
    ranking.sort(key=lambda choice: -choice["roc_auc"])
    for choice in ranking:
        print(f"{choice['roc_auc']:.4f}  {' + '.join(choice['members'])}")
    name = "selection_fusion.json"
    if arguments.scaling == "quantile":
        write_json(HERE / "results" / name, {"rows": len(table), "ranking": ranking})


if __name__ == "__main__":
    main()
