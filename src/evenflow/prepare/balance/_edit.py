"""Find rows that sit among rows of another class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenflow.prepare.balance._neighbors import nearest_others
from evenflow.prepare.balance._sampler import Labels, Matrix, Rows
from evenflow.prepare.layout import Layout

Mask = NDArray[np.bool_]


def disagreeing(y: Labels, neighbors: Rows, *, kind: str) -> Mask:
    """Return the rows that edited nearest neighbours would remove.

    Parameters
    ----------
    y : ndarray of shape (n_samples,), int64
    neighbors : ndarray of shape (n_samples, k), int64
        Row numbers of each row's neighbours, the row itself left out.
    kind : {'all', 'mode'}
        ``'all'``: a row stays if all neighbours share its class. ``'mode'``: if
        more of them share its class than any other one class (of equally frequent
        classes, the lowest code counts, as in imbalanced-learn).

    References
    ----------
    .. [1] D. L. Wilson, "Asymptotic properties of nearest neighbor rules using
       edited data", IEEE Trans. SMC 2(3), 1972. doi:10.1109/TSMC.1972.4309137
    """
    labels = y[neighbors]
    if kind == "all":
        return np.asarray((labels != y[:, None]).any(axis=1))
    classes = np.unique(y)
    votes = np.stack([(labels == c).sum(axis=1) for c in classes], axis=1)
    return np.asarray(classes[votes.argmax(axis=1)] != y)


def tomek_links(y: Labels, nearest: Rows) -> Mask:
    """Return the rows in a Tomek link: each other's nearest, of two classes.

    Parameters
    ----------
    y : ndarray of shape (n_samples,), int64
    nearest : ndarray of shape (n_samples,), int64
        Row number of each row's nearest other row.

    References
    ----------
    .. [1] I. Tomek, "Two modifications of CNN", IEEE Trans. SMC 6(11), 1976.
       doi:10.1109/TSMC.1976.4309452
    """
    mutual = nearest[nearest] == np.arange(len(y))
    return np.asarray(mutual & (y[nearest] != y))


def cleaned(y: Labels, remove: Mask, notes: list[str], rule: str) -> Rows:
    """Return the numbers of the rows that stay; no class loses its last row.

    A class all of whose rows the rule would remove keeps them, and a note says so.
    """
    remove = remove.copy()
    gone = []
    for label in np.unique(y):
        mine = y == label
        if remove[mine].all():
            remove[mine] = False
            notes.append(
                f"class {label}: {rule} would remove every row; all {mine.sum()} stay"
            )
        elif n := int(remove[mine].sum()):
            gone.append(f"{n} of class {label}")
    notes.append(f"{rule} removed {', '.join(gone) or 'no row'}")
    return np.flatnonzero(~remove)


def enn_mask(X: Matrix, y: Labels, k: int, *, kind: str, layout: Layout | None) -> Mask:
    """Return the rows edited nearest neighbours would remove, over all classes."""
    k = min(k, len(y) - 1)
    return disagreeing(y, nearest_others(X, k, layout=layout), kind=kind)
