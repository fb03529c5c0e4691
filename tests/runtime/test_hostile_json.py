"""Whatever somebody writes into a bundle's JSON, it loads or is a BundleError."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenflow.errors import BundleError
from evenflow.runtime import bundle as bundles
from evenflow.runtime.folder import sha256

NAMES = ["manifest.json", "preprocessor.json", "decision.json"]
JUNK: list[Any] = [
    None, True, -1, 0, 1e308, 10**30, "", "x", "NaN", [], [[]], [None], {}, {"a": 1},
    [1, 2, 3], ["\0"], "../../etc/passwd",
]  # fmt: skip


def places(value, at=()):
    """Return the path of every value within."""
    found = [at] if at else []
    if isinstance(value, dict):
        children = list(value.items())
    else:
        children = list(enumerate(value[:3])) if isinstance(value, list) else []
    for key, child in children:
        found += places(child, (*at, key))
    return found


def put(value, at, junk):
    for key in at[:-1]:
        value = value[key]
    if junk == "remove":
        del value[at[-1]]
    else:
        value[at[-1]] = junk


@pytest.fixture(scope="module")
def victim(saved, tmp_path_factory):
    return Path(shutil.copytree(saved, tmp_path_factory.mktemp("victim") / "b"))


@pytest.mark.slow
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_changed_json_loads_or_is_a_bundle_error(victim, saved, data):
    name = data.draw(st.sampled_from(NAMES))
    value = json.loads((saved / name).read_text())
    at = data.draw(st.sampled_from(places(value)))
    put(value, at, data.draw(st.sampled_from([*JUNK, "remove"])))
    changed = json.dumps(value).encode()
    sums = (saved / "SHA256SUMS").read_text()
    before = sha256((saved / name).read_bytes())
    (victim / name).write_bytes(changed)
    (victim / "SHA256SUMS").write_text(sums.replace(before, sha256(changed)))
    try:
        bundle = bundles.load(victim, threads=1)
    except BundleError:
        return
    finally:
        shutil.copy(saved / name, victim / name)
    scores = bundle.decide(bundle.golden)
    assert np.isfinite(scores.proba).all(), "what loads also scores"
