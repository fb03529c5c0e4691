"""An entry that was scored: its attacks and when it ends, for whoever groups them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenflow.errors import DataError
from evenflow.runtime.attacks import Attacks
from evenflow.runtime.bus.batch import (
    MOST,
    MOST_ROWS,
    Batch,
    Head,
    columns,
    pack,
    unpack,
)
from evenflow.runtime.events import Model

MOST_BYTES = 2**20
_Name = Annotated[str, Field(max_length=200)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Verdicts(BaseModel):
    """Classes and probabilities of the attacks of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: _Name
    version: _Name
    threshold: _Share
    last_ns: Annotated[int, Field(ge=0, le=MOST)] | None
    labels: Annotated[list[_Name], Field(max_length=MOST_ROWS)]
    probability: Annotated[list[_Share], Field(max_length=MOST_ROWS)]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Outcome of an entry."""

    head: Head
    """That of its batch."""
    attacks: Attacks


def fields_of(batch: Batch, attacks: Attacks | None) -> dict[str, bytes]:
    """Return what came of a batch as the fields of an entry.

    Parameters
    ----------
    batch : Batch
    attacks : Attacks or None
        Those of this batch; None where it is empty.
    """
    nothing = pl.DataFrame(schema=columns(batch.head.contract))
    known = batch.frame["known"]
    last = known.max() if len(known) else None
    said = _Verdicts.model_validate(
        {
            "model": attacks.model.name[:200] if attacks else "",
            "version": attacks.model.version if attacks else "",
            "threshold": attacks.threshold if attacks else 0.0,
            "last_ns": last,
            "labels": list(attacks.labels) if attacks else [],
            "probability": attacks.probability.tolist() if attacks else [],
        }
    )
    return {
        "batch": pack(attacks.connections if attacks else nothing, batch.head),
        "verdicts": zlib.compress(said.model_dump_json().encode(), 1),
    }


def read(fields: Mapping[bytes, bytes]) -> Scored:
    """Return what came of an entry by the fields of :func:`fields_of`.

    Raises
    ------
    DataError
        They are something else.
    """
    try:
        batch = unpack(fields[b"batch"])
        inflate = zlib.decompressobj()
        text = inflate.decompress(fields[b"verdicts"], MOST_BYTES)
        said = _Verdicts.model_validate_json(text)
    except (KeyError, zlib.error, ValidationError) as error:
        raise DataError(f"found no verdicts: {str(error)[:200]}") from error
    n = batch.frame.height
    if not n == len(said.labels) == len(said.probability):
        raise DataError(f"found {len(said.labels):,} verdicts, expected {n:,}")
    return Scored(
        head=batch.head,
        attacks=Attacks(
            connections=batch.frame,
            at=np.arange(n),
            labels=said.labels,
            probability=np.array(said.probability, dtype=np.float64),
            threshold=said.threshold,
            model=Model(name=said.model, version=said.version),
            last_ns=said.last_ns,
        ),
    )
