"""The attacks among connections: what is left of a batch once it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow.decision import Scores
from evenflow.runtime.detect import attack_probability, sigmoid
from evenflow.runtime.events import Model
from evenflow.runtime.incidents.alert import Alert
from evenflow.schema import Table

if TYPE_CHECKING:
    from evenflow.runtime.bundle import Bundle

COLUMNS = (
    "ts", "last_packet", "known", "uid", "id.orig_h", "id.orig_p", "id.resp_h",
    "id.resp_p", "proto", "ip_proto", "service", "conn_state", "history", "orig_bytes",
    "resp_bytes", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "is_over",
)  # fmt: skip
"""Columns of a connection that an alert has."""


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """The connections of a batch that a model calls attacks, in their order."""

    connections: pl.DataFrame
    """The attacks alone, in the columns of ``traffic/columns.py``."""
    at: NDArray[np.int64]
    """Row of each in the batch."""
    labels: Sequence[str]
    """Class of each."""
    probability: NDArray[np.float64]
    threshold: float
    model: Model
    """The model that scored them."""
    rows_of: Callable[[Sequence[int]], Table] | None = None
    """Returns the rows of some for the model, where their columns are to be
    explained."""
    last_ns: int | None = None
    """When the last connection of the batch was known, an attack or not."""

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        model: Model,
        connections: pl.DataFrame,
        at: NDArray[np.int64],
        scores: Scores,
    ) -> Self:
        """Return the attacks among connections.

        Parameters
        ----------
        at : ndarray of shape (n_scores,), int64
            Row of each score.
        """
        hits = np.flatnonzero(scores.is_attack)
        last: Any = connections["known"].max() if len(connections) else None
        return cls(
            connections=connections[at[hits]],
            at=at[hits],
            labels=[bundle.verdicts[k] for k in scores.verdict[hits].tolist()],
            probability=attack_probability(scores.attack[hits]),
            threshold=sigmoid(bundle.decision.threshold),
            model=model,
            last_ns=last,
        )

    def __len__(self) -> int:
        return len(self.at)

    def between(self, start: int, end: int) -> Self:
        """Return those of a range of rows of the batch."""
        kept = slice(*np.searchsorted(self.at, [start, end]).tolist())
        return replace(
            self,
            connections=self.connections[kept],
            at=self.at[kept],
            labels=self.labels[kept],
            probability=self.probability[kept],
            rows_of=None,
        )

    def alerts(self) -> Iterator[Alert]:
        """Yield the alert of each."""
        rows = self.connections.select(COLUMNS).iter_rows(named=True)
        chances = self.probability.tolist()
        for row, label, chance in zip(rows, self.labels, chances, strict=True):
            yield alert_of(
                row, label=label, probability=chance, threshold=self.threshold
            )


def alert_of(
    row: Mapping[str, Any], *, label: str, probability: float, threshold: float
) -> Alert:
    """Return the alert of a connection, by the columns of ``traffic/columns.py``."""
    first = row["ts"]
    last = first if row["last_packet"] is None else row["last_packet"]
    ends = (
        f"{row['id.orig_h']} {row['id.orig_p']} {row['id.resp_h']} {row['id.resp_p']}"
    )
    return Alert(
        # a log may have no names for its connections
        uid=row["uid"] or f"{ends} {row['proto']} {first}",
        first_ns=first,
        last_ns=last,
        known_ns=last if row["known"] is None else row["known"],
        source=row["id.orig_h"],
        source_port=row["id.orig_p"],
        destination=row["id.resp_h"],
        destination_port=row["id.resp_p"],
        proto=row["proto"] or "unknown_transport",
        ip_proto=row["ip_proto"] or 0,
        service=row["service"],
        state=row["conn_state"],
        history=row["history"],
        source_bytes=row["orig_bytes"],
        destination_bytes=row["resp_bytes"],
        source_packets=row["orig_pkts"],
        destination_packets=row["resp_pkts"],
        source_ip_bytes=row["orig_ip_bytes"],
        destination_ip_bytes=row["resp_ip_bytes"],
        is_over=row["is_over"] is not False,
        label=label,
        probability=probability,
        threshold=threshold,
    )
