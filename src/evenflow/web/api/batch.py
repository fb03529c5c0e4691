"""Score many records in one request: JSON, CSV or JSON lines, answered in kind."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat, zip_longest
from operator import itemgetter
from typing import Any

import polars as pl
from flask import Response, request
from pydantic import Field
from pydantic_core import to_json

from evenflow.conform import BadRow
from evenflow.errors import DataError
from evenflow.runtime import stream
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.detect import Verdict, verdicts
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import Format, read_records
from evenflow.runtime.stream import no_verdicts, verdict_columns
from evenflow.runtime.writers import inert
from evenflow.schema import BENIGN
from evenflow.web.api import bodies, schemas
from evenflow.web.api.bodies import JSON, Query, TimeColumn
from evenflow.web.api.examples import RECORD
from evenflow.web.api.operations import Call, Raw
from evenflow.web.api.score import SOURCE, bundle_of, group, in_use
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.monitor import metrics
from evenflow.web.verdicts import keep

CSV, NDJSON = "text/csv", "application/x-ndjson"
FORMATS: dict[str, Format] = {CSV: "csv", NDJSON: "jsonl"}
UNPACKED = 8
"""Times the most a body may have: what a packed one may have unpacked."""
SECONDS = 30
"""Longest time that the records of one request may take."""
MAX_OTHERS = 100
"""Columns of a record that the model does not read, at most, in an answer."""
_HEAD = ",".join(RECORD)
_ROW = ",".join(str(v) for v in RECORD.values())


@dataclass
class Scored:
    """The results of the records of one request."""

    bundle: Bundle
    frames: list[pl.DataFrame] = field(default_factory=list)
    given: list[pl.DataFrame] = field(default_factory=list)
    """The records of the frames as they were given, where all columns were read."""
    verdicts: list[Verdict] = field(default_factory=list)
    """The verdicts of the frames, likewise."""
    bad: list[BadRow] = field(default_factory=list)
    numbers: pl.DataFrame | None = None
    """``record_id`` and ``alert_id`` of each verdict, where they are kept."""
    has_others: bool = False
    """Whether answers have the columns that the model does not read."""

    def frame(self) -> pl.DataFrame:
        """Return all verdicts, in order."""
        found = pl.concat(self.frames) if self.frames else no_verdicts(self.bundle)
        return found if self.numbers is None else found.hstack(self.numbers)

    def others(self) -> pl.DataFrame:
        """Return the columns of the records that the model does not read, or none."""
        if not self.has_others or not self.given:
            return pl.DataFrame()
        given = pl.concat(self.given, how="diagonal_relaxed")
        read = {name.casefold() for name in self.bundle.schema.names}
        names = [name for name in given.columns if name.strip().casefold() not in read]
        return given.select(names[:MAX_OTHERS])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each record by column name, in order."""
        for frame in self.given:
            yield from frame.iter_rows(named=True)

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


class BatchQuery(Query):
    """How records are scored."""

    columns: bool = Field(
        False,
        description="Add to each verdict the columns of its record that the model does "
        f"not read, such as `ts` and addresses; at most {MAX_OTHERS}.",
    )
    keep: bool = Field(
        False,
        description="Store the records, with these columns, in your history, and the "
        "attacks as alerts; all or none.",
    )
    id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9._:-]{1,70}$",
        description="With `keep`: an id of your own for this batch, such as a UUID. "
        "The batch is kept once, however often it is sent.",
    )
    time_column: TimeColumn = ""


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
    errors=(409, 413, 415, 503),
    is_write=False,
)
def score_batch(call: Call[BatchQuery, None]) -> Response:
    """Score many records with the active model; stateless unless `keep` is given.

    An invalid record is listed with its line, column, what was found and what was
    expected, and the others are scored. A column that all of them lack is an error of
    the whole request.
    """
    bundle, kind, asked = in_use(), request.mimetype, call.query
    if kind not in (JSON, *FORMATS):
        bodies.refuse_kind(JSON, CSV, NDJSON)
    data = _lines() if kind == JSON else request.get_data(cache=False)
    if not data.strip():
        bodies.refuse("", "found nothing, expected records")

    def scored_by(bundle: Bundle) -> Scored:
        wanted = FORMATS.get(kind, "jsonl")
        return _scored(bundle, data, wanted, all_columns=asked.keep or asked.columns)

    scored = scored_by(bundle)
    if asked.keep:
        call.is_write = True
        scored = _kept(call, scored, scored_by)
    scored.has_others = asked.columns
    if kind == JSON:
        return _as_json(scored)
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


