"""Novelty detectors: fitted on benign rows alone; one file each.

A file holds ``MODEL = Novelty(build, Config)``; its name is what a recipe writes under
``[model]``. A detector scores how unlike the benign rows a row is. It names no attack,
so a recipe's target is ``binary``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.learn.fitting import Fitting, Rows, unbalanced
from evenflow.progress import Epoch, Progress

if TYPE_CHECKING:
    from onnx import ModelProto

    from evenflow.learn.graphs import Graph


BOUND = 1e6
"""Prepared values beyond it count as it: squares of larger ones leave float32."""


def bounded(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return prepared rows with each value limited to ``BOUND`` on both sides of 0."""
    near: NDArray[np.float32] = np.clip(X, -BOUND, BOUND, dtype=np.float32)
    return near


def bounded_input(graph: Graph) -> str:
    """Add to a graph what :func:`bounded` does; return the name of the result."""
    low, high = (
        graph.constant(f"bound_{name}", np.array(value, dtype=np.float32))
        for name, value in (("low", -BOUND), ("high", BOUND))
    )
    return graph.node("Clip", ["x", low, high], "bounded")


class Scorer(Protocol):
    """The result of a detector's ``build``: fitted on benign rows."""

    @property
    def n_parameters(self) -> int:
        """Numbers learnt."""
        ...

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike benign rows each row is, ``(n_samples,)``."""
        ...

    def graph(self) -> Graph:
        """Return a graph that turns ``x`` into ``score``, ``(N, 1)``."""
        ...


@dataclass(frozen=True)
class Novelty:
    """A plug-in of ``models``: how to fit a novelty detector.

    Parameters
    ----------
    build : callable
        ``build(config, rows, task)`` returns a ``Scorer`` fitted on the benign
        ``rows``; ``task`` gives seed, device, progress and benign rows to stop by. A
        scorer may have ``history`` and ``notes``, those of a network's training.
    Config : dataclass
        The hyper-parameters that a recipe may set.
    """

    build: Callable[[Any, Rows, Fitting], Scorer]
    Config: type

    balances: ClassVar[str] = "no"
    names_classes: ClassVar[bool] = False
    takes_loss: ClassVar[bool] = False
    compared_with_trees: ClassVar[bool] = True

    def fit(self, config: Any, task: Fitting) -> FittedNovelty:
        """Fit the detector on the benign rows, and its scale on others of them.

        Raises
        ------
        DataError
            There are fewer than two benign rows, or their scores do not differ.
        """
        benign = task.fit.benign()
        benign.check_finite()
        if len(benign) < 2:
            raise DataError(
                f"the training part holds {len(benign)} benign rows; expected 2 or "
                "more. Bring benign rows, or change [split]"
            )
        task.on_event(Progress(step="train", done=0, total=1, unit="models"))
        others = task.valid.benign()
        # it cannot look at attacks, nor balance
        scorer = self.build(
            config, benign, replace(task, fit=benign, valid=others, balance=unbalanced)
        )
        task.on_event(Progress(step="train", done=1, total=1, unit="models"))
        notes = [f"fitted on {len(benign):,} benign rows only"]
        if len(others) < 2:
            notes.append(
                f"the validation part holds {len(others)} benign rows; expected 2 or "
                "more. The log odds are scaled by rows that the detector was fitted on"
            )
        scores = _scores(scorer, (others if len(others) >= 2 else benign).X)
        if not np.isfinite(scores).all():
            raise DataError(
                f"{(~np.isfinite(scores)).sum()} of {len(scores)} benign rows have a "
                "novelty score that is not finite; expected numbers. Use other columns "
                "or another scaling, or another model"
            )
        low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
        scale = float(high - low) or float(scores.std())
        if not np.ptp(scores) > 0:  # the mean of equal scores need not equal them
            raise DataError(
                f"all {len(scores)} benign rows have the novelty score {middle:g}; "
                "expected scores that differ. Bring other columns, or use another model"
            )
        return FittedNovelty(
            scorer=scorer,
            center=float(middle),
            scale=scale,
            n_features=benign.X.shape[1],
            notes=(*notes, *getattr(scorer, "notes", ())),
            history=getattr(scorer, "history", ()),
        )


@dataclass(frozen=True, kw_only=True)
class FittedNovelty:
    """A novelty detector as a model of two classes.

    The log odds of attack are ``z = (score - center) / scale``, with the median and the
    interquartile range over benign validation rows. They rise with the score, so rank,
    ties and areas under curves are those of the detector itself.
    """

    scorer: Scorer
    center: float
    scale: float
    n_features: int
    notes: tuple[str, ...] = ()
    history: tuple[Epoch, ...] = ()
    """One entry per epoch of a detector that is a network; empty for others."""
    n_classes: ClassVar[int] = 2

    @property
    def n_parameters(self) -> int:
        """Numbers learnt."""
        return self.scorer.n_parameters

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, 2)`` of prepared rows."""
        if not len(X):
            return np.empty((0, 2))
        z = (_scores(self.scorer, X) - self.center) / self.scale
        return -np.logaddexp(0, np.stack([z, -z], axis=1))

    def graph(self) -> ModelProto:
        """Return the detector as ONNX."""
        graph = self.scorer.graph()

        def constant(name: str, value: float) -> str:
            return graph.constant(f"novelty/{name}", np.full((1, 1), value, np.float32))

        def node(kind: str, inputs: list[str], output: str, **how: Any) -> str:
            return graph.node(kind, inputs, f"novelty/{output}", **how)

        # names of their own: the scorer's graph may have any
        moved = node("Sub", ["score", constant("center", self.center)], "moved")
        z = node("Div", [moved, constant("scale", self.scale)], "z")
        none = node("Mul", [z, constant("zero", 0.0)], "none")
        pair = node("Concat", [none, z], "pair", axis=1)
        graph.node("LogSoftmax", [pair], "log_proba", axis=1)
        return graph.model(self.n_features, 2)


def _scores(scorer: Scorer, X: NDArray[np.float32]) -> NDArray[np.float64]:
    scores = np.asarray(scorer.score(X), dtype=np.float64)
    if scores.shape != (len(X),):
        raise ValueError(
            f"score returned shape {scores.shape} for {len(X)} rows; expected "
            f"({len(X)},), one number for each row"
        )
    return scores
