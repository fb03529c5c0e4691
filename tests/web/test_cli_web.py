"""Commands on a server: people, settings, and what is refused."""

import json
import os
import re
import sqlite3
import stat
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from evenflow.cli import settings as servers
from evenflow.errors import DataError
from evenflow.places import data_home

PASSWORD = "three grey boats at noon"


def test_a_first_admin_is_made_by_a_command(run, ann, home, users):
    assert users() == {ann: ("admin", True)}
    [listed] = json.loads(run("user", "list", "--json").stdout)
    assert (listed["email"], listed["role"], listed["active"]) == (ann, "admin", True)
    assert "ann@example.org  admin" in run("user", "list").stdout


def test_a_password_is_never_shown_nor_taken_from_the_command_line(run):
    help_text = run("user", "add", "--help").output
    assert "--password-stdin" in help_text
    assert "--password " not in help_text
    done = run("user", "add", "a@example.org", input="", code=2)
    assert "with --password-stdin" in done.output


def test_a_weak_password_or_a_taken_address_is_refused_in_a_line(run, ann):
    for email, password, said in [
        ("bob@example.org", "short", "12 or more are needed"),
        (ann, PASSWORD, "there is an account for ann@example.org already"),
        ("nonsense", PASSWORD, "is not a valid e-mail address"),
    ]:
        words = ("user", "add", email, "--password-stdin")
        done = run(*words, input=password + "\n", code=2)
        assert said in done.output
        assert done.output.count("\n") == 1


def test_roles_and_access_change_and_are_written_down(run, ann, home, users):
    run("user", "add", "bob@example.org", "--password-stdin", input=PASSWORD + "\n")
    run("user", "role", "bob@example.org", "analyst")
    run("user", "disable", "bob@example.org")
    assert users()["bob@example.org"] == ("analyst", False)
    run("user", "enable", "bob@example.org")
    assert users()["bob@example.org"] == ("analyst", True)
    with closing(sqlite3.connect(home / "evenflow.db")) as connection:
        found = connection.execute("SELECT actor, action, object FROM audit").fetchall()
    assert found[-3:] == [
        ("command line", f"user.{what}", "bob@example.org")
        for what in ("role", "disable", "enable")
    ]


@pytest.mark.parametrize("words", [("disable",), ("role", "viewer")])
def test_the_last_admin_stays_one(run, ann, home, words, users):
    done = run("user", words[0], ann, *words[1:], code=2)
    assert "the last active admin" in done.output
    assert users() == {ann: ("admin", True)}


def test_a_person_who_is_not_there_is_said_to_be_so(run, ann):
    for words in (("disable", "x@example.org"), ("reset", "x@example.org")):
        done = run("user", *words, code=2)
        assert "there is no account for 'x@example.org'" in done.output


def test_a_link_names_the_address_that_people_type(run, ann, home):
    link = run("user", "reset", ann).stdout.strip()
    assert link.startswith("http://127.0.0.1:8000/")
    settings = servers.load(home, None)
    with servers.announced(settings.model_copy(update={"port": 8123})):
        link = run("user", "reset", ann).stdout.strip()
    assert link.startswith("http://127.0.0.1:8123/")
    (home / "settings.toml").write_text('public_url = "https://ids.example.org"\n')
    link = run("user", "reset", ann).stdout.strip()
    assert link.startswith("https://ids.example.org/")


def test_a_token_is_printed_once_and_kept_as_its_sum(run, ann, home):
    done = run("user", "token", ann, "--name", "collector", "--scope", "score")
    secret = done.stdout.strip()
    assert len(secret) > 30
    with closing(sqlite3.connect(home / "evenflow.db")) as connection:
        assert secret not in "\n".join(connection.iterdump())
        names = connection.execute("SELECT name FROM api_token").fetchall()
    assert names == [("collector",)]
    run("user", "token", ann, "--name", "x", "--scope", "everything", code=2)


