"""The models: every bundle, one closely, several side by side; the one in use."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Any

from flask import Response, abort, render_template, request, url_for
from jinja2 import UndefinedError

from evenflow import toml
from evenflow.errors import BundleError, DataError
from evenflow.judge.pages import report as render
from evenflow.judge.tables import report as figures
from evenflow.web.charts.reports import Picture, drawn
from evenflow.web.frame import lists
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.permissions import at_least, audit, require
from evenflow.web.models import comparison, feedback, offered
from evenflow.web.models.catalog import BROKEN, Listed, Read, listed, read, shown_name
from evenflow.web.models.markdown import to_html
from evenflow.web.pages import Entry, Pages
from evenflow.web.trainings.job import can_train

logger = logging.getLogger(__name__)

bp = Pages("models", "/models")
NAV = (Entry(label="Models", endpoint="models.index", icon="models", order=40),)

VIEWS = {
    "figures": "Figures",
    "classes": "Classes and attacks",
    "training": "Training and recipe",
    "card": "Model card",
}
COLUMNS = (
    ("dataset", "Data set", ""),
    ("model", "Kind", ""),
    ("balance", "Balancing", ""),
    ("protocol", "Protocol", "Protocol of the test rows"),
    ("accuracy", "Accuracy", "Attack against benign, at the threshold"),
    ("macro_f1", "Macro F1", "Mean over all classes"),
    ("detection_rate", "Found", "Detection rate: recall of attacks"),
    ("false_alarm_rate", "False alarms", "Share of benign rows flagged"),
    ("unseen_detection_rate", "Unseen",
     "Detection of attack types not in training"),
    ("size", "Size", ""),
    ("made_at", "Made", ""),
)  # fmt: skip
FIGURES = COLUMNS[4:9]
WAYS = ("name", *(key for key, *_ in COLUMNS))
FILES: dict[str, Callable[[Read], str]] = {
    "report.html": lambda r: render.html(r.report),
    "report.json": lambda r: _json(r.report.to_dict()),
    "card.md": lambda r: r.card,
    "tables.md": lambda r: render.markdown(r.report),
    "tables.tex": lambda r: render.latex(r.report),
    "recipe.toml": lambda r: recipe_toml(r.recipe),
    "recipe.json": lambda r: _json(r.recipe),
}
"""The downloads: name -> how it is made. Never shown."""


@bp.get("")
def index() -> str:
    """List every bundle."""
    sort = request.args.get("sort", "-made_at")
    if sort.removeprefix("-") not in WAYS:
        sort = "-made_at"
    found = listed(web.home)
    whole = [one for one in found if not one.reason]
    key, is_down = sort.removeprefix("-"), sort.startswith("-")
    whole.sort(key=lambda one: one.name)
    whole.sort(key=lambda one: _figure(one, key), reverse=is_down)
    # what is unknown always comes last
    whole.sort(key=lambda one: key in one.figures and one.figures[key] is None)
    return render_template(
        "models/index.html",
        models=whole,
        damaged=[one for one in found if one.reason],
        heads=[_head("name", "Model", "", sort), *(_head(*c, sort) for c in COLUMNS)],
        figure_names=[key for key, *_ in FIGURES],
        most=comparison.MAX_MODELS,
        shown_name=shown_name,
        is_any_optimistic=any(one.is_optimistic for one in whole),
        notes=offered.notes(web.db()),
    )


def _figure(one: Listed, key: str) -> Any:
    """Return what a line is sorted by."""
    return (one.figures[key] or 0) if key in one.figures else getattr(one, key)


def _head(key: str, label: str, title: str, sort: str) -> dict[str, Any]:
    is_text = key in ("name", "dataset", "model", "balance", "protocol")
    link = lists.head(
        key, sort, lambda s: url_for("models.index", sort=s), is_down_first=not is_text
    )
    return {"label": label, "title": title, "number": not is_text, **link}


@bp.get("/<name>")
def show(name: str) -> str:
    """Show one bundle."""
    view = request.args.get("view", "figures")
    if view not in VIEWS:
        abort(404)
    found = _read(name)
    shared = {
        "name": name,
        "shown_name": shown_name(name),
        "is_active": web.detectors.active_name() == name,
        "note": offered.notes(web.db()).get(name),
    }
    if isinstance(found, str):
        return render_template("models/damaged.html", reason=found, **shared)
    try:
        return _shown(found, view, shared)
    except (*BROKEN, UndefinedError) as error:
        logger.warning("the report of %r cannot be shown", name, exc_info=error)
        reason = (
            f"found a report that cannot be drawn ({type(error).__name__}), expected "
            "one written by evenflow. Train the model again"
        )
        return render_template("models/damaged.html", reason=reason, **shared)


def _shown(found: Read, view: str, shared: dict[str, Any]) -> str:
    return render_template(
        "models/show.html",
        read=found,
        report=found.report,
        recipe=found.recipe,
        recipe_text=recipe_toml(found.recipe),
        marks=figures.marks(found.report),
        tiles_shown=_tiles(found),
        pictures=_pictures(found),
        tables=_tables(found),
        card=to_html(found.card) if view == "card" else "",
        view=view,
        views=VIEWS,
        others=[o for o in listed(web.home) if o.name != found.name and not o.reason],
        **_retraining(found.name),
        **shared,
    )


def _retraining(name: str) -> dict[str, Any]:
    """Return what the page says of feedback: how much there is, earlier retrainings."""
    if not at_least("analyst"):
        return {"comparison": feedback.comparison(web.db(), name)}
    bundle = web.detectors.find(name)
    return {
        "n_feedback": 0 if bundle is None else feedback.count(web.db(), bundle),
        "retrainings": feedback.jobs(web.db(), of=name)[:5],
        "comparison": feedback.comparison(web.db(), name),
        "can_train": can_train(),
    }


def _read(name: str) -> Read | str:
    """Return a bundle, or why it cannot be read; 404 where there is none."""
    try:
        return read(web.home, name)
    except BundleError as error:
        return str(error)
    except DataError:
        abort(404)


def _tiles(found: Read) -> list[tuple[str, str, str]]:
    report = found.report
    mark = f"{report.protocol}{', optimistic' if report.is_optimistic else ''}"
    return [
        (name, value, f"{low} · {mark}" if low else mark)
        for name, value, low in figures.headlines(report)
    ]


@lru_cache(maxsize=8)
def _pictures(found: Read) -> dict[str, Picture]:
    return drawn(render.pictures(found.report))


def _tables(found: Read) -> dict[str, Any]:
    report = found.report
    return {
        "binary": figures.binary(report),
        "multiclass": figures.multiclass(report),
        "classes": figures.classes(report),
        "confusion": figures.confusion(report),
        "attacks": figures.attacks(report),
        "unknown": figures.unknown_kinds(report),
        "unseen": [a for a in report.attacks if a["is_unseen"]],
        "alerts": figures.base_rates(report),
        "bands": figures.bands(report),
        "training": figures.training(report.training or {}),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def recipe_toml(recipe: Any) -> str:
    """Return a bundle's recipe as the TOML file that trains it again."""
    return toml.dumps(recipe) + "\n"


