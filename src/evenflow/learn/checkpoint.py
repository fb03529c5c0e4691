"""The state of an unfinished training in one file, without pickle.

An ``.npz`` of plain arrays and one JSON text. It is replaced whole after each
epoch, so a run that is killed leaves the last finished epoch behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenflow.errors import RecipeError, StorageError
from evenflow.files import replacing
from evenflow.progress import Epoch

FORMAT = 1
GROUPS = ("model", "optimizer", "best")


@dataclass(frozen=True, kw_only=True)
class State:
    """All that the next epoch depends on."""

    fingerprint: str
    """Of the rows and settings the training was started with."""
    history: tuple[Epoch, ...]
    """Epochs finished."""
    best_epoch: int
    """The epoch whose weights are ``best``; 0 before the first."""
    model: Mapping[str, NDArray[Any]]
    optimizer: Mapping[str, NDArray[Any]]
    """``<parameter number>.<name>`` -> array."""
    best: Mapping[str, NDArray[Any]]


def save(path: Path, state: State) -> None:
    """Write ``state`` to ``path``, whole or not at all.

    Raises
    ------
    StorageError
        The disk is full or the folder not writable.
    """
    meta = {
        "format": FORMAT,
        "fingerprint": state.fingerprint,
        "best_epoch": state.best_epoch,
        "history": [asdict(epoch) for epoch in state.history],
    }
    arrays = {
        f"{group}/{name}": array
        for group in GROUPS
        for name, array in getattr(state, group).items()
    }
    text = json.dumps(meta).encode()
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(stream, meta=np.frombuffer(text, dtype=np.uint8), **arrays)


def load(path: Path, *, fingerprint: str) -> State:
    """Return the state in ``path``.

    Raises
    ------
    RecipeError
        The file is not a checkpoint, is damaged, or belongs to other rows or settings.
    StorageError
        The file cannot be read.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            meta = json.loads(archive["meta"].tobytes())
            groups: dict[str, dict[str, NDArray[Any]]] = {g: {} for g in GROUPS}
            for key in archive.files:
                group, slash, name = key.partition("/")
                if slash:
                    groups[group][name] = archive[key]
        if meta["format"] != FORMAT:
            raise RecipeError(
                f"{path} is a checkpoint of format {meta['format']}, this evenflow "
                f"reads format {FORMAT}. Train again without --resume"
            )
        history = tuple(Epoch(**epoch) for epoch in meta["history"])
        found, best_epoch = str(meta["fingerprint"]), int(meta["best_epoch"])
    except RecipeError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}. Expected a checkpoint "
            "this user may read; choose another folder or train without --resume"
        ) from error
    except (BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(
            f"{path} is not a whole checkpoint ({error}). Delete it, or train again "
            "without --resume"
        ) from error
    if found != fingerprint:
        raise RecipeError(
            f"{path} belongs to a training on other rows or with other settings "
            f"(fingerprint {found[:12]}, expected {fingerprint[:12]}). Resume with "
            "the recipe, seed and data it was started with, or train again without "
            "--resume"
        )
    return State(
        fingerprint=found,
        history=history,
        best_epoch=best_epoch,
        model=groups["model"],
        optimizer=groups["optimizer"],
        best=groups["best"],
    )


def fingerprint(arrays: Mapping[str, NDArray[Any] | None], settings: Any) -> str:
    """Return a SHA-256 over the arrays (shape, type, bytes) and the settings.

    Parameters
    ----------
    arrays : mapping of str to ndarray or None
    settings : JSON value
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, array in arrays.items():
        if array is None:
            digest.update(f"{name}: none".encode())
            continue
        digest.update(f"{name}: {array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return tensors as arrays."""
    return {name: value.cpu().numpy() for name, value in tensors.items()}


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Return arrays as tensors that own their memory."""
    return {name: torch.tensor(value) for name, value in arrays.items()}


def optimizer_to_arrays(optimizer: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """Return what an optimiser remembers, as ``<parameter number>.<name>``."""
    return to_arrays(
        {
            f"{number}.{name}": value
            for number, values in optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
    )


def restore_optimizer(
    optimizer: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Give an optimiser back what it remembered.

    Each array is laid out in memory like its parameter, as the optimiser itself
    would have done: the next step then rounds as it would have.
    """
    parameters = optimizer.param_groups[0]["params"]
    for key, value in to_tensors(arrays).items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        like = parameter if value.shape else value.to(parameter.device)
        restored = torch.empty_like(like, dtype=value.dtype, requires_grad=False)
        optimizer.state[parameter][name] = restored.copy_(value)


def sweep(path: Path) -> None:
    """Remove parts of ``path`` that a killed run left half-written."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)
