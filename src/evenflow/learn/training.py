"""The training story in order, on one screen.

Split, fit the preprocessor on training rows, balance them, train, export the model,
set calibration and threshold on training rows that neither fitted nor stopped it, then
touch the test rows once. No recipe can change the order: that is the product's promise.
The exported model gives the scores of both last steps, as it will when it is served.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import datasets, inference, registry
from evenflow.decision import Decision, Scores
from evenflow.errors import DataError
from evenflow.learn.calibration import MARGIN, fit_decision
from evenflow.learn.fitted import Fitted
from evenflow.learn.machine import machine, repeatable
from evenflow.learn.trial import try_export
from evenflow.prepare import kept
from evenflow.prepare.balance import _outside
from evenflow.prepare.features import Layout, Preprocessor
from evenflow.prepare.leaks import examine, fingerprint
from evenflow.prepare.split import Load, Protocol, Split, hold_out
from evenflow.prepare.target import label, target_schema
from evenflow.progress import Epoch, Note, OnEvent, Progress, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Schema, Table

N_GOLDEN, N_BORDER, N_SAMPLE, N_REFERENCE = 64, 16, 1000, 256


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model, what it needs to score, and what it did on the test rows."""

    recipe: Recipe
    schema: Schema
    preprocessor: Preprocessor
    fitted: Fitted
    model: bytes
    """The network or trees as ONNX; ``scores`` are what it gives."""
    decision: Decision
    protocol: Protocol
    unseen_attacks: tuple[str, ...]
    test: Table
    scores: Scores
    """Of the test rows, which nothing above has seen."""
    golden: Table
    """Training rows of every class and around the threshold, decided again whenever
    a bundle is loaded."""
    reference: Table
    """Benign training rows that an explanation compares with."""
    fingerprint: NDArray[np.uint64]
    """Sketch of the training rows, by which later judging finds them again."""
    record: dict[str, Any]
    """What happened, as JSON values: rows, class counts, epochs, seconds, notes."""


def train(
    recipe: Recipe,
    *,
    load: Load,
    workdir: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    deterministic: bool = False,
    on_event: OnEvent = ignore,
) -> Trained:
    """Train what the recipe describes and score its test rows once.

    Parameters
    ----------
    recipe : Recipe
    load : callable
        Returns a published part of the recipe's data set by name.
    workdir : Path, optional
        Folder for the checkpoint; without it a killed run starts anew.
    cache : Path, optional
        Folder that keeps balanced rows for the next run; ``workdir`` without it.
    resume : bool
        Go on from the checkpoint in ``workdir`` if there is one.
    device : {'auto', 'cpu', 'cuda'}
    deterministic : bool
        Train in float32 with one thread: equal results on equal processors, whatever
        their number of cores.
    on_event : callable

    Raises
    ------
    DataError
        The rows cannot train a detector: one class only, no benign rows.
    LeakError
        Test rows are among the training rows though the protocol promises none.
    RecipeError
        A parameter is impossible, or the device is not there.
    """
    with repeatable(deterministic):
        return _train(
            recipe,
            load=load,
            workdir=workdir,
            cache=cache or workdir,
            resume=resume,
            device=device,
            deterministic=deterministic,
            on_event=on_event,
        )


