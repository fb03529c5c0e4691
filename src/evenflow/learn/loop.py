"""Train a network: mini-batches, early stopping, checkpoints, exact resume.

All that an epoch depends on is the state the last one left, the seed and the
epoch's number. So a run that was killed and resumed ends with the same weights,
bit for bit, as one that was left alone (on the same machine, with the same number
of threads). What is minimised, and on which rows, is an :class:`Objective`: to
classify rows, or to reconstruct them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn import checkpoint as checkpoints
from evenflow.learn import devices
from evenflow.learn.fitting import Fitting
from evenflow.learn.losses import at_epoch
from evenflow.progress import Epoch, OnEvent, Progress
from evenflow.stages import Training

PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """The objective of a training."""

    tensors: tuple[Tensor, ...]
    """The training rows, on the device: inputs first, then what belongs to them."""
    loss: Callable[..., Tensor]
    """``loss(outputs, *batch)`` returns the mean loss of a batch, where ``batch`` has
    the tensors after the first and ``outputs`` is what the network makes of that; it is
    also given ``epoch``, from 0, and ``epochs`` if it names them."""
    judge: Callable[[nn.Module], tuple[float, float]]
    """``judge(network)`` returns the loss and the macro F1 of the validation rows; NaN
    for what there is not."""


@dataclass(kw_only=True)
class Run:
    """The state that changes from epoch to epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    history: tuple[Epoch, ...]
    best_epoch: int
    best: dict[str, Tensor]


