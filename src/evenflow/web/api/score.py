"""Judge one record now: nothing is stored unless it is asked for."""

from __future__ import annotations

from typing import Any, NoReturn

from flask import abort
from pydantic import Field

from evenflow.runtime.bundle import Bundle
from evenflow.web.api import schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.operations import Call, Group
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.monitor import metrics
from evenflow.web.store.tables import Alert
from evenflow.web.verdicts import keep as keeping
from evenflow.web.verdicts.view import explain_record

group = Group("Score", "Score records with the active model.")


class ScoreQuery(Query):
    """How a record is judged."""

    explain: bool = Field(
        False, description="Add an explanation. It takes about 10 times as long."
    )
    keep: bool = Field(
        False,
        description="Store the record in your history, and as an alert if it is an "
        "attack; both or neither.",
    )


@group.add(
    "POST",
    "/score",
    scope="score",
    summary="Score one record",
    query=ScoreQuery,
    body=schemas.ScoreIn,
    gives=schemas.Verdict,
    errors=(503,),
    may_repeat=True,
    is_write=False,
)
def score_record(call: Call[ScoreQuery, schemas.ScoreIn]) -> dict[str, Any]:
    """Judge one record by the model in use.

    Stateless unless `keep` is given. A column that is missing or holds what it cannot
    is answered with 422 and named.
    """
    bundle, record, query = in_use(), call.body.record, call.query
    verdict = bundle.decide_record(record)
    answer = verdict.to_dict() | {"bundle": bundle.path.name}
    del answer["line"]
    metrics.count_verdict(verdict.label)
    view = explain_record(bundle, record) if query.explain else None
    if view is not None:
        answer["explanation"] = view.to_dict()
    if query.keep:
        call.is_write = True
        kept = keeping.keep(
            web.db(),
            bundle,
            record,
            verdict,
            owner_id=call.caller.id,
            source="api",
            view=view,
        )
        web.db.flush()
        answer["record_id"] = kept.id
        alert_id = web.db.query(Alert.id).filter_by(record_id=kept.id).scalar()
        answer["alert_id"] = alert_id
    return answer


def in_use() -> Bundle:
    """Return the model in use; 503 before there is one."""
    bundle = web.detectors.active()
    if bundle is None:
        _no_model()
    return bundle


def _no_model() -> NoReturn:
    answer = errors.answer(
        503,
        "No model is active yet. Wait for the first training, or ask an administrator "
        "to activate one",
        kind="NoModel",
        headers={"Retry-After": "30"},
    )
    abort(answer)
