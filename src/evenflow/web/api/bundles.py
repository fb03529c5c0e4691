"""Models: what they expect and how well they decide; which one is in use."""

from __future__ import annotations

from typing import Any

from flask import abort
from pydantic import Field

from evenflow.errors import BundleError, DataError
from evenflow.runtime.bundle import Bundle
from evenflow.runtime.bundle_files import read_manifest
from evenflow.web.api import schemas
from evenflow.web.api.bodies import Query
from evenflow.web.api.operations import Call, Group
from evenflow.web.api.paging import Paged, Part, by_place
from evenflow.web.api.score import in_use
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit
from evenflow.web.models import feedback, offered

group = Group("Models", "The models (bundles), and the active one.", "bundles:read")
FIGURES = (
    "protocol",
    "protocol_description",
    "is_optimistic",
    "dataset",
    "n_rows",
    "class_counts",
    "binary",
    "multiclass",
    "intervals",
    "confusion",
    "alerts",
    "bands",
    "notes",
)
"""Parts of the report that are answered; curves and single attacks stay on pages."""


class ActivateQuery(Query):
    """How a model is activated."""

    compared: str | None = Field(
        None,
        max_length=32,
        description="Of a retrained model: the id of the retraining, as the address of "
        "its page has it, which compares the two models.",
    )


@group.add(
    "GET", "/bundles", summary="List the models", gives=Part[schemas.BundleShort]
)
def list_bundles(call: Call[Paged, None]) -> dict[str, Any]:
    """List the models by name; damaged ones are left out."""
    names, asked = sorted(web.detectors.names()), call.query
    wanted = names[asked.start : asked.start + asked.limit]
    return by_place(asked, len(names), [*filter(None, map(_short, wanted))])


@group.add(
    "GET",
    "/bundles/active",
    summary="Show the active model",
    gives=schemas.Bundle,
    errors=(503,),
)
def show_active_bundle(call: Call[Query, None]) -> dict[str, Any]:
    """Show the active model: the columns a record must have, its classes, figures."""
    del call
    return _bundle_json(in_use())


@group.add("GET", "/bundles/<name>", summary="Show a model", gives=schemas.Bundle)
def show_bundle(call: Call[Query, None], name: str) -> dict[str, Any]:
    """Show a model: columns with units and ranges, classes, threshold, figures, card.

    A model that is named `active` is hidden by the one in use.
    """
    del call
    return _bundle_json(found_bundle(name))


@group.add(
    "POST",
    "/bundles/<name>/activate",
    scope="bundles:activate",
    summary="Activate a model",
    gives=schemas.Bundle,
    errors=(409,),
)
def activate_bundle(call: Call[ActivateQuery, None], name: str) -> dict[str, Any]:
    """Put a model to use for everybody; all processes do within seconds. Audited.

    A retrained model is activated once a person has compared it: 409 without the id
    of its retraining.
    """
    bundle = found_bundle(name)
    offered.refuse_retired(web.db(), name)
    made_by = feedback.comparison(web.db(), name)
    if made_by is not None and call.query.compared != made_by.id:
        errors.refuse(
            409,
            f"found no comparison of {name}, expected one first. Read "
            f"/retrainings/{made_by.id}, then send its id as compared",
        )
    before = web.detectors.active_name()
    answer = _bundle_json(bundle) | {"is_active": True}
    audit("bundle.activate", name, user=call.caller, before=before)
    # last: whoever asks for the name before the commit remembers the old one
    web.detectors.activate(web.db(), name)
    return answer


def found_bundle(name: str) -> Bundle:
    """Return the model of a name; 404 if there is none, 422 if it is damaged."""
    if name not in web.detectors.names():
        abort(404)
    try:
        return web.detectors.load(name)
    except BundleError as error:
        # the message has paths of this machine
        raise DataError(
            f"the model {name!r} is damaged, expected an intact one. Ask an "
            "administrator to restore it"
        ) from error


def _short(name: str) -> dict[str, Any] | None:
    """Return what the manifest alone says: a list loads no model."""
    try:
        path = web.detectors.path(name) / "manifest.json"
        schema = read_manifest(path.read_bytes(), source=name)["schema"]
    except (OSError, BundleError, DataError):
        return None
    return {
        "name": name,
        "is_active": name == web.detectors.active_name(),
        "data_set": schema["name"],
        "classes": schema["classes"],
        "is_synthetic": schema["is_synthetic"],
    }


def _bundle_json(bundle: Bundle) -> dict[str, Any]:
    schema, report = bundle.schema, bundle.report
    return {
        "name": bundle.path.name,
        "is_active": bundle.path.name == web.detectors.active_name(),
        "data_set": schema.name,
        "classes": list(schema.classes),
        "is_synthetic": schema.is_synthetic,
        "columns": schema.columns,
        "taxonomy": schema.taxonomy,
        "threshold": float(bundle.decision.to_dict()["threshold_probability"]),
        "figures": {name: report[name] for name in FIGURES if name in report},
        "recipe": dict(bundle.recipe),
        "card": bundle.card,
        "evenflow": str(bundle.manifest["evenflow"]),
    }
