"""A small real detector, made without training: softmax regression by formula."""

import numpy as np
import pytest

from evenflow import inference
from evenflow.baseline import Baseline
from evenflow.decision import Decision
from evenflow.prepare.features import Preprocessor
from evenflow.runtime import bundle as bundles


@pytest.fixture(scope="session")
def parts(small_table, softmax_regression):
    """The arguments of ``save`` for a detector of the small table."""
    preprocessor = Preprocessor.fit(small_table)
    X = preprocessor.transform(small_table)
    n_classes = len(small_table.schema.classes)
    benign = np.flatnonzero(small_table.labels == 0)
    model = softmax_regression(X, small_table.labels, n_classes)
    decision = Decision(
        temperature=1.25,
        bias=np.linspace(0.1, -0.1, n_classes),
        threshold=-0.5,
        false_alarm_budget=0.05,
    )
    session = inference.open_session(model)
    scores = decision.apply(inference.log_proba(session, X, n_classes))
    return {
        "schema": small_table.schema,
        "preprocessor": preprocessor,
        "model": model,
        "decision": decision,
        "golden": small_table.take(np.arange(40)),
        "reference": small_table.take(benign[:100]),
        "recipe": {
            "dataset": {"name": "small"},
            "model": {"name": "softmax_regression"},
            "seed": 7,
        },
        "report": {"protocol": "none", "binary": {"f1": 0.5}},
        "card": "# A small detector\n",
        "fingerprint": np.arange(5, dtype=np.uint64),
        "baseline": Baseline.of(small_table, scores),
    }


@pytest.fixture(scope="session")
def saved(parts, tmp_path_factory):
    """The folder of a bundle; read it, never change it."""
    folder = tmp_path_factory.mktemp("bundle") / "small"
    bundles.save(folder, **parts)
    return folder


@pytest.fixture(scope="session")
def bundle(saved):
    """That bundle, loaded."""
    return bundles.load(saved, threads=1)
