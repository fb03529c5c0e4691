"""Score one record now: nothing is stored unless it is asked for."""

from __future__ import annotations

from flask import Response, abort
from pydantic import Field

from evenflow.runtime.bundle import Bundle
from evenflow.web.api import bodies, schemas
from evenflow.web.api.bodies import Query, TimeColumn
from evenflow.web.api.operations import Call, Group
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.monitor import metrics
from evenflow.web.store.tables import Alert, Record
from evenflow.web.verdicts import keep
from evenflow.web.verdicts.view import explain_record

group = Group("Score", "Score records with the active model.", "score")
SOURCE = "api"


class ScoreQuery(Query):
    """How a record is scored."""

    explain: bool = Field(
        False, description="Add an explanation. It takes about 10 times as long."
    )
    keep: bool = Field(
        False,
        description="Store the record in your history, and as an alert if it is an "
        "attack; both or neither.",
    )
    id: str | None = Field(
        None,
        pattern="^[A-Za-z0-9._:-]{1,80}$",
        description="With `keep`: an id of your own for this record, such as a UUID. "
        "The record is kept once, however often it is sent.",
    )
    time_column: TimeColumn = ""


@group.add(
    "POST",
    "/score",
    summary="Score one record",
    gives=schemas.Verdict,
    errors=(409, 503),
    is_write=False,
)
def score_record(call: Call[ScoreQuery, schemas.ScoreIn]) -> Response:
    """Score one record with the active model.

    Stateless unless `keep` is given. A column that is missing or holds what it cannot
    is answered with 422 and named. A record that is sent again with its `id` is scored
    by the model that scored it first.
    """
    record, query, before = call.body.record, call.query, None
    if query.keep and query.id is not None:  # what the same request kept before
        before = keep.sent_as(web.db(), call.caller.id, SOURCE, query.id)
    bundle = in_use() if before is None else bundle_of(before)
    verdict = bundle.decide_record(record)
    answer = verdict.to_dict() | {
        "unusual": bundle.usual.sentences(record),
        "bundle": bundle.path.name,
    }
    del answer["line"]
    metrics.count_verdict(verdict.label)
    view = explain_record(bundle, record) if query.explain else None
    if view is not None:
        answer["explanation"] = view.to_dict()
    if query.keep:
        call.is_write = True
        kept = before or keep.keep_record(
            web.db(),
            bundle,
            record,
            verdict,
            owner_id=call.caller.id,
            source=SOURCE,
            view=view,
            client_id=query.id,
            time_column=query.time_column,
        )
        if kept.values != keep.bounded(record, bundle.schema.names):
            bodies.refuse(
                "id", "was used for another record, expected one id for each record"
            )
        if kept.bundle != bundle.path.name:
            again: Response = score_record(call)  # two at once, by two models
            return again
        web.db.flush()
        answer["record_id"] = kept.id
        alert_id = web.db.query(Alert.id).filter_by(record_id=kept.id).scalar()
        answer |= {"alert_id": alert_id, "event_at": kept.event_at}
    return bodies.answer(answer)


def bundle_of(record: Record) -> Bundle:
    """Return the model that scored a record; 409 if it was deleted since."""
    if record.bundle not in web.detectors.names():
        abort(
            409,
            f"The model {record.bundle!r} that scored record {record.id} was deleted, "
            "expected it for the same answer. Read the record instead",
        )
    return web.detectors.load(record.bundle)


def in_use() -> Bundle:
    """Return the active model; 503 before there is one."""
    bundle = web.detectors.active()
    if bundle is None:
        errors.refuse(
            503,
            "No model is active. Ask an administrator to activate one",
            kind="NoModel",
            headers={"Retry-After": "30"},
        )
    return bundle
