"""What the web tests share: a small real detector, made without training; an
application that serves it; people who are logged in; commands on a server.
"""

import hashlib
import json
import secrets
import shutil
import threading
import uuid
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from html.parser import HTMLParser
from typing import Any
from xml.etree.ElementTree import TreeBuilder

import numpy as np
import pytest
from click.testing import CliRunner
from flask import Flask, Response
from flask.testing import FlaskClient
from flask_security import hash_password
from itsdangerous import URLSafeTimedSerializer
from jinja2.bccache import BytecodeCache
from sqlalchemy import event, func, inspect, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from evenflow import datasets
from evenflow.cli import main
from evenflow.judge.pages.card import model_card
from evenflow.judge.report import judge
from evenflow.learn.calibration import fit_decision
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.leaks import fingerprint
from evenflow.prepare.split import official
from evenflow.recipe import Recipe
from evenflow.runtime import bundle as bundles
from evenflow.runtime import shipped
from evenflow.web.accounts import api_keys, passwords
from evenflow.web.app import create_app
from evenflow.web.frame.context import KEY
from evenflow.web.jobs import worker
from evenflow.web.models import importing
from evenflow.web.models.detectors import Detectors
from evenflow.web.record_form.examples import examples
from evenflow.web.settings import Settings
from evenflow.web.store import database as databases
from evenflow.web.store import migrations
from evenflow.web.store.data_folder import open_home
from evenflow.web.store.database import PRAGMAS, Database, open_database, sqlite_url
from evenflow.web.store.tables import Tally, User, now
from evenflow.web.verdicts import keep

from . import postgres

N_ROWS = 2_000
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


postgresql = postgres.postgresql
postgresql_url = postgres.postgresql_url
empty_postgresql_url = postgres.empty_postgresql_url
empty_database = postgres.empty_database
database = postgres.database


def pytest_generate_tests(metafunc):
    """Run a test marked ``databases`` on SQLite and on PostgreSQL."""
    if metafunc.definition.get_closest_marker("databases"):
        metafunc.parametrize("settings", postgres.BACKENDS, indirect=True)


@pytest.fixture(scope="session")
def rows():
    """Made-up labelled rows in NSL-KDD's columns: ``train`` 2,000, ``test`` 500."""
    return {
        part: datasets.load("synthetic", part, n_rows=N_ROWS)
        for part in ("train", "test")
    }


@pytest.fixture(scope="session")
def saved_bundle(rows, softmax_regression, tmp_path_factory):
    """The folder of a bundle of the five KDD families; read it, never change it."""
    split = official(rows.__getitem__, 7)
    train, classes = split.train, split.train.schema.classes
    preprocessor = Preprocessor.fit(train)
    X = preprocessor.transform(train)
    model = softmax_regression(X, train.labels, len(classes))
    session = bundles.open_model(model, preprocessor, train.schema, source="tests")

    def log_proba(table):
        return session.run(["log_proba"], {"x": preprocessor.transform(table)})[0]

    benign = train.take(np.flatnonzero(train.labels == 0))
    decision = fit_decision(
        log_proba(train).astype(np.float64), train.labels, false_alarm_budget=0.05
    )
    recipe = Recipe.from_dict(
        {
            "title": "A small detector",
            "dataset": {"name": "synthetic", "n_rows": N_ROWS},
            "model": {"name": "logistic_regression"},
            "balance": {"name": "none"},
        }
    )
    report = judge(
        split.test,
        decision.apply(log_proba(split.test)),
        protocol=split.protocol,
        unseen_attacks=split.unseen_attacks,
        decision=decision,
        bootstrap=20,
        training={
            "recipe": recipe.to_dict(),
            "recipe_sha256": recipe.sha256,
            "protocol": split.protocol.name,
            "rows": {"train": len(train), "test": len(split.test)},
            "class_counts": {"before": train.counts(), "after": train.counts()},
            "attacks": dict(train.attack.value_counts().rows()),
            "notes": [],
            "history": [],
            "seconds": {},
            "machine": {},
        },
    )
    each = [np.flatnonzero(train.labels == k)[:12] for k in range(len(classes))]
    folder = tmp_path_factory.mktemp("bundles") / "small"
    bundles.save(
        folder,
        schema=train.schema,
        preprocessor=preprocessor,
        model=model,
        decision=decision,
        golden=train.take(np.sort(np.concatenate(each))),
        reference=benign.take(np.arange(200)),
        recipe=recipe.to_dict(),
        report=report.to_dict(),
        card=model_card(report),
        fingerprint=fingerprint(train),
    )
    return folder


