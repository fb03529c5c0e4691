"""Rows from a tabular auxiliary-classifier GAN."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._targets import Count, Strategy

Weight = Annotated[float, Field(ge=0)]


class TACGAN(Generative):
    """Grow minority classes with rows that a second head of the judge can name.

    The discriminator has two heads on common features: one tells real rows from made
    ones, the other names the class of both [2]_. The generator learns to be taken for
    real, to have its class named, and to lower two losses of information: the distances
    between the means, and between the standard deviations, of the features of real and
    made rows.

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
    information : float, default=1.0
        Weight of both losses of information.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    Notes
    -----
    Differences from [1]_, which says that two losses in the generator measure the
    information lost between real and made rows: their form is not known to us; those
    of table-GAN [3]_, over each batch, stand in, with weight 1 and no threshold. The
    sizes are those of ``gan``. The networks learn from rows of the classes that grow,
    each drawn equally often; each new row is then moved to the nearest possible row.

    References
    ----------
    .. [1] H. Ding et al., "Imbalanced data classification: a KNN and generative
       adversarial networks-based hybrid approach for intrusion detection", Future
       Generation Computer Systems 131, 2022. doi:10.1016/j.future.2022.01.026
    .. [2] A. Odena, C. Olah and J. Shlens, "Conditional image synthesis with auxiliary
       classifier GANs", ICML 2017. doi:10.48550/arXiv.1610.09585
    .. [3] N. Park et al., "Data synthesis based on generative adversarial networks",
       PVLDB 11(10), 2018. doi:10.14778/3231751.3231757
    """

    network: ClassVar[str] = "tacgan"

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 5000,
        batch_size: Count = 128,
        hidden: Count = 256,
        n_latent: Count = 64,
        information: Weight = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.steps = steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.n_latent = n_latent
        self.information = information
        self.random_state = random_state


SAMPLER = TACGAN
