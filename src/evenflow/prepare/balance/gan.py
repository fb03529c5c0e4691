"""Rows from a conditional Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from evenflow.prepare.balance._grow import grow
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress

EVERY = 25
"""Generator steps between two progress events."""


class GAN(Sampler):
    """Grow minority classes with rows that a generator learnt to make.

    One conditional generator serves all classes that grow; it learns from their
    rows only, each class drawn equally often, against a critic with a gradient
    penalty (weight 10, five critic steps for each generator step). One-hot blocks
    come from a Gumbel-softmax, numbers from a tanh over the range seen, and each
    new row is then moved to the nearest possible row. A class of few rows is
    nearly memorised: expect near copies of it, not new attacks.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    steps : int, default=1000
        Generator steps; the time it takes is in proportion, whatever the rows.
    batch_size : int, default=128
        Rows of each step.
    hidden : int, default=256
        Width of both networks' two hidden layers.
    n_latent : int, default=64
        Numbers of noise a row is made from.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    References
    ----------
    .. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS
       2017. arXiv:1704.00028
    .. [2] M. Mirza and S. Osindero, "Conditional generative adversarial nets",
       2014. arXiv:1411.1784
    """

    kind: ClassVar[Kind] = "over"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 1000,
        batch_size: Count = 128,
        hidden: Count = 256,
        n_latent: Count = 64,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.steps = steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.n_latent = n_latent
        self.random_state = random_state

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        from evenflow.prepare.balance.gans import wgan_gp  # torch is slow to import

        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        learnt = [label for label in wanted if (y == label).sum() > 1]
        if not learnt:  # nothing to grow, or single rows to copy
            return grow(
                X,
                y,
                wanted,
                _never,
                layout=layout,
                notes=self.notes_,
                on_event=on_event,
            )
        seed = self.random_state
        if seed is None:
            seed = int(np.random.default_rng().integers(2**32))
        mine = np.isin(y, learnt)
        self.notes_.append(
            f"generator learnt from {mine.sum()} rows of "
            f"{', '.join(f'class {label}' for label in learnt)}: {self.steps} steps of "
            f"{self.batch_size} rows"
        )

        def on_step(step: int) -> None:
            if step % EVERY == 0 or step == self.steps:
                on_event(
                    Progress(step="balance", done=step, total=self.steps, unit="steps")
                )

        model = wgan_gp.train(
            X[mine],
            y[mine],
            layout=layout,
            config=wgan_gp.Config(
                steps=self.steps,
                batch_size=self.batch_size,
                hidden=self.hidden,
                n_latent=self.n_latent,
            ),
            seed=seed,
            on_step=on_step,
        )

        def make(label: int, rows: Rows, n_new: int) -> Matrix:
            return model.make(label, n_new)

        return grow(
            X, y, wanted, make, layout=layout, notes=self.notes_, on_event=on_event
        )


def _never(label: int, rows: Rows, n_new: int) -> Matrix:
    raise AssertionError("no class of two rows or more grows here")


SAMPLER = GAN
