"""LIO-IDS: an LSTM tells attacks from benign rows, pairs of classes name them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems import Classifier, Model, Sampler, System
from evenflow.learn.systems._knockout import Knockout
from evenflow.learn.systems.gate import Gated, layers
from evenflow.plugins import default


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    gate: Model = default("lstm")
    """Model that is fitted on all rows, not balanced, as attack or benign."""
    frequent: Classifier = default("random_forest")
    """Model of each pair of frequent classes of attacks."""
    rare: Classifier = default("random_forest")
    """Model of each pair with a rare class of attacks."""
    frequent_sampler: Sampler = default("ros")
    """Sampler of a pair of frequent classes."""
    mixed_sampler: Sampler = default("svm_smote")
    """Sampler of a pair of a frequent and a rare class."""
    rare_sampler: Sampler = default("borderline_smote")
    """Sampler of a pair of rare classes."""


def fit(config: Config, task: Fitting) -> Gated:
    """Fit the gate on rows as they are, then each pair on balanced rows of its own.

    Classes of attacks are ordered by their training rows; the first half is frequent,
    the rest is rare. Deviations from [1]_: it asks three classifiers of each sample,
    which three is not known to us, and a knockout stands in: three of four classes. The
    knockout adds up over all who may be met, so that there are probabilities. Which
    of their ensembles and samplers serves which pair is not known to us either: all
    are forests here, and a pair is balanced as ``Config`` says.

    References
    ----------
    .. [1] N. Gupta, V. Jindal, P. Bedi, "LIO-IDS: handling class imbalance using LSTM
       and improved one-vs-one technique in intrusion detection system", Computer
       Networks 192, 2021. doi:10.1016/j.comnet.2021.108076
    """

    def pairs(attacks: Rows, stop: Rows) -> Knockout:
        counts = np.bincount(attacks.y, minlength=attacks.n_classes)
        order = np.argsort(-counts, kind="stable").tolist()
        n_frequent = math.ceil(len(order) / 2)
        models = {}
        for a, b in itertools.combinations(order, 2):
            n_rare = sum(order.index(code) >= n_frequent for code in (a, b))
            sampler = (
                config.frequent_sampler, config.mixed_sampler, config.rare_sampler
            )[n_rare]  # fmt: skip
            models[a, b] = task.part(
                "rare" if n_rare else "frequent",
                of_pair(attacks, a, b),
                of_pair(stop, a, b),
                sampler=sampler,
            )
        return Knockout(order=tuple(order), models=models)

    return layers(task, pairs)


def of_pair(rows: Rows, a: int, b: int) -> Rows:
    """Return the rows of two classes, as classes 0 and 1."""
    codes = np.full(rows.n_classes, -1)
    codes[[a, b]] = 0, 1
    some = rows.take((rows.y == a) | (rows.y == b))
    return some.relabelled(codes, (rows.classes[a], rows.classes[b]))


MODEL = System(fit, Config, balances="itself")
