"""Models and novelty detectors that decide together, by conformal p-values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evenflow.decision import FLOOR, logsumexp
from evenflow.errors import DataError, RecipeError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting
from evenflow.learn.systems import Model, System
from evenflow.learn.systems._evidence import Evidence
from evenflow.learn.systems._groups import Groups
from evenflow.learn.trees import table, tree_node, written_out
from evenflow.plugins import Part
from evenflow.progress import Epoch

if TYPE_CHECKING:
    from onnx import ModelProto

    from evenflow.learn.graphs import Graph


def _two() -> dict[str, Part]:
    return {
        "classifier": Part(name="lightgbm"),
        "detector": Part(name="isolation_forest"),
    }


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    later: ClassVar[tuple[str, ...]] = ("groups", "min_group_rows")

    members: dict[str, Model] = field(default_factory=_two)
    """Models and novelty detectors, each under a name of your choice; all are fitted on
    attack or benign."""
    rule: Literal["mean", "max"] = "mean"
    """The evidence that counts: the mean of the members', or the greatest."""
    groups: tuple[str, ...] = ()
    """Columns of categories: a row's p-value is that among benign rows with its values
    in all of them, or, where those are few, in all but the last ones."""
    min_group_rows: int = 230
    """Benign validation rows that a group holds at least. So many certify a false alarm
    rate of 1 % at a confidence of 90 %; among 45, which certify 5 %, no row has a
    p-value below 2 %."""

    def __post_init__(self) -> None:
        if not self.members:
            raise RecipeError("members is empty; expected one or more. Name a model")
        if len({*self.groups}) < len(self.groups):
            raise RecipeError(
                f"groups is {', '.join(self.groups)}; expected each column once. Leave "
                "out the second"
            )
        if self.min_group_rows < 2:
            raise RecipeError(
                f"min_group_rows is {self.min_group_rows}; expected 2 or more. Change "
                "it in [model]"
            )


def fit(config: Config, task: Fitting) -> Fusion:
    """Fit each member, then turn its scores into evidence that a row is an attack.

    The evidence is ``-log p``, where ``p = (1 + #{theirs >= its}) / (n + 1)`` is the
    row's conformal p-value among the scores of benign validation rows, which no member
    was fitted on; ties are counted [1]_. The mean is Fisher's statistic over the number
    of members [2]_: they are not independent, so no distribution of it is assumed, and
    the threshold is set on the mean itself. The greatest is the rule "or" of detectors
    that are brought to one scale [3]_. The log odds are the line through the evidence
    that fits the labels of the validation rows best, after Platt.

    With ``groups`` the p-value is that among the rows of one group [4]_, so that each
    member has its false alarms in equal shares in all groups [5]_. Their mean has so
    nearly: members may depend on each other more in one group than in another. A row
    whose group holds fewer than ``min_group_rows`` of them is compared with all rows
    of the group by one column less, which is not a guarantee for its own.

    References
    ----------
    .. [1] S. Bates et al., "Testing for outliers with conformal p-values", Annals of
       Statistics 51, 2023. doi:10.1214/22-AOS2244 (here interpolated between scores, so
       that the last bit of a score moves the evidence by as little, and never greater
       than theirs).
    .. [2] R. A. Fisher, "Statistical methods for research workers", 4th edition, 1932.
    .. [3] J. Kittler et al., "On combining classifiers", IEEE Transactions on Pattern
       Analysis and Machine Intelligence 20, 1998. doi:10.1109/34.667881 (the max rule).
    .. [4] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world",
       Springer, 2005. doi:10.1007/b106715 (Mondrian conformal prediction; there the
       groups do not depend on the rows, here only those with enough of them count).
    .. [5] V. Vovk, "Conditional validity of inductive conformal predictors", Machine
       Learning 92, 2013. doi:10.1007/s10994-013-5355-6

    Raises
    ------
    DataError
        There are fewer than two benign validation rows, or rows without a layout are to
        be grouped.
    RecipeError
        ``groups`` names a column that does not hold categories.
    """
    rows, benign = task.valid, task.valid.benign()
    if len(benign) < 2:
        raise DataError(
            f"the validation part holds {len(benign)} benign rows; expected 2 or more, "
            "which no member was fitted on, to measure evidence by. Bring benign rows, "
            "or raise training.valid_fraction"
        )
    groups = Groups.of(config.groups, config.min_group_rows, benign)
    members = {}
    for name in config.members:
        model = task.part(f"members.{name}", task.fit, task.valid)
        members[name] = Member.of(model, benign.X, groups)
    fused = Fusion(members=members, rule=config.rule)
    slope, shift = _line(fused.evidence(rows.X), rows.y > 0)
    return Fusion(members=members, rule=config.rule, slope=slope, shift=shift)


