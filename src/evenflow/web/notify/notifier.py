"""Messages about new alerts: groups of them, since the last message.

What waits to be sent is what the database holds beyond the last alert that was sent: no
queue grows. Of servers that share a database one sends each message.
"""

from __future__ import annotations

import json
import logging
import smtplib
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evenflow.runtime.sinks import RejectedError
from evenflow.runtime.sinks.webhook import hook
from evenflow.web.notify.smtp import deliver
from evenflow.web.settings import Notify, Settings
from evenflow.web.store.database import Database, Failed, serialize
from evenflow.web.store.tables import Alert, AlertGroup, Setting, now

logger = logging.getLogger(__name__)

SETTING = "notify"
SETTLED = timedelta(seconds=5)
"""Age of alerts that are sent: in PostgreSQL one with a lower number may come later."""
MAX_GROUPS = 20
"""Groups that one message names."""
TRIES, WAIT_S = 4, 5.0
SEVERITIES = {1: "high", 2: "medium", 3: "low"}


def start(settings: Settings, database: Database, stop: threading.Event) -> None:
    """Send messages from a thread of its own until ``stop``, if any are wanted."""
    wanted = settings.notify
    if wanted is None or not (wanted.webhook or wanted.mail_to):
        return

    def work() -> None:
        while not stop.wait(wanted.every_s):
            try:
                run(settings, database, stop)
            except Failed as error:
                logger.warning("no notification, no database: %s", error)
            except Exception:
                logger.exception("a notification failed")

    threading.Thread(target=work, name="evenflow-notify", daemon=True).start()


def run(
    settings: Settings, database: Database, stop: threading.Event | None = None
) -> dict[str, Any] | None:
    """Send what is new, if anything; return the message.

    A receiver that cannot be reached is tried again a few times; then the message is
    dropped for it, and the log says so. The alerts stay in the list.
    """
    assert settings.notify is not None  # noqa: S101 (start() looked)
    with database.session() as session:
        message = taken(session, settings)
    if message is None:
        return None
    for name, send in _receivers(settings, settings.notify):
        _insist(name, send, message, stop or threading.Event())
    return message


def taken(session: Session, settings: Settings) -> dict[str, Any] | None:
    """Return the message about alerts since the last one, and take them as sent.

    The first time nothing is sent: what was there before is not new.
    """
    assert settings.notify is not None  # noqa: S101 (start() looked)
    serialize(session, SETTING)
    kept = session.get(Setting, SETTING)
    after = 0 if kept is None else int(kept.value["after"])
    unsettled = select(func.min(Alert.id)).where(
        Alert.id > after, Alert.at > now() - SETTLED
    )
    newest = session.scalar(select(func.max(Alert.id))) or after
    first = session.scalar(unsettled)
    upto = newest if first is None or kept is None else first - 1
    session.merge(Setting(name=SETTING, value={"after": max(after, upto)}))
    if kept is None or upto <= after:
        return None
    counts = (
        select(
            Alert.group_id,
            func.sum(Alert.n).label("n"),
            func.min(Alert.severity).label("severity"),
        )
        .where(
            Alert.id > after,
            Alert.id <= upto,
            Alert.state == "new",
            Alert.severity.in_(settings.notify.severities),
        )
        .group_by(Alert.group_id)
        .subquery()
    )
    rows = session.execute(
        select(AlertGroup, counts.c.n, counts.c.severity)
        .join(counts, counts.c.group_id == AlertGroup.id)
        .order_by(counts.c.severity, counts.c.n.desc())
    ).all()
    if not rows:
        return None
    return {
        "type": "evenflow.alerts",
        "at": now().isoformat(timespec="seconds"),
        "alerts": sum(int(n) for _, n, _ in rows),
        "groups": [
            _group(settings, group, int(n), severity)
            for group, n, severity in rows[:MAX_GROUPS]
        ],
        "more_groups": max(0, len(rows) - MAX_GROUPS),
    }


def _group(
    settings: Settings, group: AlertGroup, n: int, severity: int
) -> dict[str, Any]:
    names = ("src", "dst", "service", "reason", "bundle")
    return {
        "group": group.id,
        "class": group.label,
        "severity": SEVERITIES.get(severity, "unknown"),
        "alerts": n,
        **{name: getattr(group, name) for name in names},
        "url": f"{settings.address}/alerts/groups/{group.id}",
    }


def _receivers(
    settings: Settings, wanted: Notify
) -> list[tuple[str, Callable[[dict[str, Any]], None]]]:
    found: list[tuple[str, Callable[[dict[str, Any]], None]]] = []
    if wanted.webhook:
        name, transport = hook(wanted.webhook, is_public=not wanted.allow_private)
        found.append((name, lambda m: transport.send([json.dumps(m).encode()])))
    if wanted.mail_to and (mail := settings.mail) is not None:
        found.append(
            ("mail", lambda m: deliver(mail, written(m, mail.sender, wanted.mail_to)))
        )
    return found


def written(
    message: dict[str, Any], sender: str, receivers: Sequence[str]
) -> EmailMessage:
    """Return a message as a mail."""
    lines = [
        f"{one['severity']:8} {one['alerts']:>7,} x {one['class']} from "
        f"{_named(one['src'])} to {_named(one['dst'])}, service "
        f"{_named(one['service'])}\n         {one['reason']}\n         {one['url']}"
        for one in message["groups"]
    ]
    if message["more_groups"]:
        lines.append(f"and {message['more_groups']:,} more groups")
    mail = EmailMessage()
    n = message["alerts"]
    mail["Subject"] = f"evenflow: {n:,} new alert{'' if n == 1 else 's'}"
    mail["From"] = sender
    mail["To"] = ", ".join(receivers)
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="evenflow.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(lines) + "\n")
    return mail


def _named(text: str) -> str:
    return {"": "unknown", "*": "several"}.get(text, text)


def _insist(
    name: str,
    send: Callable[[dict[str, Any]], None],
    message: dict[str, Any],
    stop: threading.Event,
) -> None:
    for attempt in range(TRIES):
        try:
            send(message)
        except RejectedError as error:
            logger.error("%s: a notification was not accepted: %s", name, error)
            return
        except (OSError, smtplib.SMTPException) as error:
            # the answer of a mail server may name addresses: the kind is enough
            logger.warning(
                "%s: a notification could not be sent (try %d of %d): %s",
                name, attempt + 1, TRIES, type(error).__name__,
            )  # fmt: skip
            if attempt < TRIES - 1 and stop.wait(WAIT_S * 2**attempt):
                return
        else:
            return
    logger.error("%s: a notification was dropped after %d attempts", name, TRIES)
