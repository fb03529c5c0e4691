"""The OpenAPI document, made of the operations that are served, so it cannot go stale.

The page at ``/api`` is made of the document, and tests send what it promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from evenflow import __version__
from evenflow.web.accounts.api_keys import SCOPES
from evenflow.web.api import schemas
from evenflow.web.api.bodies import JSON
from evenflow.web.api.operations import Group, Operation, Raw
from evenflow.web.frame.permissions import MAX_NUMBER
from evenflow.web.settings import Settings

REF = "#/components/schemas/{model}"
Json = dict[str, Any]
STATUSES = {
    400: "The body is not valid JSON.",
    401: "There is no API key, or it is invalid, revoked or expired.",
    403: "The key lacks the scope, or the role of its owner does not include it.",
    404: "It does not exist, or you may not see it.",
    409: "Somebody else changed it first, or its state does not allow this.",
    413: "The body is too large.",
    415: "The media type of the body is not supported.",
    422: "A value is invalid; the message names the field.",
    429: "Too many attempts; the header Retry-After has the seconds to wait.",
    500: "Something went wrong on the server. It has been logged.",
    503: "The database or a model is temporarily unavailable; see Retry-After.",
    507: "The server's disk is full.",
}
ALWAYS = (401, 422, 429, 500, 503)
PARTS: dict[str, Json] = {
    "number": {
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER},
        "example": 17,
    },
    "job_id": {
        "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "example": "8f14e45fceea167a5a36dedd",
    },
    "name": {
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        "example": "small",
    },
    "kind": {"schema": {"type": "string", "enum": ["csv", "jsonl"]}, "example": "csv"},
}
HEADERS: dict[str, Json] = {
    "If-Match": {
        "description": "The version of the alert that you read: its ETag.",
        "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
        "example": '"1"',
    },
}
ABOUT = """Score network connections, upload whole files, handle alerts.

**Keys.** Create one under your account, with the scopes it needs and an expiry date,
and send it as `Authorization: Bearer ef_...`. It never has more permissions than you
have at that moment. A revoked key stops within two seconds. Cookies are ignored.

**Errors** have one shape: `{{"error": {{"type", "message", "fields"}}}}`. The type is
for programs, the message for people; the fields name each invalid value.

**Lists** come in parts: `limit`, and `cursor`, which is the `next` of the previous
answer. Following the cursors lists each item once, also while new ones arrive.

**Retries.** After a lost connection send the request again: requests are idempotent.
You choose the id of a file (`PUT /uploads/...`), and of records that are kept
(`POST /score?keep=true&id=...`, the same for `/score/batch`): the same id and content
are one upload, one record, one alert, as long as it is stored. A note of yours that an
alert has already is not added again. All other requests read, or set a state.

