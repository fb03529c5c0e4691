"""Rows from a supervised adversarial variational autoencoder."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy

Weight = Annotated[float, Field(gt=0)]


class SAVAER(Generative):
    """Grow minority classes with rows decoded from a prior that a critic enforces.

    The encoder draws a code for each row; a critic with a gradient penalty, as in a
    Wasserstein GAN, tells codes of rows from draws of a normal prior, and the encoder
    learns to make its codes look like these. Critic and decoder are given the class
    beside the code, so that the codes of each class fill the prior. New rows of a class
    are decoded from draws of it.

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
    steps : int, default=2000
        Steps of the autoencoder, five of the critic for each; the time it takes is in
        proportion, whatever the rows.
    batch_size : int, default=128
        Rows of each step.
    hidden : tuple of int, default=(80, 40, 20)
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    n_latent : int, default=10
        Numbers of a code.
    adversary : float, default=1.0
        Weight of the critic's score beside the loss of reconstruction.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    Notes
    -----
    Differences from [1]_: the sizes of its networks, the weight of its critic and
    whether that is given the class are not known to us, the sizes of ``cvae``, 1 and
    yes stand in; a one-hot block has one softmax;
    each class is drawn equally often; each new row is then moved to the nearest
    possible row. The regularisation of its title is understood as the prior that the
    critic enforces. Its decoder is said to make rows of unknown attacks, too; here rows
    are made of the classes that the strategy names, and of no other.

    References
    ----------
    .. [1] Y. Yang, K. Zheng, B. Wu, Y. Yang and X. Wang, "Network intrusion detection
       based on supervised adversarial variational auto-encoder with regularization",
       IEEE Access 8, 2020. doi:10.1109/ACCESS.2020.2977007
    """

    network: ClassVar[str] = "savaer"
    learns_from_all: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 2000,
        batch_size: Count = 128,
        hidden: tuple[Count, ...] = (80, 40, 20),
        n_latent: Count = 10,
        adversary: Weight = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.steps = steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.n_latent = n_latent
        self.adversary = adversary
        self.random_state = random_state


SAMPLER = SAVAER