def _train(
    recipe: Recipe,
    *,
    load: Load,
    workdir: Path | None,
    cache: Path | None,
    resume: bool,
    device: str,
    deterministic: bool,
    on_event: OnEvent,
) -> Trained:
    log = _Log(on_event)
    with log.step("load and split"):
        make = registry.load("splits", recipe.split.name)
        split = _with_target(make(load, recipe.seed, **recipe.split.params), recipe)
        log.classes = split.train.schema.classes
        examined = examine(split)
        fit, valid, held = _parts(split.train, recipe)
    with log.step("prepare"):
        preprocessor = Preprocessor.fit(fit, **recipe.prepare.model_dump())
        for part in (valid, held, split.test):  # not hours later
            preprocessor.check(part)
        X, y = preprocessor.transform(fit), fit.labels
        X_valid = preprocessor.transform(valid)
        n_classes = len(split.train.schema.classes)
        try_export(recipe, n_features=X.shape[1], n_classes=n_classes)
    with log.step("balance"):
        X, y, weights = _balance(
            recipe, X, y, n_classes, preprocessor.layout, cache, log
        )
    with log.step("fit"), registry.blamed("models", recipe.model.name):
        thing, config = registry.load("models", recipe.model.name)
        common: dict[str, Any] = {
            "n_classes": n_classes,
            "class_weight": weights,
            "seed": recipe.seed,
            "on_event": log.on_event,
        }
        params = config(**recipe.model.params)
        data: tuple[Any, ...] = (params, X, y, X_valid, valid.labels)
        if hasattr(thing, "forward"):
            from evenflow.learn.network import fit_network

            checkpoint = None if workdir is None else workdir / "checkpoint.npz"
            fitted: Fitted = fit_network(
                thing,
                *data,
                **common,
                training=recipe.training.model_copy(
                    update={"precision": "float32"} if deterministic else {}
                ),
                device=device,
                checkpoint=checkpoint,
                resume=resume,
            )
        else:
            from evenflow.learn.estimator import fit_estimator

            fitted = fit_estimator(thing, *data, **common)
        log.notes(fitted.notes)
    with log.step("export"):
        model = fitted.to_onnx()
        session = inference.open_session(model)

        def served(table: Table) -> NDArray[np.float32]:
            """Return the log-probabilities that a bundle will give."""
            X = preprocessor.transform(table)
            return inference.log_proba(session, X, n_classes)

    with log.step("calibrate"):
        decision = fit_decision(
            served(held),
            held.labels,
            false_alarm_budget=recipe.decide.false_alarm_budget,
        )
        rng = np.random.default_rng(recipe.seed)
        some = _sample(fit, N_SAMPLE, rng)
        golden = _golden(some, decision.log_odds(served(some)) - decision.threshold)
    with log.step("score"):
        scores = decision.apply(served(split.test))

    return Trained(
        recipe=recipe,
        schema=split.train.schema,
        preprocessor=preprocessor,
        fitted=fitted,
        model=model,
        decision=decision,
        protocol=split.protocol,
        unseen_attacks=split.unseen_attacks,
        test=split.test,
        scores=scores,
        golden=golden,
        reference=_reference(fit, rng),
        fingerprint=fingerprint(split.train),
        record={
            "recipe": recipe.to_dict(),
            "recipe_sha256": recipe.sha256,
            "protocol": split.protocol.name,
            "rows": {
                "train": len(split.train),
                "fit": len(fit),
                "balanced": len(y),
                "valid": len(valid),
                "calibration": len(held),
                "test": len(split.test),
            },
            "class_counts": {
                "before": fit.counts(),
                "after": _counts(y, split.train.schema),
            },
            "attacks": _attacks(split.train),
            **examined,
            "n_features": X.shape[1],
            "n_parameters": fitted.n_parameters,
            "history": [_epoch(e) for e in fitted.history],
            "seconds": log.seconds,
            "score_rows_per_s": len(split.test) / max(log.seconds["score"], 1e-9),
            "notes": log.texts,
            "machine": machine(deterministic=deterministic),
        },
    )


def _balance(
    recipe: Recipe,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    layout: Layout,
    cache: Path | None,
    log: _Log,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64] | None]:
    """Return balanced rows, labels and, from samplers that weigh, class weights."""
    sampler = _outside.make(recipe.balance.name, recipe.balance.params, recipe.seed)

    def resample() -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
        rows = sampler.fit_resample(X, y, layout=layout, on_event=log.on_event)
        return *rows, list(getattr(sampler, "notes_", ()))

    copies = sampler.kind in {"none", "weight"}  # nothing made, nothing to keep
    copies |= registry.is_added("balance", recipe.balance.name)  # code that may change
    name = "" if copies else kept.key(X, y, recipe.balance.flat() | {"s": recipe.seed})
    X_new, y_new, notes = kept.rows(None if copies else cache, name, resample)
    log.notes(notes)
    weights = getattr(sampler, "class_weight_", None)
    if weights is not None:  # classes without a training row are not weighed
        full = np.ones(n_classes)
        full[: len(weights)] = weights
        weights = full
    return X_new, y_new, weights


