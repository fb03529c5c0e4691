"""Score many records in one request: JSON, CSV or JSON lines, answered in kind."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import polars as pl
from flask import Response, request
from pydantic_core import to_json

from evenflow.conform import BadRow
from evenflow.errors import DataError
from evenflow.runtime import stream
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import Format, read_records
from evenflow.runtime.stream import no_verdicts, verdict_columns
from evenflow.runtime.writers import inert
from evenflow.schema import BENIGN
from evenflow.web.api import bodies, schemas
from evenflow.web.api.bodies import JSON, Query
from evenflow.web.api.examples import RECORD
from evenflow.web.api.operations import Call, Raw
from evenflow.web.api.score import group, in_use
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.monitor import metrics

CSV, NDJSON = "text/csv", "application/x-ndjson"
FORMATS: dict[str, Format] = {CSV: "csv", NDJSON: "jsonl"}
UNPACKED = 8
"""Times the most a body may have: what a packed one may have unpacked."""
SECONDS = 30
"""Longest time that the records of one request may take."""
_HEAD = ",".join(RECORD)
_ROW = ",".join(str(v) for v in RECORD.values())


@dataclass
class Scored:
    """The results of the records of one request."""

    bundle: Bundle
    frames: list[pl.DataFrame] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def frame(self) -> pl.DataFrame:
        """Return all verdicts, in order."""
        return pl.concat(self.frames) if self.frames else no_verdicts(self.bundle)

    def counts(self) -> dict[str, Any]:
        """Return how many of what."""
        found = dict.fromkeys(self.bundle.verdicts, 0)
        for frame in self.frames:
            for label, n in frame["verdict"].value_counts().iter_rows():
                found[label] += n
        scored = sum(found.values())
        return {
            "read": scored + len(self.bad),
            "scored": scored,
            "rejected": len(self.bad),
            "attacks": scored - found[BENIGN],
            "classes": found,
        }


@group.add(
    "POST",
    "/score/batch",
    summary="Score many records",
    body=Raw(
        kinds={
            JSON: schemas.BatchIn,
            CSV: f"{_HEAD}\n{_ROW}\n",
            NDJSON: to_json(RECORD).decode() + "\n",
        },
        description="An object with `records`, or CSV with a header, or one JSON "
        "object a line. Text may be packed with gzip (as the content, without a "
        "Content-Encoding).",
    ),
    gives=Raw(
        kinds={
            JSON: schemas.BatchOut,
            CSV: "line,verdict,is_attack,attack_probability,threshold,"
            "test_attack_share,unusual,p_benign,p_dos,error_column,error_found,error_expected\n"
            "2,dos,true,0.9991,0.42,0.98,,0.0009,0.9991,,,\n",
            NDJSON: '{"line":1,"verdict":"dos","is_attack":true,'
            '"attack_probability":0.9991,"threshold":0.42,"test_attack_share":0.98,"unusual":null,"classes":{"benign":0.0009,'
            '"dos":0.9991}}\n{"line":2,"error":{"column":"duration_ms",'
            '"found":"-1","expected":"a number of 0 ms or more"}}\n',
        },
        description="In the kind of the request. Text carries the counts in the "
        "headers Records-Read, Records-Scored, Records-Rejected and Records-Attacks.",
    ),
    errors=(413, 415, 503),
    is_write=False,
)
def score_batch(call: Call[Query, None]) -> Response:
    """Score many records with the active model; nothing is stored.

    A record that does not keep the contract is listed with its line, column, what was
    found and what was expected, and the others are scored. A column that all of them
    lack is an error of the whole request.
    """
    del call
    bundle, kind = in_use(), request.mimetype
    if kind == JSON:
        return _as_json(_scored(bundle, _lines(), "jsonl"))
    if kind not in FORMATS:
        bodies.refuse_kind(JSON, CSV, NDJSON)
    data = request.get_data(cache=False)
    if not data.strip():
        bodies.refuse("", "found nothing, expected records")
    scored = _scored(bundle, data, FORMATS[kind])
    text = _csv(scored) if kind == CSV else _json_lines(scored)
    counts = scored.counts()
    headers = {
        f"Records-{name.title()}": str(counts[name])
        for name in ("read", "scored", "rejected", "attacks")
    }
    return Response(text, 200, headers, mimetype=kind)


def _lines() -> bytes:
    """Return the records of a JSON body, one a line."""
    body = bodies.read_json(schemas.BatchIn)
    return b"".join(
        to_json(record, inf_nan_mode="null") + b"\n" for record in body.records
    )


def _scored(bundle: Bundle, data: bytes, wanted: Format) -> Scored:
    scored = Scored(bundle)
    most = int(web.settings.max_body_mb * 2**20) * UNPACKED
    limits = Limits(rows=schemas.MAX_RECORDS, unpacked_bytes=most, seconds=SECONDS)
    batches = read_records(
        io.BytesIO(data),
        bundle.schema,
        format=wanted,
        name="the body",
        limits=limits,
        all_columns=False,
    )
    try:
        for batch in batches:
            batch, scores = stream.judged(bundle, batch)
            scored.bad += batch.bad
            if len(batch.table):
                odd, _ = bundle.usual.columns(batch.table)
                columns = verdict_columns(bundle, batch.lines, scores, odd)
                scored.frames.append(pl.DataFrame(columns))
    except DataError as error:
        if limits.is_late:
            errors.refuse(413, str(error), kind="TooMuchWork")
        raise
    if not scored.frames and not scored.bad:
        raise DataError("the body holds no record, expected at least one")
    for label, n in scored.counts()["classes"].items():
        metrics.count_verdict(label, n)
    return scored


def _as_json(scored: Scored) -> Response:
    return bodies.answer(
        {
            "bundle": scored.bundle.path.name,
            "counts": scored.counts(),
            "verdicts": list(_verdicts(scored)),
            "rejected": [{"line": bad.line, **_error(bad)} for bad in scored.bad],
        }
    )


def _verdicts(scored: Scored) -> Iterator[dict[str, Any]]:
    classes = scored.bundle.schema.classes
    for row in scored.frame().iter_rows(named=True):
        shares = {label: row.pop(f"p_{label}") for label in classes}
        yield row | {"classes": shares}


def _csv(scored: Scored) -> str:
    frame = scored.frame()
    errors = pl.DataFrame(
        [
            {"line": bad.line, **{f"error_{k}": v for k, v in _error(bad).items()}}
            for bad in scored.bad
        ],
        schema={
            "line": pl.Int64,
            "error_column": pl.String,
            "error_found": pl.String,
            "error_expected": pl.String,
        },
    )
    both = pl.concat([frame, errors], how="diagonal").sort("line", maintain_order=True)
    return inert(both).write_csv()


def _json_lines(scored: Scored) -> str:
    bad = ({"line": bad.line, "error": _error(bad)} for bad in scored.bad)
    rows = sorted([*_verdicts(scored), *bad], key=itemgetter("line"))
    return "".join(to_json(row, inf_nan_mode="null").decode() + "\n" for row in rows)


def _error(bad: BadRow) -> dict[str, str]:
    return {"column": bad.column, "found": bad.found, "expected": bad.expected}
