"""Flask-Security's forms, made slow to guess at and silent about who has an account."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from flask import g
from flask_security import (
    ChangeEmailForm,
    ChangePasswordForm,
    ForgotPasswordForm,
    LoginForm,
    ResetPasswordForm,
    SendConfirmationForm,
    VerifyForm,
    current_user,
    hash_password,
)
from flask_wtf import FlaskForm

from evenflow.errors import DataError
from evenflow.web.accounts import attempts, people, sessions
from evenflow.web.accounts.throttle import key
from evenflow.web.frame.context import web
from evenflow.web.frame.permissions import audit
from evenflow.web.store.tables import User

EMAIL = "E-mail address"
WRONG = "E-mail address or password is wrong"
"""The one answer to a log-in that fails, whatever was wrong."""

USED = "This link was already used or is no longer valid; request another one"
UNCONFIRMED = (
    "Confirm your e-mail address first: open the link in the mail you received, or "
    "request another one below"
)


class Labelled:
    """A form of Flask-Security whose fields have labels of ours."""

    labels: ClassVar[dict[str, str]] = {"email": EMAIL}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in self.labels.items():
            self[name].label.text = text  # type: ignore[index]

    def may_try(self, *keys: str) -> bool:
        """Return whether the throttle allows a try with those keys; say so if not."""
        is_allowed = attempts.allow(*keys)
        if not is_allowed:
            self.form_errors = [attempts.words()]
        return is_allowed


class Guessed(Labelled):
    """A form with a secret, guessed at no more often than the throttle allows."""

    def tries(self) -> tuple[str, ...]:
        """Return the throttle's keys of the secret."""
        raise NotImplementedError

    def validate(self, **kwargs: Any) -> bool:
        """Return whether the secret is right."""
        tries = self.tries()
        if not self.may_try(*tries) or not super().validate(**kwargs):  # type: ignore[misc]
            return False
        attempts.was_right(*tries)
        return True


class LogIn(Labelled, LoginForm):
    """The log-in form."""

    remember = None
    kept: dict[str, list[str]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.password.description = ""

    def validate(self, **kwargs: Any) -> bool:
        """Return whether this person may come in."""
        g.log_in_form = self
        self.kept = {}
        if not FlaskForm.validate(self, **kwargs):
            # an empty field or what is no address tells nothing: say so at the field
            self.kept = {f.name: list(f.errors) for f in self if f.errors}
            return False
        email = str(self.email.data)
        keys = attempts.log_in_keys(email)
        if not attempts.allow(*keys):
            self.kept = {"": [attempts.words()]}
            return False
        if super().validate(**kwargs):
            attempts.was_right(*keys)
            return True
        # only somebody who knows the password reads that it is unconfirmed
        is_known = self.requires_confirmation and self.user_authenticated
        self.kept = {"": [UNCONFIRMED if is_known else WRONG]}
        audit("login.failed", email, user=self.user)
        web.db.commit()
        return False

    def restore(self) -> None:
        """Put this form's own words back where the view put its general ones."""
        if self.kept is None:
            return
        self.form_errors = self.kept.get("", [])
        for field in self:
            if field.name in self.kept:
                field.errors = self.kept[field.name]


class Verify(Guessed, VerifyForm):
    """The password again, before something of weight."""

    labels: ClassVar[dict[str, str]] = {}

    def tries(self) -> tuple[str, ...]:
        """Return the throttle's key of the password."""
        return (key("password", self.user.id),)


class ChangePassword(Labelled, ChangePasswordForm):
    """The old password and a new one; typed once, it can be shown."""

    new_password_confirm = None
    labels: ClassVar = {"password": "Current password", "new_password": "New password"}

    def validate(self, **kwargs: Any) -> bool:
        """Return whether the password is changed."""
        tries = key("password", current_user.id)
        if self.password.data and not self.may_try(tries):
            return False
        is_valid = super().validate(**kwargs)
        if self.password.data and not self.password.errors:
            attempts.was_right(tries)
        return is_valid


class SetPassword(Labelled, ResetPasswordForm):
    """A new password, by a link; typed once, it can be shown."""

    password_confirm = None
    labels: ClassVar = {"password": "New password"}

    def validate(self, **kwargs: Any) -> bool:
        """Return whether the password is set: of requests at once for one only."""
        if self.user is None or not super().validate(**kwargs):
            return False
        is_first = sessions.use_links(web.db, cast("User", self.user))
        web.db.commit()
        if not is_first:
            self.form_errors = [USED]
        return is_first


class ForgotPassword(Labelled, ForgotPasswordForm):
    """An address that a link is sent to, if it has an account."""

    def validate(self, **kwargs: Any) -> bool:
        """Return whether a link is sent."""
        if not _may_send(self) or not super().validate(**kwargs):
            return False
        hash_password("as long as an address without an account takes")
        return True


class SendConfirmation(Labelled, SendConfirmationForm):
    """An address that another link to confirm it is sent to."""

    def validate(self, **kwargs: Any) -> bool:
        """Return whether a link is sent."""
        return _may_send(self) and bool(super().validate(**kwargs))


class ChangeEmail(Labelled, ChangeEmailForm):
    """Another address, which is sent a link."""

    labels: ClassVar = {"email": "New e-mail address"}

    def validate(self, **kwargs: Any) -> bool:
        """Return whether a link is sent."""
        may_try = self.may_try(key("reset", current_user.id))
        return may_try and bool(super().validate(**kwargs))


def _may_send(form: Any) -> bool:
    try:
        email = people.normal_email(str(form.email.data or ""))
    except DataError:
        form.form_errors = [people.NOT_AN_EMAIL]
        return False
    keys = (key("reset", email), key("reset-address", attempts.here()))
    return bool(form.may_try(*keys))
