"""The training story in order, on one screen.

Split, fit the preprocessor on training rows, balance them, train, export the model,
set calibration and threshold on training rows that neither fitted nor stopped it, then
touch the test rows once. No recipe can change the order: that is the product's promise.
The exported model gives the scores of both last steps, as it will when it is served.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow import datasets, inference, registry
from evenflow.baseline import Baseline, first_of_pairs, sampled
from evenflow.decision import Decision, Scores
from evenflow.errors import DataError
from evenflow.learn import examples
from evenflow.learn.balancing import Balancing
from evenflow.learn.calibration import fit_decision
from evenflow.learn.export import to_onnx
from evenflow.learn.export_check import try_export
from evenflow.learn.fit_model import blamed, fit_model
from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting, Rows
from evenflow.learn.log import Log
from evenflow.learn.machine import machine, repeatable
from evenflow.learn.unknown import with_unknown
from evenflow.plugins import configure
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.layout import Layout
from evenflow.prepare.leaks import digest, examine, fingerprint
from evenflow.prepare.split import Load, Protocol, Split
from evenflow.prepare.target import label, target_schema
from evenflow.progress import Epoch, OnEvent, ignore
from evenflow.recipe import Recipe
from evenflow.schema import Schema, Table

N_BASELINE = 100_000
"""Training rows whose columns stand for ordinary traffic."""


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
    baseline: Baseline
    """Of the calibration rows, by which a sensor sees traffic drift."""
    fingerprint: NDArray[np.uint64]
    """Sketch of the training rows, by which later judging finds them again."""
    record: dict[str, Any]
    """The training as JSON values: rows, class counts, epochs, seconds, notes."""

    def __repr__(self) -> str:
        return f"<Trained {self.recipe.name}, seed {self.recipe.seed}>"


def train(
    recipe: Recipe,
    *,
    load: Load,
    more: Table | None = None,
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
    more : Table, optional
        Labelled rows to fit beside those of the data set, such as feedback. They
        neither stop the training nor set the threshold.
    workdir : Path, optional
        Folder for the checkpoint; without it a killed run starts again.
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
            more=more,
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
    more: Table | None,
    workdir: Path | None,
    cache: Path | None,
    resume: bool,
    device: str,
    deterministic: bool,
    on_event: OnEvent,
) -> Trained:
    log = Log(on_event)
    with log.step("load and split"):
        make = registry.load("splits", recipe.split.name)
        split = with_target(make(load, recipe.seed, **recipe.split.params), recipe)
        log.classes = split.train.schema.classes
        examined = examine(split)
        fit, valid, held, pairs = _parts(split.train, recipe)
        usual, first = sampled(split.train, N_BASELINE, recipe.seed)
        if more is not None:
            more = label(more, fit.schema)
            fit = fit.with_rows(more)
            split = replace(split, train=split.train.with_rows(more))
    with log.step("prepare"):
        preprocessor = Preprocessor.fit(fit, **recipe.prepare.columns)
        for part in (valid, held, split.test):  # not hours later
            preprocessor.check(part)
        X, y = preprocessor.transform(fit), fit.labels
        if recipe.select is not None:
            with log.step("select"):
                columns = _selected(recipe, X, y, preprocessor.layout)
            log.notes([f"{len(columns)} columns are read: {', '.join(columns)}"])
            columns = (*columns, *(recipe.prepare.hosts or ()))
            split, preprocessor = split.keeping(columns), preprocessor.keeping(columns)
            fit, valid, held, usual = (
                part.keeping(columns) for part in (fit, valid, held, usual)
            )
            examined["held_out_sha256"] = digest(split.test)
            X = preprocessor.transform(fit)
        if recipe.prepare.hosts:
            preprocessor, X = preprocessor.with_hosts(fit, X)
        classes = split.train.schema.classes
        n_classes = len(classes)
        try_export(recipe, n_features=X.shape[1], n_classes=n_classes)
    balancing = Balancing(recipe=recipe, cache=cache, log=log)
    task = Fitting(
        fit=Rows(X=X, y=y, classes=classes, layout=preprocessor.layout),
        valid=Rows(
            X=preprocessor.transform(valid),
            y=valid.labels,
            classes=classes,
            layout=preprocessor.layout,
        ),
        balance=balancing,
        loss=_loss(recipe),
        training=recipe.training.model_copy(
            update={"precision": "float32"} if deterministic else {}
        ),
        seed=recipe.seed,
        device=device,
        workdir=workdir,
        resume=resume,
        on_event=log.on_event,
    )
    with log.step("fit", announce=False):
        fitted = fit_model(recipe.model, task)
        if recipe.balance.name != "none" and not balancing.counts:
            log.notes([f"no part of {recipe.model.name} balances rows"])
        with blamed(recipe.model):
            log.notes(fitted.notes)
            n_parameters = fitted.n_parameters
    with log.step("export"), blamed(recipe.model):
        model = to_onnx(fitted)
        session = inference.open_session(model)

        def served(table: Table) -> NDArray[np.float32]:
            """Return the log-probabilities that a bundle will give."""
            X = preprocessor.transform(table)
            threads = inference.cores()
            return inference.log_proba(session, X, n_classes, threads=threads)

    with log.step("calibrate"):
        log_proba = served(held)
        decision = fit_decision(
            log_proba,
            held.labels,
            false_alarm_budget=recipe.decide.false_alarm_budget,
            attack_shares=recipe.decide.attack_shares,
            certify=recipe.decide.certify,
        )
        if (budget := recipe.decide.unknown_budget) is not None:
            decision = with_unknown(
                decision, log_proba, held.labels, classes, budget=budget
            )
        if recipe.decide.attack_shares == "equal":
            log.notes(
                [
                    "probabilities are calibrated for classes of attack that are "
                    "equally frequent (decide.attack_shares)"
                ]
            )
        baseline = Baseline.of(
            held,
            decision.apply(log_proba),
            pairs,
            columns=(usual, decision.apply(served(usual)), first),
        )
        rng = np.random.default_rng(recipe.seed)
        some = examples.sample(fit, examples.N_SAMPLE, rng)
        golden = examples.golden(
            some, decision.log_odds(served(some)) - decision.threshold
        )
    with log.step("score"):
        scores = decision.apply(served(split.test))
        if preprocessor.hosts is not None:
            log.notes(preprocessor.hosts.notes(split.test))

    # the rows of all classes, unless the model balances none or only those of its parts
    whole = balancing.counts.pop("", {})
    after, parts = whole.get("after", fit.counts()), balancing.counts

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
        reference=examples.reference(fit, rng),
        baseline=baseline,
        fingerprint=fingerprint(split.train),
        record={
            "recipe": recipe.to_dict(),
            "recipe_sha256": recipe.sha256,
            "protocol": split.protocol.name,
            "rows": {
                "train": len(split.train),
                "fit": len(fit),
                "balanced": sum(after.values()),
                "valid": len(valid),
                "calibration": len(held),
                "test": len(split.test),
            },
            "class_counts": {
                "before": fit.counts(),
                "after": after,
            },
            **({"balanced_parts": parts} if parts else {}),
            "attacks": _attacks(split.train),
            **({"added_rows": len(more)} if more is not None else {}),
            **examined,
            "n_features": X.shape[1],
            "n_parameters": n_parameters,
            "history": [_epoch(e) for e in fitted.history],
            "seconds": log.seconds,
            "score_rows_per_s": len(split.test) / max(log.seconds["score"], 1e-9),
            "notes": log.texts,
            "machine": machine(deterministic=deterministic),
        },
    )


def _selected(
    recipe: Recipe, X: NDArray[np.float32], y: NDArray[np.int64], layout: Layout
) -> tuple[str, ...]:
    """Return the columns that the recipe's selector chooses."""
    part = recipe.select
    assert part is not None  # noqa: S101
    config = configure("select", part.name, part.params)
    with registry.blamed("select", part.name):
        found: tuple[str, ...] = registry.load("select", part.name).columns(
            config, X, y, layout, seed=recipe.seed
        )
    return found


