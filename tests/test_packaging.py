"""A wheel holds what it needs and scores with the base install alone."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest

import evenflow

ROOT = Path(__file__).resolve().parents[1]
TRAINERS = (
    "torch", "sklearn", "imblearn", "lightgbm", "onnx", "altair", "shap", "scipy",
)  # fmt: skip


def test_the_version_is_told_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == evenflow.__version__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sensor(wheel, tmp_path_factory):
    """Return the bin folder of an environment with the wheel and the base install.

    The base packages are linked in from this environment, closed over what they
    require; nothing else is, so anything more would be missed.
    """
    home = tmp_path_factory.mktemp("sensor")
    venv.create(home, with_pip=False, symlinks=True)
    places = {"base": str(home), "platbase": str(home)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in base_packages():
        link(name, site)
    return home / "bin"


def base_packages():
    wanted = [
        re.split(r"[^\w.-]", r)[0] for r in requires("evenflow") if "extra" not in r
    ]
    found = set()
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        wanted += [
            re.split(r"[^\w.-]", requirement)[0]
            for requirement in requires(name) or ()
            if "extra ==" not in requirement and "sys_platform" not in requirement
        ]
    return found


def link(name, site):
    here = distribution(name)
    for top in {file.parts[0] for file in here.files} - {"..", ".", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(here.locate_file(top))


def run(sensor, *words, **options):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(
        [sensor / "python", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )


@pytest.mark.slow
def test_the_wheel_holds_recipes_pages_and_the_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"evenflow/{name}" for name in (
        "recipes/nsl_kdd/cnn-hybrid.toml", "recipes/synthetic/_defaults.toml",
        "judge/pages/assets/page.css", "judge/pages/templates/report.html",
        "judge/published.toml", "py.typed",
    )} <= set(names)  # fmt: skip
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.slow
def test_the_sensor_has_no_training_library(sensor):
    code = (
        f"import importlib.util as u; print([n for n in {TRAINERS} if u.find_spec(n)])"
    )
    assert run(sensor, "-c", code).stdout == "[]\n"


@pytest.mark.slow
def test_an_installed_wheel_scores_with_the_base_install(sensor, tmp_path, forest):
    evenflow.train(forest(), tmp_path / "bundle")
    rows = evenflow.load_dataset("synthetic", "test", n_rows=1000)
    rows.frame.write_csv(tmp_path / "records.csv")
    module = ("-m", "evenflow")
    told = run(sensor, *module, "--version")
    assert told.stdout == f"evenflow {evenflow.__version__}\n", told.stderr
    words = ("score", "bundle", "records.csv", "-o", "out.csv")
    scored = run(sensor, *module, *words, cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    here = evenflow.load_bundle(tmp_path / "bundle").decide(rows)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == len(rows) + 1
    assert sum(",true," in line for line in lines) == here.is_attack.sum()
    for words in (
        ("bundle", "verify", "bundle"),
        ("bundle", "show", "bundle"),
        ("explain", "bundle", "records.csv", "--row", "1"),
        ("bundle", "verify", "lab-live"),
        ("data", "list"),
        ("--help",),
    ):
        done = run(sensor, *module, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_needs_more_says_what_to_install(sensor, tmp_path):
    done = run(
        sensor, "-m", "evenflow", "train", "synthetic/cnn-none", "-o", "b", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "evenflow[train]" in done.stderr
    assert "Traceback" not in done.stderr
