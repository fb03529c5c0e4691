"""``evenflow serve`` and ``evenflow worker``: the web application and its workers."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evenflow.cli import options, streams
from evenflow.cli import settings as servers
from evenflow.cli.guard import Command, voice
from evenflow.errors import DataError
from evenflow.files import storage_error
from evenflow.places import environment
from evenflow.web.jobs.kinds import LANES

if TYPE_CHECKING:
    from evenflow.web.serve.supervisor import Child
    from evenflow.web.settings import Settings
    from evenflow.web.store.data_folder import Home
    from evenflow.web.store.database import Database

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder in it is made by mkdtemp)
FIGURES = "evenflow-figures-"


@click.command(cls=Command, short_help="Start the web application.")
@servers.server
@click.option("--host", help="Address to listen on  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on  [default: 8000]")
@click.option(
    "--public-url",
    metavar="URL",
    help="Public https address, if a proxy is in front of the server.",
)
@click.option(
    "--trusted-proxies",
    metavar="N",
    type=int,
    help="Number of proxies in front whose X-Forwarded headers are trusted  [default: "
    "0]",
)
@click.option("--workers", type=int, help="Web processes  [default: 2]")
@click.option("--threads", type=int, help="Threads of each process  [default: 8]")
@click.option(
    "--sign-up",
    type=click.Choice(["open", "invited", "off"]),
    help="Who may create an account  [default: open]",
)
@click.option(
    "--add-bundle",
    "added",
    metavar="DIR",
    multiple=True,
    type=options.BUNDLE,
    help="Import this bundle, or the bundles in this folder. Repeatable.",
)
def serve(
    home: Path | None, config: Path | None, *, added: tuple[Path, ...], **given: Any
) -> None:
    """Start the web application: pages, API, and the workers that score and train.

    The data folder is created on the first start. Where no model is active, the one
    that comes with evenflow is. Where there is no administrator, a link is printed that
    creates the first one. Stop the server with Ctrl-C.
    """
    settings = servers.load(home, config, given)
    from evenflow.web.serve import supervisor
    from evenflow.web.store import data_folder as homes
    from evenflow.web.store import folder_lock, pairing
    from evenflow.web.store.database import check_whole

    with ExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        host, port = listener.getsockname()[:2]
        settings = settings.model_copy(update={"port": port})
        stack.enter_context(folder_lock.shared(settings.home))
        here = homes.open_home(settings.home)
        with servers.opened(settings) as database:
            check_whole(database)
            pairing.tie(here, database)
            lines = _prepare(settings, here, database, added)
        figures = stack.enter_context(_figures(settings))
        children = _children(settings, listener.fileno(), figures)
        stack.enter_context(servers.announced(settings))
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        supervisor.Supervisor(children, voice().say).run(
            lambda: supervisor.answers(reached, port),
            lambda: _greet(settings, host, port, lines),
        )
        database.fold()
    voice().say("Stopped.")


@click.command(cls=Command, short_help="Run jobs for servers on other machines.")
@servers.server
@click.option(
    "--lane",
    type=click.Choice(LANES),
    default="score",
    show_default=True,
    help="Jobs to run: scoring of uploads, or training.",
)
def worker(home: Path | None, config: Path | None, *, lane: str, **given: Any) -> None:
    """Run jobs beside the workers that `serve` starts, until Ctrl-C.

    For another machine with access to the same PostgreSQL database and the same data
    folder.
    """
    settings = servers.load(home, config, given)
    from evenflow.web.serve import supervisor
    from evenflow.web.store import data_folder as homes
    from evenflow.web.store import folder_lock, pairing

    with folder_lock.shared(settings.home):
        with servers.opened(settings) as database:
            pairing.tie(homes.open_home(settings.home), database)
        child = _worker(settings, lane)
        child_s = 25.0
        supervisor.Supervisor([child], voice().say, stop_s=child_s).run(
            lambda: True, lambda: voice().say(f"{child.name} is ready")
        )
    voice().say("Stopped.")


def _listener(settings: Settings) -> Any:
    from evenflow.web.serve.server import listen

    where = f"{settings.host} port {settings.port}"
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise DataError(
                f"{where} is in use by another program, expected a free port. Stop "
                f"that program or choose another port: --port {settings.port + 1}"
            ) from error
        raise DataError(
            f"cannot listen on {where}: {error.strerror or error}. Expected an address "
            "of this machine and a port of 1024 or more; choose them with --host and "
            "--port"
        ) from error


def _prepare(
    settings: Settings, home: Home, database: Database, added: tuple[Path, ...]
) -> list[str]:
    """Import bundles, make sure a model is active; return lines to print."""
    from evenflow.web.models import importing

    lines = []
    if home.set_aside.is_dir():
        n = sum(1 for _ in home.set_aside.glob("*/*"))
        lines.append(f"{n} folders without a job were moved to {home.set_aside}")
    if names := importing.take(home, database, added):
        lines.append(f"Models imported: {', '.join(names)}")
    if name := importing.take_shipped(home, database):
        lines.append(f"The active model is {name}, which comes with evenflow")
    return lines + _first_admin(settings, database)


def _first_admin(settings: Settings, database: Database) -> list[str]:
    """Return the line with the link for the first administrator, if there is none."""
    from evenflow.web.accounts import invitations

    with database.session() as session:
        token = invitations.make_first(session)
    if not token:
        return []
    return [
        "There is no administrator yet. Open this link in a browser to create the "
        "first one; it is valid once, for a day, or until the next start:\n"
        f"  {settings.address}/register/{token}"
    ]


@contextmanager
def _figures(settings: Settings) -> Iterator[str]:
    """Yield an empty folder in which the processes count, until the block ends.

    It lies in memory where that can be: a full disk stops no counting then.
    """
    roots = [settings.home]
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        roots.insert(0, SHARED_MEMORY)
    for root in roots:
        _forget_figures(root)
    for root in roots:
        try:
            folder = Path(tempfile.mkdtemp(prefix=FIGURES, dir=root))
            break
        except OSError as error:
            failed = error
    else:
        raise storage_error(settings.home, failed) from failed
    with _locked(folder, fcntl.LOCK_EX):
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_figures(root: Path) -> None:
    """Delete folders that killed servers left behind: those that nobody locks."""
    for folder in root.glob(f"{FIGURES}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.geteuid():
                with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _children(settings: Settings, listener: int, figures: str) -> list[Child]:
    from evenflow.web.serve.supervisor import Child

    web = Child(
        name="The web server",
        command=_command("web", str(listener)),
        # one record is scored faster by one thread than by all
        environment=environment(
            PROMETHEUS_MULTIPROC_DIR=figures,
            OMP_NUM_THREADS="1",
            POLARS_MAX_THREADS="2",
        ),
        stdin=_child_input(settings),
        descriptors=(listener,),
    )
    return [web, *(_worker(settings, lane) for lane in LANES)]


def _worker(settings: Settings, lane: str) -> Child:
    from evenflow.web.serve.supervisor import Child

    return Child(
        name=f"The worker that {'scores' if lane == 'score' else 'trains'}",
        command=_command("worker", lane),
        environment=environment(),
        stdin=_child_input(settings),
    )


def _command(*words: str) -> list[str]:
    # -P: what lies in the folder it is started from is not imported
    return [sys.executable, "-P", "-m", "evenflow.cli.child", *words]


def _child_input(settings: Settings) -> bytes:
    value = {
        "settings": settings.model_dump(mode="json"),
        "voice": asdict(voice()),
        "parent": os.getpid(),
    }
    return json.dumps(value).encode()


def _greet(settings: Settings, host: str, port: int, notes: list[str]) -> None:
    shown = f"[{host}]" if ":" in host else host
    lines = [
        f"evenflow is at {settings.public_url or f'http://{shown}:{port}'}",
        f"Its data folder is {settings.home}",
        *notes,
    ]
    free = shutil.disk_usage(settings.home).free
    if free < 2**30:
        lines.append(f"Only {free / 2**20:,.0f} MB are free there.")
    if not streams.is_closed():  # a server needs none
        click.echo("\n".join(lines))
