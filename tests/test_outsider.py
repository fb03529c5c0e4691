"""Another distribution's plug-ins, as the how-to shows them, work like our own."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import polars as pl
import pytest

import evenflow
from evenflow import registry

from . import scripts

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "docs" / "examples" / "campusflow"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
TESTS = PACKAGE / "tests" / "test_campusflow.py"
RECIPES = {
    "perceptron": ["campus/perceptron-jitter", "-s", "loss=smoothed"],
    "one_tree": ["campus/one_tree-none", "-s", "select=class_means"],
    "distance": ["campus/distance-none"],
    "gate": ["campus/gate-jitter", "-s", "model.gate=one_tree",
             "-s", "model.second=perceptron"],
    "fusion": ["campus/fusion-none", "-s", "model.members.tree=one_tree",
               "-s", "model.members.far=distance"],
}  # fmt: skip
"""A recipe for each model of the package, then systems of them."""


def entry_points():
    """Return the package's entry points as an installed distribution lists them."""
    groups = PROJECT["project"]["entry-points"]
    return "\n\n".join(
        "\n".join([f"[{group}]", *(f"{k} = {v}" for k, v in sorted(found.items()))])
        for group, found in sorted(groups.items())
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the package by hand, without its build backend."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE / "src" / "campusflow", site / "campusflow")
    info = site / "campusflow-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: campusflow\n")
    (info / "entry_points.txt").write_text(entry_points())
    return site


@pytest.fixture(scope="module", autouse=True)
def installed(site):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        registry._added.cache_clear()
        yield
    registry._added.cache_clear()
    for name in [name for name in sys.modules if name.startswith("campusflow")]:
        del sys.modules[name]


@pytest.fixture(scope="module", params=RECIPES)
def bundle(request, tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("trained") / request.param
    words = ["-s", "split=stratified", "-s", "training.batch_size=64"]
    run("train", *RECIPES[request.param], *words, "-o", folder)
    return folder


def test_it_is_trained_and_judged(bundle):
    report = json.loads((bundle / "report.json").read_text())
    assert report["binary"]["detection_rate"] > 0.8
    assert report["binary"]["false_alarm_rate"] < 0.15
    assert report["training"]["recipe"]["dataset"]["name"] == "campus"


def test_it_is_judged_again_alike(bundle):
    again = evenflow.evaluate(bundle, "campus", "held_out")
    report = json.loads((bundle / "report.json").read_text())
    assert again.confusion == report["confusion"]


def test_it_scores_records_and_explains_one(bundle, tmp_path, run):
    rows = evenflow.load_dataset("campus", "train").frame
    rows.write_csv(tmp_path / "rows.csv")
    run("score", bundle, tmp_path / "rows.csv", "-o", tmp_path / "verdicts.csv")
    verdicts = pl.read_csv(tmp_path / "verdicts.csv")
    loaded = evenflow.load_bundle(bundle)
    said = [loaded.decide_record(row).label for row in rows[:50].rows(named=True)]
    assert verdicts["verdict"][:50].to_list() == said
    assert len(verdicts) == len(rows)
    attack = 1 + (verdicts["verdict"] != "benign").arg_max()
    told = run("explain", bundle, tmp_path / "rows.csv", "--row", attack).stdout
    assert set(loaded.schema.names) & set(re.findall(r"\w+", told))


@pytest.mark.parametrize(
    "name", re.findall(r"^def (test_\w+)", TESTS.read_text(), flags=re.MULTILINE)
)
def test_the_packages_own_test_passes(name):
    getattr(scripts.loaded(TESTS), name)()


def test_there_is_one_of_each_kind_of_plug_in():
    kinds = {kind for kind, found in registry.KINDS.items() if found.packages}
    groups = PROJECT["project"]["entry-points"]
    assert set(groups) == {f"evenflow.{kind}" for kind in kinds}


def test_the_how_to_shows_the_package_as_it_is():
    page = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    files = [PACKAGE / "pyproject.toml", TESTS]
    files += sorted((PACKAGE / "src" / "campusflow").glob("[!_]*.py"))
    for path in files:
        kind = "toml" if path.suffix == ".toml" else "python"
        text = path.read_text(encoding="utf-8")
        assert f"```{kind}\n{text}```" in page, path.name


@pytest.mark.slow
def test_a_wheel_of_the_package_has_these_entry_points(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, PACKAGE]
    subprocess.run([str(word) for word in build], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [told] = [name for name in names if name.endswith("entry_points.txt")]
        assert archive.read(told).decode().strip() == entry_points()
        assert "campusflow/campus.py" in names
