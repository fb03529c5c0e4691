"""A loss: cross-entropy with smoothed labels."""

from dataclasses import dataclass

from torch.nn import functional

from evenflow.learn import Loss


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters, as written under ``[loss]`` in a recipe."""

    smoothing: float = 0.1


def build(config, *, n_rows, class_weight):
    """Return a function of logits and class codes."""

    def loss(logits, y):
        return functional.cross_entropy(
            logits, y, weight=class_weight, label_smoothing=config.smoothing
        )

    return loss


LOSS = Loss(build, Config)
