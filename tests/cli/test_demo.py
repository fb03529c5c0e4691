"""``evenflow demo`` ends with a capture: connections, verdicts, incidents."""

import re

import pytest

from evenflow.cli.demo import CAPTURED, judge_capture
from evenflow.runtime import shipped


@pytest.fixture
def said(tmp_path, capsys):
    judge_capture(tmp_path)
    return capsys.readouterr().out


def test_attackers_of_the_capture_have_incidents_beside_what_was_done(said):
    attackers = re.findall(
        r"(?:In it|and|,)\s(10\S+)\s(?:guesses|floods|keeps)", CAPTURED
    )
    assert len(attackers) == 3
    found = re.findall(r"^incident: .* from (\S+) to ", said, re.MULTILINE)
    assert len(set(attackers) & set(found)) >= 2
    assert said.endswith(f"{CAPTURED}\n")


def test_every_connection_is_written_with_hosts_and_verdict(said, tmp_path):
    head, *rows = (tmp_path / "connections.csv").read_text().splitlines()
    assert said.startswith(f"{len(rows)} connections of a capture of the lab")
    assert {"id.orig_h", "id.resp_h", "verdict"} <= set(head.split(","))


def test_the_capture_is_small_enough_to_ship():
    assert shipped.CAPTURE.stat().st_size < 200_000
