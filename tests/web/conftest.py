"""What the web tests share: a small real detector, made without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evenflow import datasets
from evenflow.judge.card import model_card
from evenflow.judge.report import judge
from evenflow.learn.calibration import fit_decision
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.leaks import fingerprint
from evenflow.prepare.split import official
from evenflow.recipe import Recipe
from evenflow.runtime import bundle as bundles
from evenflow.runtime.bundle import Bundle
from evenflow.schema import Table

N_ROWS = 2_000


@pytest.fixture(scope="session")
def rows() -> dict[str, Table]:
    """Made-up labelled rows in NSL-KDD's columns: ``train`` 2,000, ``test`` 500."""
    return {
        part: datasets.load("synthetic", part, n_rows=N_ROWS)
        for part in ("train", "test")
    }


@pytest.fixture(scope="session")
def saved_bundle(
    rows: dict[str, Table],
    softmax_regression: Callable[..., bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a bundle of the five KDD families; read it, never change it."""
    split = official(rows.__getitem__, 7)
    train, classes = split.train, split.train.schema.classes
    preprocessor = Preprocessor.fit(train)
    X = preprocessor.transform(train)
    model = softmax_regression(X, train.labels, len(classes))
    session = bundles.open_model(
        model, preprocessor, train.schema, threads=1, source="tests"
    )

    def log_proba(table: Table) -> np.ndarray:
        return session.run(["log_proba"], {"x": preprocessor.transform(table)})[0]

    benign = train.take(np.flatnonzero(train.labels == 0))
    decision = fit_decision(
        log_proba(train).astype(np.float64), train.labels, false_alarm_budget=0.05
    )
    recipe = Recipe.from_dict(
        {
            "title": "A small detector",
            "dataset": {"name": "synthetic", "n_rows": N_ROWS},
            "model": {"name": "logistic_regression"},
            "balance": {"name": "none"},
        }
    )
    report = judge(
        split.test,
        decision.apply(log_proba(split.test)),
        protocol=split.protocol,
        unseen_attacks=split.unseen_attacks,
        decision=decision,
        bootstrap=20,
        training={
            "recipe": recipe.to_dict(),
            "recipe_sha256": recipe.sha256,
            "protocol": split.protocol.name,
            "rows": {"train": len(train), "test": len(split.test)},
            "class_counts": {"before": train.counts(), "after": train.counts()},
            "notes": [],
            "history": [],
            "seconds": {},
            "machine": {},
        },
    )
    each = [np.flatnonzero(train.labels == k)[:12] for k in range(len(classes))]
    folder = tmp_path_factory.mktemp("bundles") / "small"
    bundles.save(
        folder,
        schema=train.schema,
        preprocessor=preprocessor,
        model=model,
        decision=decision,
        golden=train.take(np.sort(np.concatenate(each))),
        reference=benign.take(np.arange(200)),
        recipe=recipe.to_dict(),
        report=report.to_dict(),
        card=model_card(report),
        fingerprint=fingerprint(train),
    )
    return folder


@pytest.fixture(scope="session")
def bundle(saved_bundle: Path) -> Bundle:
    """That bundle, loaded."""
    return bundles.load(saved_bundle, threads=1)