@pytest.fixture(scope="session")
def bundle(saved_bundle):
    """That bundle, loaded."""
    return bundles.load(saved_bundle, threads=1)


SECRET = "a secret of the tests, long enough to be taken"


class Markup(HTMLParser):
    """Reads a page into a tree; fails where an element is not closed."""

    def __init__(self, page):
        super().__init__()
        self.builder = TreeBuilder()
        self.builder.start("page", {})
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Open an element, and close it where it cannot hold anything."""
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in ("br", "hr", "img", "input", "link", "meta"):
            self.builder.end(tag)

    def handle_endtag(self, tag):
        """Close the element opened last."""
        assert self.builder.end(tag).tag == tag

    def handle_data(self, data):
        """Take text."""
        self.builder.data(data)


class Answer(Response):
    """What a browser is sent."""

    @property
    def tree(self):
        """The elements of the page."""
        builder = Markup(self.text).builder
        assert builder.end("page").tag == "page"
        return builder.close()


class Client(FlaskClient):
    """What sends requests; each may say which status it expects."""

    def open(self, *args, expect=0, **kwargs):
        """Send a request; fail where the answer has another status than expected."""
        answer = super().open(*args, **kwargs)
        assert expect in (0, answer.status_code), f"{answer.status}: {answer.text}"
        return answer


class Person(Client):
    """A browser; after ``people(role)`` one that is logged in."""

    user_id: int
    email: str
    password: str

    def __init__(self, app, _response, **kwargs):
        super().__init__(app, Answer, **kwargs)

    def csrf(self):
        """Return a token that forms of this browser's session are taken with."""
        with self.session_transaction() as session:
            raw = session.setdefault(
                "csrf_token", hashlib.sha1(secrets.token_bytes(16)).hexdigest()
            )
        key = self.application.secret_key
        return URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(raw)

    def send(self, url, data=None, **kwargs):
        """Post a form as a page would, with its token."""
        return self.post(
            url, data={"csrf_token": self.csrf(), **(data or {})}, **kwargs
        )

    def again(self):
        """Return another browser that has the cookie of this one."""
        other = self.application.test_client()
        other.set_cookie("evenflow", self.get_cookie("evenflow").value)
        return other

    def log_in(self, email="", password="", headers=None, **more):
        """Send the form of the log-in page."""
        data = {"email": email or self.email, "password": password or self.password}
        return self.send("/login", data | more, headers=headers)


