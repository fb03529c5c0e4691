"""A network of its own, attacked with tools and rates that no training run has.

``benchmarks/traffic/live.py`` runs servers, people who browse and attackers, each in a
namespace, and ``evenflow watch -i`` with the model that comes with evenflow.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from . import scripts

SCRIPT = Path(__file__).parents[1] / "benchmarks/traffic/live.py"
BROWSING_S = 60
LONGEST_S = 5.0
FAMILIES = {"scan": "scan", "guessing": "guessing", "slow": "dos", "flood": "dos"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What the script measured in one run."""
    if importlib.util.find_spec("evenflow.runtime.shipped") is None:
        pytest.skip("no model comes with evenflow")
    if reason := scripts.loaded(SCRIPT).missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("live")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--browse", str(BROWSING_S), "--json",
         folder / "found.json", "--keep", folder / "kept"],
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text()), done.stdout


@pytest.mark.parametrize("attack", FAMILIES)
def test_an_attack_is_one_incident_of_its_attacker_within_seconds(measured, attack):
    found, text = measured
    [one] = [one for one in found["attacks"] if one["attack"] == attack]
    assert one["right_seconds"] is not None, text
    assert one["right_seconds"] <= LONGEST_S, text
    assert one["incidents"] == 1, one["found"]
    assert one["found"][0].startswith(f"{FAMILIES[attack]}: "), one["found"]
    assert 0 < one["share_before"] < 1


def test_people_who_browse_make_at_most_one_false_incident(measured):
    found, text = measured
    assert len(found["false_while_browsing"]) <= 1, text