def log_odds(fitted: Fitted, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log odds of attack of prepared rows, ``(n_samples,)``."""
    z = fitted.log_proba(X).T
    odds: NDArray[np.float64] = logsumexp(z[1:]) - z[0]
    return odds


def _line(x: NDArray[np.float64], is_attack: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and shift of the log odds that labels give a number, by Platt."""
    if not 0 < is_attack.sum() < len(is_attack):
        return 1.0, -float(np.quantile(x, 0.95))

    def loss(theta: NDArray[np.float64]) -> float:
        odds = theta[0] * x + theta[1]
        return float(np.logaddexp(0, np.where(is_attack, -odds, odds)).mean())

    best = minimize(loss, (1.0, -3.0), method="L-BFGS-B", bounds=[(0.1, 10), (-50, 50)])
    return float(best.x[0]), float(best.x[1])


@dataclass(frozen=True, kw_only=True)
class Member:
    """A fitted model, and what its log odds are worth as evidence."""

    model: Fitted
    evidence: tuple[Evidence, ...]
    """Of the log odds in each group."""
    groups: Groups = field(default_factory=Groups)

    @classmethod
    def of(
        cls, model: Fitted, benign: NDArray[np.float32], groups: Groups | None = None
    ) -> Member:
        """Return the member whose evidence is that among prepared benign rows."""
        odds, groups = log_odds(model, benign), groups or Groups()
        evidence = (Evidence.among(odds[rows]) for rows in groups.members(benign))
        return cls(model=model, evidence=tuple(evidence), groups=groups)

    def of_rows(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the evidence against prepared rows, ``(n_samples,)``."""
        odds, codes = log_odds(self.model, X), self.groups.codes(X)
        found = np.empty(len(X))
        for number, evidence in enumerate(self.evidence):
            found[codes == number] = evidence.at(odds[codes == number])
        return found

    def add_to(self, graph: Graph, name: str) -> str:
        """Add the member to a graph; return the name of its evidence, ``(N, 1)``."""
        z = graph.include(name, self.model.graph())

        def numbers(label: str, value: object) -> str:
            return graph.constant(f"{name}_{label}", np.array(value, dtype=np.float32))

        def node(kind: str, inputs: list[str], output: str) -> str:
            return graph.node(kind, inputs, f"{name}_{output}")

        odds = node("MatMul", [z, numbers("sides", [[-1.0], [1.0]])], "odds")
        tables = [
            table(0, one.knots.astype(np.float32), one.pieces())
            for one in self.evidence
        ]
        trees = written_out([self.groups.tree(tables.__getitem__, first=1)])
        reads = odds
        if len(tables) > 1:
            reads = graph.node("Concat", [odds, "x"], f"{name}_seen", axis=1)
        graph.nodes.append(tree_node(trees, f"{name}_piece", reads=reads))
        value, slope, left = (
            node("MatMul", [f"{name}_piece", numbers(f"pick_{k}", pick)], label)
            for k, (pick, label) in enumerate(
                zip(np.eye(3)[:, :, None], ("value", "slope", "left"), strict=True)
            )
        )
        beyond = node("Mul", [node("Sub", [odds, left], "past"), slope], "rise")
        return node("Add", [value, beyond], "evidence")


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Members whose evidence is fused; log odds are ``slope * evidence + shift``."""

    members: dict[str, Member]
    rule: str
    slope: float = 1.0
    shift: float = 0.0
    n_classes: ClassVar[int] = 2

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return next(iter(self.members.values())).model.n_features

    @property
    def n_parameters(self) -> int:
        """Numbers learnt in all members."""
        return sum(member.model.n_parameters for member in self.members.values())

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs of the first member that has some."""
        found = (member.model.history for member in self.members.values())
        return next((history for history in found if history), ())

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read, of the groups and by member."""
        groups = next(iter(self.members.values())).groups
        return (groups.note,) * bool(groups.note) + tuple(
            f"{name}: {text}"
            for name, member in self.members.items()
            for text in member.model.notes
        )

    def evidence(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the fused evidence against prepared rows, ``(n_samples,)``."""
        each = np.stack([member.of_rows(X) for member in self.members.values()])
        found: NDArray[np.float64] = getattr(each, self.rule)(axis=0)
        return found

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, 2)`` of prepared rows."""
        odds = self.slope * self.evidence(X) + self.shift
        sides = -np.logaddexp(0, np.stack([odds, -odds], axis=1))
        floored: NDArray[np.float64] = np.maximum(sides, np.log(FLOOR))
        return floored

    def graph(self) -> ModelProto:
        """Return all members as one ONNX graph."""
        from evenflow.learn.graphs import Graph

        graph = Graph()

        def number(name: str, value: float) -> str:
            return graph.constant(name, np.full((1, 1), value, dtype=np.float32))

        first, *rest = [
            member.add_to(graph, f"member_{k}")
            for k, member in enumerate(self.members.values())
        ]
        kind, share = ("Max", 1) if self.rule == "max" else ("Add", len(self.members))
        for k, other in enumerate(rest):
            first = graph.node(kind, [first, other], f"fused_{k}")
        graph.node("Mul", [first, number("slope", self.slope / share)], "scaled")
        graph.node("Add", ["scaled", number("shift", self.shift)], "odds")
        graph.log_softmax("odds", 1)
        graph.node("Identity", ["known"], "log_proba")
        return graph.model(self.n_features, self.n_classes)


MODEL = System(fit, Config, names_classes=False)
