"""An estimator: one decision tree, which skl2onnx writes as ONNX."""

from dataclasses import dataclass

from sklearn.tree import DecisionTreeClassifier

from evenflow.learn import Estimator


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[model]`` in a recipe."""

    max_depth: int = 8


def build(config, *, n_classes, class_weight, seed):
    """Return an estimator of scikit-learn, not fitted."""
    return DecisionTreeClassifier(
        max_depth=config.max_depth, class_weight=class_weight, random_state=seed
    )


MODEL = Estimator(build, Config)
