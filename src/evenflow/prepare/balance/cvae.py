"""Rows from a conditional variational autoencoder (ICVAE)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy

Scale = Annotated[float, Field(gt=0)]


class CVAE(Generative):
    """Grow minority classes with rows decoded from a normal prior and a class.

    The encoder reads rows alone; the class goes into the decoder beside the code. A new
    row of a class is decoded from a code of the normal prior, and kept if its loss of
    reconstruction is not beyond the greatest among the training rows of its class,
    times ``loss_scale``. Rows that are rejected are made again, up to three times; then
    those of the least loss fill up the class.

    The weights of the encoder up to the mean of the code are in ``encoder_``: the model
    ``dnn`` starts from them where its hidden layers have the same widths, here
    ``hidden = [80, 40, 20, 10]``.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    steps : int, default=4000
        Training steps; the time it takes is in proportion, whatever the rows.
    batch_size : int, default=128
        Rows of each step.
    hidden : tuple of int, default=(80, 40, 20)
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    n_latent : int, default=10
        Numbers of a code.
    loss_scale : float, default=1.0
        Scale of the greatest loss that a new row may have.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    Notes
    -----
    Differences from [1]_: a number has a sigmoid and cross-entropy, as there, but a
    one-hot block has one softmax, so that a row names one category; each class is drawn
    equally often, in steps instead of passes over the rows, and without their penalty
    of squared weights; the greatest loss is that of the mean code; each new row is then
    moved to the nearest possible row. The loss scale they used is not known to us.

    References
    ----------
    .. [1] Y. Yang, K. Zheng, C. Wu and Y. Yang, "Improving the classification
       effectiveness of intrusion detection by using improved conditional variational
       autoencoder and deep neural network", Sensors 19(11), 2019.
       doi:10.3390/s19112528
    """

    network: ClassVar[str] = "cvae"
    learns_from_all: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 4000,
        batch_size: Count = 128,
        hidden: tuple[Count, ...] = (80, 40, 20),
        n_latent: Count = 10,
        loss_scale: Scale = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.steps = steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.n_latent = n_latent
        self.loss_scale = loss_scale
        self.random_state = random_state


SAMPLER = CVAE
