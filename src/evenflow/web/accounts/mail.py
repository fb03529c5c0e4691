"""Mails: rendered by Flask-Security, sent by SMTP from a thread of their own.

The request that asks for a mail does not wait for the server: that would tell, by
its time, whether there was an account to write to. Without mail settings nothing is
sent, and an administrator hands links over (see :func:`evenflow.web.accounts.links`).
"""

from __future__ import annotations

import logging
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from typing import Any

from flask import current_app
from flask_security import EmailValidateException, MailUtil

from evenflow.errors import DataError
from evenflow.web.accounts import people
from evenflow.web.frame.later import Later
from evenflow.web.notify.smtp import deliver as deliver
from evenflow.web.settings import Mail

logger = logging.getLogger(__name__)

KEY = "evenflow-post"
"""Under which an application carries its :class:`Post`."""
TRIES, WAIT_S = 4, 5.0
WAITING = 500
"""Maximum number of queued mails; more are dropped and logged."""


class Post:
    """Mails on their way, one after the other."""

    def __init__(self, mail: Mail | None, *, context: ssl.SSLContext | None = None):
        self.mail, self.context = mail, context
        self._later = Later("evenflow-post", WAITING)

    def send(self, message: EmailMessage) -> None:
        """Put a mail on its way."""
        if self.mail is not None:
            self._later.do(partial(self._try, message))

    def wait(self) -> None:
        """Wait until all mails are sent or given up."""
        self._later.wait()

    def _try(self, message: EmailMessage) -> None:
        assert self.mail is not None  # noqa: S101 (send() returned before)
        for attempt in range(TRIES):
            try:
                deliver(self.mail, message, context=self.context)
            except (OSError, smtplib.SMTPException) as error:
                # the answer of a server may name the address; the kind is enough
                logger.warning(
                    "a mail could not be sent by %s:%d (try %d of %d): %s",
                    self.mail.host, self.mail.port, attempt + 1, TRIES,
                    type(error).__name__,
                )  # fmt: skip
                time.sleep(WAIT_S * 2**attempt if attempt < TRIES - 1 else 0)
            else:
                return
        logger.error("a mail could not be sent in %d attempts", TRIES)


class PostUtil(MailUtil):
    """Flask-Security's place for mails and for what an address is."""

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],
        body: str | None,
        html: str | None,
        **kwargs: Any,
    ) -> None:
        """Put a rendered mail on its way."""
        del template, sender, kwargs
        post: Post = current_app.extensions[KEY]
        if post.mail is None:
            return
        message = EmailMessage()
        message["Subject"] = f"evenflow: {subject}"
        message["From"] = post.mail.sender
        message["To"] = recipient if isinstance(recipient, str) else recipient[1]
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="evenflow.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body or "")
        if html:
            message.add_alternative(html, subtype="html")
        post.send(message)

    def normalize(self, email: str) -> str:
        """Return the one form of an address."""
        try:
            return people.normal_email(email)
        except DataError as error:
            raise EmailValidateException(people.NOT_AN_EMAIL) from error

    validate = normalize
