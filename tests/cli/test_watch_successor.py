"""A watch that runs scores with the bundle that takes the place of its own."""

import json
import shutil

import numpy as np
import pytest

from evenflow.runtime import bundle as bundles
from evenflow.runtime import shipped
from evenflow.runtime.folder import _rename

from .conftest import ended, grow
from .test_watch import events, until

FITTED = ("schema", "preprocessor", "decision", "golden", "reference", "recipe",
          "report", "card", "fingerprint", "baseline")  # fmt: skip


def retrained(folder, softmax_regression):
    """Put another model that decides the same in the place of a bundle."""
    old = bundles.load(folder, threads=1)
    X = old.preprocessor.transform(old.golden)
    y = old.golden_decided
    model = softmax_regression(np.concatenate([X, X]), np.concatenate([y, y]), 2)
    assert model != old.model
    parts = {name: getattr(old, name) for name in FITTED}
    bundles.save(folder, model=model, overwrite=True, **parts)


def damaged(folder):
    """Put a bundle of which a file was changed in its place."""
    part = folder.with_name("part")
    shutil.copytree(folder, part)
    (part / "decision.json").write_text("{}")
    _rename(part, folder)


def of_another_contract(folder):
    part = folder.with_name("other")
    shutil.copytree(shipped.FOLDER, part)
    _rename(part, folder)


@pytest.fixture
def following(start, detector, log, tmp_path):
    """A watch of a log that grows, and its files."""
    folder, out = tmp_path / "detector", tmp_path / "out"
    shutil.copytree(detector, folder)
    words = ("--zeek", log, "--sink", f"eve:{out}", "--alerts", 99, "--log-json")
    process = start("--bundle", folder, *words)
    until(lambda: out.exists() and len(events(out, "alert")) == 20)
    return process, folder, log, out


def end(process):
    return [json.loads(line)["message"] for line in ended(process).splitlines()]


@pytest.mark.slow
def test_a_bundle_that_was_retrained_scores_on_and_no_connection_is_lost(
    following, softmax_regression
):
    process, folder, log, out = following
    retrained(folder, softmax_regression)
    until(lambda: events(out, "model"))
    grow(log, 20, 40)
    until(lambda: len(events(out, "alert")) == 40)
    said = end(process)
    alerts, [told] = events(out, "alert"), events(out, "model")
    assert [e["dest_port"] for e in alerts] == list(range(40))
    assert len({e["incident_id"] for e in alerts}) == 1
    [old] = {e["ml"]["version"] for e in alerts[:20]}
    [new] = {e["ml"]["version"] for e in alerts[20:]}
    assert old != new
    assert told["model"]["status"] == "replaced"
    assert told["ml"]["version"] == new
    summary = f"was replaced: detector {new} scores from now on, in place of {old}"
    assert [summary in line for line in said].count(True) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (damaged, "decision.json"),
        (of_another_contract, "expected columns of the contract nsl_kdd_live alone"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_said_once_and_the_old_one_scores_on(
    following, change, reason
):
    process, folder, log, out = following
    change(folder)
    until(lambda: events(out, "model"))
    grow(log, 20, 40)
    until(lambda: len(events(out, "alert")) == 40)
    said = end(process)
    assert len({e["ml"]["version"] for e in events(out, "alert")}) == 1
    [told] = events(out, "model")
    assert told["model"]["status"] == "kept"
    assert reason in told["model"]["summary"]
    found = [line for line in said if "was replaced by what cannot be used" in line]
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.slow
def test_a_good_bundle_after_a_damaged_one_is_used(following, softmax_regression):
    process, folder, _, out = following
    shutil.copytree(folder, folder.with_name("good"))
    damaged(folder)
    until(lambda: events(out, "model"))
    retrained(folder.with_name("good"), softmax_regression)
    _rename(folder.with_name("good"), folder)
    until(lambda: len(events(out, "model")) == 2)
    end(process)
    found = [e["model"]["status"] for e in events(out, "model")]
    assert found == ["kept", "replaced"]