def _loss(recipe: Recipe) -> tuple[Any, Any] | None:
    """Return the recipe's loss and its Config, or None for cross-entropy."""
    if recipe.loss is None:
        return None
    name = recipe.loss.name
    plug_in = registry.load("losses", name)

    @functools.wraps(plug_in.build)
    def build(*args: Any, **how: Any) -> Callable[..., Any]:
        with registry.blamed("losses", name):
            loss = plug_in.build(*args, **how)

        @functools.wraps(loss, updated=())
        def called(*batch: Any, **now: Any) -> Any:
            with registry.blamed("losses", name):
                value = loss(*batch, **now)
                if value.shape != ():
                    raise ValueError(f"it returned shape {tuple(value.shape)}, not ()")
                return value

        return called

    return replace(plug_in, build=build), configure("losses", name, recipe.loss.params)


def with_target(split: Split, recipe: Recipe) -> Split:
    """Label both sides for the recipe's target; training attack types come first."""
    split = split.addressed(recipe.prepare.hosts or ())
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


def _parts(
    table: Table, recipe: Recipe
) -> tuple[Table, Table, Table, NDArray[np.bool_] | None]:
    """Return rows to fit, to stop by, to calibrate on; which of these are thinned."""
    decide, seed = recipe.decide, recipe.seed
    kept, held = hold_out(
        table, fraction=decide.fraction, seed=seed + 1, group=decide.group
    )
    rest = table.take(kept)
    share = min(recipe.training.valid_fraction / (1 - decide.fraction), 0.5)
    fit, valid = hold_out(rest, fraction=share, seed=seed + 2, group=decide.group)
    pairs = first_of_pairs(table)
    first = None if pairs is None else pairs[held]
    return rest.take(fit), rest.take(valid), table.take(held), first


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
