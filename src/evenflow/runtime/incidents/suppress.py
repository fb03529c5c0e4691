"""Expected behaviour: alerts that are counted, and not reported, for a stated reason.

A file of rules in TOML::

    [[suppress]]
    source = ["10.0.0.5", "10.0.1.0/24"]
    class = "probe"
    reason = "our own vulnerability scanner"
    expires = 2027-01-31
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from evenflow import toml
from evenflow.errors import DataError
from evenflow.runtime.incidents.alert import Alert
from evenflow.runtime.incidents.networks import Networks, network

MOST_RULES = 1000
MOST_BYTES = 2**20
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Some = Annotated[list[Word], Field(min_length=1)]
CRITERIA = ("source", "destination", "port", "service", "class")


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: Some | Word | None = None
    destination: Some | Word | None = None
    port: int | None = Field(None, ge=0, le=65535)
    service: Word | None = None
    label: Word | None = Field(None, alias="class")
    reason: Word
    expires: datetime | date


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One rule: alerts that it matches are expected."""

    reason: str
    expires_ns: int
    source: Networks | None = None
    """Networks of the attacker; None matches all, as in each other field."""
    destination: Networks | None = None
    """Networks of the victim."""
    port: int | None = None
    service: str | None = None
    label: str | None = None

    def matches(self, alert: Alert) -> bool:
        """Return whether the alert is expected, whatever the time."""
        return (
            (self.label is None or alert.label == self.label)
            and (self.port is None or alert.port == self.port)
            and (self.service is None or alert.service == self.service)
            and (self.source is None or alert.attacker in self.source)
            and (self.destination is None or alert.victim in self.destination)
        )


def read(
    path: Path, *, classes: Sequence[str] | None = None
) -> tuple[Suppression, ...]:
    """Return the rules of a file.

    Parameters
    ----------
    path : Path
    classes : sequence of str, optional
        Those that alerts may have, if they are known.

    Raises
    ------
    DataError
        The file cannot be read, a rule is invalid, or it has another class.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        value = toml.loads(data.decode())
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}; expected a file of suppression "
            "rules"
        ) from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise DataError(
            f"{path} is not TOML: {error}. Expected tables [[suppress]]; correct it"
        ) from error
    found = rules(value, source=str(path))
    for number, rule in enumerate(found, 1):
        if classes and rule.label is not None and rule.label not in classes:
            raise DataError(
                f"{path}, rule {number}: class is {rule.label!r}, and no alert of the "
                f"model has it; expected {', '.join(classes)}. Correct it"
            )
    return found


def rules(value: Mapping[str, Any], *, source: str) -> tuple[Suppression, ...]:
    """Return the rules of a file's tables.

    Raises
    ------
    DataError
        A rule is invalid; the message has its number.
    """
    found = value.get("suppress", [])
    if unknown := sorted(set(value) - {"suppress"}):
        raise DataError(
            f"{source}: found the key {unknown[0]!r}, expected tables [[suppress]]"
        )
    if not isinstance(found, list) or len(found) > MOST_RULES:
        raise DataError(
            f"{source}: expected up to {MOST_RULES} tables [[suppress]]. Correct it"
        )
    return tuple(
        _rule(one, source=f"{source}, rule {number}")
        for number, one in enumerate(found, 1)
    )


def _rule(value: Any, *, source: str) -> Suppression:
    try:
        rule = _Rule.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = first["loc"][0] if first["loc"] else "the rule"
        found = "missing" if first["type"] == "missing" else repr(first["input"])
        raise DataError(
            f"{source}: {key} is {found}: {first['msg']}. Expected "
            f"{', '.join(CRITERIA)}, reason, expires"
        ) from error
    given = (rule.source, rule.destination, rule.port, rule.service, rule.label)
    if all(one is None for one in given):
        raise DataError(
            f"{source}: found a rule that matches every alert, expected one of "
            f"{', '.join(CRITERIA)} in it. Add one"
        )
    try:
        return Suppression(
            reason=rule.reason,
            expires_ns=_end(rule.expires),
            source=_networks(rule.source),
            destination=_networks(rule.destination),
            port=rule.port,
            service=rule.service,
            label=rule.label,
        )
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def _networks(value: list[str] | str | None) -> Networks | None:
    if value is None:
        return None
    return Networks(
        network(one) for one in ([value] if isinstance(value, str) else value)
    )


def _end(moment: datetime | date) -> int:
    """Return when a rule expires; a day is over at its end, in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day) + timedelta(days=1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9
