"""The input of a fit: training rows, and nothing else.

Test rows and the rows that set the threshold are in none of these objects. So a model
cannot learn from them, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import DataError
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent, ignore
from evenflow.stages import Training

if TYPE_CHECKING:
    from evenflow.learn.fitted import Fitted
    from evenflow.learn.losses import Loss


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Prepared rows and their labels; the arrays cannot be written to."""

    X: NDArray[np.float32]
    """Shape ``(n_samples, n_features)``."""
    y: NDArray[np.int64]
    """Class codes below ``n_classes``, shape ``(n_samples,)``; benign is 0."""
    classes: tuple[str, ...]
    """Name of each class."""
    layout: Layout | None = None
    """What the columns mean."""
    class_weight: NDArray[np.float64] | None = None
    """Weight of each class in the loss, shape ``(n_classes,)``; None for equal ones."""
    encoder: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...] | None = None
    """Weights ``(n_out, n_in)`` and bias of each layer that the sampler learnt to read
    rows by, where it has an encoder: a network may start from them."""

    def __post_init__(self) -> None:
        if len(self.X) != len(self.y):
            raise ValueError(f"X has {len(self.X)} rows and y {len(self.y)}")
        if len(self.y) and not 0 <= self.y.min() <= self.y.max() < self.n_classes:
            raise ValueError(
                f"y holds codes from {self.y.min()} to {self.y.max()}, and there are "
                f"{self.n_classes} classes"
            )
        for name in ("X", "y"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without a row among them."""
        return len(self.classes)

    def take(self, which: NDArray[Any]) -> Rows:
        """Return some of the rows: indices, or True for each row to take."""
        return replace(self, X=self.X[which], y=self.y[which])

    def benign(self) -> Rows:
        """Return the benign rows."""
        return self.take(self.y == 0)

    def relabelled(self, codes: NDArray[np.int64], classes: tuple[str, ...]) -> Rows:
        """Return the rows with ``codes[k]`` in place of class ``k``, not weighted."""
        return replace(
            self, y=codes[self.y], classes=classes, class_weight=None, encoder=None
        )

    def check(self) -> None:
        """Refuse rows that no classifier can learn from.

        Raises
        ------
        DataError
            No row, one class only, or a value that is not finite.
        """
        present = np.unique(self.y)
        if len(present) < 2:
            found = f"{self.classes[present[0]]!r} only" if len(present) else "no row"
            raise DataError(
                f"the training part holds {found}; expected rows of two classes or "
                "more. Bring rows of another class, or change [split]"
            )
        self.check_finite()

    def check_finite(self) -> None:
        """Refuse values that are not finite.

        Raises
        ------
        DataError
            The message names the row and the feature.
        """
        if not np.isfinite(self.X).all():
            row, column = np.argwhere(~np.isfinite(self.X))[0]
            raise DataError(
                f"row {row}, feature {column} of the prepared training rows is "
                f"{self.X[row, column]}; expected finite numbers. Clean the data set, "
                "or report this if evenflow prepared it"
            )


def unbalanced(rows: Rows) -> Rows:
    """Return the rows as they are: the balancing of a fit that has none."""
    return rows


def no_part(name: str, fit: Rows, valid: Rows, **how: Any) -> Fitted:
    """Refuse to fit a part: the model of a fit that has none."""
    del how
    raise ValueError(
        f"there is no part {name!r} to fit on {len(fit)}+{len(valid)} rows"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitting:
    """One fit of one model: all that it may see and use."""

    fit: Rows
    """Rows to learn from, not balanced."""
    valid: Rows
    """Rows to stop by; never balanced, and maybe empty."""
    balance: Callable[[Rows], Rows] = unbalanced
    """The recipe's sampler. It works on any of the ``fit`` rows and on no other; what
    it does is seeded, cached and reported."""
    part: Callable[..., Fitted] = no_part
    """``part(name, fit, valid)`` fits the model that the ``Config`` holds as ``name``,
    with the recipe's sampler, loss and training; ``part("members.first", ...)`` the one
    of that key in a dictionary of parts. ``sampler=config.other`` balances the rows by
    a sampler that the ``Config`` holds, in place of the recipe's; ``params={...}``
    changes parameters of the model."""
    loss: tuple[Loss, Any] | None = None
    """The recipe's loss and its ``Config``; None for cross-entropy."""
    training: Training = field(default_factory=Training)
    seed: int = 7
    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""
    workdir: Path | None = None
    """Folder for checkpoints; None keeps none."""
    resume: bool = False
    """Whether to go on from the checkpoint in ``workdir``."""
    on_event: OnEvent = ignore


def of_arrays(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    X_valid: NDArray[np.float32] | None = None,
    y_valid: NDArray[np.int64] | None = None,
    *,
    n_classes: int,
    class_weight: NDArray[np.float64] | None = None,
    layout: Layout | None = None,
    **how: Any,
) -> Fitting:
    """Return a fit of arrays, without a recipe: for benchmarks, tests and notebooks.

    Parameters
    ----------
    X, y : ndarray
        Prepared training rows ``(n_samples, n_features)`` and their codes.
    X_valid, y_valid : ndarray, optional
        Rows to stop by; none without them.
    n_classes : int
        The classes are named by their codes.
    class_weight : ndarray of shape (n_classes,), optional
    layout : Layout, optional
        What the columns mean.
    **how
        Other fields of :class:`Fitting`.
    """
    classes = tuple(str(code) for code in range(n_classes))
    fit = Rows(X=X, y=y, classes=classes, layout=layout)
    valid = fit.take(np.arange(0))
    if X_valid is not None and y_valid is not None:
        valid = Rows(X=X_valid, y=y_valid, classes=classes, layout=layout)

    def weighted(rows: Rows) -> Rows:
        return replace(rows, class_weight=class_weight)

    return Fitting(fit=fit, valid=valid, balance=weighted, **how)
