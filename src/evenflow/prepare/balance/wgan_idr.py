"""Rows from a Wasserstein GAN with the regularisation of DRAGAN."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy


class WGANIDR(Generative):
    """Grow minority classes with rows of a GAN that is smooth around real rows.

    The networks and the loss are those of ``gan``. The gradient of the critic is held
    to a norm of 1 not between real and made rows but near real ones, each moved by up
    to half the standard deviation of the batch [1]_: so the penalty does not depend on
    what the generator makes.

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

    Notes
    -----
    The system called WGAN-IDR (2022) is known to us by a survey, which says that it is
    a Wasserstein GAN with a regularisation of this type; its sizes and weights are not
    known to us. Those of ``gan`` stand in (weight 10, five critic steps for each
    generator step). The shift of a row is that of the authors' program, since the
    paper's own, a normal one, leaves the range of the rows. The five measures of rows
    that WGAN-IDR names are in ``evenflow synthesis``.

    References
    ----------
    .. [1] N. Kodali, J. Abernethy, J. Hays and Z. Kira, "On convergence and stability
       of GANs", 2017. doi:10.48550/arXiv.1705.07215
    .. [2] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS
       2017. doi:10.48550/arXiv.1704.00028
    """

    network: ClassVar[str] = "wgan_idr"

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


SAMPLER = WGANIDR
