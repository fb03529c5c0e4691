"""Why a record got its verdict: a comparison with similar benign traffic.

By occlusion each column of the record is replaced by the value of the nearest benign
record, and the change of the model's log odds of attack is measured; in every order of
columns, by sampling, so that columns that say the same share a contribution, and
contributions sum to the whole difference. It needs the bundle alone: no gradient, no
training row beyond the reference rows, whatever the model is. Networks may be explained
by integrated gradients instead.

References
----------
.. [1] E. Strumbelj and I. Kononenko, "Explaining prediction models and individual
   predictions with feature contributions", KAIS 41, 2014.
   doi:10.1007/s10115-013-0679-x (Shapley values by sampling orders; we replace by
   one nearby normal record, not by random ones, so that a person can repeat it).
.. [2] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional
   networks", ECCV 2014. doi:10.1007/978-3-319-10590-1_53 (occlusion).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import BundleError, DataError
from evenflow.knowledge.columns import titles
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import verdicts
from evenflow.runtime.explanation import Contribution, Explanation
from evenflow.runtime.gradients import integrated, refuse_trees
from evenflow.schema import Table

N_PAIRS = 32
"""Orders of columns sampled, each also reversed (antithetic pairs)."""


def explain(
    bundle: Bundle,
    table: Table,
    row: int,
    *,
    seed: int = 0,
    method: Literal["occlusion", "integrated_gradients"] = "occlusion",
) -> Explanation:
    """Explain the verdict on one row of a table.

    Parameters
    ----------
    bundle : Bundle
        The detector.
    table : Table
        Rows of the bundle's schema.
    row : int
        Number of the row, counted from 0.
    seed : int
        Seed of the orders sampled: the same seed gives the same contributions.
    method : {'occlusion', 'integrated_gradients'}
        How contributions are found; the second takes a network.

    Raises
    ------
    BundleError
        The bundle holds no reference rows.
    DataError
        The record, or one made of it and a normal one, has no finite score; or
        integrated gradients are asked of a model with trees.
    IndexError
        The table has no such row.
    """
    if not 0 <= row < len(table):
        raise IndexError(f"row {row} of {len(table)}")
    record = table.take([row])
    scores = bundle.decide(record)
    X = bundle.preprocessor.transform(record)[0]
    normal, reference = _nearest_normal(bundle, X)
    groups = {
        name: where
        for name, where in bundle.preprocessor.layout.groups.items()
        if (X[where] != normal[where]).any()
    }
    names = list(groups)
    where = list(groups.values())
    if method == "occlusion":
        contribution = _contributions(bundle, X, normal, where, seed)
    elif method == "integrated_gradients":
        refuse_trees(bundle.model)
        contribution = integrated(
            lambda rows: _finite_odds(bundle, rows), X, normal, where
        )
    else:
        raise ValueError(f"method is {method!r}")
    alone = _alone(bundle, X, normal, where)
    order = sorted(range(len(names)), key=lambda j: (-abs(contribution[j]), names[j]))
    schema = bundle.schema
    labels = titles(schema.columns)
    contributions = tuple(
        Contribution(
            column=names[j],
            label=labels[names[j]],
            value=_plain(record, names[j], 0),
            normal_value=_plain(bundle.reference, names[j], reference),
            contribution=float(contribution[j]),
            alone=float(alone[j]),
            unit=schema.column(names[j]).unit,
            description=schema.column(names[j]).description,
        )
        for j in order
    )
    lines = np.array([row + 1])
    verdict = next(
        verdicts(scores, schema, bundle.decision, bands=bundle.bands, lines=lines)
    )
    counterfactual: tuple[str, ...] = ()
    if verdict.is_attack:
        counterfactual = _counterfactual(bundle, X, normal, groups, contributions)
    base = float(bundle.decision.log_odds(bundle.log_proba(normal[None]))[0])
    return Explanation(
        verdict=verdict,
        contributions=contributions,
        log_odds=float(scores.attack[0]),
        base=base,
        is_base_normal=base <= bundle.decision.threshold,
        counterfactual=counterfactual,
    )


def _nearest_normal(
    bundle: Bundle, X: NDArray[np.float32]
) -> tuple[NDArray[np.float32], int]:
    """Return the closest reference row that the bundle calls benign, and its number.

    Distance is the mean absolute difference on the scale the model reads, numeric
    columns limited to 3 standard deviations each: one giant count shall not decide.
    """
    rows, benign = benign_rows(bundle)
    apart = np.minimum(np.abs(rows[benign] - X), 3.0).sum(axis=1)
    nearest = int(benign[apart.argmin()])
    return rows[nearest], nearest


def benign_rows(bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the prepared reference rows, and which of them the bundle calls benign.

    Raises
    ------
    BundleError
        The bundle holds no reference rows.
    """
    if not len(bundle.reference):
        raise BundleError(
            f"{bundle.path} holds no reference rows, expected benign training rows "
            "to compare with. Train it again"
        )
    rows = bundle.preprocessor.transform(bundle.reference)
    odds = bundle.decision.log_odds(bundle.log_proba(rows))
    benign = np.flatnonzero(odds <= bundle.decision.threshold)
    return rows, benign if len(benign) else np.array([int(odds.argmin())])


