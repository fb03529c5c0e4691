"""The operations of the API, each declared once, for the server and the page.

An operation says its address, its scope, what it takes and gives; from that come the
check of the key, the reading of the request, the answer and its part of the OpenAPI
document. None is without a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from flask import Blueprint, Response, abort
from pydantic import BaseModel

from evenflow.web.accounts import bearer
from evenflow.web.accounts.api_keys import LEAST
from evenflow.web.accounts.bearer import Caller
from evenflow.web.api import bodies
from evenflow.web.api.bodies import Body, Query
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import MAX_NUMBER
from evenflow.web.store.tables import ROLES

View = Callable[..., Any]
Q = TypeVar("Q")
B = TypeVar("B")
MAX_TEXT = 200
"""Characters of a name in an address."""
_PART = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A body or an answer that is not JSON, in the document's words."""

    kinds: Mapping[str, Any]
    """Media type -> an example, or None."""
    description: str = ""


@dataclass(slots=True)
class Call(Generic[Q, B]):
    """One request that was let in."""

    caller: Caller
    query: Q
    body: B
    is_write: bool = False
    """Whether the answer is given after a commit."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    method: str
    path: str
    """As Flask writes it, below ``/api/v1``."""
    scope: str | None
    """None: any key."""
    summary: str
    description: str
    query: type[Query]
    body: type[BaseModel] | Raw | None
    gives: type[BaseModel] | Raw | None
    status: int = 200
    errors: Sequence[int] = ()
    """Statuses it may answer beside those that all may."""
    takes: Sequence[str] = ()
    """Headers it knows beside those that all do."""
    is_write: bool
    """Whether it always changes something; else the view says so of its call."""
    group: str
    view: View = field(repr=False)

    @property
    def role(self) -> str:
        """Least role of the key's person."""
        return LEAST.get(self.scope or "", ROLES[0])

    @property
    def address(self) -> str:
        """The path as OpenAPI writes it."""
        return _PART.sub(r"{\1}", self.path)

    @property
    def names(self) -> list[str]:
        """Name of each part of the path that varies."""
        return _PART.findall(self.path)


class Group:
    """Operations that belong together: one file, one tag of the document.

    Those that name no scope have the group's, None for any key.
    """

    def __init__(self, name: str, description: str, scope: str | None = None) -> None:
        self.name, self.description, self.scope = name, description, scope
        self.operations: list[Operation] = []

    def add(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        body: Raw | None = None,
        is_write: bool | None = None,
        **more: Any,
    ) -> Callable[[View], View]:
        """Declare the function below as an operation; ``more`` are its other fields.

        It is called with a :class:`Call`, whose annotation names the models of the
        query and of a JSON body, and the parts of the path. It returns a response, or
        values from which ``gives`` is made: a mapping or any object that has them. It
        commits nothing: that is done with its answer.
        """

        def declare(view: View) -> View:
            query, model = get_args(get_type_hints(view)["call"])
            self.operations.append(
                Operation(
                    name=view.__name__,
                    method=method,
                    path=path,
                    scope=scope or self.scope,
                    description=" ".join((view.__doc__ or "").split()),
                    query=query,
                    body=model if body is None and issubclass(model, Body) else body,
                    is_write=method != "GET" if is_write is None else is_write,
                    group=self.name,
                    view=view,
                    **more,
                )
            )
            return view

        return declare

    def register(self, blueprint: Blueprint) -> None:
        """Add the operations to the API's blueprint."""
        for operation in self.operations:
            blueprint.add_url_rule(
                operation.path,
                operation.name,
                _served(operation),
                methods=[operation.method],
                provide_automatic_options=False,
            )


def _served(operation: Operation) -> View:
    """Return what answers an operation's requests; made to add little to the view."""
    scope, query, view = operation.scope, operation.query, operation.view
    needs = any(f.is_required() for f in query.model_fields.values())
    nothing = None if needs else query()
    model = operation.body if isinstance(operation.body, type) else None
    gives = operation.gives if isinstance(operation.gives, type) else None

    @wraps(view)
    def serve(**parts: Any) -> Response:
        caller = bearer.caller(scope)
        if parts:
            _check_parts(parts)
        asked = bodies.read_query(query, nothing)
        call: Call[Any, Any] = Call(caller, asked, None, is_write=operation.is_write)
        if model is not None:
            call.body = bodies.read_json(model)
        answer: Any = view(call, **parts)
        if gives is not None and not isinstance(answer, Response):
            made = gives.model_validate(answer)
            answer = bodies.answer(made, operation.status, call.headers)
        if call.is_write:
            web.db.commit()
        served: Response = answer
        return served

    return serve


def _check_parts(parts: dict[str, Any]) -> None:
    for value in parts.values():
        if isinstance(value, int):
            if not 1 <= value <= MAX_NUMBER:
                abort(404)
        elif "\0" in value or len(value) > MAX_TEXT:
            abort(404)
