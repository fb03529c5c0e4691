"""Features that tell the label or the capture instead of the traffic.

References
----------
.. [1] S. Kaufman et al., "Leakage in data mining: formulation, detection, and
   avoidance", ACM TKDD 6(4), 2012. doi:10.1145/2382577.2382579
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.errors import LeakError
from evenflow.schema import Table

_LABELS = (
    "label labels class attack attackcat attackcategory attackclass attacktype "
    "category subcategory target difficulty difficultylevel malicious ismalicious "
    "isattack"
)
LABELS = frozenset(_LABELS.split())
"""Names, letters and digits only, of columns that hold or follow from the label."""
_IDENTIFIERS = (
    "id flowid pkseqid seq rowid index uid sessionid saddr daddr srcip dstip sourceip "
    "destinationip ipv4srcaddr ipv4dstaddr idorigh idresph srcaddr dstaddr smac dmac "
    "srcmac dstmac sport dport srcport dstport sourceport destinationport l4srcport "
    "l4dstport idorigp idrespp dsport time timestamp stime ltime starttime endtime "
    "date ts community communityid"
)
IDENTIFIERS = frozenset(_IDENTIFIERS.split())
"""Names of columns that say which capture a row is from rather than what it does."""
GIVES_AWAY = 0.99
"""Balanced accuracy from which one column alone is suspicious."""
N_BINS = 64
FEW = 100
"""Rows below which a pattern in a column may be chance."""
MANY = 1_000
"""Rows from which a one-to-one match with the classes is no chance."""


def check_features(table: Table) -> None:
    """Refuse features that are the label under another name.

    Raises
    ------
    LeakError
        A column is named like a label, or its values and the classes of
        ``MANY`` rows or more correspond one to one.
    """
    named = [name for name in table.schema.names if _plain(name) in LABELS]
    copies = [n for n in table.schema.names if n not in named and _is_copy(table, n)]
    for columns, why in (
        (named, "named like a label or like what follows from one"),
        (copies, "one value for each class and one class for each value"),
    ):
        if columns:
            raise LeakError(
                f"the features of {table.schema.name} hold {', '.join(columns)}: "
                f"{why}. Expected only what is known before the verdict. "
                "Declare them as labels or leave them out"
            )


def identifiers(table: Table) -> list[str]:
    """Return the features named like an address, a port, a time or a row number."""
    return [name for name in table.schema.names if _plain(name) in IDENTIFIERS]


def counts_up(table: Table) -> list[str]:
    """Return the numeric features that rise from every row to the next."""
    if len(table) < FEW:
        return []
    return [
        column.name
        for column in table.schema.numeric
        if (np.diff(table.frame[column.name].to_numpy()) > 0).all()
    ]


def gives_away(table: Table) -> dict[str, float]:
    """Return the features that alone tell attack from benign.

    Returns
    -------
    dict of str to float
        Feature -> balanced accuracy of the best rule on it, [0, 1].
    """
    if len(table) < FEW:
        return {}
    is_attack = table.labels > 0
    alone = {name: _alone(table.frame[name], is_attack) for name in table.schema.names}
    return {name: share for name, share in alone.items() if share >= GIVES_AWAY}


def _alone(values: pl.Series, is_attack: NDArray[np.bool_]) -> float:
    """Return the balanced accuracy of the best rule on one column, cut into bins.

    A value met once cannot be told from an identifier, so numbers are cut into at most
    64 bins of equal frequency and a category with more values than that is left out.
    """
    n_attack, n = int(is_attack.sum()), len(is_attack)
    if not 0 < n_attack < n:
        return 0.0
    if values.dtype == pl.String:
        if values.n_unique() > N_BINS:
            return 0.0
        code = values.fill_null("").rank("dense").to_numpy().astype(np.int64)
    else:
        x = np.nan_to_num(values.to_numpy(), nan=-np.inf)
        edges = np.unique(np.quantile(x, np.linspace(0, 1, N_BINS + 1), method="lower"))
        code = np.searchsorted(edges, x)
    total = np.bincount(code)
    attacks = np.bincount(code, is_attack, len(total))
    rate, alarm = attacks / n_attack, (total - attacks) / (n - n_attack)
    return float(np.maximum(rate, alarm).sum() / 2)


def _plain(name: str) -> str:
    """Return a column name's letters and digits, in lower case."""
    return "".join(c for c in name.lower() if c.isalnum())


def _is_copy(table: Table, name: str) -> bool:
    """Whether a column's values and the classes correspond one to one."""
    if table.y is None or len(table) < MANY:
        return False
    classes = len(np.unique(table.y))
    values = table.frame[name]
    if classes < 2 or values.n_unique() != classes:
        return False
    return pl.DataFrame({"value": values, "y": table.y}).n_unique() == classes
