"""Enter one record and get its verdict: the form of the active model.

A form that is sent twice stores one record: each carries a token, and the token and
what was typed are the record's id, which the database takes once.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from textwrap import shorten

from flask import Response, make_response, render_template, request
from flask_security import current_user

from evenflow.errors import DataError
from evenflow.runtime.bundle import Bundle
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.permissions import MAX_NUMBER, found_or_404
from evenflow.web.models.offered import chosen, offered
from evenflow.web.pages import Entry, Pages
from evenflow.web.record_form.examples import Example, examples
from evenflow.web.record_form.fields import Value
from evenflow.web.record_form.form import Parsed, RecordForm
from evenflow.web.store.tables import Record
from evenflow.web.verdicts import keep
from evenflow.web.verdicts.view import VerdictView, explain_record

bp = Pages("record")
NAV = (Entry(label="Enter a record", endpoint="record.enter", icon="record", order=11),)

MAX_CHOICES = 12
"""Choices shown as a list; of more, a person types the first letters."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{20,40}")
USUAL = "usual"
"""Name of the example with typical values of benign traffic."""


@bp.get("/record")
def enter() -> Response:
    """Show the form, empty or filled with an example."""
    bundle = chosen(request.args.get("model", ""))
    if bundle is None:
        return make_response(render_template("record/no_model.html"))
    form, asked = RecordForm.of(bundle), request.args.get("example", "")
    values: Mapping[str, str] = {}
    if asked == USUAL:
        values = form.defaults()
    elif "again" in request.args:  # a kept record, to be changed and scored again
        number = lists.whole(request.args["again"], most=MAX_NUMBER)
        values = form.values(found_or_404(Record, number or 0).values)
    return _page(bundle, form, values, asked=asked)


@bp.post("/record")
def score() -> Response:
    """Score what was filled in or pasted, keep it, and show it at its own address."""
    bundle = chosen(request.form.get("model", ""))
    if bundle is None:
        return make_response(render_template("record/no_model.html"))
    form = RecordForm.of(bundle)
    line = request.form.get("line", "")
    do = request.form.get("do", "")
    if do in ("line", "fill"):
        try:
            parsed = form.from_line(line)
        except DataError as error:
            text = sentence(error)
            return _page(bundle, form, _typed(form), line=line, line_error=text)
    else:
        parsed = form.parse(_typed(form))
    if parsed.record is None or do == "fill":
        return _page(bundle, form, parsed.values, parsed=parsed, line=line)
    try:
        view = _view(bundle, form, parsed)
    except DataError as error:  # it has no finite score
        refused = replace(parsed, errors={"": sentence(error)})
        return _page(bundle, form, parsed.values, parsed=refused, line=line)
    number = _kept(bundle, parsed.record, view)
    return see_other("history.show", number=number)


def _view(bundle: Bundle, form: RecordForm, parsed: Parsed) -> VerdictView:
    assert parsed.record is not None  # noqa: S101 (the caller looked)
    view = explain_record(bundle, parsed.record)
    notes = []
    if parsed.missing:
        n = len(parsed.missing)
        notes.append(
            f"{n} column{'' if n == 1 else 's'} {'was' if n == 1 else 'were'} left "
            "empty; the model used typical values of the training rows."
        )
    if parsed.label:
        notes.append(f"The pasted line has the label \u201c{parsed.label[:80]}\u201d.")
    return replace(view, notes=(*view.notes, *notes))


def _kept(bundle: Bundle, record: Mapping[str, Value], view: VerdictView) -> int:
    """Keep a verdict once, however often the form is sent; return its number."""
    kept = keep.keep_record(
        web.db(),
        bundle,
        record,
        view.verdict,
        owner_id=current_user.id,
        source="form",
        view=view,
        client_id=_client_id(bundle, record),
    )
    number = int(kept.id)
    web.db.commit()
    return number


def _client_id(bundle: Bundle, record: Mapping[str, Value]) -> str:
    """Return what two sendings of one form share, and no two forms do."""
    token = request.form.get("once", "")
    if not TOKEN.fullmatch(token):
        token = secrets.token_urlsafe(24)
    text = json.dumps([token, bundle.path.name, record], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def name_of(column: str, number: int) -> str:
    """Return the name of a column's input; any column may stand in an ``id``."""
    is_plain = re.fullmatch(r"[\w.-]+", column, re.ASCII)
    return f"v-{column if is_plain else number}"


def _names(form: RecordForm) -> dict[str, str]:
    return {f.name: name_of(f.name, i) for i, f in enumerate(form.fields)}


def _typed(form: RecordForm) -> dict[str, str]:
    return {c: request.form.get(name, "")[:500] for c, name in _names(form).items()}


def _page(
    bundle: Bundle,
    form: RecordForm,
    values: Mapping[str, str],
    *,
    parsed: Parsed | None = None,
    line: str = "",
    line_error: str = "",
    asked: str = "",
) -> Response:
    names = _names(form)
    errors = {} if parsed is None else dict(parsed.errors)
    listed = [(names.get(c, ""), form.label(c) if c else "", text)
              for c, text in errors.items()]  # fmt: skip
    if line_error:
        listed.append(
            ("line", "Pasted line", shorten(line_error, 200, placeholder=" …"))
        )
    remarks = {r.columns[0]: r.text for r in (parsed.warnings if parsed else ())}
    by_class: dict[str, list[Example]] = {}
    chosen = None
    for example in examples(bundle):
        by_class.setdefault(example.name, []).append(example)
        if str(example.row) == asked:
            chosen, values = example, form.values(example.record)
    page = render_template(
        "record/enter.html",
        bundle=bundle,
        models=offered(),
        model=request.values.get("model", ""),
        form=form,
        names=names,
        values=values,
        errors=errors,
        listed=listed,
        remarks=remarks,
        line=line,
        line_error=line_error,
        examples=by_class,
        chosen=chosen,
        is_usual=asked == USUAL,
        is_filled=parsed is not None and not errors,
        once=secrets.token_urlsafe(24),
        most_choices=MAX_CHOICES,
    )
    response = make_response(page, 422 if errors or line_error else 200)
    if request.method == "POST":
        # kept by the browser alone, for its back button: else it asks to send again
        response.headers["Cache-Control"] = "private, no-cache"
    return response
