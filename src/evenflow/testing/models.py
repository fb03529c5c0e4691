"""Check models: networks, estimators, novelty detectors and systems."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evenflow.errors import DataError, EvenflowError
from evenflow.inference import open_session
from evenflow.metrics.ranking import Ranking
from evenflow.testing.promises import SIZES, Checked, Labels, Matrix, made_up

if TYPE_CHECKING:
    from evenflow.learn.fitted import Fitted
    from evenflow.learn.fitting import Fitting
    from evenflow.stages import Training

N_CLASSES = len(SIZES)
N_VALID = 350
CLOSE = 1e-5
"""Greatest difference of a probability between a model and its ONNX."""
EPOCHS = 8


def check_model(
    plug_in: Any, config: Any = None, *, training: Training | None = None
) -> None:
    """Check a model: a Network, Estimator, Novelty or System.

    Parameters
    ----------
    plug_in : Network, Estimator, Novelty or System
        The ``MODEL`` to be checked.
    config : optional
        Hyper-parameters to be checked; those of ``Config()`` without. Small ones make
        the check quick.
    training : Training, optional
        How networks are trained; 8 epochs without.

    Raises
    ------
    AssertionError
        The message says what was promised, what was found and what to do.
    """
    from evenflow.learn import Network, Novelty, System
    from evenflow.learn.fit_model import fit_plug_in
    from evenflow.learn.fitting import of_arrays
    from evenflow.stages import Training

    source = getattr(plug_in, "build", None) or plug_in.fit
    who = Checked(f"model {source.__module__}")
    config = who.config(plug_in, config)
    how = training or Training(
        epochs=EPOCHS, patience=EPOCHS, batch_size=128, learning_rate=3e-3
    )
    n_classes = N_CLASSES if plug_in.names_classes else 2
    X, y, layout = made_up()
    if n_classes == 2:
        y = np.minimum(y, 1)

    def fit(task: Fitting) -> Fitted:
        return fit_plug_in(plug_in, config, task)

    def task(X: Matrix, y: Labels, **more: Any) -> Fitting:
        given: dict[str, Any] = {"training": how, "device": "cpu", "seed": 7}
        given |= {"n_classes": n_classes, "layout": layout} | more
        return of_arrays(X[N_VALID:], y[N_VALID:], X[:N_VALID], y[:N_VALID], **given)

    own_X, own_y = X.copy(), y.copy()
    fitted = fit(task(own_X, own_y))
    who.promises(
        "rows are not written to",
        np.array_equal(own_X, X) and np.array_equal(own_y, y),
        found="changed rows",
        do="Work on a copy",
    )
    _check_learns(who, fitted, X[:N_VALID], y[:N_VALID])
    _check_export(who, fitted, X[:N_VALID])
    _check_answers(who, fitted, X, n_classes)
    log_proba = fitted.log_proba(X)
    who.promises(
        "the same rows and the same seed give the same model",
        np.array_equal(fit(task(X, y)).log_proba(X), log_proba),
        found="another",
        do="Draw from generators seeded with task.seed alone",
    )
    none = replace(task(X, y), valid=task(X, y).valid.take(np.arange(0)))
    try:
        is_whole = fit(none).log_proba(X).shape == log_proba.shape
    except DataError as error:  # a model may need them, and say so
        is_whole = "validation part" in str(error)
    who.promises(
        "a model trains without rows to stop by, or says that its validation part "
        "lacks rows",
        is_whole,
        found="another shape",
        do="Expect task.valid to be empty",
    )
    hole = X.copy()
    hole[N_VALID + 5, 3] = np.nan
    hole_y = y.copy()
    hole_y[N_VALID + 5] = 0
    who.refuses(
        "a value that is not finite",
        lambda: fit(task(hole, hole_y)),
        DataError,
        do="Call rows.check(), or check_finite() on the rows of one class",
    )
    if plug_in.names_classes:
        _check_classes(who, fit, task)
    if isinstance(plug_in, Novelty):
        _check_novelty(who, fit, task, fitted, y)
    elif not isinstance(plug_in, System):
        _check_weight(who, fit, task)
    if isinstance(plug_in, Network):
        _check_places(who, fitted, X[:N_VALID])


def _check_answers(who: Checked, fitted: Fitted, X: Matrix, n_classes: int) -> None:
    """Check the form of what a model answers."""
    log_proba = fitted.log_proba(X)
    who.promises(
        f"log_proba returns float64 log-probabilities (n_samples, {n_classes}) whose "
        "probabilities sum to 1",
        log_proba.shape == (len(X), n_classes)
        and log_proba.dtype == np.float64
        and np.allclose(np.exp(log_proba).sum(axis=1), 1, atol=1e-6),
        found=f"{log_proba.shape} of {log_proba.dtype}, "
        f"sums from {np.exp(log_proba).sum(axis=1).min():g}",
        do="Return the logarithm of normalised probabilities",
    )
    who.promises(
        "log_proba takes no row, too",
        fitted.log_proba(X[:0]).shape == (0, n_classes),
        found=fitted.log_proba(X[:0]).shape,
        do="Return an empty array of that shape",
    )
    facts = (fitted.n_features, fitted.n_classes)
    who.promises(
        "n_features and n_classes are those of the rows",
        facts == (X.shape[1], n_classes),
        found=facts,
        do="Take them from task.fit",
    )
    who.promises(
        "n_parameters counts what was learnt, and notes are words",
        fitted.n_parameters > 0 and all(isinstance(n, str) for n in fitted.notes),
        found=f"{fitted.n_parameters}, {fitted.notes}",
        do="Pass n_parameters to Estimator, or count them in the fitted model",
    )


def _check_learns(who: Checked, fitted: Fitted, X: Matrix, y: Labels) -> None:
    log_proba = fitted.log_proba(X)
    odds = log_proba[:, 1:].max(axis=1) - log_proba[:, 0]
    area, _ = Ranking.of(y > 0, odds).areas()
    who.promises(
        "it ranks attacks above benign rows it was not fitted on: an area under the "
        "ROC curve over 0.7",
        area > 0.7,
        found=f"{area:.2f}",
        do="Compare it with logistic_regression, which learns these rows",
    )
    found = log_proba.argmax(axis=1)
    recalls = [(found[y == code] == code).mean() for code in np.unique(y)]
    if fitted.n_classes > 2:
        who.promises(
            "it tells classes apart: a mean recall over 0.4, where chance has 0.2",
            np.mean(recalls) > 0.4,
            found=f"{np.mean(recalls):.2f}",
            do="Compare it with logistic_regression, which learns these rows",
        )


def _check_export(who: Checked, fitted: Fitted, X: Matrix) -> None:
    """Check that the model is written as ONNX and says the same there."""
    from evenflow.learn.export import to_onnx

    try:
        content = to_onnx(fitted)
    except EvenflowError as error:
        raise AssertionError(
            f"{who.name}: it can be written as ONNX. Found: "
            f"{textwrap.shorten(str(error), 300, placeholder=' ...')}"
        ) from error
    session = open_session(content)
    worst = 0.0
    for part in (X, X[:1], X[:3]):
        (served,) = session.run(["log_proba"], {"x": part})
        apart = np.abs(np.exp(served) - np.exp(fitted.log_proba(part)))
        worst = max(worst, float(apart.max()))
    who.promises(
        f"its ONNX gives the same probabilities of any number of rows, to {CLOSE:g}",
        worst <= CLOSE,
        found=f"a difference of {worst:g}",
        do="Compute both in float32, in the same order",
    )


def _check_classes(
    who: Checked, fit: Callable[[Fitting], Fitted], task: Callable[..., Fitting]
) -> None:
    """Check rows of fewer classes than there may be."""
    X, y, _ = made_up()
    some, two = y != 2, y < 2
    found = fit(task(X[some], y[some])).log_proba(X).argmax(axis=1)
    who.promises(
        "a class without training rows is hardly ever the likeliest, and the classes "
        "after it keep their codes",
        (found == 2).mean() < 0.01 and (found > 2).any(),
        found=f"rows of each class answered: {np.bincount(found).tolist()}",
        do="Keep the codes of the classes that rows show, as Estimator does",
    )
    found = fit(task(X[two], y[two])).log_proba(X[two]).argmax(axis=1)
    who.promises(
        "rows of benign and one attack class suffice",
        (found < 2).mean() > 0.99 and (found == 0).any() and (found == 1).any(),
        found=f"rows of each class answered: {np.bincount(found).tolist()}",
        do="Expect classes without a row",
    )
    one = y == 1
    who.refuses(
        "one class only",
        lambda: fit(task(X[one], y[one])),
        DataError,
        do="Call rows.check()",
    )


def _check_weight(
    who: Checked, fit: Callable[[Fitting], Fitted], task: Callable[..., Fitting]
) -> None:
    """Check on rows that are as often of one class as of another."""
    X, y, _ = made_up()
    twice = np.flatnonzero(y == 0)
    X = np.concatenate([X, X[twice]])
    y = np.concatenate([y, np.full(len(twice), N_CLASSES - 1)])
    weight = np.ones(N_CLASSES)
    weight[-1] = 20.0
    try:
        heavy = fit(task(X, y, class_weight=weight))
    except EvenflowError:
        return  # it says that it takes no weights
    before, after = (
        np.exp(model.log_proba(X[twice])[:, -1]).mean()
        for model in (fit(task(X, y)), heavy)
    )
    who.promises(
        "class_weight makes a heavy class likelier, or is refused",
        after > 1.2 * before,
        found=f"a mean probability of {after:.3g}, {before:.3g} without the weight",
        do="Pass it on, or raise evenflow.RecipeError where it is not None",
    )


def _check_places(who: Checked, fitted: Fitted, X: Matrix) -> None:
    moved = np.ascontiguousarray(np.roll(X, 4, axis=1))
    apart = np.abs(fitted.log_proba(moved) - fitted.log_proba(X)).max()
    who.promises(
        "a network knows which column a value stands in",
        apart > 0.01,
        found=f"a difference of {apart:g} after the columns were moved by four",
        do="Do not average over the columns before the last layer",
    )


def _check_novelty(
    who: Checked,
    fit: Callable[[Fitting], Fitted],
    task: Callable[..., Fitting],
    fitted: Any,
    y: Labels,
) -> None:
    """Check that attacks teach a detector nothing, and that it keeps its ranking."""
    X, _, _ = made_up()
    whole = task(X, y)
    alone = fit(replace(whole, fit=whole.fit.benign(), valid=whole.valid.benign()))
    who.promises(
        "a novelty detector is fitted on benign rows alone",
        np.array_equal(alone.log_proba(X), fitted.log_proba(X)),
        found="another model without the attacks",
        do="Use the rows that build is given, and task for seed and device alone",
    )
    log_proba, score = fitted.log_proba(X), fitted.scorer.score(X)
    odds = (log_proba[:, 1] - log_proba[:, 0])[np.argsort(score, kind="stable")]
    who.promises(
        "the log odds rank rows as the score does",
        (np.diff(odds) >= 0).all(),
        found="another order",
        do="Return one finite score for each row",
    )
