"""Networks and estimators: one file each, with its ``Config`` and its builder."""

from __future__ import annotations

BASELINES = ("random_forest", "lightgbm")
"""Models that a comparison runs beside every network, without balancing."""
TREES = (*BASELINES, "extra_trees")
"""Models of trees, each a baseline for the models that are not."""
