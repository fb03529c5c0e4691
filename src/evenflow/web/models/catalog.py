"""Every bundle of the data folder as it is listed: read and summed, not loaded.

A list must show what is wrong with a bundle rather than fall over it, and must not
hold thirty models in memory. So only a bundle's own words are read here, once while
its files stay as they are; that the model itself runs is checked when it is activated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from evenflow.errors import BundleError, DataError
from evenflow.judge.report import Report
from evenflow.judge.tables import report as figures
from evenflow.runtime.bundle_files import read_bundle_files
from evenflow.runtime.folder import read_folder
from evenflow.web.models.locks import Locks
from evenflow.web.store.data_folder import Home

MAX_LISTED = 500
BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What a report whose parts are not what they should be makes of the code that shows
it."""
MADE = "manifest.json"

Stamp = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of each file: another stamp, another bundle."""
_reading = Locks()


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of the list of models."""

    name: str
    reason: str = ""
    """Why it cannot be used; the fields below are empty then."""
    made_at: datetime
    size: int
    """Bytes of the whole folder."""
    dataset: str = ""
    is_synthetic: bool = False
    is_optimistic: bool = False
    protocol: str = ""
    protocol_description: str = ""
    taxonomy: str = ""
    n_rows: int = 0
    model: str = ""
    balance: str = ""
    figures: Mapping[str, float | None]
    """``accuracy``, ``macro_f1``, ``detection_rate`` ... as shares."""

    @property
    def has_address(self) -> bool:
        """Whether its name can stand in an address."""
        return shown_name(self.name) == self.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """The metadata of a bundle; the same object while its files stay the same."""

    name: str
    report: Report
    recipe: Mapping[str, Any]
    manifest: Mapping[str, Any]
    card: str
    made_at: datetime
    size: int


def listed(home: Home) -> list[Listed]:
    """Return every bundle, the newest first, damaged ones with the reason."""
    paths = _folders(home.bundles)[:MAX_LISTED]
    found = [_line(path, _stamp(path)) for path in paths]
    return sorted(found, key=lambda one: (-one.made_at.timestamp(), one.name))


def read(home: Home, name: str) -> Read:
    """Return what a bundle says of itself.

    Raises
    ------
    DataError
        There is no bundle of that name.
    BundleError
        It is damaged; the message names no path of the server.
    """
    path = next((p for p in _folders(home.bundles) if p.name == name), None)
    if path is None:
        raise DataError(
            f"there is no model {name[:80]!r}, expected one of those under Models"
        )
    # a large one is summed once, not by every thread that asks
    with _reading.hold(path):
        found = _kept(path, _stamp(path))
    if isinstance(found, BundleError):
        raise BundleError(str(found))
    return found


def shown_name(name: str) -> str:
    """Return a name as text, also one without a valid encoding."""
    return name.encode("utf-8", "replace").decode()


def _folders(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and not path.name.endswith(".partial")
    )


def _stamp(path: Path) -> Stamp:
    try:
        entries = [(p.name, p.lstat()) for p in sorted(path.iterdir())]
    except OSError:
        return ()
    return tuple((name, found.st_size, found.st_mtime_ns) for name, found in entries)


def _made(stamp: Stamp) -> datetime:
    times = {name: changed for name, _, changed in stamp}
    newest = times.get(MADE, max(times.values(), default=0))
    return datetime.fromtimestamp(newest / 1e9, tz=UTC)


@lru_cache(maxsize=MAX_LISTED)
def _line(path: Path, stamp: Stamp) -> Listed:
    with _reading.hold(path):
        found = _read(path, stamp)
    if isinstance(found, BundleError):
        return Listed(
            name=path.name,
            reason=str(found),
            made_at=_made(stamp),
            size=sum(size for _, size, _ in stamp),
            figures={},
        )
    report, recipe = found.report, found.recipe
    return Listed(
        name=path.name,
        made_at=found.made_at,
        size=found.size,
        dataset=str(report.dataset),
        is_synthetic=bool(report.is_synthetic),
        is_optimistic=bool(report.is_optimistic),
        protocol=str(report.protocol),
        protocol_description=str(report.protocol_description),
        taxonomy=str(report.taxonomy),
        n_rows=report.n_rows,
        model=part(recipe, "model"),
        balance=part(recipe, "balance"),
        figures={
            "accuracy": report.binary["accuracy"],
            "macro_f1": report.multiclass["macro_f1"],
            "detection_rate": report.binary["detection_rate"],
            "false_alarm_rate": report.binary["false_alarm_rate"],
            "unseen_detection_rate": report.binary["unseen_detection_rate"],
        },
    )


@lru_cache(maxsize=16)  # few: a report is large, a line is not
def _kept(path: Path, stamp: Stamp) -> Read | BundleError:
    return _read(path, stamp)


def _read(path: Path, stamp: Stamp) -> Read | BundleError:
    """Return what a bundle says, or what is wrong with it: that is kept as well."""
    name = shown_name(path.name)
    try:
        found = read_bundle_files(path, read_folder(path))
        report = Report.from_dict(found.report)
        figures.headlines(report)
        figures.grids(report)  # an inconsistent report fails here, and not on a page
    except BundleError as error:
        reason = shown_name(str(error)).replace(shown_name(str(path)), name)
        return BundleError(reason)
    except DataError as error:
        return BundleError(f"{name}: report.json: {error}")
    except BROKEN as error:
        return BundleError(
            f"{name}: found an inconsistent report ({type(error).__name__}), expected "
            "one written by evenflow. Train the model again"
        )
    return Read(
        name=path.name,
        report=report,
        recipe=found.recipe,
        manifest=found.manifest,
        card=found.card,
        made_at=_made(stamp),
        size=sum(size for _, size, _ in stamp),
    )


def part(recipe: Mapping[str, Any], name: str) -> str:
    """Return the name of a recipe's plug-in; empty where it says none."""
    found = recipe.get(name)
    return str(found.get("name", "")) if isinstance(found, Mapping) else ""
