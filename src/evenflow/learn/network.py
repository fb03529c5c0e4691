"""Train a network: mini-batches, early stopping, checkpoints, exact resume.

All that an epoch depends on is the state the last one left, the seed and the
epoch's number. So a run that was killed and resumed ends with the same weights,
bit for bit, as one that was left alone (on the same machine, with the same number
of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evenflow.errors import RecipeError
from evenflow.learn import checkpoint as checkpoints
from evenflow.learn import devices
from evenflow.learn.fitted import check_rows
from evenflow.learn.fitted_network import FittedNetwork, logits_of
from evenflow.progress import Epoch, OnEvent, Progress, ignore
from evenflow.recipe import Training

PROGRESS_EVERY_S = 0.5


@dataclass(kw_only=True)
class _Run:
    """What changes from epoch to epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    history: tuple[Epoch, ...]
    best_epoch: int
    best: dict[str, Tensor]


def fit_network(
    cls: Callable[[int, int, Any], nn.Module],
    config: Any,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    X_valid: NDArray[np.float32],
    y_valid: NDArray[np.int64],
    *,
    n_classes: int,
    training: Training,
    class_weight: NDArray[np.float64] | None = None,
    seed: int = 7,
    device: str = "auto",
    checkpoint: Path | None = None,
    resume: bool = False,
    on_event: OnEvent = ignore,
) -> FittedNetwork:
    """Train a network and return it with the weights of its best epoch.

    Best is the highest macro F1 on the validation rows, then the lowest loss;
    without validation rows, the last epoch. Adam with decoupled weight decay [1]_;
    the learning rate falls to zero along a cosine [2]_.

    Parameters
    ----------
    cls : callable
        ``cls(n_features, n_classes, config)`` makes the network.
    config : dataclass
        The model's hyper-parameters.
    X : ndarray of shape (n_samples, n_features), float32
        Prepared, balanced training rows.
    y : ndarray of shape (n_samples,), int64
        Class codes below ``n_classes``.
    X_valid, y_valid : ndarray
        Rows that decide when to stop; may be empty or lack classes.
    class_weight : ndarray of shape (n_classes,), optional
        Weight of each class in the loss.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint : Path, optional
        File that holds the state after each epoch.
    resume : bool
        Go on from ``checkpoint`` if it exists.
    on_event : callable
        Gets an ``Epoch`` after each epoch and a ``Progress`` now and then.

    Raises
    ------
    DataError
        The rows cannot train a model.
    RecipeError
        The device is missing, the checkpoint belongs to another training, or the
        loss is not finite.
    StorageError
        The checkpoint cannot be written or read.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR
       2019. doi:10.48550/arXiv.1711.05101
    .. [2] I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm
       restarts", ICLR 2017. doi:10.48550/arXiv.1608.03983
    """
    check_rows(X, y, n_classes=n_classes)
    where = devices.resolve(device)
    dtype = devices.precision(training.precision, where)
    key = ""
    if checkpoint is not None:
        key = checkpoints.fingerprint(
            {"X": X, "y": y, "Xv": X_valid, "yv": y_valid, "weight": class_weight},
            {
                "model": f"{getattr(cls, '__module__', '')}.{cls.__name__}",
                "config": asdict(config),
                "n_classes": n_classes,
                "training": training.model_dump(mode="json"),
                "seed": seed,
                "device": where.type,
                "precision": str(dtype),
            },
        )
    # copies owned by torch: aligned alike in every process, so sums round alike
    data = _Data(
        X=torch.tensor(X, dtype=torch.float32, device=where),
        y=torch.tensor(y, dtype=torch.int64, device=where),
        X_valid=torch.tensor(X_valid, dtype=torch.float32, device=where),
        y_valid=np.asarray(y_valid, dtype=np.int64),
        weight=None
        if class_weight is None
        else torch.tensor(class_weight, dtype=torch.float32, device=where),
        dtype=dtype,
    )
    with _seeded(seed, where):
        model = cls(X.shape[1], n_classes, config).to(where)
        model = model.to(memory_format=torch.channels_last)
        run = _Run(
            model=model,
            optimizer=torch.optim.AdamW(
                model.parameters(),
                lr=training.learning_rate,
                weight_decay=training.weight_decay,
                fused=True,
            ),
            history=(),
            best_epoch=0,
            best=_copy(model),
        )
        if checkpoint is not None:
            checkpoints.sweep(checkpoint)
            if resume and checkpoint.exists():
                _restore(run, checkpoints.load(checkpoint, fingerprint=key))
            else:
                checkpoints.save(checkpoint, _state(run, key))
        while not _is_done(run, training):
            _next_epoch(run, data, training, seed, on_event)
            if checkpoint is not None:
                checkpoints.save(checkpoint, _state(run, key))
            on_event(run.history[-1])
    run.model.load_state_dict(run.best)
    return FittedNetwork(
        model=run.model.cpu().eval(),
        n_features=X.shape[1],
        n_classes=n_classes,
        history=run.history,
        best_epoch=run.best_epoch,
        notes=_notes(run, training, where, dtype),
    )


@dataclass(frozen=True, kw_only=True)
class _Data:
    """The rows, on the device."""

    X: Tensor
    y: Tensor
    X_valid: Tensor
    y_valid: NDArray[np.int64]
    weight: Tensor | None
    dtype: torch.dtype


