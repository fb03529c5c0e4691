"""One record asked of every model that is offered, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from flask import render_template

from evenflow.errors import DataError
from evenflow.runtime.detect import Verdict
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.permissions import found_or_404, require
from evenflow.web.models.offered import Offered, offered
from evenflow.web.pages import Pages
from evenflow.web.store.tables import Record
from evenflow.web.verdicts.view import decide

bp = Pages("all_models", "/records")
MAX_MODELS = 10
"""Models that are asked at most: the active one, then the newest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The verdict of one model, or why it has none."""

    model: Offered
    verdict: Verdict | None = None
    problem: str = ""


@bp.get("/<int:number>/models")
@require(guests=False)
def show(number: int) -> str:
    """Show what each model says of a record; nothing is stored."""
    record: Record = found_or_404(Record, number)
    known = offered()
    answers = [_answer(model, record) for model in known[:MAX_MODELS]]
    given = [one for one in answers if one.verdict is not None]
    return render_template(
        "history/models.html",
        record=record,
        answers=answers,
        n_given=len(given),
        n_attacks=sum(1 for one in given if one.verdict and one.verdict.is_attack),
        n_left_out=max(0, len(known) - MAX_MODELS),
    )


def _answer(model: Offered, record: Record) -> Answer:
    bundle = web.detectors.find(model.name)
    if bundle is None:
        return Answer(model=model, problem="The model cannot be loaded.")
    try:
        return Answer(model=model, verdict=decide(bundle, record.values))
    except DataError as error:
        return Answer(model=model, problem=sentence(error))
