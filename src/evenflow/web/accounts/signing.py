"""Signed times that hold although the clock of the server that signed is ahead.

Several servers of one database have several clocks, and a clock may be set back. Only
these servers can sign, so a signature of a time to come is as good as one of now: how
long a session lasts is decided by its row in the database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import TimestampSigner, URLSafeTimedSerializer


class Signer(TimestampSigner):
    """Signatures that expire, and are never too young."""

    def unsign(  # type: ignore[override]
        self,
        signed_value: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
    ) -> bytes | tuple[bytes, datetime]:
        """Return what was signed, and when if that is wanted.

        Raises
        ------
        BadSignature
            It was not signed here, or is older than ``max_age`` seconds.
        """
        value, at = super().unsign(signed_value, return_timestamp=True)
        if at.timestamp() <= self.get_timestamp():
            super().unsign(signed_value, max_age)  # refuses what is too old
        return (value, at) if return_timestamp else value


class Cookies(SecureCookieSessionInterface):
    """Flask's signed cookies, with that signer."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs the cookie of an application."""
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = Signer
        return serializer


def register(app: Flask, security: Any) -> None:
    """Sign an application's cookies and links so."""
    app.session_interface = Cookies()
    for serializer in vars(security).values():
        if isinstance(serializer, URLSafeTimedSerializer):
            serializer.signer = Signer