def _next_epoch(
    run: _Run, data: _Data, training: Training, seed: int, on_event: OnEvent
) -> None:
    """Pass over the training rows once, judge the validation rows, keep the best."""
    number, start = len(run.history) + 1, time.perf_counter()
    torch.manual_seed(_epoch_seed(seed, number))
    try:
        loss = _pass(run, data, training, number, on_event)
    except ValueError as error:
        if training.batch_size == 1 and "more than 1 value" in str(error):
            raise RecipeError(
                "batch_size is 1 and the model normalises over batches; expected 2 "
                "or more. Raise it in [training]"
            ) from error
        raise
    if not math.isfinite(loss):
        raise RecipeError(
            f"the loss became {loss} in epoch {number}; expected a finite number. "
            "Lower learning_rate in [training], or set precision to float32"
        )
    trained_s = time.perf_counter() - start
    valid_loss, valid_f1 = _judge(run.model, data)
    epoch = Epoch(
        number=number,
        epochs=training.epochs,
        loss=loss,
        valid_loss=valid_loss,
        valid_macro_f1=valid_f1,
        seconds=time.perf_counter() - start,
        rows_per_s=len(data.X) / trained_s,
    )
    if _is_better(epoch, run):
        run.best_epoch, run.best = number, _copy(run.model)
    run.history = (*run.history, epoch)


def _pass(
    run: _Run, data: _Data, training: Training, number: int, on_event: OnEvent
) -> float:
    """Take one optimiser step per batch; return the mean loss.

    No step waits for the device: losses are summed where they arise and read once.
    """
    n = len(data.X)
    order = torch.randperm(n).to(data.X.device)
    bounds = _bounds(n, training.batch_size)
    steps, total = len(bounds) - 1, torch.zeros((), device=data.X.device)
    run.model.train()
    told = time.monotonic()
    for k in range(steps):
        done = (number - 1) * steps + k
        rate = 0.5 * (1 + math.cos(math.pi * done / (training.epochs * steps)))
        for group in run.optimizer.param_groups:
            group["lr"] = training.learning_rate * rate
        rows = order[bounds[k] : bounds[k + 1]]
        x, y = data.X.index_select(0, rows), data.y.index_select(0, rows)
        with torch.autocast(
            x.device.type, data.dtype, enabled=data.dtype != torch.float32
        ):
            logits = run.model(x)
        loss = functional.cross_entropy(logits.float(), y, weight=data.weight)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        total += loss.detach() * len(rows)
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            on_event(
                Progress(
                    step="train",
                    done=(number - 1) * n + bounds[k + 1],
                    total=training.epochs * n,
                )
            )
    return float(total) / n


def _bounds(n: int, batch_size: int) -> list[int]:
    """Return where batches begin and end; a last batch of one row joins the other.

    One row has no spread, so a model that normalises over batches cannot take it.
    """
    bounds = [*range(0, n, batch_size), n]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] == 1 < batch_size:
        del bounds[-2]
    return bounds


def _judge(model: nn.Module, data: _Data) -> tuple[float, float]:
    """Return the mean loss and the macro F1 of the validation rows, NaN for none."""
    if not len(data.X_valid):
        return math.nan, math.nan
    logits = logits_of(model, data.X_valid).double().cpu()
    y = torch.from_numpy(data.y_valid)
    loss = float(functional.cross_entropy(logits, y))
    return loss, _macro_f1(data.y_valid, logits.argmax(dim=1).numpy())


def _macro_f1(y: NDArray[np.int64], decided: NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that ``y`` holds."""
    scores = []
    for code in np.unique(y):
        hits = int(((y == code) & (decided == code)).sum())
        scores.append(2 * hits / int((y == code).sum() + (decided == code).sum()))
    return float(np.mean(scores))


def _is_better(epoch: Epoch, run: _Run) -> bool:
    if not run.best_epoch or math.isnan(epoch.valid_macro_f1):
        return True
    best = run.history[run.best_epoch - 1]
    return (epoch.valid_macro_f1, -epoch.valid_loss) > (
        best.valid_macro_f1,
        -best.valid_loss,
    )


def _is_done(run: _Run, training: Training) -> bool:
    done = len(run.history)
    return done >= training.epochs or done - run.best_epoch >= training.patience


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators for the block, and put them back after it."""
    cuda = [device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


def _epoch_seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def _state(run: _Run, key: str) -> checkpoints.State:
    return checkpoints.State(
        fingerprint=key,
        history=run.history,
        best_epoch=run.best_epoch,
        model=checkpoints.to_arrays(run.model.state_dict()),
        optimizer=checkpoints.optimizer_to_arrays(run.optimizer),
        best=checkpoints.to_arrays(run.best),
    )


def _restore(run: _Run, state: checkpoints.State) -> None:
    """Put a saved state in place."""
    run.model.load_state_dict(checkpoints.to_tensors(state.model))
    run.best = _copy(run.model)
    for name, value in checkpoints.to_tensors(state.best).items():
        run.best[name].copy_(value)
    checkpoints.restore_optimizer(run.optimizer, state.optimizer)
    run.history, run.best_epoch = state.history, state.best_epoch


def _notes(
    run: _Run, training: Training, device: torch.device, dtype: torch.dtype
) -> tuple[str, ...]:
    done = len(run.history)
    notes = [
        f"trained on {device.type} in {str(dtype).removeprefix('torch.')}: another "
        "processor or number of threads gives somewhat different figures"
    ]
    if done < training.epochs:
        notes.append(
            f"stopped after epoch {done} of {training.epochs}: no better validation "
            f"macro F1 for {training.patience} epochs"
        )
    if run.best_epoch < done:
        notes.append(f"weights of epoch {run.best_epoch}, the best on validation rows")
    if math.isnan(run.history[-1].valid_macro_f1):
        notes.append("no validation rows: the weights are those of the last epoch")
    return tuple(notes)
