"""Choose a fusion by attacks and benign traffic hidden from training.

Every attack type of KDDTrain+ is hidden once, and with it a fifth of the benign
traffic: of the services, of the range of `count` (the load of the network), or of 20
clusters of the columns that describe the hosts. That is the protocol `unseen`. Members
are fitted once for each fold, and every set of up to three of them is fused. Rows are
thinned (3,000 of each attack type, 20,000 benign ones), in two ways. The test file is
not opened.

    python benchmarks/quality/select_fusion.py --data ../shared/datasets

Traffic that drifts is neither all of kinds that training has shown nor all of hidden
ones: a half of each is taken. A set's budget is the greatest of those tried at which
that traffic has no more than 8 % false alarms. Its score is the share of the hidden
attack types' rows that are then detected, each type counted once, on average over the
three ways to hide and the two to thin.

The second layer is chosen alike: the mean recall of the families, of their hidden types
and of held-out rows of the others, half of each; every type counts once in its family.
The results are in ``results/selection_fusion.json``.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # the number of cores does not matter

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from evenflow import datasets
from evenflow.files import write_json
from evenflow.learn.balancing import plainly
from evenflow.learn.fit_model import fit_model
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems.fusion import Member
from evenflow.plugins import Part, complete
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.split import unseen
from evenflow.schema import BENIGN, Table

HERE = Path(__file__).parent
FOLDS, SEED = 5, 7
KINDS = ("service", "count", "hosts")
N_CLUSTERS = 20
SAMPLES = 2
MOST = {BENIGN: 20_000}
MOST_OF_A_TYPE = 3_000
BUDGETS = (0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005)
MOST_FALSE_ALARMS = 0.08
HIDDEN = 0.5
"""Of the benign traffic that a set is judged on; the rest is of kinds seen."""
FEWEST = 20
"""Rows of an attack type whose detection counts."""
LARGEST_SET = 3
SHOWN = 50
"""Best sets that are written; so are those of one member, and parts of the best."""

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
    without: list[str], model: dict[str, Any], *, rounded: bool = False
) -> dict[str, Any]:
    """Return a model on a view, as a recipe writes it."""
    steps = {"log_step": 0.5, "rate_step": 0.1} if rounded else {}
    return {"name": "view", "without": without, "model": model, **steps}


def trees(leaf: int, n: int = 60) -> dict[str, Any]:
    """Return extra trees whose leaves hold so many rows or more."""
    return {
        "name": "extra_trees",
        "n_estimators": n,
        "min_samples_leaf": leaf,
        "n_jobs": 1,
    }


def distance(k: int) -> dict[str, Any]:
    """Return the distance to that neighbour of all the benign rows, on thinned ones."""
    return {"name": "knn_distance", "k": max(1, round(k * MOST[BENIGN] / 67_343))}


FOREST = {"name": "isolation_forest", "n_jobs": 1}
BOOSTED = {"name": "lightgbm", "n_jobs": 1}
VIEWS = {
    "-service": SERVICE,
    "-service -load": SERVICE + LOAD,
    "-service -load -hosts": SERVICE + LOAD + HOSTS,
}
MEMBERS = {
    "trees": trees(1),
    "trees -service -hosts": view(SERVICE + HOSTS, trees(1)),
    **{f"trees {name}": view(columns, trees(1)) for name, columns in VIEWS.items()},
    **{
        f"trees {name} rounded, leaves of {leaf}": view(
            columns, trees(leaf), rounded=True
        )
        for name, columns in VIEWS.items()
        for leaf in (1, 2)
    },
    "isolation": FOREST,
    "isolation -service -load": view(SERVICE + LOAD, FOREST),
    **{
        f"distance {k} -service -load": view(SERVICE + LOAD, distance(k))
        for k in (50, 500, 5_000)
    },
    "mixture -service -load": view(SERVICE + LOAD, {"name": "gaussian_mixture"}),
}
SECOND = {
    "boosted": BOOSTED,
    "boosted -hosts": view(HOSTS, BOOSTED),
    "boosted -load -hosts": view(LOAD + HOSTS, BOOSTED),
    "trees": trees(1, 100),
    "trees -hosts": view(HOSTS, trees(1, 100)),
    "trees -load -hosts": view(LOAD + HOSTS, trees(1, 100)),
}
BALANCE = ("none", "class_weights", "ros")


def thinned(table: Table, sample: int) -> Table:
    """Return some rows of each attack type, in their order."""
    rng = np.random.default_rng(sample)
    names = table.attack.cast(pl.String).to_numpy().astype(str)
    rows = [
        rng.permutation(np.flatnonzero(names == name))[: MOST.get(name, MOST_OF_A_TYPE)]
        for name in np.unique(names)
    ]
    return table.take(np.sort(np.concatenate(rows)))


def clustered(table: Table) -> Table:
    """Return the rows with the extra column ``hosts``: the cluster of each."""
    columns = table.keeping(HOSTS)
    X = Preprocessor.fit(columns, scaling="quantile").transform(columns)
    made = KMeans(N_CLUSTERS, n_init=1, random_state=SEED).fit(X[table.labels == 0])
    names = pl.Series("hosts", [str(number) for number in made.predict(X)])
    return replace(table, extra=pl.DataFrame([names]))


def fold(table: Table, kind: str, number: int) -> dict[str, Any]:
    """Return the evidence of each member on held-out and on hidden rows."""
    task, known, hidden, found = rows_of(table, kind, number)
    for name, part in MEMBERS.items():
        member = Member.of(fitted(part, task), task.valid.benign().X)
        found[name] = (member.of_rows(known), member.of_rows(hidden))
    return found


def rows_of(
    table: Table, kind: str, number: int
) -> tuple[Fitting, np.ndarray, np.ndarray, dict[str, Any]]:
    """Return a fold's fit, held-out benign rows, hidden rows and which are what."""
    split = unseen(lambda _: table, SEED, k=FOLDS, fold=number, benign_by=kind)
    kept, held = hold_out(split.train, fraction=0.2, seed=SEED + 1)
    rest = split.train.take(kept)
    fit, valid = hold_out(rest, fraction=0.125, seed=SEED + 2)
    preprocessor = Preprocessor.fit(rest.take(fit), scaling="quantile")

    def prepared(part: Table) -> Rows:
        return Rows(
            X=preprocessor.transform(part),
            y=(part.labels > 0).astype(np.int64),
            classes=(BENIGN, "attack"),
            layout=preprocessor.layout,
        )

    parts = [prepared(rest.take(rows)) for rows in (fit, valid)]
    known = prepared(split.train.take(held)).benign().X
    hidden = prepared(split.test)
    names = split.test.attack.cast(pl.String).to_numpy().astype(str)
    types = np.unique(names[hidden.y > 0])
    rows = {name: np.flatnonzero(names == name) for name in types}
    task = Fitting(fit=parts[0], valid=parts[1], seed=SEED, device="cpu")
    found: dict[str, Any] = {
        "benign": np.flatnonzero(hidden.y == 0),
        "types": [mine for mine in rows.values() if len(mine) >= FEWEST],
    }
    return task, known, hidden.X, found


