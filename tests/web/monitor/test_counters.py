"""Counting never fails a request: not on a full disk, nor without shared memory."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from evenflow.cli import serve as serving
from evenflow.web.monitor import counters
from evenflow.web.settings import Settings

ASK = """
import sys
from evenflow.web.app import create_app
from evenflow.web.monitor import counters
from evenflow.web.settings import Settings
counters.BYTES = int(sys.argv[2])
app = create_app(Settings.model_validate_json(sys.argv[1]))
client = app.test_client()
rules = [r.rule for r in app.url_map.iter_rules() if not r.arguments]
for url in sys.argv[3:] or rules:
    assert client.get(url).status_code < 500, url
print(client.get("/metrics").text)
"""


@contextmanager
def small_disk(path, megabytes):
    path.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def ask(python, settings, folder, *urls, size=counters.BYTES):
    words = ("-c", ASK, settings.model_dump_json(), size, *urls)
    return python(*words, env={"PROMETHEUS_MULTIPROC_DIR": str(folder)})


@pytest.mark.slow
@pytest.mark.parametrize("size", [2**50, 3 * 2**19], ids=["none", "for one file"])
def test_every_page_answers_where_figures_have_no_room(
    settings, tmp_path, size, python
):
    with small_disk(tmp_path / "figures", 2) as folder:
        done = ask(python, settings, folder, size=size)
        assert "counts no requests" in done.stderr
        assert "evenflow_jobs" in done.stdout  # what the database knows is still told
        assert [*folder.iterdir()] == []


@pytest.mark.slow
def test_figures_are_taken_over_in_files_that_never_grow(settings, tmp_path, python):
    folder = tmp_path / "figures"
    folder.mkdir()
    told = [ask(python, settings, folder, "/healthz").stdout for _ in range(2)]
    assert len([*folder.iterdir()]) == len(counters.KINDS)
    counted = [
        float(line.rpartition(" ")[2])
        for text in told
        for line in text.splitlines()
        if line.startswith("evenflow_requests_total") and '"health.healthz"' in line
    ]
    assert counted == [1.0, 2.0]
    sizes = {path.stat().st_size for path in folder.iterdir()}
    blocks = [512 * path.stat().st_blocks for path in folder.iterdir()]
    assert sizes == {counters.BYTES}
    assert min(blocks) >= counters.BYTES  # no page of it is left to be found later


def test_names_without_end_are_counted_as_other(monkeypatch):
    monkeypatch.setattr(counters, "MAX_SERIES", 3)
    monkeypatch.setattr(counters, "MAX_VERDICTS", 3)
    found = counters.Counters()
    for number in range(50):
        found.count("page", "GET", number, 0.1)
        found.count_verdict(f"class {number}", 2)
    value = found.registry.get_sample_value
    named = {"endpoint": "page", "method": "other", "status": "0"}
    assert value("evenflow_requests_total", named) == 47
    assert value("evenflow_verdicts_total", {"verdict": "other"}) == 94
    assert value("evenflow_request_seconds_count", {"endpoint": "page"}) == 50


def test_what_goes_wrong_while_counting_stops_the_counting_alone(caplog):
    found = counters.Counters()

    def fail(*_):
        raise OSError("the disk is gone")

    found.requests.labels = fail
    found.count("page", "GET", 200, 0.1)
    found.count_verdict("benign", 1)
    assert caplog.text.count("counts no more requests") == 1


def settings_of(home):
    home.mkdir(parents=True)
    return Settings(home=home, secret_key="k" * 40)


def test_figures_lie_in_memory_and_are_gone_with_the_server(tmp_path, monkeypatch):
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(serving, "SHARED_MEMORY", memory)
    left = memory / f"{serving.FIGURES}killed"
    left.mkdir()
    other = memory / "somebody-elses"
    other.mkdir()
    settings = settings_of(tmp_path / "home")
    with serving._figures(settings) as first:
        assert not left.exists()
        with serving._figures(settings) as second:  # beside another server
            assert {Path(first), Path(second), other} == {*memory.iterdir()}
    assert [*memory.iterdir()] == [other]


@pytest.mark.parametrize("lacks", ["missing", "full"])
def test_without_shared_memory_figures_lie_in_the_data_folder(
    tmp_path, monkeypatch, lacks
):
    memory = tmp_path / "memory"
    if lacks == "full":
        memory.symlink_to("/proc/self/fdinfo")  # nothing can be made there
    monkeypatch.setattr(serving, "SHARED_MEMORY", memory)
    settings = settings_of(tmp_path / "home")
    with serving._figures(settings) as folder:
        assert Path(folder).parent == settings.home
    assert [*settings.home.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("has_memory", [True, False], ids=["memory", "disk"])
def test_a_full_disk_takes_no_web_process_down(tmp_path, made_home, has_memory):
    with small_disk(tmp_path / "disk", 24) as disk:
        home = disk / "home"
        shutil.copytree(made_home, home)
        start = "from evenflow.cli import main, serve; from pathlib import Path; "
        if not has_memory:
            start += "serve.SHARED_MEMORY = Path('/nowhere'); "
        server = subprocess.Popen(
            [sys.executable, "-c", start + "main()", "serve", "--home", home,
             "--port", "0", "--workers", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            first = next(line for line in server.stdout if "evenflow is at" in line)
            url = first.split()[-1]
            with (disk / "full").open("wb", buffering=0) as stream:
                try:
                    while stream.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            for path in ("/", "/login", "/register", "/docs", "/api/v1/me",
                         "/api/v1/bundles", "/models", "/uploads", "/alerts",
                         "/history", "/static/app.css", "/nowhere", "/readyz",
                         "/forgotten", "/account", "/experiments"):  # fmt: skip
                for _ in range(5):
                    assert status(url + path) not in {500, None}, path
            for _ in range(10):
                assert status(url + "/healthz") == 200
            assert status(url + "/metrics") == 200
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=60)[1]
        assert "SIGBUS" not in said
        assert "starting it again" not in said


def status(url):
    try:
        with urlopen(url, timeout=20) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except OSError:
        time.sleep(0.2)
        return None
