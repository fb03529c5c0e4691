"""Drift: whether traffic still looks like the rows that a model was calibrated on.

A watch sees no labels, so it cannot tell attacks of many hosts from a model that does
not fit. It says what it sees, once: a share of rows that has risen past twice that of
the calibration rows, and columns whose distribution has moved by more than chance and
by more than little. All of it together has a false alarm with a probability of at most
1 % over a whole run, if rows are independent. Connections are not; live ones are
thinned (see :class:`~evenflow.baseline.Thinning`), and the calibration rows likewise
where their hosts are known.

References
----------
.. [1] V. Vovk, "Conditional validity of inductive conformal predictors", Machine
   Learning 92, 2013. doi:10.1007/s10994-013-5355-6 (p-values of a fixed calibration
   set; hence the bound on its shares).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.baseline import MINUTE, Baseline, Sample, Thinning, count, split
from evenflow.decision import Scores
from evenflow.errors import DataError
from evenflow.metrics import class_shares, distance, wilson
from evenflow.runtime._betting import Bets
from evenflow.runtime.drift_report import Finding, Moved, Share
from evenflow.schema import Table

ALPHA = 0.01
"""Probability of a false alarm in a run; scores and columns have half each."""
TOLERANCE = 2.0
"""Growth of a share up to which nothing has drifted."""
LEVEL = 0.998
"""Of the interval whose upper end is bet against, where that is more."""
TAILS = (0.05, 0.2)
"""Shares of the highest scores among rows decided to be benign."""
PSI, KS = 0.25, 0.15
"""Distances of a column below which it has not drifted, however certain."""
RECOVERED = 0.4
"""Part of those below which it has recovered."""
WINDOW = 2_000
"""Live rows whose columns are compared at once."""
LEAST = 50
"""Rows of the calibration sample below which the other one is used."""
MOST_OF_BATCH = 2_000
"""Rows of a batch of a file whose columns are counted."""
LEAST_HOSTS = 3
"""Sources, and destinations, over the threshold from which on it is not one attack."""
JOIN_NS = 3600 * 10**9
"""Time between two reports of more columns."""
ENDS = ("id.orig_h", "id.resp_h")
SEED = 20_031
FORMAT = 1


class Drift:
    """The state of drift in a run; its memory is bounded by columns and bins.

    Parameters
    ----------
    baseline : Baseline
        Of the model's calibration rows.
    classes : tuple of str
    is_live : bool
        Whether rows are connections with hosts and times, which are thinned; rows of
        a file are not, and the share over the threshold is then left out: a file may
        hold as many attacks as it likes.
    """

    def __init__(
        self, baseline: Baseline, classes: tuple[str, ...], *, is_live: bool
    ) -> None:
        pairs = baseline.pairs
        has_pairs = is_live and pairs is not None and pairs.n >= LEAST
        self.baseline, self.classes, self.is_live = baseline, classes, is_live
        self.sample: Sample = pairs if has_pairs and pairs else baseline.rows
        self._thinning = Thinning()
        self._rng = np.random.default_rng(SEED)
        self._claims = self._shares()
        self._bets = Bets([claim for _, claim in self._claims])
        self.n = 0
        """Rows taken."""
        self.n_alarms = self.n_windows = 0
        self.share: Share | None = None
        """What has risen; None while nothing has."""
        self.moved: dict[str, Moved] = {}
        """The columns that have drifted."""
        self._said: set[str] = set()
        self._said_at = 0
        self._decided = np.zeros((2, len(self.classes)), dtype=np.int64)
        self._begin_window()

    def _begin_window(self) -> None:
        # verdicts of the last window and of this one
        self._decided = np.stack(
            [self._decided[1], np.zeros(len(self.classes), dtype=np.int64)]
        )
        self._hosts: tuple[set[str], set[str]] = (set(), set())
        self._counts = np.zeros_like(self.sample.counts)
        self._hits = np.zeros((2, len(self._claims)), dtype=np.int64)

    def _shares(self) -> list[tuple[float, float]]:
        """Return of each event its share in calibration, and the share bet against."""
        sample = self.sample
        alarms = (sample.alarms, sample.benign) if self.is_live else (0, 0)
        tails = [(round(tail * sample.n), sample.n) for tail in TAILS]
        found = []
        for hits, n in (alarms, *tails):
            ends = wilson(hits, n, LEVEL)
            share = hits / n if n else 1.0
            found.append((share, max(TOLERANCE * share, ends[1]) if ends else 1.0))
        return found

    def take(
        self, connections: pl.DataFrame, table: Table, scores: Scores
    ) -> Finding | None:
        """Take note of connections that were scored; return what is to be said.

        Parameters
        ----------
        connections : DataFrame
            In the order of ``known``.
        table : Table
            Their rows.
        scores : Scores
        """
        pairs = connections.select(
            *ENDS, pl.col("known").fill_null(strategy="forward").fill_null(0)
        ).with_row_index("row")
        # most of the work before rows are taken one by one
        first = pairs.with_columns(minute=pl.col("known") // MINUTE).unique(
            [*ENDS, "minute"], keep="first", maintain_order=True
        )
        taken = first[self._thinning.take(*(first[name] for name in (*ENDS, "known")))]
        if not taken.height:
            return None
        rows = taken["row"].to_numpy().astype(np.int64)
        over = taken.filter(pl.Series(scores.is_attack[rows]))
        for hosts, name in zip(self._hosts, ENDS, strict=True):
            new = over[name].unique(maintain_order=True).to_list()
            unseen = [one for one in new if one not in hosts]
            hosts.update(unseen[: LEAST_HOSTS - len(hosts)])
        self.add(table, scores, rows, int(taken["known"][0]))
        return self._found(int(taken["known"][-1]))

    def add(
        self, table: Table, scores: Scores, rows: NDArray[np.int64], at: int
    ) -> None:
        """Count some rows of a batch; ``at`` is the time of the first."""
        if not len(rows):
            return
        over = scores.is_attack[rows]
        passed = rows[~over]
        p = self._p_values(scores.attack[passed])
        hits = [int(over.sum()), *(int((p <= tail).sum()) for tail in TAILS)]
        n = [len(rows), *[len(passed)] * len(TAILS)]
        self._bets.add(hits, n, at)
        self._hits += np.array([hits, n])
        self.n += len(rows)
        self._decided[1] += np.bincount(scores.code[rows], minlength=len(self.classes))
        some = passed[:: -(-len(passed) // MOST_OF_BATCH) or 1]
        self._counts += count(self.baseline.bins, table.frame[some])

    def finish(self) -> Finding:
        """Return what a file shows as a whole."""
        self._compare()
        self._has_risen()
        return self.finding("ended", self.n, self.classes_now())

    def _p_values(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return randomised conformal p-values among rows decided to be benign."""
        ordered = self.sample.scores
        right = np.searchsorted(ordered, odds, "right")
        ties = right - np.searchsorted(ordered, odds, "left")
        u = self._rng.random(len(odds))
        p: NDArray[np.float64] = (len(ordered) - right + u * (ties + 1)) / (
            len(ordered) + 1
        )
        return p

    def _found(self, now: int) -> Finding | None:
        """Return what is new, if something is; then it has been said."""
        was_drifted = self.is_drifted
        is_new = self._has_risen()
        if self._hits[1, 0] >= WINDOW:
            self._compare()
            if not is_new and self.share is not None and self._has_fallen():
                self.share = None
                self._bets = Bets([claim for _, claim in self._claims])
            self._begin_window()
        self._said &= self.moved.keys()
        joined = self.moved.keys() - self._said
        if was_drifted and not self.is_drifted:
            return self._say("ended", now)
        if is_new or (joined and not was_drifted):
            return self._say("began", now)
        if joined and now - self._said_at >= JOIN_NS:
            return self._say("joined", now)
        return None

    def _has_risen(self) -> bool:
        """Return whether a share has risen that had not before."""
        spent = 2.0 ** (self.n_alarms + 1)
        if self.share is not None or self._bets.log_wealth < math.log(
            2 * spent / ALPHA
        ):
            return False
        if self._bets.leading[0] == 0 and min(map(len, self._hosts)) < LEAST_HOSTS:
            return False  # one attacker, or one victim
        self.n_alarms += 1
        self._keep_share()
        return True

    def _keep_share(self) -> None:
        which, since, hits, n = self._bets.leading
        self.share = Share(
            tail=TAILS[which - 1] if which else None,
            before=self._claims[which][0],
            now=hits / max(n, 1),
            n=n,
            since=since,
        )

    def _has_fallen(self) -> bool:
        hits, n = self._hits
        limits = np.array([claim for _, claim in self._claims])
        return bool((hits <= limits * n).all())

    def _compare(self) -> None:
        """Compare the columns of a window with those of the calibration rows."""
        if self.share is not None:  # it may have grown since
            before = self.share.since
            self._keep_share()
            self.share = self.share.since_at(min(before, self.share.since))
        if self._hits[1, 1] < LEAST:
            return
        self.n_windows += 1
        bins = self.baseline.bins
        tests = 2 * len(bins) * self.n_windows * (self.n_windows + 1)
        limit = ALPHA / 2 / tests
        parts = split(bins, self.sample.counts), split(bins, self._counts)
        for one, calibrated, seen in zip(bins, *parts, strict=True):
            found = distance(calibrated, seen)
            is_far = (found.psi >= PSI and found.psi_p <= limit) or (
                found.ks >= KS and found.ks_p <= limit
            )
            is_near = found.psi < RECOVERED * PSI and found.ks < RECOVERED * KS
            if is_far or (one.name in self.moved and not is_near):
                self.moved[one.name] = Moved(name=one.name, psi=found.psi, ks=found.ks)
            elif is_near:
                self.moved.pop(one.name, None)

    @property
    def is_drifted(self) -> bool:
        """Whether something has drifted and not recovered."""
        return self.share is not None or bool(self.moved)

    @property
    def text(self) -> str:
        """The state in a sentence; empty where nothing has drifted."""
        return str(self.finding("joined", 0)) if self.is_drifted else ""

    def _say(self, status: Literal["began", "joined", "ended"], now: int) -> Finding:
        self._said, self._said_at = {*self.moved}, now
        return self.finding(status, now, self.classes_now())

    def finding(
        self,
        status: Literal["began", "joined", "ended"],
        now: int,
        classes: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Finding:
        """Return what is known now."""
        columns = sorted(self.moved.values(), key=lambda one: -max(one.psi, one.ks))
        return Finding(
            status=status,
            at=now,
            is_live=self.is_live,
            rows=self.n,
            share=self.share,
            columns=tuple(columns),
            classes=classes or {},
        )

    def classes_now(self) -> dict[str, dict[str, float]]:
        """Return the share of each class in calibration, and its estimate now.

        Empty where verdicts do not tell: see :func:`evenflow.metrics.class_shares`.
        """
        confusion = self.baseline.confusion
        found = class_shares(confusion, self._decided.sum(axis=0))
        if found is None:
            return {}
        before = confusion.sum(axis=1) / confusion.sum()
        return {
            name: {
                "calibration": round(float(b), 4),
                "estimate": round(float(share), 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
            for name, b, share, (low, high) in zip(
                self.classes, before, *found, strict=True
            )
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "format": FORMAT,
            "bets": self._bets.to_dict(),
            "n": [self.n, self.n_alarms, self.n_windows, self._said_at],
            "share": self.share.to_dict() if self.share else None,
            "moved": [one.to_dict() for one in self.moved.values()],
            "said": sorted(self._said),
            "counts": self._counts.tolist(),
            "decided": self._decided.tolist(),
            "hits": self._hits.tolist(),
            "hosts": [sorted(hosts) for hosts in self._hosts],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of :meth:`to_dict`; one of another model is not used.

        Raises
        ------
        DataError
            It is damaged.
        """
        try:
            if state["format"] != FORMAT:
                raise ValueError(f"format {state['format']!r}")
            bets = Bets.from_dict(state["bets"])
            arrays = [
                np.array(state[name], dtype=np.int64)
                for name in ("counts", "decided", "hits")
            ]
            mine = [self._counts, self._decided, self._hits]
            if not np.array_equal(bets.claims, self._bets.claims) or any(
                a.shape != b.shape for a, b in zip(arrays, mine, strict=True)
            ):
                return
            n, n_alarms, n_windows, said_at = (int(x) for x in state["n"])
            share = state["share"]
            self.share = None if share is None else Share(**share)
            self.moved = {one["name"]: Moved(**one) for one in state["moved"]}
            self._said = {*map(str, state["said"])}
            sources, destinations = ({*map(str, part)} for part in state["hosts"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"found a state of drift that is damaged ({error}); expected the file "
                "of --state of another run. Delete it to start without"
            ) from error
        self._bets, self._hosts = bets, (sources, destinations)
        self._counts, self._decided, self._hits = arrays
        self.n, self.n_alarms, self.n_windows, self._said_at = (
            n, n_alarms, n_windows, said_at,
        )  # fmt: skip
        self._rng = np.random.default_rng([SEED, self.n])
