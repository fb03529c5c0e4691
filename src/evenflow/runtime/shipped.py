"""The detector that comes with evenflow, for traffic and without a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "lab-live"
"""Name by which commands find it."""
FOLDER = Path(__file__).parents[1] / "bundles" / NAME
CAPTURE = FOLDER.with_name("sample.pcap")
"""A capture to try it on, of a run of the lab that is in no data set."""


def find(bundle: Path) -> Path:
    """Return the folder of a bundle: the one given, or that of ``NAME``.

    A folder of that name in the working directory is what the name means there.
    """
    return FOLDER if str(bundle) == NAME and not bundle.exists() else bundle


def limits(report: Mapping[str, Any]) -> str:
    """Return what a bundle's report measured, in a sentence.

    Parameters
    ----------
    report : mapping
        Of a bundle, with rows of both benign traffic and attacks.
    """
    found, called = (
        100 * report["binary"][name] for name in ("detection_rate", "false_alarm_rate")
    )
    return (
        f"on held-out runs of {report['dataset']!r} it detects {found:.1f} % of the "
        f"attacks and has {called:.1f} % false alarms"
    )