@pytest.fixture(scope="session")
def quick_hashes():
    """Make argon2 cheap: tests log in hundreds of times."""
    cheap = {"memory_cost": 8, "rounds": 1, "parallelism": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            passwords, "HASH_OPTIONS", {f"argon2__{k}": v for k, v in cheap.items()}
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def no_sync():
    """Let SQLite answer before the disk has it: no test here cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        fast = [p.replace("synchronous=FULL", "synchronous=OFF") for p in PRAGMAS]
        patch.setattr(databases, "PRAGMAS", fast)
        yield


@pytest.fixture(scope="session")
def made_home(saved_bundle, tmp_path_factory):
    """A data folder with an upgraded database and the small bundle in use."""
    root = tmp_path_factory.mktemp("made") / "home"
    home = open_home(root)
    shutil.copytree(saved_bundle, home.bundles / saved_bundle.name)
    database = open_database(Settings(home=root, secret_key=SECRET))
    migrations.upgrade(database)
    with database.session() as session:
        Detectors(home, database).activate(session, saved_bundle.name)
    database.dispose()
    return root


@pytest.fixture
def settings(request, made_home, tmp_path):
    """Of a server on this machine, by http, with SQLite; override with model_copy.

    A test marked ``databases`` runs a second time, on PostgreSQL.
    """
    root = tmp_path / "home"
    shutil.copytree(made_home, root)
    root.chmod(0o700)
    if getattr(request, "param", "sqlite") == "sqlite":
        return Settings(home=root, secret_key=SECRET)
    url = request.getfixturevalue("postgresql_url")
    return Settings(home=root, secret_key=SECRET, database=url)


class CompiledTemplates(BytecodeCache):
    """Jinja's byte code, kept in memory: one application compiles for all."""

    def __init__(self):
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket):
        """Take what was compiled, if it was and the template is the same."""
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket):
        """Keep what was compiled."""
        self.code[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def compiled_templates():
    """The templates that an application of the tests has compiled."""
    return CompiledTemplates()


@pytest.fixture(scope="session")
def compiled_rules():
    """Compile what builds a rule's address once, not for each application."""
    compile_builder = Rule._compile_builder
    made: dict[object, Any] = {}

    def once(rule, append_unknown=True):
        assert not rule.defaults  # they would be part of the code
        key = (rule.rule, *rule._trace, append_unknown)
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture
def build(quick_hashes, compiled_rules, compiled_templates):
    """Return a maker of applications whose connections are closed at the end."""
    made: list[Flask] = []

    def build(settings):
        app = create_app(settings)
        app.jinja_env.bytecode_cache = compiled_templates
        app.testing = True
        # what a bug raises is answered as in service: a page and status 500
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.test_client_class = Person
        made.append(app)
        return app

    yield build
    for app in made:
        app.extensions[KEY].database.dispose()


@pytest.fixture
def app(build, settings):
    """The application of :func:`settings`."""
    return build(settings)


@pytest.fixture
def web(app):
    """What the pages of the application share."""
    return app.extensions[KEY]


@pytest.fixture
def people(app):
    """Return a maker of people: ``people("viewer")`` is a browser logged in as one."""

    def make(
        role="viewer",
        *,
        email="",
        password="correct horse battery staple",
        app=app,
        is_logged_in=True,
    ):
        client = app.test_client()
        assert isinstance(client, Person)
        client.email = email or f"{role}-{uuid.uuid4().hex[:8]}@example.org"
        client.password = password
        with app.test_request_context():
            hashed = hash_password(password)
        with app.extensions[KEY].database.session() as session:
            user = User(
                email=client.email,
                password=hashed,
                role=role,
                active=True,
                fs_uniquifier=uuid.uuid4().hex,
                confirmed_at=now(),
            )
            session.add(user)
            session.flush()
            client.user_id = user.id
        if is_logged_in:
            answer = client.log_in()
            assert answer.status_code == 302, answer.text
        return client

    return make


@pytest.fixture
def viewer(people):
    """Somebody who is logged in and sees own records and alerts."""
    return people("viewer")


@pytest.fixture
def analyst(people):
    """Somebody who is logged in and may train models."""
    return people("analyst")


@pytest.fixture
def admin(people):
    """Somebody who is logged in and may change settings."""
    return people("admin")


@pytest.fixture
def set_database(settings):
    """Return a function that names a database in the settings of the data folder."""

    def set_database(url=settings.database):
        path = settings.home / "settings.toml"
        path.write_text(f"database = {json.dumps(url)}\n")
        path.chmod(0o600)

    return set_database


@pytest.fixture
def here(settings):
    """The workplace of a worker in this process."""
    found = worker.Workplace.open(settings)
    yield found
    found.database.dispose()


@pytest.fixture
def lab_live(app):
    """The detector that comes with evenflow, in use."""
    web = app.extensions[KEY]
    [name] = importing.take(web.home, web.database, [shipped.FOLDER])
    with web.database.session() as session:
        web.detectors.activate(session, name)
    return web.detectors.load(name)


@pytest.fixture
def kept(app, bundle, monkeypatch):
    """Return a maker of kept records: owner, class, hours ago, changed values."""

    def kept(
        owner, label = "dos", *, hours = 0, source = "form",
        **changes
    ):  # fmt: skip
        example = next(e for e in examples(bundle) if e.label == label)
        at = now() - timedelta(hours=hours)
        with monkeypatch.context() as patch:
            patch.setattr(keep, "now", lambda: at)
            with app.extensions[KEY].database.session() as session:
                return keep.keep_record(
                    session, bundle, {**example.record, **changes}, example.verdict,
                    owner_id=owner.user_id, source=source,
                ).id  # fmt: skip

    return kept


class Stored:
    """A database in which every call is a transaction of its own.

    ``stored(work, ...)`` gives ``work(session, ...)``; it has the methods of a session.
    """

    def __init__(self, database):
        self.database = database

    def __call__(self, work, *args, **kwargs):
        with self.database.session() as session:
            return work(session, *args, **kwargs)

    def __getattr__(self, name):
        return partial(self, getattr(Session, name))

    def all(self, what, *where):
        """Return rows of a table, or values of a column, by the table's key."""
        key = inspect(getattr(what, "class_", what)).primary_key
        statement = select(what).where(*where).order_by(*key)
        return self(lambda session: session.scalars(statement).all())

    def one(self, what, *where):
        """Return the only row."""
        [found] = self.all(what, *where)
        return found

    def count(self, table, *where):
        """Return how many rows there are."""
        return self.scalar(select(func.count()).select_from(table).where(*where))

    def verdicts(self):
        """Return how many verdicts the dashboard counts."""
        return sum(self.all(Tally.n, Tally.facet == "all"))


@pytest.fixture
def stored(request):
    """What the test's ``database``, or that of its server, holds."""
    if "database" in request.fixturenames:
        yield Stored(request.getfixturevalue("database"))
        return
    database = open_database(request.getfixturevalue("settings"))
    yield Stored(database)
    database.dispose()


@pytest.fixture
def statements(app):
    """The statements sent to the database, as a list that grows."""
    asked: list[str] = []
    engine = app.extensions[KEY].database.engine
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    return asked


@pytest.fixture(scope="session")
def serving():
    """Return what serves an application in this process; it gives the address."""

    @contextmanager
    def serving(app):
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
        server.server_close()

    return serving


# not of the session: other tests of one process may need an event loop of their own
@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


class Program(Client):
    """A program that asks the API with a key; below ``/api/v1``."""

    user_id: int
    token: str

    def ask(self, method, path, **kwargs):
        """Send a request with the key."""
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= kwargs.pop("headers", {})
        kwargs = {"method": method, "headers": headers, "buffered": True, **kwargs}
        return self.open(f"/api/v1{path}", **kwargs)

    def walk(self, path):
        """Yield the items of a list, part by part."""
        cursor = ""
        while cursor is not None:
            found = self.ask("GET", f"{path}{cursor}").json
            yield from found["items"]
            cursor = found["next"] and f"&cursor={found['next']}"


@pytest.fixture
def programs(app, people):
    """Return a maker of programs: ``programs("viewer", "score")`` has such a key.

    Without scopes it has all that the role may have; ``user_id`` makes it another
    key of somebody who is there.
    """

    def make(role="viewer", *scopes, user_id=0, app=app):
        if not user_id:
            user_id = people(role, is_logged_in=False, app=app).user_id
        client = Program(app, app.response_class)
        with app.extensions[KEY].database.session() as session:
            user = session.get_one(User, user_id)
            wanted = scopes or [s for s in api_keys.SCOPES if api_keys.allows(s, role)]
            client.token = api_keys.make(
                session, user, name="a test", scopes=wanted, days=1
            )
        client.user_id = user_id
        return client

    return make


@pytest.fixture
def program(programs):
    """A program of a viewer, with all that a viewer may do."""
    return programs("viewer")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data folder that a command makes, with the secret that lies in it."""
    monkeypatch.delenv("EVENFLOW_SECRET_KEY", raising=False)
    return tmp_path / "home"


@pytest.fixture
def run(home, quick_hashes):
    """Return a function that runs a command on the server of ``home``, which must
    exit with ``code``.
    """

    def run(*words, code=0, **options):
        words = [*map(str, words), "--home", str(home)]
        done = CliRunner().invoke(main, words, **options)
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def ann(run):
    """The address of an admin made by a command."""
    run(
        "user", "add", "Ann@Example.org", "--role", "admin", "--password-stdin",
        input="three grey boats at noon\n",
    )  # fmt: skip
    return "ann@example.org"


@pytest.fixture
def users(home):
    """Return a function that gives the role of each account and if it is active."""

    def users():
        database = Database(sqlite_url(home / "evenflow.db"))
        with database.session() as session:
            found = {u.email: (u.role, u.active) for u in session.query(User)}
        database.dispose()
        return found

    return users
