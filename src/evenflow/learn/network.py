"""Models that are PyTorch networks, trained to tell classes apart."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evenflow.errors import RecipeError
from evenflow.learn import devices, loop
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.perturb import Perturb
from evenflow.prepare.layout import Layout
from evenflow.progress import Epoch
from evenflow.stages import Training

if TYPE_CHECKING:
    from onnx import ModelProto

SCORE_BATCH = 1024


@dataclass(frozen=True)
class Network:
    """A plug-in of ``models``: how to make a network.

    Parameters
    ----------
    build : callable
        ``build(n_features, n_classes, config)`` returns a ``torch.nn.Module`` that maps
        rows ``(B, n_features)`` to logits ``(B, n_classes)``. If it names ``layout``,
        it is given that of the rows, which may be None; if it names ``encoder``, the
        layers of the sampler's encoder where it has one (``Rows.encoder``); if it names
        ``rows``, the balanced training rows.
    Config : dataclass
        The hyper-parameters that a recipe may set.
    """

    build: Callable[..., nn.Module]
    Config: type

    balances: ClassVar[str] = "rows"
    names_classes: ClassVar[bool] = True
    takes_loss: ClassVar[bool] = True
    compared_with_trees: ClassVar[bool] = True

    def fit(self, config: Any, task: Fitting) -> FittedNetwork:
        """Balance the training rows and train the network on them.

        Raises
        ------
        DataError
            The rows cannot train a model.
        RecipeError
            As :func:`evenflow.learn.loop.run`.
        """
        rows = task.balance(task.fit)
        rows.check()
        n_features = rows.X.shape[1]
        settings = {
            "model": f"{getattr(self.build, '__module__', '')}.{self.build.__name__}",
            "config": asdict(config),
            "n_classes": rows.n_classes,
        }
        if task.loss is not None:
            loss, chosen = task.loss
            settings["loss"] = [loss.build.__module__, asdict(chosen)]

        more: dict[str, Any] = {}
        accepted = inspect.signature(self.build).parameters
        if "rows" in accepted:
            more["rows"] = rows
        if "layout" in accepted:
            more["layout"] = rows.layout
            settings["blocks"] = rows.layout and rows.layout.blocks
        noise = perturbation(rows.layout, task.training)
        if noise is not None and rows.layout is not None:
            settings["perturbed"] = [rows.layout.n_numeric, rows.layout.blocks]
        started = {}
        if "encoder" in accepted and rows.encoder is not None:
            more["encoder"] = rows.encoder
            flat = [array for layer in rows.encoder for array in layer]
            started = {f"encoder{i}": array for i, array in enumerate(flat)}

        def make() -> nn.Module:
            network = self.build(n_features, rows.n_classes, config, **more)
            if task.loss is not None and task.loss[0].adapt is not None:
                network = task.loss[0].adapt(task.loss[1], network)
            return network if noise is None else nn.Sequential(noise, network)

        state = loop.run(
            make,
            classify(rows, task),
            task,
            arrays={
                "X": rows.X,
                "y": rows.y,
                "Xv": task.valid.X,
                "yv": task.valid.y,
                "weight": rows.class_weight,
                **started,
            },
            settings=settings,
        )
        return FittedNetwork(
            model=state.model,
            n_features=n_features,
            n_classes=rows.n_classes,
            history=state.history,
            best_epoch=state.best_epoch,
            notes=(
                *getattr(state.model if noise is None else state.model[1], "notes", ()),
                *loop.notes(state, task),
                *not_perturbed(rows, task.training),
            ),
        )


def perturbation(layout: Layout | None, training: Training) -> Perturb | None:
    """Return what perturbs inputs, if the recipe wants it and columns have names."""
    noise, hidden = training.input_noise, training.hidden_categories
    if layout is None or not (noise or hidden):
        return None
    return Perturb(layout, noise=noise, hidden=hidden)


def not_perturbed(rows: Rows, training: Training) -> list[str]:
    """Return a note where the recipe wants inputs perturbed that cannot be."""
    if rows.layout is None and (training.input_noise or training.hidden_categories):
        return ["trained without noise: it reads features that are not columns"]
    if training.hidden_categories and not (rows.layout and rows.layout.blocks):
        return ["no categories were hidden: there is no column of categories"]
    return []


def classify(rows: Rows, task: Fitting) -> loop.Objective:
    """Return the objective of telling the classes of rows apart."""
    where = devices.resolve(task.device)

    def on_device(value: Any, dtype: torch.dtype) -> Tensor:
        # copies owned by torch: aligned alike in every process, so sums round alike
        return torch.tensor(value, dtype=dtype, device=where)

    X_valid, y_valid = on_device(task.valid.X, torch.float32), task.valid.y
    weight = None
    if rows.class_weight is not None:
        weight = on_device(rows.class_weight, torch.float32)
    if task.loss is None:

        def loss(logits: Tensor, y: Tensor) -> Tensor:
            return functional.cross_entropy(logits, y, weight=weight)
    else:
        plug_in, config = task.loss
        n_rows = np.bincount(rows.y, minlength=rows.n_classes)
        loss = plug_in.build(config, n_rows=n_rows, class_weight=weight)

    def judge(network: nn.Module) -> tuple[float, float]:
        if not len(X_valid):
            return math.nan, math.nan
        logits = logits_of(network, X_valid).double().cpu()
        decided = logits.argmax(dim=1).numpy()
        y = torch.tensor(y_valid)
        return float(functional.cross_entropy(logits, y)), macro_f1(y_valid, decided)

    return loop.Objective(
        tensors=(on_device(rows.X, torch.float32), on_device(rows.y, torch.int64)),
        loss=loss,
        judge=judge,
    )


def macro_f1(y: NDArray[np.int64], decided: NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that ``y`` holds."""
    scores = []
    for code in np.unique(y):
        hits = int(((y == code) & (decided == code)).sum())
        scores.append(2 * hits / int((y == code).sum() + (decided == code).sum()))
    return float(np.mean(scores))


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """A trained network, on the CPU, its best weights in place."""

    model: nn.Module
    n_features: int
    n_classes: int
    history: tuple[Epoch, ...]
    best_epoch: int
    """The epoch whose weights these are."""
    notes: tuple[str, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of weights learnt."""
        return sum(p.numel() for p in self.model.parameters())

    def log_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-probabilities ``(n_samples, n_classes)`` of prepared rows."""
        if not len(X):
            return np.empty((0, self.n_classes))
        x = torch.tensor(np.ascontiguousarray(X, dtype=np.float32))
        logits = logits_of(self.model, x).double()
        proba: NDArray[np.float64] = functional.log_softmax(logits, dim=1).numpy()
        return proba

    def graph(self) -> ModelProto:
        """Return the network as ONNX."""
        from evenflow.learn.graphs import of_network

        return of_network(self.model, self.n_features)


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Return float32 logits of rows, as they will be served."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in x.split(SCORE_BATCH)])


def without_last_layer(model: nn.Module) -> nn.Module:
    """Return a copy of a network that answers what its last linear layer reads.

    The last layer is the linear one that was registered last.

    Raises
    ------
    RecipeError
        It has none, as where a loss has put another layer in its place.
    """
    inner = copy.deepcopy(model)
    names = [n for n, part in inner.named_modules() if isinstance(part, nn.Linear)]
    if not names:
        raise RecipeError(
            "the extractor has no linear last layer to leave out; expected one. Use "
            "another loss, or another network"
        )
    name = names[-1]
    *path, last = name.split(".")
    setattr(inner.get_submodule(".".join(path)), last, nn.Identity())
    return inner
