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


@click.group(cls=Group, short_help="Add people to a server and change their accounts.")
def user() -> None:
    """Add people to a server and change their accounts.

    Roles: viewer (their own records), analyst (everybody's, and experiments), admin
    (people, settings, the detector in use).
    """


@user.command("add", short_help="Make an account.")
@click.argument("email")
@click.option(
    "--role", type=ROLES, default="viewer", show_default=True, help="What they may do."
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
    """Make an account for EMAIL; the password is asked for, twice, and not shown."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        made = people.add(session, email, _password(password_stdin), role)
        click.echo(f"{made.email} can log in as {made.role}")


@user.command("list", short_help="Say who has an account.")
@as_json
@servers.server
def show(
    home: Path | None, config: Path | None, *, as_json: bool, **given: Any
) -> None:
    """Say who has an account, as which role, and when they were last here."""
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
    click.echo(columns(("email", "role", "", "second factor", "last here"), rows))


@user.command("role", short_help="Give a person another role.")
@click.argument("email")
@click.argument("role", type=ROLES)
@servers.server
def role(
    home: Path | None, config: Path | None, *, email: str, role: str, **given: Any
) -> None:
    """Give EMAIL another ROLE; it counts from their next click on."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.set_role(session, person := people.find(session, email), role)
        click.echo(f"{person.email} is {role}")


@user.command("disable", short_help="Let a person in no more.")
@click.argument("email")
@servers.server
def disable(
    home: Path | None, config: Path | None, *, email: str, **given: Any
) -> None:
    """Let EMAIL in no more: sessions end, tokens stop; their records stay."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.disable(session, person := people.find(session, email))
        click.echo(f"{person.email} cannot log in any more")


@user.command("enable", short_help="Let a person in again.")
@click.argument("email")
@servers.server
def enable(home: Path | None, config: Path | None, *, email: str, **given: Any) -> None:
    """Let EMAIL in again."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import people

        people.enable(session, person := people.find(session, email))
        click.echo(f"{person.email} can log in again")


@user.command("reset", short_help="Print a link by which a person sets a password.")
@click.argument("email")
@click.option(
    "--second-factor",
    is_flag=True,
    help="Take their second factor away as well, for one who lost it.",
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
    """Print a link by which EMAIL sets a new password; it holds for some hours.

    Hand it over where nobody else reads it.
    """
    with _people(home, config, given) as session:
        from evenflow.web.accounts import links, people

        person = people.find(session, email)
        if second_factor:
            people.reset_second_factor(session, person)
        people.log(session, "user.reset_link", person.email)
        session.flush()
        click.echo(links.reset_link(person))


@user.command("token", short_help="Make a key to the API.")
@click.argument("email")
@click.option("--name", required=True, help="What it is for, to tell it from others.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    default=["score"],
    show_default=True,
    help="What it may do: score, uploads, alerts:read and so on, as the page of keys "
    "lists them. Repeatable.",
)
@click.option("--days", type=int, default=90, show_default=True, help="How long.")
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
    """Make a key to the API that acts for EMAIL, and print it this once."""
    with _people(home, config, given) as session:
        from evenflow.web.accounts import api_keys, people

        person = people.find(session, email)
        scopes = scopes or ("score",)
        made = api_keys.make(session, person, name=name, scopes=scopes, days=days)
        people.log(session, "token.add", person.email, name=name, scopes=[*scopes])
        session.flush()
        click.echo(made)


@contextmanager
def _people(
    home: Path | None, config: Path | None, given: dict[str, Any]
) -> Iterator[Session]:
    """Yield a session inside the application; what was done is kept at the end."""
    settings = servers.running(servers.load(home, config, given))
    from evenflow.web import create_app
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
                "there is no terminal to ask for a password, expected one. Pass the "
                "password on standard input and say --password-stdin"
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