**Limits.** {body:g} MiB a request, {upload:,.0f} MiB an uploaded file, {records:,}
records a request, {rows:,} records a file. Times are in UTC, ISO 8601."""


def document(groups: Sequence[Group], settings: Settings) -> Json:
    """Return the document of all operations."""
    operations = [o for group in groups for o in group.operations]
    names, components = _components(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        item = paths.setdefault(operation.address, {})
        item[operation.method.lower()] = _operation(operation, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "evenflow",
            "version": __version__,
            "description": ABOUT.format(
                body=settings.max_body_mb,
                upload=settings.max_upload_mb,
                records=schemas.MAX_RECORDS,
                rows=settings.max_rows,
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "tags": [{"name": g.name, "description": g.description} for g in groups],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "ef_ and 43 characters",
                    "description": "A key created under your account. Scopes: "
                    + "; ".join(
                        f"`{name}`: {meaning}" for name, meaning in SCOPES.items()
                    ),
                }
            },
            "schemas": components,
        },
    }


def _components(
    operations: Iterable[Operation],
) -> tuple[dict[tuple[type[BaseModel], str], Json], Json]:
    """Return a reference to each model, and the models."""
    wanted: dict[Any, None] = {(schemas.ErrorAnswer, "serialization"): None}
    for operation in operations:
        for model in _models(operation.body):
            wanted[model, "validation"] = None
        for model in _models(operation.gives):
            wanted[model, "serialization"] = None
    refs: Any
    refs, found = models_json_schema(list(wanted), ref_template=REF)
    components = found["$defs"]
    for (model, _), ref in refs.items():  # pydantic sorts the keys of examples
        extra = model.model_config.get("json_schema_extra", {})
        components[ref["$ref"].rsplit("/", 1)[1]] |= extra
    return refs, components


def _models(value: type[BaseModel] | Raw | None) -> Iterator[type[BaseModel]]:
    if isinstance(value, Raw):
        yield from (kind for kind in value.kinds.values() if isinstance(kind, type))
    elif value is not None:
        yield value


def _operation(
    operation: Operation, names: Mapping[tuple[type[BaseModel], str], Json]
) -> Json:
    parts = operation.names
    spec: Json = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "description": operation.description,
        "security": [{"key": [operation.scope] if operation.scope else []}],
        "parameters": [
            *({"name": n, "in": "path", "required": True} | PARTS[n] for n in parts),
            *_query_parameters(operation),
            *({"name": n, "in": "header"} | HEADERS[n] for n in operation.takes),
        ],
        "responses": _responses(operation, names),
    }
    if operation.scope:
        spec["x-role"] = operation.role
    if operation.body is not None:
        about = operation.body.description if isinstance(operation.body, Raw) else ""
        spec["requestBody"] = {
            "required": True,
            "content": _content(operation.body, "validation", names),
        } | ({"description": about} if about else {})
    return spec


def _content(
    value: type[BaseModel] | Raw,
    mode: str,
    names: Mapping[tuple[type[BaseModel], str], Json],
) -> Json:
    if not isinstance(value, Raw):
        return {JSON: {"schema": names[value, mode]}}
    content: Json = {}
    for kind, given in value.kinds.items():
        if isinstance(given, type):
            content[kind] = {"schema": names[given, mode]}
        elif isinstance(given, str):
            content[kind] = {"schema": {"type": "string"}, "example": given}
        else:
            content[kind] = {
                "schema": given or {"type": "string", "format": "binary"},
            }
    return content


def _responses(
    operation: Operation, names: Mapping[tuple[type[BaseModel], str], Json]
) -> Json:
    gives = operation.gives
    good: Json = {"description": _response_text(operation)}
    if gives is not None:
        good["content"] = _content(gives, "serialization", names)
    found = {str(operation.status): good}
    error = {JSON: {"schema": names[schemas.ErrorAnswer, "serialization"]}}
    for status in sorted({*ALWAYS, *_own(operation)}):
        found[str(status)] = {"description": STATUSES[status], "content": error}
        if status in (429, 503):
            header = {"Retry-After": {"schema": {"type": "integer"}}}
            found[str(status)]["headers"] = header
        if status == 401:
            header = {"WWW-Authenticate": {"schema": {"type": "string"}}}
            found[str(status)]["headers"] = header
    return found


def _own(operation: Operation) -> Iterator[int]:
    yield from operation.errors
    if operation.names:
        yield 404
    if operation.scope:
        yield 403
    if operation.is_write:
        yield 409
    if operation.body is not None:
        yield from (400, 413, 415)


def _response_text(operation: Operation) -> str:
    gives = operation.gives
    if gives is None:
        return "Done."
    if isinstance(gives, Raw):
        return gives.description or "A download."
    return " ".join((gives.__doc__ or "").split()) or "Some of the items, and a cursor."


def _query_parameters(operation: Operation) -> Iterator[Json]:
    found = operation.query.model_json_schema()
    for name, schema in found.get("properties", {}).items():
        plain = dict(schema)
        about = plain.pop("description", "")
        plain.pop("title", None)
        usual = plain.pop("default", None)
        if "anyOf" in plain:  # null stands for what is left out
            (kind,) = (s for s in plain.pop("anyOf") if s.get("type") != "null")
            plain |= kind
        if usual not in (None, ""):
            plain["default"] = usual
        parameter: Json = {"name": name, "in": "query", "schema": plain}
        if about:
            parameter["description"] = about
        if name in found.get("required", ()):
            parameter["required"] = True
        yield parameter
