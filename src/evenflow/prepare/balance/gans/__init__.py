"""Generative samplers in PyTorch: one model a file, shared parts beside them.

A file has a ``Config`` and ``train(source, config, on_step)``, which returns a
``Trained``; the class of the same name in the folder above is its sampler. Shared are
``_source`` the training rows and the rows made, ``_heads`` what ends a generator,
``_training`` the loops, ``_autoencoder`` encoder and decoder.

Everything runs on one thread of the CPU, on purpose: networks this small gain little
from more or from a GPU, and the same seed then gives the same rows wherever the model
itself is trained. Time grows with the steps alone, memory with the rows given.

Imported only when a recipe asks for one: nothing outside this folder and
``evenflow.learn`` needs torch.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evenflow.prepare.balance.gans._source import Source, Trained
from evenflow.prepare.balance.gans._training import one_thread
from evenflow.prepare.layout import Layout

__all__ = ["Trained", "train"]


def train(
    network: str,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    layout: Layout | None,
    growing: NDArray[np.int64],
    params: Any,
    seed: int,
    on_step: Callable[[], None],
) -> Trained:
    """Train a generator.

    Parameters
    ----------
    network : str
        Name of a file of this folder.
    X : ndarray of shape (n_samples, n_features), float32
        Prepared rows to learn from.
    y : ndarray of shape (n_samples,), int64
    growing : ndarray of shape (n_growing,), int64
        Labels of the classes that rows are wanted of, two rows of each or more.
    params : object
        Has the fields of the file's ``Config`` as attributes.
    seed : int
    on_step : callable
        Called after each step of the training.
    """
    module = importlib.import_module(f"{__name__}.{network}")
    fields = [field.name for field in dataclasses.fields(module.Config)]
    config = module.Config(**{name: getattr(params, name) for name in fields})
    source = Source.of(X, y, layout=layout, growing=growing, seed=seed)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained: Trained = module.train(source, config, on_step)
    return trained
