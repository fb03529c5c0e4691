"""``evenflow user``: the accounts of a server, without a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import settings as servers
from evenflow.cli import streams
from evenflow.cli.guard import Group, print_json
from evenflow.cli.options import as_json
from evenflow.cli.text import columns
from evenflow.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ROLES = click.Choice(["viewer", "analyst", "admin"])


@click.group(cls=Group, short_help="Create and change the accounts of a server.")
def user() -> None:
    """Create and change the accounts of a server.

    Roles: viewer (their own records), analyst (all records, and experiments), admin
    (accounts, settings, the model in use).
    """


@user.command("add", short_help="Create an account.")
@click.argument("email")
@click.option(
    "--role",
    type=ROLES,
    default="viewer",
    show_default=True,
    help="Role of the account.",
)
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input instead of asking.",
)
@servers.server
def add(
    home: Path | None,
    config: Path | None,
    *,
    email: str,
    role: str,
    password_stdin: bool,
    **given: Any,
) -> None:
    """Create an account for EMAIL; asks for the password twice, without showing it."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        made = people.add(session, email, _password(password_stdin), role)
        click.echo(f"{made.email} can log in as {made.role}")


@user.command("list", short_help="List the accounts.")
@as_json
@servers.server
def show(
    home: Path | None, config: Path | None, *, as_json: bool, **given: Any
) -> None:
    """List the accounts with role and date of last log-in."""
    with _people(home, config, given) as session:
        from evenflow.web.store.tables import User

        found = [
            {
                "email": person.email,
                "role": person.role,
                "active": person.active,
                "second_factor": bool(person.tf_primary_method),
                "created_at": person.created_at.isoformat(timespec="seconds"),
                "last_login_at": person.last_login_at
                and person.last_login_at.isoformat(timespec="seconds"),
            }
            for person in session.query(User).order_by(User.email)
        ]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            person["email"],
            person["role"],
            "" if person["active"] else "disabled",
            "yes" if person["second_factor"] else "",
            person["last_login_at"] or "never",
        )
        for person in found
    ]
    click.echo(columns(("email", "role", "", "second factor", "last seen"), rows))


@user.command("role", short_help="Change the role of an account.")
@click.argument("email")
@click.argument("role", type=ROLES)
@servers.server
def role(
    home: Path | None, config: Path | None, *, email: str, role: str, **given: Any
) -> None:
    """Change the role of EMAIL to ROLE; it applies from their next request."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.set_role(session, person := people.find(session, email), role)
        click.echo(f"{person.email} is {role}")


@user.command("disable", short_help="Disable an account.")
@click.argument("email")
@servers.server
def disable(
    home: Path | None, config: Path | None, *, email: str, **given: Any
) -> None:
    """Disable the account of EMAIL: ends sessions and API keys, keeps the records."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.disable(session, person := people.find(session, email))
        click.echo(f"{person.email} cannot log in any longer")


@user.command("enable", short_help="Enable an account again.")
@click.argument("email")
@servers.server
def enable(home: Path | None, config: Path | None, *, email: str, **given: Any) -> None:
    """Enable the account of EMAIL again."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.enable(session, person := people.find(session, email))
        click.echo(f"{person.email} can log in again")


@user.command("reset", short_help="Print a link for setting a password.")
@click.argument("email")
@click.option(
    "--second-factor",
    is_flag=True,
    help="Also remove the second factor, for a person who lost it.",
)
@servers.server
def reset(
    home: Path | None,
    config: Path | None,
    *,
    email: str,
    second_factor: bool,
    **given: Any,
) -> None:
    """Print a link for setting a new password of EMAIL; it expires after some hours.

    Send it over a channel that nobody else reads.
    """
    with _people(home, config, given) as session:
        from evenflow.web.accounts import links, people
        from evenflow.web.frame.permissions import audit

        person = people.find(session, email)
        if second_factor:
            people.reset_second_factor(session, person)
        audit("user.reset_link", person.email, session=session)
        session.flush()
        click.echo(links.reset_link(person))


@user.command("token", short_help="Create an API key.")
@click.argument("email")
@click.option("--name", required=True, help="Name of the key.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    default=["score"],
    show_default=True,
    help="Permission of the key, as listed on the page of keys: score, uploads, "
    "alerts:read and so on. Repeatable.",
)
@click.option(
    "--days",
    type=int,
    default=90,
    show_default=True,
    help="Days until the key expires.",
)
@servers.server
def token(
    home: Path | None,
    config: Path | None,
    *,
    email: str,
    name: str,
    scopes: tuple[str, ...],
    days: int,
    **given: Any,
) -> None:
    """Create an API key that acts for EMAIL, and print it once."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import api_keys, people
        from evenflow.web.frame.permissions import audit

        person = people.find(session, email)
        scopes = scopes or ("score",)
        made = api_keys.make(session, person, name=name, scopes=scopes, days=days)
        audit("token.add", person.email, name=name, scopes=[*scopes], session=session)
        session.flush()
        click.echo(made)


@contextmanager
def _people(
    home: Path | None, config: Path | None, given: dict[str, Any]
) -> Iterator[Session]:
    """Yield a session inside the application; what was done is kept at the end."""
    settings = servers.running(servers.load(home, config, given))
    from evenflow.web.app import create_app
    from evenflow.web.frame.context import web
    from evenflow.web.store.database import reached

    with servers.opened(settings):
        app = create_app(settings)
        with app.app_context(), reached(web.database):
            try:
                yield web.db()
                web.db.commit()
            finally:
                web.db.remove()
                web.database.dispose()


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        if sys.stdin is None or not sys.stdin.isatty():
            raise DataError(
                "cannot prompt for a password without a terminal. Pass it on standard "
                "input with --password-stdin"
            )
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    streams.stdin()  # refused where it is closed
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise DataError(
            "found no password on standard input, expected one line. Pass it, as in: "
            "evenflow user add EMAIL --password-stdin < FILE"
        )
    return text