def _kept(
    call: Call[BatchQuery, None], scored: Scored, scored_by: Callable[[Bundle], Scored]
) -> Scored:
    """Keep the records, once where they have an id; return them with their numbers.

    Those that were kept before are scored by the model that scored them first.
    """
    of: dict[str, Any] = {"owner_id": call.caller.id, "source": SOURCE}
    name, session = call.query.id, web.db()
    ids = [f"{name}:{verdict.line}" for verdict in scored.verdicts] if name else []
    before = keep.sent_together(session, client_ids=ids, **of) if ids else {}
    if not before:
        named: Iterable[str | None] = ids or repeat(None, len(scored.verdicts))
        rows = list(zip(named, scored.rows(), scored.verdicts, strict=True))
        of["time_column"] = call.query.time_column
        numbers = keep.keep_records(session, scored.bundle, rows, **of)
    else:
        first = next(iter(before.values()))[0]
        if first.bundle != scored.bundle.path.name:
            return _kept(call, scored_by(bundle_of(first)), scored_by)
        names = scored.bundle.schema.names
        sent = [keep.bounded(row, names) for row in scored.rows()]
        if len(before) < len(ids) or sent != [before[i][0].values for i in ids]:
            bodies.refuse(
                "id", "was used for other records, expected one id for each batch"
            )
        numbers = [(before[i][0].id, before[i][1]) for i in ids]
    schema = {"record_id": pl.Int64, "alert_id": pl.Int64}
    scored.numbers = pl.DataFrame(numbers, schema=schema, orient="row")
    return scored


def _scored(
    bundle: Bundle, data: bytes, wanted: Format, *, all_columns: bool
) -> Scored:
    scored = Scored(bundle)
    most = int(web.settings.max_body_mb * 2**20) * UNPACKED
    limits = Limits(rows=schemas.MAX_RECORDS, unpacked_bytes=most, seconds=SECONDS)
    batches = read_records(
        io.BytesIO(data),
        bundle.schema,
        format=wanted,
        name="the body",
        limits=limits,
        all_columns=all_columns,
    )
    try:
        for batch in batches:
            batch, scores = stream.judged(bundle, batch)
            scored.bad += batch.bad
            if len(batch.table):
                odd, _ = bundle.usual.columns(batch.table)
                columns = verdict_columns(bundle, batch.lines, scores, odd)
                scored.frames.append(pl.DataFrame(columns))
                if all_columns:
                    scored.given.append(batch.given)
                    of = (scores, bundle.schema, bundle.decision)
                    scored.verdicts += verdicts(*of, lines=batch.lines)
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
    classes, others = scored.bundle.schema.classes, scored.others()
    rows = scored.frame().iter_rows(named=True)
    for row, more in zip_longest(rows, others.iter_rows(named=True)):
        shares = {label: row.pop(f"p_{label}") for label in classes}
        given = {"columns": more} if scored.has_others else {}
        yield row | {"classes": shares} | given


def _csv(scored: Scored) -> str:
    frame, others = scored.frame(), scored.others()
    if others.width:
        names = {n: f"{n}_given" if n in frame.columns else n for n in others.columns}
        frame = frame.hstack(others.rename(names))
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
