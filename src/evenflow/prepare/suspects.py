"""Features that tell the label or the capture instead of the traffic.

References
----------
.. [1] S. Kaufman et al., "Leakage in data mining: formulation, detection, and
   avoidance", ACM TKDD 6(4), 2012. doi:10.1145/2382577.2382579
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import LeakError
from evenflow.prepare.names import begins_as_label, is_identifier, must_be_label
from evenflow.schema import BENIGN, Table

GIVES_AWAY = 0.99
"""Balanced accuracy from which one column alone is suspicious."""
N_BINS = 64
FEWEST = 8
"""Rows of each side below which a column may tell attack from benign by chance."""
FEW = 100
"""Rows below which a pattern in a column may be chance."""
MANY = 1_000
"""Rows from which a column that matches the label is not a coincidence."""
SOME = 50
"""Rows from which a column that matches the label may be more than chance."""
SEVERAL = 3
"""Rows of each value that a column of fewer than ``MANY`` rows needs to be a copy."""
BALANCED = (
    "The classes are equally large before the split, so the table was probably "
    "balanced by hand. Copies and synthetic rows that are made before the split are on "
    "both sides of it, which makes every figure optimistic, and precision and accuracy "
    "are those of an artificial mix. Train on the rows as captured, and balance with "
    "[balance]."
)
"""Warning about a table whose classes are equally large."""
STEADY = 0.99
"""Share of steps one way from which a column follows the order of the rows."""
SCALED = 1e-5
"""Distance from a mean of 0 and a deviation of 1 that rounding explains."""
SIGMAS = 4.0
"""Standard deviations below chance from which whole numbers are spread too evenly."""


def check_features(table: Table) -> None:
    """Refuse features that are the label under another name.

    Raises
    ------
    LeakError
        A column is named like a label, or in ``MANY`` rows or more its value follows
        from the attack type and tells attack from benign.
    """
    named = [name for name in table.schema.names if must_be_label(name)]
    copies = [name for name in label_copies(table) if name not in named]
    for columns, why in (
        (named, "named like a label or like what follows from one"),
        (copies, "one value for each attack type, and never the same for benign rows"),
    ):
        if columns:
            raise LeakError(
                f"the features of {table.schema.name} hold {', '.join(columns)}: "
                f"{why}. Expected only what is known before the verdict. "
                "Declare them as labels or leave them out; of a file of your own: "
                f"drop = {json.dumps(columns)}"
            )


def label_copies(table: Table) -> list[str]:
    """Return the features that are copies of the label, whatever their names.

    Each attack type has one value in such a column, and no attack has the value of
    benign rows: another label column, fine or coarse.
    """
    return [name for name in label_twins(table) if _is_constant(table, name)]


def label_twins(table: Table) -> list[str]:
    """Return the features that tell the attack as a label does.

    All benign rows have the same value, which no attack has, and there are at most
    ``FEW`` other values: nearly always another label column. Or the name begins as a
    label's and each attack type has one value: a column of a one-hot label.
    """
    return _twins(table) if len(table) >= MANY else []


def likely_twins(table: Table) -> list[str]:
    """Return the features that tell the attack as a label does, in too few rows.

    From ``SOME`` rows to ``MANY``, where a flag that is just very good looks alike:
    each value is that of ``SEVERAL`` rows, and each side has ``FEWEST``.
    """
    if not SOME <= len(table) < MANY or table.y is None:
        return []
    n_attacks = int((table.y > 0).sum())
    if min(n_attacks, len(table) - n_attacks) < FEWEST:
        return []
    return [
        name
        for name in _twins(table)
        if (table.frame[name].unique_counts() >= SEVERAL).all()
    ]


def _twins(table: Table) -> list[str]:
    is_attack = np.zeros(0, dtype=bool) if table.y is None else table.y > 0
    if is_attack.all() or not is_attack.any():
        return []
    benign, attacks = table.frame.filter(~is_attack), table.frame.filter(is_attack)
    return [
        name
        for name in table.schema.names
        if _are_apart(benign[name], attacks[name])
        or (begins_as_label(name) and _is_constant(table, name))
    ]


def _are_apart(benign: pl.Series, attacks: pl.Series) -> bool:
    """Whether benign rows have one value, and attacks a few others."""
    if benign.n_unique() > 1 or attacks.n_unique() > FEW:
        return False
    return not pl.concat([benign.unique(), attacks.unique()]).is_duplicated().any()


def _is_constant(table: Table, name: str) -> bool:
    """Whether each attack type has one value in a column, and not all the same."""
    types = pl.Series(table.labels) if table.attack is None else table.attack
    pairs = pl.DataFrame({"type": types, "value": table.frame[name]})
    return pairs.n_unique() == types.n_unique() and pairs["value"].n_unique() > 1


def identifiers(table: Table) -> list[str]:
    """Return the features named like an address, a port, a time or a row number."""
    return [name for name in table.schema.features if is_identifier(name)]


def counts_up(table: Table) -> list[str]:
    """Return the numeric features that rise, or fall, with the number of the row.

    Times and row numbers do: of the steps between neighbouring rows with different
    values, ``STEADY`` or more lead the same way. A few files one after another make
    a few steps back.
    """
    found = []
    for column in table.schema.numeric:
        x = table.frame[column.name].to_numpy()
        up, down = (x[1:] > x[:-1]).sum(), (x[1:] < x[:-1]).sum()
        if up + down >= FEW - 1 and max(up, down) >= STEADY * (up + down):
            found.append(column.name)
    return found


def numbers_rows(table: Table) -> list[str]:
    """Return the features that number the rows, in any order.

    Whole numbers that are spread over their range more evenly than chance would
    spread them, by the index of dispersion of how often each occurs: 1 in mean for
    independent draws from the whole range, more where some values are usual, 0 for a
    permutation.

    References
    ----------
    .. [1] R. A. Fisher, "Statistical methods for research workers", 1925, section 16.
    """
    if len(table) < FEW:
        return []
    return [c.name for c in table.schema.numeric if _is_even(table.frame[c.name])]


def _is_even(values: pl.Series) -> bool:
    x = values.to_numpy()
    x = x[np.isfinite(x)]
    if len(x) < FEW or (x != np.floor(x)).any() or np.abs(x).max() > 2**53:
        return False
    n, span = len(x), x.max() - x.min() + 1
    if span < FEW:
        return False
    counts = np.unique(x, return_counts=True)[1].astype(np.float64)
    dispersion = ((counts**2).sum() * span / n - n) / (span - 1)
    return bool((dispersion - 1) * np.sqrt((span - 1) / 2) < -SIGMAS)


def is_balanced(counts: Mapping[str, int]) -> bool:
    """Whether classes are so equally large that somebody must have made them so.

    Either all classes are, or the attacks together and benign.
    """
    sizes = [n for n in counts.values() if n]
    if len(sizes) < 2 or sum(sizes) < FEW:
        return False
    benign = counts.get(BENIGN, 0)
    attacks = sum(sizes) - benign
    most, least = max(benign, attacks), min(benign, attacks)
    return most <= 1.02 * least or (len(sizes) > 2 and max(sizes) < 1.1 * min(sizes))


def warnings(table: Table) -> dict[str, str]:
    """Return what is suspicious of the features, in sentences by name of the check."""
    found = {"identifiers": _identifiers(table), "single columns": _single(table)}
    return {check: text for check, text in found.items() if text}


def scaled_together(train: Table, test: Table) -> str:
    """Return that the columns were scaled with the test rows in view, or nothing.

    Of training and test rows together each column then has mean 0 and standard
    deviation 1 to the last digits, or lies between 0 and 1 with a bound that only test
    rows reach. Columns of one or two values say nothing; three or more are needed.
    """
    names = [c.name for c in train.schema.numeric if train.frame[c.name].n_unique() > 2]
    if len(names) < SEVERAL:
        return ""
    mine = train.frame.select(names).to_numpy()
    both = np.concatenate([mine, test.frame.select(names).to_numpy()])
    with np.errstate(all="ignore"):
        deviations = [both.std(axis=0, ddof=ddof) for ddof in (0, 1)]
        is_unit = np.min([np.abs(d - 1) for d in deviations], axis=0) < SCALED
        is_standard = (np.abs(both.mean(axis=0)) < SCALED) & is_unit
    low, high = both.min(axis=0), both.max(axis=0)
    reached = (mine.min(axis=0) == low) & (mine.max(axis=0) == high)
    if is_standard.all():
        how = "have mean 0 and standard deviation 1"
    elif (low == 0).all() and (high == 1).all() and not reached.all():
        how = "lie between 0 and 1"
    else:
        return ""
    return (
        f"The {len(names)} columns of numbers {how} over training and test rows "
        "together: they were scaled before the split, by the test rows too. Train on "
        "the columns as captured; evenflow scales them by training rows alone."
    )


def _identifiers(table: Table) -> str:
    named = identifiers(table)
    rising = [c for c in counts_up(table) if c not in named]
    even = [c for c in numbers_rows(table) if c not in [*named, *rising]]
    why = [
        f"{', '.join(columns)} ({reason})"
        for columns, reason in (
            (named, "by name"),
            (rising, "rises or falls from row to row"),
            (even, "numbers the rows"),
        )
        if columns
    ]
    return (
        f"Features that reveal which capture a row is from: {'; '.join(why)}. A model "
        "may learn the capture instead of the attack."
        if why
        else ""
    )


def _single(table: Table) -> str:
    alone = {} if table.y is None else gives_away(table)
    listed = ", ".join(f"{name} {share:.1%}" for name, share in alone.items())
    if not alone:
        return ""
    text = f"One column alone separates attacks (balanced accuracy): {listed}. "
    if twins := [name for name in likely_twins(table) if name in alone]:
        return f"{text}{too_few(twins, len(table))}"
    return f"{text}Make sure it is known when traffic is scored."


def too_few(twins: Sequence[str], n_rows: int) -> str:
    """Return what a user has to know of :func:`likely_twins`, in sentences."""
    tell, stay, it = (
        ("tells", "it stays a feature", "it")
        if len(twins) == 1
        else ("tell", "they stay features", "them")
    )
    return (
        f"In all {n_rows:,} rows {', '.join(twins)} {tell} attack from benign as a "
        f"label does. That may be chance in so few rows, so {stay}. If no sensor knows "
        f"{it} before the verdict, leave {it} out: drop = {json.dumps(list(twins))}."
    )


def gives_away(table: Table) -> dict[str, float]:
    """Return the features that alone tell attack from benign.

    Returns
    -------
    dict of str to float
        Feature -> balanced accuracy of the best rule on it, [0, 1].
    """
    is_attack = table.labels > 0
    if min(is_attack.sum(), (~is_attack).sum()) < FEWEST:
        return {}
    alone = {name: _alone(table.frame[name], is_attack) for name in table.schema.names}
    return {name: share for name, share in alone.items() if share >= GIVES_AWAY}


def _alone(values: pl.Series, is_attack: NDArray[np.bool_]) -> float:
    """Return the balanced accuracy of the best rule on one column, cut into bins.

    A value met once cannot be told from an identifier. So values are taken as they
    are where they are few, at most 100 and one in two rows of either side; other
    numbers are cut into at most 64 bins of equal frequency, other words left out.
    """
    n_attack, n = int(is_attack.sum()), len(is_attack)
    are_few = values.n_unique() <= min(FEW, n_attack // 2, (n - n_attack) // 2)
    if values.dtype == pl.String:
        if not are_few:
            return 0.0
        code = values.fill_null("").rank("dense").to_numpy().astype(np.int64)
    elif are_few:
        code = np.unique(values.to_numpy(), return_inverse=True)[1]
    else:
        x = np.nan_to_num(values.to_numpy(), nan=-np.inf)
        shares = np.linspace(0, 1, min(N_BINS, n // 8) + 1)
        edges = np.unique(np.quantile(x, shares, method="lower"))
        code = np.searchsorted(edges, x)
    total = np.bincount(code)
    attacks = np.bincount(code, is_attack, len(total))
    rate, alarm = attacks / n_attack, (total - attacks) / (n - n_attack)
    return float(np.maximum(rate, alarm).sum() / 2)
