"""The table of the verification standard names tests and files that are there."""

import re
from pathlib import Path

import evenflow

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")


def test_every_test_and_file_it_names_is_there():
    tests = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_[a-z_]+)`", PAGE))
    assert len(named) > 20
    assert named <= tests
    web = Path(evenflow.__file__).parent / "web"
    for name in re.findall(r"`([a-z_/]+\.(?:py|txt))`", PAGE):
        assert (web / name).is_file(), name


def test_every_row_says_yes_part_no_or_not_applicable_and_why():
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d+\.\d+", line)]
    assert len(rows) > 150
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[-2] in {"yes", "part", "no", "n/a"}, row
        assert cells[-1], row