class Leading:
    """The columns that move verdicts towards attack most, quickly.

    Each column of a record alone becomes that of the nearest benign record: one row a
    column, where :func:`explain` scores thousands.

    Parameters
    ----------
    bundle : Bundle
        One with reference rows.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        rows, benign = benign_rows(bundle)
        self.normal = rows[benign]

    def of(
        self, table: Table, rows: Sequence[int], n: int = 5
    ) -> list[list[tuple[str, float]]]:
        """Return up to ``n`` columns of each row, each with the log odds that it adds.

        None of a row where a record made of it and a benign one has no finite score.
        """
        names, made = [], []
        for X in self.bundle.preprocessor.transform(table.take(rows)):
            apart = np.minimum(np.abs(self.normal - X), 3.0).sum(axis=1)
            normal = self.normal[apart.argmin()]
            groups = {
                name: where
                for name, where in self.bundle.preprocessor.layout.groups.items()
                if (X[where] != normal[where]).any()
            }
            n_groups = len(groups)
            without = np.arange(n_groups + 1)[:, None] != np.arange(n_groups)
            names.append(tuple(groups))
            made.append(_replaced(X, normal, [*groups.values()], without))
        if not made:
            return []
        odds = self.bundle.decision.log_odds(
            self.bundle.log_proba(np.concatenate(made))
        )
        found, ends = [], np.cumsum([len(part) for part in made])
        for known, of_row in zip(names, np.split(odds, ends[:-1]), strict=True):
            alone = dict(zip(known, (of_row[-1] - of_row[:-1]).tolist(), strict=True))
            order = sorted(alone, key=lambda name: (-alone[name], name))
            first = order[:n] if np.isfinite(of_row).all() else []
            found.append([(name, alone[name]) for name in first if alone[name] > 0])
        return found


def _ranks(n: int, seed: int) -> NDArray[np.int64]:
    """Return at which step each order takes each column, ``(n_orders, n)``."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(N_PAIRS)]
    ranks = np.argsort(np.array([*orders, *(o[::-1] for o in orders)]), axis=1)
    return ranks.astype(np.int64)


def _odds(
    bundle: Bundle,
    X: NDArray[np.float32],
    normal: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
    is_record: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the log odds of rows of which some columns are the record's."""
    return _finite_odds(bundle, _replaced(X, normal, groups, is_record))


def _finite_odds(bundle: Bundle, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    odds = bundle.decision.log_odds(bundle.log_proba(rows))
    if not np.isfinite(odds).all():
        raise DataError(
            "found a record that has no finite score with some of its values replaced "
            "by those of benign traffic, expected finite scores. The verdict stands, "
            "but cannot be explained"
        )
    return odds


def _replaced(
    X: NDArray[np.float32],
    normal: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
    is_record: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return rows of which some columns are the record's.

    Parameters
    ----------
    is_record : ndarray of shape (n_rows, n_groups), bool
        Which columns are the record's; the others are the normal row's.
    """
    rows = np.repeat(normal[None], len(is_record), axis=0)
    for j, where in enumerate(groups):
        rows[np.ix_(is_record[:, j], where)] = X[where]
    return rows


def _contributions(
    bundle: Bundle,
    X: NDArray[np.float32],
    normal: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
    seed: int,
) -> NDArray[np.float64]:
    """Return each column's share of the difference."""
    n = len(groups)
    if not n:
        return np.empty(0)
    ranks = _ranks(n, seed)
    steps = np.arange(n + 1)[:, None] > ranks[:, None, :]  # (n_orders, n + 1, n)
    odds = _odds(bundle, X, normal, groups, steps.reshape(-1, n))
    paths = odds.reshape(len(ranks), n + 1)
    gains = np.take_along_axis(np.diff(paths, axis=1), ranks, axis=1)
    found: NDArray[np.float64] = gains.mean(axis=0)
    return found


def _alone(
    bundle: Bundle,
    X: NDArray[np.float32],
    normal: NDArray[np.float32],
    groups: list[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return how the log odds change when one column alone becomes benign."""
    without = np.arange(len(groups) + 1)[:, None] != np.arange(len(groups))
    odds = _odds(bundle, X, normal, groups, without)
    found: NDArray[np.float64] = odds[-1] - odds[:-1]
    return found


def _counterfactual(
    bundle: Bundle,
    X: NDArray[np.float32],
    normal: NDArray[np.float32],
    groups: dict[str, NDArray[np.int64]],
    contributions: tuple[Contribution, ...],
) -> tuple[str, ...]:
    """Return the first columns towards attack that together change the verdict."""
    names = [c.column for c in contributions if c.contribution > 0]
    masks = np.ones((len(names), len(groups)), dtype=np.bool_)
    at = {name: j for j, name in enumerate(groups)}
    for i, name in enumerate(names):
        masks[i:, at[name]] = False
    odds = _odds(bundle, X, normal, list(groups.values()), masks)
    turned = np.flatnonzero(odds <= bundle.decision.threshold)
    return tuple(names[: turned[0] + 1]) if len(turned) else ()


def _plain(table: Table, name: str, row: int) -> float | str | None:
    value = table.frame[name][row]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return cast("float | str | None", value)
