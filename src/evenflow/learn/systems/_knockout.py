"""A knockout between classes: each pair has a model, winners meet winners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.decision import FLOOR
from evenflow.learn.fitted import Fitted
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto

Match = tuple[tuple[int, ...], tuple[int, ...]]
"""The classes of which one may come from each side."""


def rounds(order: tuple[int, ...]) -> list[list[Match]]:
    """Return the matches of each round; the last round is the final.

    Examples
    --------
    >>> rounds((3, 1, 2))
    [[((3,), (1,))], [((3, 1), (2,))]]
    """
    if len(order) < 2:
        return []
    middle = (len(order) + 1) // 2
    left, right = order[:middle], order[middle:]
    before = [rounds(left), rounds(right)]
    out: list[list[Match]] = [[] for _ in range(max(map(len, before)))]
    for side in before:
        for number, matches in enumerate(side):
            out[number] += matches
    return [*out, [(left, right)]]


@dataclass(frozen=True, kw_only=True)
class Knockout:
    """Pairs of classes, two or more of them.

    The probability that a class wins a round is that it came so far, times that it
    beats each class that it may meet, weighed by the probability of meeting it.
    """

    order: tuple[int, ...]
    """Class codes, ``0 .. n_classes - 1``, as they are drawn."""
    models: Mapping[tuple[int, int], Fitted]
    """A model of each pair, whose first class is 0 there and whose second is 1."""

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return next(iter(self.models.values())).n_features

    @property
    def n_classes(self) -> int:
        """Classes that are drawn."""
        return len(self.order)

    @property
    def n_parameters(self) -> int:
        """Numbers learnt by all pairs."""
        return sum(model.n_parameters for model in self.models.values())

    @property
    def history(self) -> tuple[Epoch, ...]:
        """No epochs: each pair has its own."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, each once."""
        return tuple(dict.fromkeys(n for m in self.models.values() for n in m.notes))

    def steps(self) -> list[tuple[NDArray[np.float64], ...]]:
        """Return, for each round, four matrices of zeros and ones.

        For each ordered pair that may meet: which output of the models it reads, which
        class is met, which class wins; then the classes that have no match.
        """
        n, pairs = self.n_classes, list(self.models)
        out: list[tuple[NDArray[np.float64], ...]] = []
        for matches in rounds(self.order):
            met = [
                (a, b)
                for left, right in matches
                for one, other in ((left, right), (right, left))
                for a in one
                for b in other
            ]
            read = np.zeros((2 * len(pairs), len(met)))
            meets, wins = np.zeros((n, len(met))), np.zeros((len(met), n))
            for k, (a, b) in enumerate(met):
                side = (a, b) not in self.models
                read[2 * pairs.index((b, a) if side else (a, b)) + side, k] = 1
                meets[b, k] = wins[k, a] = 1
            free = np.ones((1, n))
            free[0, [a for a, _ in met]] = 0
            out.append((read, meets, wins, free))
        return out

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        beats = np.exp(np.hstack([m.log_proba(X) for m in self.models.values()]))
        proba = np.ones((len(X), self.n_classes))
        for read, meets, wins, free in self.steps():
            proba = proba * ((beats @ read) * (proba @ meets) @ wins + free)
        floored: NDArray[np.float64] = np.log(np.clip(proba, FLOOR, 1.0))
        return floored

    def graph(self) -> ModelProto:
        """Return all pairs as one ONNX graph."""
        from evenflow.learn.graphs import Graph

        graph = Graph()

        def numbers(name: str, value: NDArray[np.float64]) -> str:
            return graph.constant(name, value.astype(np.float32))

        beats, n_pairs = "", len(self.models)
        for k, model in enumerate(self.models.values()):
            z = graph.include(f"pair_{k}", model.graph())
            place = np.zeros((2, 2 * n_pairs))
            place[[0, 1], [2 * k, 2 * k + 1]] = 1
            placed = graph.node("MatMul", [z, numbers(f"at_{k}", place)], f"placed_{k}")
            beats = graph.node("Add", [beats, placed], f"sum_{k}") if beats else placed
        beats = graph.node("Exp", [beats], "beats")
        proba = numbers("all", np.ones((1, self.n_classes)))
        for k, (read, meets, wins, free) in enumerate(self.steps()):
            a = graph.node("MatMul", [beats, numbers(f"read_{k}", read)], f"beat_{k}")
            b = graph.node("MatMul", [proba, numbers(f"meets_{k}", meets)], f"met_{k}")
            both = graph.node("Mul", [a, b], f"both_{k}")
            won = graph.node("MatMul", [both, numbers(f"wins_{k}", wins)], f"won_{k}")
            whole = graph.node("Add", [won, numbers(f"free_{k}", free)], f"whole_{k}")
            proba = graph.node("Mul", [proba, whole], f"round_{k}")
        graph.log(proba)
        graph.node("Identity", ["known"], "log_proba")
        return graph.model(self.n_features, self.n_classes)
