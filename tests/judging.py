"""Reports of made-up models, which are mostly right."""

from dataclasses import replace

import numpy as np

from evenflow.decision import Decision
from evenflow.judge.report import judge
from evenflow.prepare.split import Protocol

OFFICIAL = Protocol(name="official", description="training file -> test file")
TRAINING = {
    "protocol": "other",
    "seconds": dict.fromkeys(("prepare", "balance", "fit", "calibrate"), 1.5),
    "rows": {"balanced": 100},
    "score_rows_per_s": 1e5,
    "model_bytes": 2048,
    "n_parameters": 77,
}


def scored(table, *, seed=0, noise=1.5, right=2.5, **how):
    """Return a decision, and the scores that it makes of logits drawn at random."""
    n_classes = len(table.schema.classes)
    z = np.random.default_rng(seed).normal(0, noise, (len(table), n_classes))
    z[np.arange(len(table)), table.labels] += right
    decision = replace(Decision.neutral(n_classes), **how)
    return decision, decision.apply(z)


def judged(table, how=None, *, protocol=OFFICIAL, bootstrap=20, **more):
    """Return the report of scores that are made as ``how`` says."""
    decision, scores = scored(table, **(how or {}))
    given = {"protocol": protocol, "bootstrap": bootstrap, **more}
    return judge(table, scores, decision=decision, **given)
