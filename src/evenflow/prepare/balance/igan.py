"""Rows from an imbalanced GAN in the space of learnt features (IGAN-IDS)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from evenflow.errors import DataError
from evenflow.prepare.balance._generate import Generative
from evenflow.prepare.balance._sampler import Labels, Matrix
from evenflow.prepare.balance._targets import Count, Strategy
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent

STRIDE = 4
"""Features for each place along which the networks convolve."""

Features = Annotated[int, Field(ge=STRIDE, multiple_of=STRIDE)]


class IGAN(Generative):
    """Grow minority classes with features that a convolutional GAN makes, decoded.

    1. *Features.* A feed-forward network learns features of the rows of all classes:
       they have to name the class, and a decoder has to get the row back from them.
    2. *Filter.* Only rows of the classes that grow pass on to the GAN, each class drawn
       equally often: the imbalanced-data filter.
    3. *GAN.* Generator and discriminator convolve along the features and are both given
       the class.
    4. *Rows.* The decoder turns features that the generator made into rows.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after sampling. ``'auto'`` lifts every class to the
        size of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    steps : int, default=3000
        Steps of the generator; the time it takes is in proportion, whatever the rows.
    batch_size : int, default=128
        Rows of each step.
    feature_steps : int, default=2000
        Steps of the features before.
    hidden : tuple of int, default=(128,)
        Widths of the feature network's hidden layers; the decoder has them in reverse.
    n_features : int, default=64
        Features of a row, a multiple of 4.
    channels : int, default=16
        Channels of the widest feature maps, over 2.
    n_latent : int, default=32
        Numbers of noise that features are made from.
    random_state : int or None, default=None
        Seed of networks, batches and noise.

    Notes
    -----
    Differences from [1]_, whose GAN ends in the space of features, where the classifier
    takes over: the decoder, and the loss of reconstruction that trains it, are ours,
    since a sampler returns rows of the columns it was given. Which classes their filter
    passes, and the sizes of their networks, are not known to us. Each new row is then
    moved to the nearest possible row.

    References
    ----------
    .. [1] S. Huang and K. Lei, "IGAN-IDS: an imbalanced generative adversarial network
       towards intrusion detection system in ad-hoc networks", Ad Hoc Networks 105,
       2020. doi:10.1016/j.adhoc.2020.102177
    """

    network: ClassVar[str] = "igan"
    learns_from_all: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_rows_per_class: int | None = None,
        steps: Count = 3000,
        batch_size: Count = 128,
        feature_steps: Count = 2000,
        hidden: tuple[Count, ...] = (128,),
        n_features: Features = 64,
        channels: Count = 16,
        n_latent: Count = 32,
        random_state: int | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.max_rows_per_class = max_rows_per_class
        self.steps = steps
        self.batch_size = batch_size
        self.feature_steps = feature_steps
        self.hidden = hidden
        self.n_features = n_features
        self.channels = channels
        self.n_latent = n_latent
        self.random_state = random_state

    @property
    def _n_steps(self) -> int:
        return self.feature_steps + self.steps

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        if self.n_features < STRIDE or self.n_features % STRIDE:
            raise DataError(
                f"igan: n_features is {self.n_features}; expected a multiple of "
                f"{STRIDE}, since both networks convolve along the features"
            )
        return super()._resample(X, y, layout, on_event)


SAMPLER = IGAN
