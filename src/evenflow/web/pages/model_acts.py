"""Administration of models: import, title, retire, delete, download."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Response, abort, request
from flask_security import current_user

from evenflow.errors import BundleError, DataError
from evenflow.web.frame.after import see_other
from evenflow.web.frame.context import web
from evenflow.web.frame.download import attachment
from evenflow.web.frame.errors import sentence
from evenflow.web.frame.large_bodies import allow_large
from evenflow.web.frame.permissions import at_least, audit, require
from evenflow.web.models import archive, offered
from evenflow.web.models.catalog import listed
from evenflow.web.pages import Pages
from evenflow.web.store.data_folder import remove

logger = logging.getLogger(__name__)

bp = Pages("model_acts", "/models", role="admin")


@bp.url_value_preprocessor
def _set_limit(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Let an administrator send a whole bundle; the form is read right after this."""
    if endpoint != "model_acts.take" or not current_user.is_authenticated:
        return
    if at_least("admin"):
        web.db.commit()  # no transaction stays open while the file arrives
        allow_large()


@bp.post("/import")
def take() -> Response:
    """Import the bundle of a zip file, checked like any other."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return see_other("models.index", "No file was chosen. Choose one.", "error")
    most = int(web.settings.max_unpacked_mb * 2**20)
    try:
        name = archive.take(web.home, file.stream, file.filename, most_bytes=most)
    except (DataError, BundleError) as error:
        return see_other("models.index", sentence(error), "error")
    audit("bundle.import", name)
    web.db.commit()
    return see_other("models.show", f"{name} was imported and checked.", name=name)


@bp.get("/<name>/bundle.zip")
@require("analyst")
def download(name: str) -> Response:
    """Send a bundle as a zip file, which another server imports."""
    _known(name)
    return attachment(archive.pack(web.home.bundles / name), f"{name}.zip")


@bp.post("/<name>/title")
def title(name: str) -> Response:
    """Give a model a title; its name stays that of its verdicts."""
    _known(name)
    offered.title(web.db(), name, request.form.get("title", ""))
    web.db.commit()
    return see_other("models.show", "The title was saved.", name=name)


@bp.post("/<name>/retire")
def retire(name: str) -> Response:
    """Retire a model, or offer it again."""
    _known(name)
    is_retired = request.form.get("retired") == "1"
    try:
        offered.retire(web.db(), name, is_retired=is_retired)
    except DataError as error:
        return see_other("models.show", sentence(error), "error", name=name)
    web.db.commit()
    what = "no longer offered" if is_retired else "offered again"
    return see_other("models.show", f"{name} is {what}.", name=name)


@bp.post("/<name>/delete")
def delete(name: str) -> Response:
    """Delete a model that is not in use; verdicts and alerts stay."""
    _known(name)
    db = web.db()
    try:
        offered.refuse_in_use(db, name)
    except DataError as error:
        return see_other("models.show", sentence(error), "error", name=name)
    offered.forget(db, name)
    audit("bundle.delete", name)
    db.commit()
    aside = web.home.bundles / f".{secrets.token_hex(8)}.deleted"
    (web.home.bundles / name).rename(aside)  # at once, or not at all
    remove(aside)
    logger.info("deleted the model %s", name)
    return see_other("models.index", f"{name} was deleted. Its verdicts stay.")


def _known(name: str) -> None:
    if name not in {one.name for one in listed(web.home)}:
        abort(404)
