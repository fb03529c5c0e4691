"""Rows from a conditional GAN with the loss of the first GAN."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy


class CGAN(Generative):
    """Grow minority classes with rows of a plain conditional GAN.

    Generator and discriminator are both given the class. The discriminator lowers the
    cross-entropy of telling real rows from made ones; the generator raises the
    probability that its rows are taken for real, the loss that does not saturate. It is
    ``gan`` without the Wasserstein distance and the penalty: the baseline that shows
    whether those help.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    steps : int, default=5000
        Generator steps; the time it takes is in proportion, whatever the rows.
    batch_size : int, default=128
        Rows of each step.
    hidden : int, default=256
        Width of both networks' two hidden layers.
    n_latent : int, default=64
        Numbers of noise a row is made from.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    Notes
    -----
    Differences from [1]_, who make images: dense networks; a one-hot block comes from a
    Gumbel-softmax; the networks learn from rows of the classes that grow, each drawn
    equally often; each new row is then moved to the nearest possible row.

    References
    ----------
    .. [1] M. Mirza and S. Osindero, "Conditional generative adversarial nets", 2014.
       doi:10.48550/arXiv.1411.1784
    .. [2] I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014.
       doi:10.48550/arXiv.1406.2661
    """

    network: ClassVar[str] = "cgan"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 5000,
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


SAMPLER = CGAN
