"""A real server, as users start it, and a real browser that visits it.

``site`` runs ``evenflow serve`` on a free port for all tests here; ``visit`` opens a
page as nobody or as a person of a role. What goes wrong behind a page's back fails its
test: a console error, a violation of the Content-Security-Policy, an answer of 5xx, a
file of the page that does not arrive.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from evenflow import datasets
from evenflow.prepare.explore import explore
from evenflow.web.accounts import people
from evenflow.web.app import create_app
from evenflow.web.datasets import explorations
from evenflow.web.frame.context import KEY
from evenflow.web.settings import Settings
from evenflow.web.store.data_folder import open_home, secret

playwright = pytest.importorskip("playwright.sync_api")

PASSWORD = "seven quiet lamps at noon"
ROLES = ("viewer", "analyst", "admin")
WAIT_MS = 20_000
playwright.expect.set_options(timeout=WAIT_MS)
TWIN = "twin"
"""The second detector: the first one under another name."""


@dataclass(kw_only=True)
class Site:
    """A running server."""

    url: str
    home: Path
    words: list[str] = field(default_factory=list)
    """What it said."""
    app: Flask | None = None
    """Another one on the same data folder, to make accounts with."""
    logged_in: dict[str, Any] = field(default_factory=dict)
    """Cookies by role, so that not every test logs in."""

    def command(self, *words, given=""):
        """Run ``evenflow ... --home``, as in a terminal; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "evenflow", *words, "--home", str(self.home)],
            input=given, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_person(self, role="viewer", email=""):
        """Make an account; return its address."""
        email = email or f"{role}-{secrets.token_hex(3)}@example.org"
        if self.app is None:
            here = open_home(self.home)
            self.app = create_app(Settings(home=self.home, secret_key=secret(here)))
        web = self.app.extensions[KEY]
        with self.app.app_context():
            people.add(web.db, email, PASSWORD, role)
            web.db.commit()
        return email


@pytest.fixture(scope="session")
def site(saved_bundle, tmp_path_factory):
    """``evenflow serve`` with two detectors and a person of each role."""
    root = tmp_path_factory.mktemp("site")
    taken = root / "taken"
    for name in (saved_bundle.name, TWIN):
        shutil.copytree(saved_bundle, taken / name)
    # what the server would explore by itself takes time from its pages
    few = explore(datasets.load("synthetic", "train", n_rows=500), split="train")
    explorations.write(open_home(root / "home"), "lab", few)
    with _served(root / "home", "--add-bundle", str(taken)) as found:
        found.command(
            "user", "add", "admin@example.org", "--role", "admin", "--password-stdin",
            given=f"{PASSWORD}\n",
        )  # fmt: skip
        for role in ("viewer", "analyst"):
            found.add_person(role, f"{role}@example.org")
        yield found
        if found.app is not None:
            found.app.extensions[KEY].database.dispose()


@pytest.fixture
def fresh_site(tmp_path):
    """``evenflow serve`` as on a new machine: no account, no file of settings."""
    with _served(tmp_path / "home") as found:
        yield found


@contextmanager
def _served(home, *words):
    """Run ``evenflow serve`` on a free port until the block ends."""
    environment = {k: v for k, v in os.environ.items() if k != "EVENFLOW_SECRET_KEY"}
    server = subprocess.Popen(
        [
            sys.executable, "-m", "evenflow", "serve", "--home", str(home),
            "--port", "0", *words,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment | {"PYTHONUNBUFFERED": "1"}, start_new_session=True,
    )  # fmt: skip
    try:
        found = Site(url="", home=home)
        _follow(server, found)
        yield found
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def _follow(server, site):
    """Wait for the address the server prints; keep all it says."""

    def read():
        assert server.stdout is not None
        with server.stdout as stream:
            site.words.extend(stream)

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        text = "".join(site.words)
        if match := re.search(r"evenflow is at (http://\S+)", text):
            site.url = match[1]
            return
        time.sleep(0.1)
    pytest.fail("the server did not start:\n" + "".join(site.words))


WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


class Watch:
    """What goes wrong behind the backs of a context's pages."""

    def __init__(self, context):
        self.wrong: list[str] = []
        self.expected: list[str] = []
        """Parts of messages that a test brings about itself."""
        context.add_init_script(WATCH)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.wrong.append(f"error {error.error}"))
        context.on("response", self._on_response)

    def _on_console(self, message):
        # what did not arrive is told by its answer, below
        is_told = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_told:
            self.wrong.append(f"console {message.type}: {message.text}")

    def _on_response(self, response):
        kind = response.request.resource_type
        is_part = kind not in ("document", "fetch", "xhr")
        if response.status >= 500 or (is_part and response.status >= 400):
            self.wrong.append(f"{response.status} {response.url}")

    def found(self):
        """Return what went wrong and was not expected."""
        return [w for w in self.wrong if not any(e in w for e in self.expected)]


@pytest.fixture
def visit(chromium, site):
    """Return a maker of pages: ``visit("/alerts", "analyst")``, each its own browser.

    ``role`` is '', one of ROLES (logged in already) or the address of an account.
    """
    opened: list[tuple[Any, Watch]] = []

    def visit(
        path="/", role="", *, width=1440, is_dark=False, has_scripts=True, zone=None
    ):  # fmt: skip
        context = chromium.new_context(
            base_url=site.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if is_dark else "light",
            reduced_motion="reduce",
            java_script_enabled=has_scripts,
            accept_downloads=True,
            timezone_id=zone,
        )
        context.set_default_timeout(WAIT_MS)
        opened.append((context, watch := Watch(context)))
        page = context.new_page()
        page.watch = watch
        if role in site.logged_in:
            context.add_cookies(site.logged_in[role])
        elif role:
            email = role if "@" in role else f"{role}@example.org"
            log_in(page, email)
            if role in ROLES:
                site.logged_in[role] = context.cookies()
            page.goto("about:blank")
        if path:
            page.goto(path)
        return page

    yield visit
    wrong = []
    for context, watch in opened:
        for page in context.pages:
            if not page.is_closed() and page.url.startswith("http"):
                wrong += page.evaluate("window.violations || []")
        wrong += watch.found()
        context.close()
    if any(w.startswith("5") for w in wrong):
        wrong += ["the server said:", *site.words[-60:]]
    assert not wrong, "\n".join(wrong)


def log_in(page, email, password=PASSWORD):
    """Fill in the form of the log-in page as a person does."""
    page.goto("/login")
    page.get_by_label(re.compile("^E-?mail address", re.IGNORECASE)).fill(email)
    page.get_by_label(re.compile("^Password")).fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login" not in url)


@pytest.fixture(scope="session")
def enter():
    """Return :func:`log_in`."""
    return log_in


@pytest.fixture
def new_person(site):
    """Return a maker of accounts, for tests that change one."""
    return site.add_person


@pytest.fixture(scope="session")
def eventually():
    """Return a function that asks again until what it is told is true."""

    def eventually(ask, *, most_s=60):
        deadline = time.monotonic() + most_s
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"{ask} stayed {answer!r}"
            time.sleep(0.25)
        return answer

    return eventually


def pytest_addoption(parser):
    """Add ``--screenshots``; known where this folder is named on the command line."""
    parser.addoption(
        "--screenshots", metavar="DIR", help="keep a picture of every page in DIR"
    )
