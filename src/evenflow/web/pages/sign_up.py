"""Sign-up: open to all, by an invitation, or not at all.

Where mails are sent, the answer is the same whether the address had an account or not:
what differs is in the mailbox. A person whose address needs no confirmation is logged
in at once.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_security import current_user, hash_password
from flask_security.confirmable import generate_confirmation_link
from flask_security.utils import login_user, send_mail
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

SENT = "A link was sent to that address: open it, then log in"
EXISTS = "There is an account for this address already: log in"
FIRST = "You are the administrator of this server"
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
    guesses = key("link-address", attempts.here())
    if not attempts.allow(guesses):
        return errors.answer(429, attempts.words())
    invitation = invitations.find(web.db, token)
    is_first = invitation is not None and invitation.is_first
    if web.settings.sign_up == "off" and not is_first:
        abort(404)
    if invitation is None:
        return errors.answer(
            404, "This invitation was already used or has expired; request another one"
        )
    attempts.was_right(guesses)
    if not current_user.is_authenticated:
        return _form(invitation)
    return _promote(invitation) if is_first else redirect("/")


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


def _promote(invitation: Invitation) -> Any:
    """Make a person who is logged in the first admin, once they agree."""
    if request.method == "GET":
        return render_template("sign_up/first.html")
    if invitations.use(web.db, invitation):
        people.set_role(web.db, current_user._get_current_object(), invitation.role)
        web.db.commit()
        flash(FIRST, "success")
    return redirect("/")


def _make(form: SignUp, invitation: Invitation | None) -> Any:
    """Make the account if the address is free, and log in or send a link."""
    email, password = str(form.email.data), str(form.password.data)
    needs_mail = web.settings.mail is not None and not _is_proof(invitation)
    hashed = hash_password(password)  # also where there is an account: it takes as long
    existing = web.db.scalar(select(User).where(User.email == email))
    made = _add(email, hashed, invitation) if existing is None else None
    if existing is not None and needs_mail:
        send_mail("Your account", email, "security/email/exists_already", user=existing)
    web.db.commit()
    if needs_mail:
        flash(SENT, "info")
        return redirect(url_for("security.login"))
    if made is None:
        form.email.errors = [EXISTS]
        return render_template("sign_up/form.html", form=form, invitation=invitation)
    login_user(made, authn_via=["sign-up"])
    if invitation is not None and invitation.is_first:
        flash(FIRST, "success")
    return redirect("/")


def _is_proof(invitation: Invitation | None) -> bool:
    """Return whether an invitation needs no mail to confirm the address.

    It came to that address, or from the server's own terminal.
    """
    return invitation is not None and (bool(invitation.email) or invitation.is_first)


def _add(email: str, hashed: str, invitation: Invitation | None) -> User | None:
    is_known = _is_proof(invitation)
    has_mail = web.settings.mail is not None
    if invitation is not None and not invitations.use(web.db, invitation):
        return None
    try:
        user = people.add(
            web.db,
            email,
            None,
            role=invitation.role if invitation else web.settings.sign_up_role,
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