@bp.get("/<name>/<any({}):file>".format(", ".join(f'"{name}"' for name in FILES)))
def download(name: str, file: str) -> Response:
    """Send a file to be kept; the page with scripts never runs at our address."""
    found = _read(name)
    if isinstance(found, str):
        raise BundleError(found)
    try:
        text = FILES[file](found)
    except BROKEN as error:
        raise BundleError(
            f"{shown_name(name)}: {file} cannot be made of this report "
            f"({type(error).__name__}), expected one written by evenflow. Train the "
            "model again"
        ) from error
    return attachment(text, f"{shown_name(name)}-{file}")


@bp.get("/compare")
def compare() -> str:
    """Set up to six bundles side by side; one alone asks for another."""
    named = chain(*(request.args.getlist(key) for key in ("a", "b", "more")))
    asked = dict.fromkeys(name for name in named if name.strip())
    lines = listed(web.home)
    whole = {one.name for one in lines if not one.reason}
    chosen = [read(web.home, name) for name in asked if name in whole]
    warnings = [
        f"{shown_name(name)[:80]} cannot be read as a model; it was left out."
        for name in asked
        if name not in whole
    ]
    if len(chosen) > comparison.MAX_MODELS:
        warnings.append(f"Only the first {comparison.MAX_MODELS} models are compared.")
        chosen = chosen[: comparison.MAX_MODELS]

    def page(found: dict[str, Any] | None) -> str:
        return render_template(
            "models/compare.html",
            found=found,
            warnings=warnings,
            chosen=[one.name for one in chosen],
            models=[one for one in lines if not one.reason and one.has_address],
            most=comparison.MAX_MODELS,
        )

    if len(chosen) > 1:
        name = comparison.baseline(chosen, lines)
        try:
            beside = read(web.home, name) if name else None
            return page(comparison.compare(tuple(chosen), beside))
        except (*BROKEN, UndefinedError) as error:
            logger.warning("reports cannot be compared", exc_info=error)
            warnings.append(
                f"One of these reports is inconsistent ({type(error).__name__}); they "
                "cannot be compared."
            )
    return page(None)


@bp.post("/<name>/activate")
@require("admin")
def activate(name: str) -> Response:
    """Put a bundle to use, once it has been loaded whole."""
    _read(name)
    before = web.detectors.active_name()
    db = web.db()
    made_by = feedback.comparison(db, name)
    if made_by is not None and request.form.get("compared") != made_by.id:
        why = "Compare the two models first, then activate this one below."
        return see_other("retrainings.show", why, "warning", job_id=made_by.id)
    try:
        web.detectors.activate(db, name)
    except BundleError as error:
        path = str(web.home.bundles / name)
        reason = shown_name(str(error)).replace(path, name)
        why = f"{shown_name(name)} cannot be used: {reason}"
        return see_other("models.show", why, "error", name=name)
    offered.retire(db, name, is_retired=False)
    audit("bundle.activate", name, before=before)
    db.commit()
    return see_other("models.show", f"{name} now scores new records.", name=name)