def run(
    make: Callable[[], nn.Module],
    objective: Objective,
    task: Fitting,
    *,
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Run:
    """Train a network; it holds the weights of its best epoch, on the CPU.

    Best is the highest macro F1 on the validation rows, then the lowest loss;
    without validation rows, the last epoch. Adam with decoupled weight decay [1]_;
    the learning rate falls to zero along a cosine [2]_.

    Parameters
    ----------
    make : callable
        Returns the network, its weights drawn from torch's generator.
    objective : Objective
    task : Fitting
        Gives training, seed, device and the folder of the checkpoint.
    arrays, settings : mapping
        All that decides the result besides ``task.training``, ``seed`` and the device;
        a checkpoint of others is refused.

    Raises
    ------
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
    training, where = task.training, devices.resolve(task.device)
    dtype = devices.precision(training.precision, where)
    key, checkpoint = "", None
    if task.workdir is not None:
        checkpoint = task.workdir / "checkpoint.npz"
        key = checkpoints.fingerprint(
            arrays,
            {
                **settings,
                "training": training.model_dump(mode="json"),
                "seed": task.seed,
                "device": where.type,
                "precision": str(dtype),
            },
        )
    with _seeded(task.seed, where):
        model = make().to(where).to(memory_format=torch.channels_last)
        state = Run(
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
            if task.resume and checkpoint.exists():
                _restore(state, checkpoints.load(checkpoint, fingerprint=key))
            else:
                checkpoints.save(checkpoint, _state(state, key))
        while not _is_done(state, training):
            _next_epoch(state, objective, task, dtype)
            if checkpoint is not None:
                checkpoints.save(checkpoint, _state(state, key))
            task.on_event(state.history[-1])
    state.model.load_state_dict(state.best)
    state.model.cpu().eval()
    return state


def notes(state: Run, task: Fitting) -> tuple[str, ...]:
    """Return what a user should know of a run."""
    done, training = len(state.history), task.training
    where = devices.resolve(task.device)
    dtype = devices.precision(training.precision, where)
    texts = [
        f"trained on {where.type} in {str(dtype).removeprefix('torch.')}: another "
        "processor or number of threads gives somewhat different figures"
    ]
    if done < training.epochs:
        # a network that names no classes, such as an autoencoder, has no F1
        is_loss = math.isnan(state.history[-1].valid_macro_f1)
        what = "loss" if is_loss else "macro F1, or loss at an equal one,"
        texts.append(
            f"stopped after epoch {done} of {training.epochs}: no better validation "
            f"{what} for {training.patience} epochs"
        )
    if state.best_epoch < done:
        texts.append(
            f"weights of epoch {state.best_epoch}, the best on validation rows"
        )
    if math.isnan(state.history[-1].valid_loss):
        texts.append("no validation rows: the weights are those of the last epoch")
    return tuple(texts)


def _next_epoch(
    state: Run, objective: Objective, task: Fitting, dtype: torch.dtype
) -> None:
    """Pass over the training rows once, judge the validation rows, keep the best."""
    training = task.training
    number, start = len(state.history) + 1, time.perf_counter()
    torch.manual_seed(_epoch_seed(task.seed, number))
    try:
        loss = _pass(state, objective, training, number, dtype, task.on_event)
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
    valid_loss, valid_f1 = objective.judge(state.model)
    epoch = Epoch(
        number=number,
        epochs=training.epochs,
        loss=loss,
        valid_loss=valid_loss,
        valid_macro_f1=valid_f1,
        seconds=time.perf_counter() - start,
        rows_per_s=len(objective.tensors[0]) / trained_s,
    )
    if _is_better(epoch, state):
        state.best_epoch, state.best = number, _copy(state.model)
    state.history = (*state.history, epoch)


def _pass(
    state: Run,
    objective: Objective,
    training: Training,
    number: int,
    dtype: torch.dtype,
    on_event: OnEvent,
) -> float:
    """Take one optimiser step per batch; return the mean loss.

    No step waits for the device: losses are summed where they arise and read once.
    """
    inputs = objective.tensors[0]
    batch_loss = at_epoch(objective.loss, number - 1, training.epochs)
    n = len(inputs)
    order = torch.randperm(n).to(inputs.device)
    bounds = _bounds(n, training.batch_size)
    steps, total = len(bounds) - 1, torch.zeros((), device=inputs.device)
    state.model.train()
    reported = time.monotonic()
    for k in range(steps):
        done = (number - 1) * steps + k
        rate = 0.5 * (1 + math.cos(math.pi * done / (training.epochs * steps)))
        for group in state.optimizer.param_groups:
            group["lr"] = training.learning_rate * rate
        rows = order[bounds[k] : bounds[k + 1]]
        x, *batch = (part.index_select(0, rows) for part in objective.tensors)
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            outputs = state.model(x)
        loss = batch_loss(outputs.float(), *batch)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        total += loss.detach() * len(rows)
        if time.monotonic() - reported > PROGRESS_EVERY_S:
            reported = time.monotonic()
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


def _is_better(epoch: Epoch, state: Run) -> bool:
    if not state.best_epoch or math.isnan(epoch.valid_loss):
        return True
    return _rank(epoch) > _rank(state.history[state.best_epoch - 1])


def _rank(epoch: Epoch) -> tuple[float, float]:
    """Return what is greater for a better epoch."""
    f1 = epoch.valid_macro_f1
    return (-1.0 if math.isnan(f1) else f1, -epoch.valid_loss)


def _is_done(state: Run, training: Training) -> bool:
    done = len(state.history)
    return done >= training.epochs or done - state.best_epoch >= training.patience


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


def _state(state: Run, key: str) -> checkpoints.State:
    return checkpoints.State(
        fingerprint=key,
        history=state.history,
        best_epoch=state.best_epoch,
        model=checkpoints.to_arrays(state.model.state_dict()),
        optimizer=checkpoints.optimizer_to_arrays(state.optimizer),
        best=checkpoints.to_arrays(state.best),
    )


def _restore(state: Run, saved: checkpoints.State) -> None:
    """Put a saved state in place."""
    state.model.load_state_dict(checkpoints.to_tensors(saved.model))
    state.best = _copy(state.model)
    for name, value in checkpoints.to_tensors(saved.best).items():
        state.best[name].copy_(value)
    checkpoints.restore_optimizer(state.optimizer, saved.optimizer)
    state.history, state.best_epoch = saved.history, saved.best_epoch
