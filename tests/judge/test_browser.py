"""Pages in a real browser, where one is installed: every chart is drawn."""

import re
import shutil
import subprocess

import pytest

from evenflow.judge.pages import exploration as explore_page
from evenflow.judge.pages import report as render
from evenflow.prepare.explore import explore

from ..judging import judged  # noqa: TID252 (tests are not a package)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def drawn(browser, path, width, folder):
    """Return the page's markup after its scripts have run, without the scripts."""
    made = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000",
            f"--window-size={width},20000", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    return re.sub(r"<script\b.*?</script>", "", made.stdout, flags=re.DOTALL)


def written(kind, table, folder):
    path = folder / f"{kind}.html"
    if kind == "exploration":
        explore_page.write(explore(table), path)
        return path
    render.write(judged(table), path)
    return path


# headless Chromium lays nothing out below 500 pixels
@pytest.mark.parametrize(("kind", "width"), [("report", 500), ("exploration", 1440)])
def test_every_chart_is_drawn_offline_under_the_pages_own_policy(
    browser, small_table, tmp_path, kind, width
):
    page = drawn(browser, written(kind, small_table, tmp_path), width, tmp_path)
    assert "could not be drawn" not in page
    charts = page.count('class="chart ')
    assert charts == page.count("<figure>") >= 8
    assert page.count("<svg") >= charts
    for found in re.findall(r'<svg [^>]*class="marks" width="(\d+)"', page):
        assert int(found) <= width