def test_options_win_over_the_file_and_unknown_keys_are_named(
    run, home, tmp_path, write
):
    other = write("other.toml", 'port = 9001\nthreads = 3\nsign_up = "off"\n')
    found = servers.load(home, other, {"port": 9002, "workers": None})
    assert (found.port, found.threads, found.sign_up) == (9002, 3, "off")
    other.write_text("thread = 3\n")
    with pytest.raises(DataError, match=r"other\.toml: unknown key 'thread'.*threads"):
        servers.load(home, other)
    other.write_text("threads = \n")
    with pytest.raises(DataError, match="is not valid TOML"):
        servers.load(home, other)
    with pytest.raises(DataError, match="cannot be read"):
        servers.load(home, tmp_path / "missing.toml")


def test_the_secret_comes_from_the_variable_or_is_made_once(home, monkeypatch):
    made = servers.load(home, None).secret_key
    assert servers.load(home, None).secret_key == made
    assert (home / "secret").read_text() == made
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    monkeypatch.setenv("EVENFLOW_SECRET_KEY", "k" * 40)
    assert servers.load(home, None).secret_key == "k" * 40


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701, 0o2775])
@pytest.mark.parametrize("name", ["", "uploads", "bundles"])
def test_a_data_folder_that_others_could_enter_is_closed(run, ann, home, mode, name):
    (home / name).chmod(mode)
    done = run("user", "list")
    assert stat.S_IMODE((home / name).stat().st_mode) == 0o700
    assert "was open to other users" in done.stderr
    assert run("user", "list").stderr == ""


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_of_something_else_is_left_as_it_is(run, home, mode):
    home.mkdir()
    if not mode & stat.S_ISVTX:
        (home / "thesis.tex").write_text("mine")
    home.chmod(mode)
    done = run("user", "list", code=2)
    assert "expected a data folder of mode 700" in done.output
    assert stat.S_IMODE(home.stat().st_mode) == mode
    assert [p.name for p in home.iterdir()] == ["thesis.tex"][: mode != 0o1777]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["", "secret", "bundles"])
def test_what_another_user_owns_is_refused(run, ann, home, name):
    os.chown(home / name, 12345, -1)
    done = run("serve", "--port", "0", code=2)
    assert "belongs to user 12345" in done.output


def test_a_secret_that_is_no_text_is_said_in_a_line(run, ann, home):
    path = home / "secret"
    path.write_bytes(b"\x90\xff" * 32)
    done = run("user", "list", code=2)
    assert "characters, expected 32 or more, all of them printable" in done.output
    path.unlink()
    os.mkfifo(path, 0o600)  # nobody writes to it: to read it would wait
    done = run("user", "list", code=2)
    assert "is not a regular file" in done.output


def test_where_a_server_listens_is_written_for_its_owner_alone(home):
    settings = servers.load(home, None)
    for mask in (0, 0o022):
        before = os.umask(mask)
        try:
            with servers.announced(settings):
                assert stat.S_IMODE((home / "address.json").stat().st_mode) == 0o600
            assert os.umask(mask) == mask
        finally:
            os.umask(before)


def test_the_data_folder_is_where_the_desktop_s_rules_say(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_home() == tmp_path / "evenflow"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_home() == tmp_path / ".local" / "share" / "evenflow"


def test_the_examples_of_settings_in_the_docs_are_taken(home):
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to-serve.md"
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        servers.load(home, None, tomllib.loads(block))


def test_without_the_web_s_packages_the_command_says_what_to_install(tmp_path, python):
    (tmp_path / "flask.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'flask'\", name='flask')"
    )
    words = ("-m", "evenflow", "serve", "--home", tmp_path / "home")
    done = python(*words, env={"PYTHONPATH": str(tmp_path)}, code=2)
    assert "pip install 'evenflow[web]'" in done.stderr
    assert done.stderr.count("\n") == 1
