"""Bodies of requests, read within bounds, with errors field by field.

Strings with a NUL are refused before a database sees them, and numbers that JSON
does not know (NaN, Infinity) are neither read nor written.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NoReturn, TypeVar

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from evenflow.conform import shown
from evenflow.web.frame import errors

JSON = "application/json"
MAX_FIELDS = 20
"""Wrong fields that one answer names."""
MAX_KEYS = 2_000
"""Keys of an object that are looked at."""
_NUL = re.compile(rb"\\u0000")
Model = TypeVar("Model", bound=BaseModel)
TimeColumn = Annotated[
    str,
    Field(
        max_length=200,
        description="Column that holds the event time: seconds since 1970, or ISO "
        "8601, in UTC where no zone is named. Without it one is looked for, such as "
        "`ts` or `timestamp`; a record without a valid time counts at its arrival.",
    ),
]


class Body(BaseModel):
    """Parent of what is sent: no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Query(BaseModel):
    """Parent of what stands in an address; everything there is text at first."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_query(model: type[Model], nothing: Model | None) -> Model:
    """Return what stands in the address after the question mark; 422 if it is wrong.

    ``nothing`` is what an address without any means, where that is allowed.
    """
    if nothing is not None and not request.query_string:
        return nothing
    found = request.args.to_dict()
    for name, value in found.items():
        if "\0" in name or "\0" in value:
            refuse(name.replace("\0", ""), "found a NUL character, expected none")
    return check(model, found)


def read_json(model: type[Model]) -> Model:
    """Return the body; 415, 400 or 422 if it is of another kind, no JSON, or wrong."""
    if request.mimetype != JSON:
        refuse_kind(JSON)
    value = parse(request.get_data(cache=False))
    _check_keys(value, "")
    return check(model, value)


def parse(data: bytes) -> Any:
    """Return JSON as plain values; 400 if it is invalid, 422 with a NUL in a text."""
    if _NUL.search(data):
        refuse("", "found a NUL character in the body, expected none")
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        message = f"The body is not valid JSON: {error}"
        errors.refuse(400, message[:300], kind="BadJson")


def _check_keys(value: Any, name: str) -> None:
    """Refuse an object of very many keys, each of which would be an error to tell."""
    if not isinstance(value, dict):
        return
    if len(value) > MAX_KEYS:
        problem = f"found an object of {len(value)} keys, expected {MAX_KEYS} at most"
        refuse(name, problem)
    if not name:
        for key, inner in value.items():
            _check_keys(inner, key[:200] or "body")


def check(model: type[Model], value: Any) -> Model:
    """Return a value as the model it must be; 422 with the fields if it is not."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fields: dict[str, str] = {}
        for found in error.errors(include_url=False, include_context=False):
            name = ".".join(str(step) for step in found["loc"])[:200]
            fields.setdefault(name, _problem(found))
        _refuse(dict(list(fields.items())[:MAX_FIELDS]))


def refuse(name: str, problem: str) -> NoReturn:
    """Answer 422 and say what is wrong with a field; without a name, with the body."""
    _refuse({name: problem})


def _refuse(fields: dict[str, str]) -> NoReturn:
    name, problem = next(iter(fields.items()))
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    message = (f"{name}: {problem}" if name else problem) + more
    named = {name or "body": problem for name, problem in fields.items()}
    errors.refuse(422, message, kind="ValidationError", fields=named)


def refuse_kind(*kinds: str) -> NoReturn:
    """Answer 415 and say which kinds of body are understood."""
    errors.refuse(
        415,
        f"Found a body of type {shown(request.mimetype or 'none')}, expected "
        f"{' or '.join(kinds)}. Set the header Content-Type",
        kind="UnsupportedMediaType",
    )


def answer(
    value: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a value as JSON; NaN and infinity are null."""
    body = to_json(value, inf_nan_mode="null")
    return Response(body, status, headers, mimetype=JSON)


def _problem(found: ErrorDetails) -> str:
    kind, message = found["type"], found["msg"]
    if kind == "missing":
        return "found nothing, expected a value"
    if kind == "extra_forbidden":
        return "is an unknown field. Remove it"
    problem = message.removeprefix("Value error, ").replace(
        "Input should be", "expected"
    )
    # of a text or list: "String should have at most 200 characters"
    problem = re.sub(r"^[A-Z]\w+ should have", "expected one of", problem)
    problem = re.sub(r"^String should match", "expected a match of the", problem)
    joint = ", " if problem.startswith("expected") else ": "
    return f"found {_shown(found['input'])}{joint}{problem}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shown(value)
