"""Check losses."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from evenflow.testing.promises import Checked

if TYPE_CHECKING:
    from evenflow.learn import Loss

N_ROWS = np.array([90, 9, 1])
"""Training rows of each class."""
N_EPOCHS = 100


def check_loss(plug_in: Loss, config: Any = None) -> None:
    """Check a loss for networks.

    Parameters
    ----------
    plug_in : Loss
        The ``LOSS`` to be checked.
    config : optional
        Parameters to be checked; those of ``Config()`` without.

    Raises
    ------
    AssertionError
        The message says what was promised, what was found and what to do.
    """
    import torch

    from evenflow.learn.losses import at_epoch

    who = Checked(f"loss {plug_in.build.__module__}")
    config = who.config(plug_in, config)
    y = torch.tensor([0, 2, 1, 0])
    rows = [[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-4.0, 4.0, 0.0], [-90.0, 90.0, 0.0]]

    weights = (None, torch.tensor([1.0, 2.0, 5.0]))
    for weight, epoch in itertools.product(weights, (0, N_EPOCHS - 1)):
        loss = plug_in.build(config, n_rows=N_ROWS.copy(), class_weight=weight)
        loss = at_epoch(loss, epoch, N_EPOCHS)
        logits = torch.tensor(rows, requires_grad=True)
        value = loss(logits, y)
        who.promises(
            "the loss of a batch is one number, and finite",
            value.shape == () and bool(torch.isfinite(value)),
            found=value,
            do="Return the mean, by log_softmax rather than the log of a softmax",
        )
        value.backward()
        slope = logits.grad
        who.promises(
            "its slope is finite in every logit",
            slope is not None and bool(torch.isfinite(slope).all()),
            found=slope,
            do="Use differentiable operations of PyTorch that stay finite",
        )
        better = torch.tensor(rows)
        better[torch.arange(len(y)), y] += 1
        after = loss(better, y)
        who.promises(
            "it falls where the true class becomes likelier",
            bool(after < value),
            found=f"{float(value.detach()):g}, then {float(after):g}",
            do="Correct its sign",
        )
