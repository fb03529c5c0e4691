"""The lock files hold what is installed and tested, each package with its hashes."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("base", "web", "traffic", "bus", "train")
UNLOCKED = {"torch", "setuptools"}
"""Of torch each user takes the build for their processor or GPU."""
PIN = re.compile(
    r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!_-]+)((?: \\\n    --hash=sha256:\S+)+)"
)


def locked(part):
    """Return {package: version} of a lock file, of which every line is understood."""
    text = (ROOT / "requirements" / f"{part}.lock").read_text()
    pins = {}

    def take(found):
        hashes = re.findall(r"sha256:(\S+)", found[3])
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes)
        name = canonicalize_name(found[1])
        assert name not in pins
        pins[name] = found[2]
        return ""

    rest = PIN.sub(take, text)
    assert not [line for line in rest.split("\n") if line and not line.startswith("#")]
    return pins


def asked(part):
    """Return what pyproject asks for, for that part."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"][part] if part != "base" else []
    return [Requirement(text) for text in (*project["dependencies"], *extra)]


@pytest.mark.parametrize("part", PARTS)
def test_a_lock_holds_all_that_a_part_needs_and_nothing_else(part):
    pins, wanted, seen = locked(part), asked(part), set()
    while wanted:
        needed = wanted.pop()
        name = canonicalize_name(needed.name)
        if name not in UNLOCKED:
            assert name in pins, f"{name} is not locked: run requirements/lock.sh"
            assert needed.specifier.contains(pins[name], prereleases=True), needed
        for extra in ("", *sorted(needed.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in distribution(name).requires or ():
                found = Requirement(text)
                if not found.marker or found.marker.evaluate({"extra": extra}):
                    wanted.append(found)
    assert set(pins) <= {name for name, _ in seen}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_locked_is_what_is_installed_here_and_tested(part):
    wrong = {}
    for name, version in locked(part).items():
        try:
            found = distribution(name).version
        except PackageNotFoundError:
            found = None
        if found != version:
            wrong[name] = (version, found)
    assert not wrong, "run requirements/lock.sh, or install what is locked"


def test_the_locks_agree():
    base, *others = map(locked, PARTS)
    both = {}
    for pins in others:
        assert base.items() <= pins.items()
        assert all(both.setdefault(name, pins[name]) == pins[name] for name in pins)


@pytest.mark.parametrize("part", PARTS)
def test_a_lock_names_no_place_to_fetch_from(part):
    text = (ROOT / "requirements" / f"{part}.lock").read_text()
    assert "//" not in text
    assert "index" not in text