def _with_target(split: Split, recipe: Recipe) -> Split:
    """Label both sides for the recipe's target; training attack types come first."""
    known = _attacks(split.train)
    schema = target_schema(
        split.train.schema, recipe.target, [*known, *split.unseen_attacks]
    )
    labelled = Split(
        train=label(split.train, schema),
        test=label(split.test, schema),
        protocol=replace(
            split.protocol,
            is_published=split.protocol.may_share_rows
            and datasets.get(recipe.dataset.name).has_official_test,
        ),
    )
    counts = labelled.train.counts()
    if sum(n > 0 for n in counts.values()) < 2 or not counts[schema.classes[0]]:
        found = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
        raise DataError(
            f"the training rows hold {found or 'nothing'}; expected benign rows and "
            "rows of at least one attack. Check the label column and the split"
        )
    return labelled


def _parts(table: Table, recipe: Recipe) -> tuple[Table, Table, Table]:
    """Return rows to fit, rows to stop by, rows to calibrate on."""
    kept, held = hold_out(table, fraction=recipe.decide.fraction, seed=recipe.seed + 1)
    rest = table.take(kept)
    share = recipe.training.valid_fraction / (1 - recipe.decide.fraction)
    fit, valid = hold_out(rest, fraction=min(share, 0.5), seed=recipe.seed + 2)
    return rest.take(fit), rest.take(valid), table.take(held)


def _sample(table: Table, each: int, rng: np.random.Generator) -> Table:
    """Return up to ``each`` rows of every class, in random order within a class."""
    rows = [
        rng.permutation(np.flatnonzero(table.labels == code))[:each]
        for code in np.unique(table.labels)
    ]
    return table.take(np.concatenate(rows))


def _golden(table: Table, distance: NDArray[np.float64]) -> Table:
    """Return rows of every class, then the nearest to the threshold on each side.

    Rows closer to the threshold than half its margin are left out: another processor
    may decide them otherwise.
    """
    certain = np.abs(distance) >= MARGIN / 2
    certain |= not certain.any()
    codes = np.unique(table.labels)
    each = max(1, N_GOLDEN // len(codes))
    rows = [np.flatnonzero(certain & (table.labels == c))[:each] for c in codes]
    for side in (certain & (distance > 0), certain & (distance <= 0)):
        _, first = np.unique(distance[side], return_index=True)
        mine = np.flatnonzero(side)[first]
        rows.append(mine[np.argsort(np.abs(distance[mine]))][:N_BORDER])
    return table.take(np.concatenate(rows))


def _reference(table: Table, rng: np.random.Generator) -> Table:
    benign = rng.permutation(np.flatnonzero(table.labels == 0))[:N_REFERENCE]
    return table.take(np.sort(benign))


def _counts(y: NDArray[np.int64], schema: Schema) -> dict[str, int]:
    found = np.bincount(y, minlength=len(schema.classes))
    return dict(zip(schema.classes, found.tolist(), strict=True))


def _attacks(table: Table) -> dict[str, int]:
    """Return attack type -> rows, most frequent first, then by name."""
    if table.attack is None:
        return {}
    counted = table.attack.value_counts(name="n").rows()
    return dict(sorted(counted, key=lambda pair: (-pair[1], pair[0])))


def _epoch(epoch: Epoch) -> dict[str, Any]:
    values = {name: getattr(epoch, name) for name in Epoch.__slots__}
    # without validation rows there is no figure: null, as JSON knows no NaN
    return {name: None if v != v else v for name, v in values.items()}


class _Log:
    """Times the steps and passes events on, keeping the notes."""

    def __init__(self, listener: Callable[[Any], None]) -> None:
        self.listener = listener
        self.seconds: dict[str, float] = {}
        self.texts: list[str] = []
        self.classes: tuple[str, ...] = ()
        """Names of the classes, once they are known."""

    def on_event(self, event: Any) -> None:
        if isinstance(event, Note):
            event = replace(event, text=self.named(event.text))
            self.texts.append(event.text)
        self.listener(event)

    def notes(self, texts: Iterable[str]) -> None:
        for text in texts:
            if self.named(text) not in self.texts:
                self.on_event(Note(text=text))

    def named(self, text: str) -> str:
        """Return the text with classes by name; samplers and models know codes."""
        return re.sub(r"\bclass (\d+)\b", self._class, text)

    def _class(self, found: re.Match[str]) -> str:
        code = int(found[1])
        return f"class {self.classes[code]!r}" if code < len(self.classes) else found[0]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self.listener(Progress(step=name, done=0, unit="step"))
        try:
            yield
        except DataError as error:
            error.args = (self.named(str(error)),)
            raise
        self.seconds[name] = time.perf_counter() - start
        self.listener(Progress(step=name, done=1, total=1, unit="step"))
