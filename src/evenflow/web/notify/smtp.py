"""One mail to the SMTP server of the settings."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from evenflow.web.settings import Mail

TIMEOUT_S = 15.0


def deliver(
    mail: Mail, message: EmailMessage, *, context: ssl.SSLContext | None = None
) -> None:
    """Hand one mail to the SMTP server; certificates are always verified.

    Raises
    ------
    OSError, smtplib.SMTPException
        The server is away, its certificate is wrong, or it takes no mail from us.
    """
    trusted = context or ssl.create_default_context()
    if mail.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            mail.host, mail.port, timeout=TIMEOUT_S, context=trusted
        )
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S)
    with server:
        if mail.security == "starttls":
            server.starttls(context=trusted)
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(message)
