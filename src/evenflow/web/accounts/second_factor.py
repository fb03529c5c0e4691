"""The second factor: codes of an authenticator app, and codes for when it is lost."""

from __future__ import annotations

import base64
import hmac
import io
import secrets
from typing import Any, ClassVar

from flask import Flask, current_app
from flask_security import (
    MfRecoveryCodesUtil,
    MfRecoveryForm,
    Totp,
    TwoFactorRescueForm,
    TwoFactorSetupForm,
    TwoFactorVerifyCodeForm,
)
from passlib.totp import TokenError  # type: ignore[import-untyped]
from wtforms import StringField

from evenflow.web.accounts import attempts, throttle
from evenflow.web.accounts import secrets as account_secrets
from evenflow.web.accounts.forms import Guessed
from evenflow.web.frame.context import web

N_CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike."""


class OnceTotp(Totp):
    """Codes of an app, each taken once."""

    def verify_totp(
        self, token: str, totp_secret: str, user: Any, window: int = 0
    ) -> bool:
        """Return whether a code is right and was not used before."""
        try:
            match = self._totp.verify(token, totp_secret, window=window)
        except (TokenError, ValueError):  # a wrong code; a secret of another key
            return False
        mark = throttle.key("code-used", user.id, totp_secret, match.counter)
        is_new = throttle.once(web.db, mark)
        web.db.commit()
        return is_new

    def generate_qrcode(self, username: str, totp: str) -> str:
        """Return the code to scan as an image, dark on white in both themes."""
        import qrcode  # type: ignore[import-untyped]
        from qrcode.image.svg import SvgPathFillImage  # type: ignore[import-untyped]

        image = qrcode.make(
            self.get_totp_uri(username, totp), image_factory=SvgPathFillImage
        )
        buffer = io.BytesIO()
        image.save(buffer)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        return f"data:image/svg+xml;base64,{data}"


class HashedCodes(MfRecoveryCodesUtil):
    """Recovery codes: 118 random bits each, shown once, kept as keyed hashes."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.key = account_secrets.derive(str(app.secret_key), "recovery codes")

    def create_recovery_codes(self, user: Any) -> list[str]:
        """Return new codes; earlier ones become invalid."""
        codes = [_new_code() for _ in range(N_CODES)]
        hashed = [self._hash(user, code) for code in codes]
        self._datastore.mf_set_recovery_codes(user, hashed)
        return codes

    def get_recovery_codes(self, user: Any) -> list[str]:
        """Return nothing: what is hashed cannot be shown again."""
        del user
        return []

    def check_recovery_code(self, user: Any, code: str) -> bool:
        """Return whether a code is right, and take it: the same one sent twice is not.

        The database decides which of two simultaneous requests is first.
        """
        hashed = self._hash(user, code)
        kept = self._datastore.mf_get_recovery_codes(user)
        if not any(hmac.compare_digest(hashed, each) for each in kept):
            return False
        is_new = throttle.once(web.db, throttle.key("code-used", user.id, hashed))
        web.db.commit()
        return is_new

    def delete_recovery_code(self, user: Any, code: str) -> bool:
        """Forget a code that was used."""
        kept = self._datastore.mf_get_recovery_codes(user)
        index = kept.index(self._hash(user, code))
        return bool(self._datastore.mf_delete_recovery_code(user, index))

    @property
    def _datastore(self) -> Any:
        return current_app.extensions["security"].datastore

    def _hash(self, user: Any, code: str) -> str:
        plain = "".join(c for c in code.casefold() if c.isalnum())
        text = f"{user.id}:{plain}".encode()
        return hmac.digest(self.key, text, "sha256").hex()


class _Choice(StringField):  # type: ignore[misc]
    """One word of a few, in a field without markup of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choices: list[Any] = []


class SetUpForm(TwoFactorSetupForm):
    """The action: set the app up, or remove the second factor."""

    setup = _Choice()


class RescueForm(TwoFactorRescueForm):
    """Asked for by Flask-Security's page of the code, which links to what helps."""

    help_setup = _Choice()


class _Code(Guessed):
    """A form with a code."""

    def tries(self) -> tuple[str, ...]:
        """Return the throttle's keys of the codes of a person."""
        return attempts.code_keys(self.user)  # type: ignore[attr-defined]


class CodeForm(_Code, TwoFactorVerifyCodeForm):
    """A code of the app: when logging in, or to set the app up."""

    labels: ClassVar = {"code": "Code"}


class RecoveryForm(_Code, MfRecoveryForm):
    """A recovery code instead of one of the app."""

    labels: ClassVar = {"code": "Recovery code"}


def _new_code() -> str:
    text = "".join(secrets.choice(LETTERS) for _ in range(24))
    return "-".join(text[i : i + 4] for i in range(0, 24, 4))
