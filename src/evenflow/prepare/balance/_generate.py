"""The common part of samplers whose rows a trained generator makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.balance._grow import grow
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix, Rows, Sampler
from evenflow.prepare.balance._targets import Count, Strategy, rows_to_add
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, Progress

if TYPE_CHECKING:
    from evenflow.prepare.balance.gans import Trained

EVERY = 25
"""Training steps between two progress events."""


class Generative(Sampler):
    """Parent of samplers that train a generator; a child stores its parameters.

    Attributes
    ----------
    network : str
        File of :mod:`evenflow.prepare.balance.gans` that has the networks.
    learns_from_all : bool
        Whether the generator learns from rows of every class, or only of those that
        grow.
    encoder_ : tuple of (ndarray, ndarray) or None
        Weights ``(n_out, n_in)`` and bias of each layer that reads prepared rows, where
        the method has an encoder: a network may start from them.
    """

    kind: ClassVar[Kind] = "over"
    network: ClassVar[str]
    learns_from_all: ClassVar[bool] = False

    sampling_strategy: Strategy
    max_rows_per_class: int | None
    steps: Count
    batch_size: Count
    random_state: int | None
    encoder_: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...] | None

    @property
    def _n_steps(self) -> int:
        """Steps of the whole training."""
        return self.steps

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        self.encoder_ = None
        wanted = rows_to_add(
            self.sampling_strategy_, y, max_rows_per_class=self.max_rows_per_class
        )
        growing = [label for label in wanted if (y == label).sum() > 1]
        make, notes = _never, self.notes_
        if growing:  # else nothing grows, or single rows that are copied
            trained = self._train(X, y, growing, layout, on_event)
            self.encoder_ = trained.encoder

            def make(label: int, rows: Rows, n_new: int) -> Matrix:
                del rows
                made: Matrix = trained.make(label, n_new)
                return made

        X_new, y_new = grow(
            X, y, wanted, make, layout=layout, notes=notes, on_event=on_event
        )
        if growing:
            notes += trained.notes
        return X_new, y_new

    def _train(
        self,
        X: Matrix,
        y: Labels,
        growing: list[int],
        layout: Layout | None,
        on_event: OnEvent,
    ) -> Trained:
        from evenflow.prepare.balance import gans  # torch is slow to import

        seed = self.random_state
        if seed is None:
            seed = int(np.random.default_rng().integers(2**32))
        learnt = np.isin(y, growing) | self.learns_from_all
        self.notes_.append(
            f"networks learnt from {learnt.sum()} rows of "
            f"{', '.join(f'class {label}' for label in np.unique(y[learnt]))}: "
            f"{self._n_steps} steps of {self.batch_size} rows"
        )
        step, total = 0, self._n_steps

        def on_step() -> None:
            nonlocal step
            step += 1
            if step % EVERY == 0 or step == total:
                on_event(Progress(step="balance", done=step, total=total, unit="steps"))

        return gans.train(
            self.network,
            X[learnt],
            y[learnt],
            layout=layout,
            growing=np.array(growing),
            params=self,
            seed=seed,
            on_step=on_step,
        )


def _never(label: int, rows: Rows, n_new: int) -> Matrix:
    raise AssertionError("no class of two rows or more grows here")
