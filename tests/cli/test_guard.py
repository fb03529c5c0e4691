"""The edge of the program: exits, one line, no traceback."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from evenflow.cli import COMMANDS, main
from evenflow.cli.guard import Command, Guarded, resumable, voice
from evenflow.errors import DataError, EvenflowError


def program(body):
    """Return a program whose one command runs ``body``."""

    @click.group(cls=Guarded)
    def group():
        pass

    @group.command("run", cls=Command)
    def run():
        body()

    return group


def outcome(body, *switches):
    return CliRunner().invoke(program(body), ["run", *switches])


def raiser(error):
    def body():
        raise error

    return body


def test_our_errors_are_one_line_and_exit_2():
    result = outcome(raiser(DataError("found 3 rows,\nexpected 4. Bring one")))
    assert result.exit_code == 2
    assert result.stderr == "Error: found 3 rows, expected 4. Bring one\n"
    assert result.stdout == ""


def test_a_full_disk_met_by_a_plain_write_is_one_line_and_exit_2():
    result = outcome(raiser(OSError(errno.ENOSPC, "No space left on device", "/x/y")))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: /x/y: No space left on device")


@pytest.mark.parametrize("error", [
    MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("x.so: failed to map segment from shared object"),
    RuntimeError("can't start new thread"), RuntimeError("std::bad_alloc"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
])  # fmt: skip
def test_memory_that_ran_out_is_no_bug(error):
    result = outcome(raiser(error))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: out of memory")


class PanicException(BaseException):
    """Raised where Rust code panics."""


def test_a_panic_is_a_line_too():
    result = outcome(raiser(PanicException("could not spawn threads: 11")))
    assert (result.exit_code, "out of memory" in result.stderr) == (2, True)
    result = outcome(raiser(PanicException("index out of bounds")))
    assert (result.exit_code, "has a bug" in result.stderr) == (1, True)


def test_ctrl_c_exits_130_and_says_how_to_go_on():
    def body():
        with resumable("Go on with: evenflow train x --resume"):
            raise KeyboardInterrupt

    result = outcome(body)
    assert result.exit_code == 130
    assert result.stderr == "Error: Stopped. Go on with: evenflow train x --resume\n"


def test_a_bug_is_named_as_ours_and_shows_its_traceback_with_v_alone():
    result = outcome(raiser(KeyError("speed")))
    assert result.exit_code == 1
    assert "evenflow has a bug: KeyError: 'speed'" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in outcome(raiser(KeyError("speed")), "-v").stderr


def test_log_json_writes_every_line_of_stderr_as_json():
    def body():
        voice().say("loaded", rows=3)
        logging.getLogger("evenflow.somewhere").warning("odd %s", "row")
        raise DataError("no")

    result = outcome(body, "--log-json")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["loaded", "odd row", "no"]
    assert lines[0]["rows"] == 3
    assert (lines[2]["level"], lines[2]["type"]) == ("error", "DataError")


def test_quiet_leaves_errors_alone():
    def body():
        voice().say("loaded")
        logging.getLogger("evenflow").warning("odd")
        raise EvenflowError("no")

    assert outcome(body, "--quiet").stderr == "Error: no\n"


def test_v_shows_facts_and_what_libraries_warn_of():
    def body():
        logging.getLogger("evenflow").info("fetched 3 bytes")
        logging.getLogger("py.warnings").warning("an old call")

    assert outcome(body).stderr == ""
    loud = outcome(body, "-v").stderr
    assert "info: fetched 3 bytes" in loud
    assert "warning: an old call" in loud


def test_a_reader_that_leaves_early_is_no_error():
    code = PROGRAM.format(body="for k in range(100000): click.echo(k)")
    words = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe) as first:
        assert first.stdout.readline() == b"0\n"
        first.stdout.close()
        assert first.wait(30) == 141
        assert first.stderr.read() == b""


PROGRAM = """
import sys, time
from pathlib import Path
import click
from evenflow.cli.guard import Guarded, Command
from evenflow.files import replacing
@click.group(cls=Guarded)
def g(): pass
@g.command(cls=Command)
def run():
    {body}
g(["run"])
"""
WRITES = PROGRAM.format(
    body="""with replacing(Path(sys.argv[1])) as part:
        part.write_text("half")
        print("half", flush=True)
        time.sleep(60)"""
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing_half_written(tmp_path, number):
    words = [sys.executable, "-c", WRITES, tmp_path / "out"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # not under nohup
    ) as process:
        assert process.stdout.readline() == "half\n"
        assert len([*tmp_path.iterdir()]) == 1
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert process.stderr.read() == "Error: Stopped.\n"
    assert [*tmp_path.iterdir()] == []


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", WRITES]
    with subprocess.Popen(
        [*words, tmp_path / "out"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143


def test_sigterm_says_how_to_go_on_too():
    def body():
        with resumable("Go on with: evenflow train x --resume"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    result = outcome(body)
    assert result.exit_code == 143
    assert "Go on with: evenflow train x" in result.stderr
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage: main " + name in result.stdout
    assert len(result.stdout.splitlines()) > 5


def test_help_imports_nothing_heavy(python):
    code = (
        "import sys\n"
        "from evenflow.cli import main\n"
        "try: main(['--help'], prog_name='evenflow')\n"
        "except SystemExit: pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)\n"
    )
    done = python("-c", code)
    assert "compare" in done.stdout
    heavy = {"numpy", "polars", "torch", "sklearn", "altair", "onnxruntime",
             "lightgbm", "shap", "pandas", "pydantic", "rich"}  # fmt: skip
    assert not heavy & set(done.stderr.split())


def test_an_unknown_command_is_exit_2():
    result = CliRunner().invoke(main, ["trian"])
    assert result.exit_code == 2
    assert "No such command 'trian'" in result.stderr


def test_the_version_is_told():
    result = CliRunner().invoke(main, ["--version"])
    assert result.stdout.startswith("evenflow 0.")
