"""The API's page, for people: made of the OpenAPI document, so it cannot go stale."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, current_app, render_template, request
from flask_security import current_user
from markupsafe import Markup, escape

from evenflow.web.accounts.api_keys import LEAST, SCOPES
from evenflow.web.frame.context import web
from evenflow.web.pages import Entry
from evenflow.web.record_form.examples import examples

bp = Blueprint("api", __name__)
NAV = (Entry(label="API", endpoint="api.index", icon="api", order=60),)
KEY, PREFIX, JSON = "evenflow.openapi", "/api/v1", "application/json"
WIDTH = 84
"""Characters of a line of an example."""


@bp.get("/api")
def index() -> str:
    """Show the API, to everybody."""
    document = current_app.extensions[KEY]()
    about = document["info"]["description"].split("\n\n")
    return render_template(
        "api/index.html",
        lead=about[0],
        about=[marked(" ".join(text.split("\n"))) for text in about[1:]],
        tags=document["tags"],
        operations=list(operations(document, address())),
        scopes=[(n, text, LEAST.get(n, "viewer")) for n, text in SCOPES.items()],
        address=address(),
        first=f'curl -H "Authorization: Bearer ef_..." {address()}/me',
        body=json.dumps(_body(document), indent=1),
        marked=marked,
    )


def _body(document: dict[str, Any]) -> dict[str, Any]:
    """Return a body for POST /score: a record that the active model can read.

    To somebody without an account it is the document's own, not a row of the model.
    """
    bundle = web.detectors.active() if current_user.is_authenticated else None
    if bundle is None:
        example: dict[str, Any] = document["components"]["schemas"]["ScoreIn"]
        return dict(example["examples"][0])
    return {"record": dict(examples(bundle, per_class=1)[0].record)}


def address() -> str:
    """Return where programs find the API."""
    return (web.settings.public_url or request.host_url).rstrip("/") + PREFIX


def operations(document: dict[str, Any], base: str) -> Iterator[dict[str, Any]]:
    """Yield each operation of the document as the page shows it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            (need,) = operation["security"]
            content = operation.get("requestBody", {}).get("content", {})
            body = _example(document, content)
            url = base + _filled(path, operation["parameters"])
            responses = operation["responses"].items()
            yield operation | {
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "tag": operation["tags"][0],
                "scope": " ".join(need["key"]),
                "role": operation.get("x-role", "viewer"),
                "parameters": [_parameter(p) for p in operation["parameters"]],
                "kinds": list(content),
                "statuses": [(s, response["description"]) for s, response in responses],
                "curl": _curl(method.upper(), url, body, list(content)),
                "python": _python(method, url, body, list(content)),
            }


def marked(text: str) -> Markup:
    """Return text with its ``**strong**`` and `` `code` `` as markup, all else escaped.

    Examples
    --------
    >>> str(marked("**A** <b> `c`"))
    '<strong>A</strong> &lt;b&gt; <code>c</code>'
    """
    plain = str(escape(text))
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", plain)
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", strong))  # noqa: S704 (escaped)


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    kind = schema.get("format", schema.get("type", ""))
    if "enum" in schema:
        kind = " or ".join(schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None and high < 2**53:
        kind += f" from {low} to {high:,}"
    elif "maxLength" in schema:
        kind += f" of at most {schema['maxLength']} characters"
    return {
        "name": parameter["name"],
        "where": parameter["in"],
        "kind": kind,
        "usual": _plain(schema["default"]) if "default" in schema else "",
        "is_required": parameter.get("required", False),
        "description": parameter.get("description", ""),
    }


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _example(document: dict[str, Any], content: dict[str, Any]) -> Any:
    """Return the example of a JSON body, or None."""
    reference = content.get(JSON, {}).get("schema", {}).get("$ref", "")
    if not reference:
        return None
    schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return schema["examples"][0]


def _filled(path: str, parameters: list[dict[str, Any]]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    return path


def _curl(method: str, url: str, body: Any, kinds: list[str]) -> str:
    lines = [
        f"curl -X {method} '{url}'",
        '-H "Authorization: Bearer $EVENFLOW_TOKEN"',
    ]
    if body is not None:
        lines.append(f"-H 'Content-Type: {JSON}'")
        lines.append(f"-d '{_wrapped(body)}'")
    elif kinds:
        lines[0] = f"curl -X {method} '{url}?name=flows.csv'"
        lines.append("-H 'Content-Type: text/csv' --data-binary @flows.csv")
    return " \\\n  ".join(lines)


def _python(method: str, url: str, body: Any, kinds: list[str]) -> str:
    lines = [
        "import requests",
        "",
        'token = "ef_..."  # better read from where you keep secrets',
        f"answer = requests.{method}(",
        f'    "{url}",',
        '    headers={"Authorization": f"Bearer {token}"},',
    ]
    if body is not None:
        lines.append(f"    json={_wrapped(body, python=True)},")
    elif kinds:
        lines.append('    params={"name": "flows.csv"}, data=open("flows.csv", "rb"),')
    return "\n".join([*lines, ")", "answer.raise_for_status()"])


def _wrapped(value: Any, *, python: bool = False) -> str:
    """Return a value on lines that fit the page."""
    text = repr(value) if python else json.dumps(value)
    text = text.replace("'", '"') if python else text
    lines, line = [], ""
    for word in re.split(r"(?<=[,{]) ", text):
        if line and len(line) + len(word) > WIDTH:
            lines.append(line)
            line = "    "
        line += word if line in ("", "    ") else f" {word}"
    return "\n".join([*lines, line])
