"""A bundle and records for the commands to work on."""

import logging
import signal
import subprocess
import sys

import pytest

import evenflow


@pytest.fixture(autouse=True)
def _log_as_before():
    """Commands set up the log of the process; the next test finds it as it was."""
    names = ("evenflow", "py.warnings")
    before = {n: vars(logging.getLogger(n)).copy() for n in names}
    yield
    logging.captureWarnings(capture=False)
    for name, state in before.items():
        vars(logging.getLogger(name)).update(state)


@pytest.fixture
def train(run):
    """Return a function that trains a small forest on a table."""

    def train(path, bundle, *settings, words=(), code=0):
        settings = (f"dataset.path={path}", "model.n_estimators=5", *settings)
        words = [*words, *(word for one in settings for word in ("-s", one))]
        recipe = "table_file/random_forest-none"
        return run("train", recipe, "-o", bundle, *words, code=code)

    return train


@pytest.fixture
def start():
    """Return a function that starts a command; it is killed where it has not ended."""
    started = []

    def start(*words, command="watch", **options):
        command = [sys.executable, "-m", "evenflow", command, *map(str, words)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, **streams, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process, code=0):
    """Return what a command says that is told to end, which it must with ``code``."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return err


ZEEK = (
    "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t"
    "proto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\thistory\torig_pkts\t"
    "resp_pkts\n"
)


def zeek_lines(first, last):
    """Return refused connections of a scan, one a second."""
    return "".join(
        f"{1767225600 + n}.0\tC{n}\t192.0.2.66\t40000\t10.0.0.1\t{n}\ttcp\t-\t"
        "0.1\t0\t0\tREJ\tSr\t1\t1\n"
        for n in range(first, last)
    )


def grow(log, first, last):
    """Write more of the scan to a log."""
    with log.open("a") as stream:
        stream.write(zeek_lines(first, last))


@pytest.fixture
def log(write):
    """A log that Zeek writes, of a scan of 20 ports so far."""
    return write("conn.log", ZEEK + zeek_lines(0, 20))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """Return the folder of a small forest trained on synthetic rows."""
    folder = tmp_path_factory.mktemp("bundle") / "forest"
    recipe = evenflow.Recipe.load("synthetic/random_forest-none").with_(
        dataset={"name": "synthetic", "n_rows": 1000},
        model={"name": "random_forest", "n_estimators": 5},
    )
    evenflow.train(recipe, folder)
    return folder


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """Return a CSV file of 250 records without labels."""
    path = tmp_path_factory.mktemp("records") / "records.csv"
    evenflow.load_dataset("synthetic", "test", n_rows=1000).frame.write_csv(path)
    return path