def fitted(part: dict[str, Any], task: Fitting) -> Fitted:
    """Return the model that a recipe writes so, fitted."""
    whole = Part.model_validate(part)
    return fit_model(complete("models", whole, whole.name), task)


def judged(folds: list[dict[str, Any]], members: Sequence[str]) -> np.ndarray:
    """Return false alarms and hidden types detected at each budget, ``(2, n)``."""
    shares = 1 - np.array(BUDGETS)
    alarms, types = [], []
    for one in folds:
        known, hidden = (sum(one[m][part] for m in members) for part in (0, 1))
        thresholds = np.quantile(known, shares, method="higher")
        both = [over(known, thresholds), over(hidden[one["benign"]], thresholds)]
        alarms.append(np.average(both, axis=0, weights=[1 - HIDDEN, HIDDEN]))
        types += [over(hidden[rows], thresholds) for rows in one["types"]]
    return np.stack([np.mean(alarms, axis=0), np.mean(types, axis=0)])


def over(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the share of the scores that exceeds each threshold."""
    at_most = np.searchsorted(np.sort(scores), thresholds, side="right")
    return 1 - at_most / len(scores)


def score(folds: dict[str, list[dict[str, Any]]], members: Sequence[str]) -> list[Any]:
    """Return detection, false alarms and budget where false alarms are few enough."""
    alarms, types = np.mean([judged(folds[kind], members) for kind in KINDS], axis=0)
    holds = np.flatnonzero(alarms <= MOST_FALSE_ALARMS)
    if not len(holds):
        return [0.0, float(alarms[-1]), None]
    return [float(types[holds[0]]), float(alarms[holds[0]]), BUDGETS[holds[0]]]


def named(table: Table, number: int) -> dict[str, dict[str, list[float]]]:
    """Return the families that each second layer names rightly, hidden and known."""
    split = unseen(lambda _: table, SEED, k=FOLDS, fold=number)
    preprocessor = Preprocessor.fit(split.train, scaling="quantile")
    classes = table.schema.classes[1:]

    def prepared(part: Table) -> Rows:
        return Rows(
            X=preprocessor.transform(part),
            y=part.labels - 1,
            classes=classes,
            layout=preprocessor.layout,
        )

    def attacks(part: Table) -> Table:
        return part.take(np.flatnonzero(part.labels > 0))

    train, judged = attacks(split.train), attacks(split.test)
    kept, held = hold_out(train, fraction=0.2, seed=SEED + 1)
    fit, valid, rows = map(prepared, (train.take(kept), train.take(held), judged))
    of_types = judged.attack.cast(pl.String).to_numpy().astype(str)
    known = train.attack.unique().to_list()
    found: dict[str, dict[str, list[float]]] = {}
    for (name, part), balance in product(SECOND.items(), BALANCE):
        task = Fitting(
            fit=fit, valid=valid, seed=SEED, device="cpu",
            balance=plainly(Part(name=balance), SEED),
        )  # fmt: skip
        right = fitted(part, task).log_proba(rows.X).argmax(axis=1) == rows.y
        for one in np.unique(of_types):
            mine = of_types == one
            family = classes[rows.y[mine][0]]
            key = f"{'known' if one in known else 'hidden'} {family}"
            rates = found.setdefault(f"{name}, {balance}", {})
            rates.setdefault(key, []).append(float(right[mine].mean()))
    return found


def main() -> None:
    """Fit all members on all folds and write both rankings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    table = datasets.load("nsl_kdd", "train", folders=[arguments.data])
    scores: dict[Any, list[Any]] = {}
    families: dict[str, dict[str, list[float]]] = {}
    sets = [names for n in range(LARGEST_SET) for names in combinations(MEMBERS, n + 1)]
    for sample in range(SAMPLES):
        rows = clustered(thinned(table, sample))
        folds = {kind: [fold(rows, kind, n) for n in range(FOLDS)] for kind in KINDS}
        for names in sets:
            scores.setdefault(names, []).append(score(folds, names))
        for number in range(FOLDS):
            for name, rates in named(rows, number).items():
                for key, values in rates.items():
                    families.setdefault(name, {}).setdefault(key, []).extend(values)
        print(f"sample {sample + 1} of {SAMPLES}", flush=True)
    ranking = [
        {
            "members": names,
            "score": statistics.fmean(detected for detected, _, _ in found),
            "samples": [
                dict(zip(("detected", "false_alarms", "budget"), one, strict=True))
                for one in found
            ],
        }
        for names, found in scores.items()
    ]
    ranking.sort(key=lambda choice: -choice["score"])
    second = [
        {"model": name, "score": statistics.fmean(recall.values()), "recall": recall}
        for name, rates in families.items()
        for recall in [{key: statistics.fmean(v) for key, v in sorted(rates.items())}]
    ]
    second.sort(key=lambda choice: -choice["score"])
    best = set(ranking[0]["members"])
    shown = ranking[:SHOWN] + [
        choice
        for choice in ranking[SHOWN:]
        if len(choice["members"]) == 1 or best > set(choice["members"])
    ]
    for choice in shown:
        budgets = [one["budget"] for one in choice["samples"]]
        print(f"{choice['score']:.4f}  {' + '.join(choice['members'])}  {budgets}")
    for choice in second:
        print(f"{choice['score']:.4f}  {choice['model']}")
    write_json(
        HERE / "results" / "selection_fusion.json",
        {"fusions": shown, "second": second},
    )


if __name__ == "__main__":
    main()
