"""SMOTE-Tomek: SMOTE, then Tomek links removed."""

from __future__ import annotations

from typing import ClassVar

from evenflow.prepare.balance._edit import cleaned, tomek_links
from evenflow.prepare.balance._neighbors import nearest_others
from evenflow.prepare.balance._sampler import Kind, Labels, Matrix
from evenflow.prepare.balance.smote import SMOTE
from evenflow.prepare.layout import Layout
from evenflow.progress import OnEvent


class SMOTETomek(SMOTE):
    """Grow minority classes by SMOTE, then remove both rows of each Tomek link.

    The neighbours are exact (see :mod:`._neighbors`) and looked for after the new
    rows were moved to possible rows. A class never loses its last row.

    Parameters
    ----------
    sampling_strategy : 'auto' or dict of {int: int}, default='auto'
        Rows wanted per class after SMOTE. ``'auto'`` lifts every class to the size
        of the largest one, or to ``max_rows_per_class``.
    max_rows_per_class : int or None, default=None
        No class is lifted beyond it.
    k_neighbors : int, default=5
        Neighbours SMOTE chooses from; fewer in a small class.
    random_state : int or None, default=None
        Seed.

    References
    ----------
    .. [1] G. E. A. P. A. Batista, A. L. C. Bazzan and M. C. Monard, "Balancing
       training data for automated annotation of keywords: a case study", WOB 2003.
    .. [2] I. Tomek, "Two modifications of CNN", IEEE Trans. SMC 6(11), 1976.
       doi:10.1109/TSMC.1976.4309452
    """

    kind: ClassVar[Kind] = "both"

    def _resample(
        self, X: Matrix, y: Labels, layout: Layout | None, on_event: OnEvent
    ) -> tuple[Matrix, Labels]:
        X, y = super()._resample(X, y, layout, on_event)
        nearest = nearest_others(X, 1, layout=layout)[:, 0]
        rows = cleaned(y, tomek_links(y, nearest), self.notes_, "Tomek links")
        return X[rows], y[rows]


SAMPLER = SMOTETomek
