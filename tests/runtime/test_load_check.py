"""A bundle that crashes or never ends is a message, not the end of the process."""

import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from evenflow.errors import BundleError
from evenflow.runtime import load_check
from evenflow.runtime.verify import checks, verify

PYTHON = sys.executable
HOSTILE = """#!{python}
import sys
from pathlib import Path
from evenflow.runtime import load_check, verify

def checks(folder, threads):
    {body}

verify.checks = checks
load_check.main(Path(sys.argv[-3]), int(sys.argv[-2]), int(sys.argv[-1]))
"""


@pytest.fixture
def loads_as(monkeypatch, write):
    """A function that lets the child process do something else than load."""

    def let(body):
        script = write("python", HOSTILE.format(python=PYTHON, body=body))
        script.chmod(0o755)
        monkeypatch.setattr(load_check.sys, "executable", str(script))

    return let


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import ctypes; ctypes.string_at(0)", "ended by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "was killed .SIGKILL."),
        ("x = bytearray(8 * 2**30)", "takes over 4096 MB"),
        ("raise ValueError", "ended with code 1"),
    ],
)
def test_a_load_that_crashes_is_a_message(saved, loads_as, body, message):
    loads_as(body)
    with pytest.raises(BundleError, match=message) as found:
        verify(saved)
    assert "expected" in str(found.value)
    assert str(saved) in str(found.value)


@pytest.mark.slow
def test_a_load_has_its_own_limit_and_not_what_its_web_process_has_left(
    saved, loads_as, tmp_path
):
    loads_as("return [str(len(bytearray(2 * 2**30)))]")
    web = """
import resource, sys
from pathlib import Path
from evenflow.runtime import load_check
hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
resource.setrlimit(resource.RLIMIT_DATA, (2**30, hard))
sys.executable = sys.argv[1]
print(*load_check.run(Path(sys.argv[2])))
"""
    words = [PYTHON, "-c", web, str(tmp_path / "python"), str(saved)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(2 * 2**30), done.stderr


def test_a_load_without_end_is_ended(saved, loads_as, monkeypatch):
    monkeypatch.setattr(load_check, "BASE_S", 1)
    monkeypatch.setattr(load_check, "WAITING", 100)
    loads_as("while True: pass")
    with pytest.raises(BundleError, match="took over 1 s of processor time"):
        verify(saved)
    monkeypatch.setattr(load_check, "WAITING", 1)
    loads_as("import time; time.sleep(99)")
    with pytest.raises(BundleError, match="took over 1 s, expected"):
        verify(saved)


@pytest.fixture
def tried(monkeypatch):
    """What stands in for the child process, when no bundle has been tried."""
    monkeypatch.setattr(load_check, "_tried", {})
    monkeypatch.setattr(load_check, "run", Mock())
    return load_check.run


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_a_bundle_is_tried_once_and_again_when_it_changed(saved, copy, tried):
    for folder in (copy, copy, saved):  # the same content
        load_check.once(folder)
    tried.assert_called_once_with(copy)
    sums = copy / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("a", "b", 1))
    load_check.once(copy)
    assert tried.call_count == 2


def test_a_bundle_that_was_refused_is_not_tried_at_every_request(
    saved, tried, monkeypatch
):
    tried.side_effect = BundleError("ended with code 3")
    for _ in range(2):
        with pytest.raises(BundleError, match="code 3"):
            load_check.once(saved)
    tried.assert_called_once()
    tried.side_effect = None
    monkeypatch.setattr(load_check, "REFUSED_S", 0)
    load_check.once(saved)


def test_what_a_load_refuses_is_the_message_of_the_trial(saved, copy):
    (copy / "card.md").write_text("another")
    with pytest.raises(BundleError, match=r"card\.md was changed"):
        verify(copy)
    assert verify(saved) == checks(saved)
