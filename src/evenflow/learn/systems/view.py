"""A model that reads a view: some of the columns, some of them rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError, RecipeError
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.systems import Classifier, System
from evenflow.learn.trees import table_trees, tree_node
from evenflow.plugins import default
from evenflow.prepare.layout import Layout
from evenflow.prepare.scaling import signed_expm1, signed_log1p
from evenflow.progress import Epoch
from evenflow.registry import nearest

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_BINS = 4096


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    model: Classifier = default("lightgbm")
    """Model that reads the view."""
    without: tuple[str, ...] = ()
    """Columns to leave out."""
    log_step: float | None = None
    """Step of ``log(1 + value)`` to which numbers are rounded; None for not at all."""
    rate_step: float | None = None
    """Step to which numbers are rounded that lie within [0, 1] in training rows."""

    def __post_init__(self) -> None:
        for name in ("log_step", "rate_step"):
            step = getattr(self, name)
            if step is not None and not step > 0:
                raise RecipeError(
                    f"{name} is {step}; expected a number above 0. Change it in [model]"
                )


def fit(config: Config, task: Fitting) -> Viewed:
    """Fit the model on the view of the rows.

    A column whose values tell training traffic apart and other traffic not misleads
    every model that may read it, and so do differences too small to mean anything. A
    model that cannot see them errs in another way than one that can, which a fusion of
    both profits from: each member has a subspace of its own [1]_, chosen, not drawn.

    References
    ----------
    .. [1] T. K. Ho, "The random subspace method for constructing decision forests",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 20, 1998.
       doi:10.1109/34.709601
    """
    layout, n_features = task.fit.layout, task.fit.X.shape[1]
    view = View(kept=np.arange(n_features), n_features=n_features)
    if layout is not None:
        kept = _kept(config, layout)
        view = _view(config, layout, layout.features_of(kept))
        layout = layout.keeping(kept)
    elif config != replace(config, without=(), log_step=None, rate_step=None):
        raise DataError(
            "a view needs rows with named columns, and these are an array without a "
            "layout. Give a layout, or leave out without, log_step and rate_step"
        )

    def seen(rows: Rows) -> Rows:
        return replace(rows, X=view.of(rows.X), layout=layout)

    return Viewed(view=view, model=task.part("model", seen(task.fit), seen(task.valid)))


def _kept(config: Config, layout: Layout) -> list[str]:
    for name in config.without:
        if name not in layout.groups:
            raise RecipeError(
                f"without names {name!r}; {nearest(name, list(layout.groups))} "
                "Expected columns whose values vary in the training rows"
            )
    kept = [name for name in layout.groups if name not in config.without]
    if not kept:
        raise RecipeError("without leaves out all columns. Keep one or more")
    return kept


def _view(config: Config, layout: Layout, features: NDArray[np.int64]) -> View:
    tables: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for j in features[features < layout.n_numeric].tolist():
        is_rate = layout.low[j] >= 0 and layout.high[j] <= 1
        step = config.rate_step if is_rate else config.log_step
        if step is not None:
            tables[j] = _table(layout, j, step, is_rate=is_rate)
    return View(kept=features, n_features=layout.n_features, tables=tables)


def _table(
    layout: Layout, j: int, step: float, *, is_rate: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return edges and values, as prepared, that round a column.

    An edge lies between two possible values: which bin a value is in does not depend
    on how a sum was rounded.
    """
    low, high = layout.low[j], layout.high[j]
    ends = np.array([low, high]) if is_rate else signed_log1p(np.array([low, high]))
    first, last = int(np.floor(ends[0] / step)), int(np.ceil(ends[1] / step))
    if last - first >= MOST_BINS:
        raise RecipeError(
            f"a step of {step:g} makes {last - first + 1:,} bins of "
            f"{layout.names[j]}; expected {MOST_BINS:,} at most. Choose a larger step"
        )
    middles = np.arange(first, last + 1, dtype=np.float64) * step
    edges = middles[:-1] + step / 2
    if not is_rate:
        edges, middles = signed_expm1(edges), signed_expm1(middles)
    if (unit := layout.step[j]) > 0:
        edges = (np.floor(edges / unit + 1e-9) + 0.5) * unit
    # a bin without a possible value ends where it begins
    has_values = np.append(np.diff(edges) > 0, True)
    middles = np.append(middles[0], middles[1:][has_values])
    one = layout.scaler.keeping([j])

    def prepared(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return one.forward(values[:, None])[:, 0].astype(np.float32)

    return prepared(edges[has_values]), prepared(np.clip(middles, low, high))


@dataclass(frozen=True, kw_only=True)
class View:
    """Some features of prepared rows, and the tables that round them."""

    kept: NDArray[np.int64]
    """Features that are seen, in their order."""
    n_features: int
    """Of the prepared rows."""
    tables: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] | None = None
    """Feature -> edges ``(n_edges,)`` and values ``(n_edges + 1,)`` of its bins."""

    def of(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the view of prepared rows, ``(n_samples, len(kept))``."""
        seen = X[:, self.kept]
        for place, j in enumerate(self.kept.tolist()):
            if self.tables and j in self.tables:
                edges, values = self.tables[j]
                seen[:, place] = values[np.searchsorted(edges, X[:, j], side="left")]
        return seen

    def graph(self, model: ModelProto) -> ModelProto:
        """Return a model of the view as one of the prepared rows."""
        from evenflow.learn.graphs import Graph

        graph, tables = Graph(), self.tables or {}
        pick = np.zeros((self.n_features, len(self.kept)), dtype=np.float32)
        pick[self.kept, np.arange(len(self.kept))] = 1.0
        pick[list(tables)] = 0.0
        seen = graph.node("MatMul", ["x", graph.constant("pick", pick)], "plain")
        if tables:
            edges, values = zip(*tables.values(), strict=True)
            places = np.searchsorted(self.kept, list(tables))
            spread = _spread(values, places, len(self.kept))
            trees = table_trees(list(tables), edges, spread)
            graph.nodes.append(tree_node(trees, "rounded"))
            seen = graph.node("Add", [seen, "rounded"], "seen")
        graph.node("Identity", [graph.include("model", model, reads=seen)], "log_proba")
        n_classes = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        return graph.model(self.n_features, n_classes)


def _spread(
    values: Sequence[NDArray[np.float32]], places: NDArray[np.int64], width: int
) -> list[NDArray[np.float64]]:
    """Return what each bin of each table adds to the outputs: its value to its own."""
    found = []
    for value, place in zip(values, places, strict=True):
        row = np.zeros((len(value), width))
        row[:, place] = value
        found.append(row)
    return found


@dataclass(frozen=True, kw_only=True)
class Viewed:
    """A fitted model, and the view that it reads."""

    view: View
    model: Fitted

    @property
    def n_features(self) -> int:
        """Columns of the prepared rows."""
        return self.view.n_features

    @property
    def n_classes(self) -> int:
        """Classes of the model."""
        return self.model.n_classes

    @property
    def n_parameters(self) -> int:
        """Numbers learnt by the model."""
        return self.model.n_parameters

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The model's epochs."""
        return self.model.history

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts the user should read."""
        return self.model.notes

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        return self.model.log_proba(self.view.of(X))

    def graph(self) -> ModelProto:
        """Return the model as one that reads the prepared rows."""
        return self.view.graph(self.model.graph())


MODEL = System(fit, Config)
