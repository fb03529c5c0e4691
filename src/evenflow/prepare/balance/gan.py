"""Rows from a conditional Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy


class GAN(Generative):
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

    network: ClassVar[str] = "wgan_gp"

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


SAMPLER = GAN
