"""Sign-up: open to all, by an invitation, or not at all.

The answer is the same whether the address had an account or not. With mail, what
differs is in the mailbox; without, a new account can only be told by logging in to it.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_security import current_user, hash_password
from flask_security.confirmable import generate_confirmation_link
from flask_security.utils import send_mail
from flask_wtf import FlaskForm
from sqlalchemy import select
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, ValidationError

from evenflow.errors import DataError
from evenflow.web.accounts import attempts, invitations, passwords, people
from evenflow.web.accounts.throttle import key
from evenflow.web.frame import errors
from evenflow.web.frame.context import web
from evenflow.web.store.tables import Invitation, User

bp = Blueprint("sign_up", __name__, url_prefix="/register")

DONE = "If that address had no account, one was created: log in with it"
SENT = "A link was sent to that address: open it, then log in"
CLOSED = "New accounts need an invitation; ask an administrator for a link"


class SignUp(FlaskForm):  # type: ignore[misc]
    """An address and a password; typed once, it can be shown."""

    email = EmailField("E-mail address", [InputRequired("Type your e-mail address")])
    password = PasswordField("Password", [InputRequired("Type a password")])

    def validate_email(self, field: Any) -> None:
        """Bring the address to its one form."""
        try:
            field.data = people.normal_email(field.data)
        except DataError as error:
            raise ValidationError(people.NOT_AN_EMAIL) from error

    def validate_password(self, field: Any) -> None:
        """Refuse what is guessed first."""
        field.data = passwords.normal(field.data)
        wrong = passwords.fault(field.data, email=self.email.data or "")
        if wrong:
            raise ValidationError(wrong)


@bp.route("", methods=["GET", "POST"])
def open_to_all() -> Any:
    """Make an account, where anybody may."""
    if current_user.is_authenticated:
        return redirect("/")
    if web.settings.sign_up != "open":
        return errors.answer(403, CLOSED)
    return _form(None)


@bp.route("/<token>", methods=["GET", "POST"])
def invited(token: str) -> Any:
    """Make an account by an invitation."""
    if current_user.is_authenticated:
        return redirect("/")
    if web.settings.sign_up == "off":
        abort(404)
    invitation = invitations.find(web.db, token)
    if invitation is None:
        return errors.answer(
            404, "This invitation was already used or has expired; request another one"
        )
    return _form(invitation)


def _form(invitation: Invitation | None) -> Any:
    form = SignUp()
    if invitation is not None and invitation.email:
        form.email.data = invitation.email  # whatever was sent
    if form.is_submitted():
        if not attempts.allow(key("sign-up-address", attempts.here())):
            form.validate()
            form.form_errors = [attempts.words()]
        elif form.validate():
            return _make(form, invitation)
    return render_template("sign_up/form.html", form=form, invitation=invitation)


def _make(form: SignUp, invitation: Invitation | None) -> Any:
    """Make the account if the address is free, and answer the same if it is not."""
    email, password = str(form.email.data), str(form.password.data)
    has_mail = web.settings.mail is not None
    hashed = hash_password(password)  # also where there is an account: it takes as long
    existing = web.db.scalar(select(User).where(User.email == email))
    if existing is None:
        existing = _add(email, hashed, invitation)
    elif has_mail:
        send_mail("Your account", email, "security/email/exists_already", user=existing)
    web.db.commit()
    is_confirmed_by_link = invitation is not None and bool(invitation.email)
    flash(SENT if has_mail and not is_confirmed_by_link else DONE, "info")
    return redirect(url_for("security.login"))


def _add(email: str, hashed: str, invitation: Invitation | None) -> User | None:
    is_known = invitation is not None and bool(invitation.email)
    has_mail = web.settings.mail is not None
    if invitation is not None and not invitations.use(web.db, invitation):
        return None
    try:
        user = people.add(
            web.db,
            email,
            None,
            role="viewer" if invitation is None else invitation.role,
            is_confirmed=is_known or not has_mail,
            how="invitation" if invitation else "sign-up",
        )
    except DataError:  # somebody took the address this very moment
        web.db.rollback()
        return None
    user.password = hashed
    if has_mail and not is_known:
        _link, token = generate_confirmation_link(user)  # type: ignore[no-untyped-call]
        send_mail(
            "Confirm your address",
            email,
            "security/email/confirmation_instructions",
            user=user,
            confirmation_token=token,
        )
    return user
