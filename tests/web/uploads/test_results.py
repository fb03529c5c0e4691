"""Pages of results are the rows a plain sort and filter would give."""

import json

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.runtime.stream import VERDICT_COLUMNS, score_file
from evenflow.web.uploads.results import MAX_ROWS, Filter, Results, rejected

CLASSES = ("benign", "dos", "probe", "r2l", "u2r")
KEPT = (Filter(), Filter(attacks_only=True), Filter(label="u2r"))


def made(path, n):
    """Write results of made-up verdicts with many equal probabilities."""
    rng = np.random.default_rng(0)
    code = rng.choice(len(CLASSES), size=n, p=[0.5, 0.3, 0.15, 0.04, 0.01])
    p = rng.integers(50, size=n) / 50
    frame = pl.DataFrame(
        {
            "line": np.cumsum(rng.integers(1, 3, size=n)) + 1,
            "verdict": pl.Series(CLASSES).gather(code),
            "is_attack": code > 0,
            "attack_probability": p,
            "threshold": np.full(n, 0.5),
            "test_attack_share": rng.random(n),
            "unusual": pl.Series([None] * n, dtype=pl.String),
            **{f"p_{label}": rng.random(n) for label in CLASSES},
            "p_given": rng.random(n),
            "service": pl.Series(["http", "ftp"]).gather(rng.integers(2, size=n)),
            "line_given": np.arange(n),
        }
    )
    frame.write_parquet(path, row_group_size=1000)
    return frame


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "results.parquet"
    return made(path, 5000), Results(path, CLASSES)


def expected(frame, kept, sort, descending):
    key = {"line": "line", "probability": "attack_probability", "class": "code"}[sort]
    frame = frame.with_columns(
        code=pl.col("verdict").replace_strict(CLASSES, list(range(len(CLASSES))))
    ).filter(kept.expression())
    return frame.sort(key, descending=descending, maintain_order=True)["line"].to_list()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["line", "probability", "class"])
@pytest.mark.parametrize(
    "kept",
    [
        *KEPT,
        Filter(label="benign", attacks_only=True),
        Filter(label="' OR 1=1 --"),
    ],
)
def test_pages_in_a_row_are_the_whole_in_order(small, kept, sort, descending):
    frame, results = small
    whole = expected(frame, kept, sort, descending)
    found = []
    for start in range(0, len(whole) + MAX_ROWS, MAX_ROWS):
        page = results.page(
            kept, sort=sort, descending=descending, start=start, n_rows=MAX_ROWS
        )
        assert page.total == len(whole)
        found += [row["line"] for row in page.rows]
    assert found == whole


def test_a_page_has_the_verdict_and_the_columns_asked_for(small):
    frame, results = small
    page = results.page(Filter(), n_rows=2, columns=["service", "nothing"])
    assert list(page.rows[0]) == [*VERDICT_COLUMNS, "service"]
    assert page.rows == frame.select(*VERDICT_COLUMNS, "service").head(2).to_dicts()
    sorted_page = results.page(Filter(), sort="class", n_rows=2, columns=["service"])
    assert list(sorted_page.rows[0]) == [*VERDICT_COLUMNS, "service"]


def test_a_page_before_the_first_and_after_the_last_is_no_error(small):
    _, results = small
    assert len(results.page(Filter(), start=-5, n_rows=10).rows) == 10
    for sort in ("line", "probability"):
        page = results.page(Filter(attacks_only=True), sort=sort, start=10**9)
        assert page.rows == []
    assert len(results.page(Filter(), n_rows=10**9).rows) == MAX_ROWS


def test_a_row_is_found_by_its_line_and_has_its_own_names(small):
    frame, results = small
    for place in (0, 1234, 4999):
        row = results.row(frame["line"][place])
        assert row == frame.row(place, named=True)
    missing = set(range(2, 2000)) - set(frame["line"])
    assert results.row(min(missing)) is None
    assert results.row(10**12) is None
    assert results.row(-1) is None
    values = results.values(frame.row(0, named=True))
    assert list(values) == ["p_given", "service", "line"]
    assert values["line"] == 0


def test_a_download_has_every_row_of_its_kind_once(small):
    frame, results = small
    kept = Filter(label="dos")
    parts = pl.concat(results.parts(kept))
    assert parts.equals(frame.filter(pl.col("verdict") == "dos"))
    assert pl.concat(results.parts(Filter())).equals(frame)


def test_results_that_are_gone_or_damaged_are_told(tmp_path):
    with pytest.raises(DataError, match="Upload the file again"):
        Results(tmp_path / "none.parquet", CLASSES)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1nothing")
    with pytest.raises(DataError, match="Upload the file again"):
        Results(tmp_path / "bad.parquet", CLASSES)


def test_what_scoring_wrote_is_what_is_read(bundle, rows, tmp_path):
    source, sink = tmp_path / "x.csv", tmp_path / "results.parquet"
    rows["test"].frame.write_csv(source)
    summary = score_file(bundle, source, sink, keep_columns=True)
    results = Results(sink, bundle.schema.classes)
    assert results.given == tuple(rows["test"].frame.columns)
    for label, n in summary.counts.items():
        assert results.page(Filter(label=label)).total == n
    assert results.page(Filter(attacks_only=True)).total == summary.attacks


def test_rejected_rows_are_paged_and_cut(tmp_path):
    path = tmp_path / "rejects.jsonl"
    lines = [
        {"line": k, "column": "c", "found": "x", "expected": "y", "text": "z" * k}
        for k in range(1000)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = rejected(path, start=990, n_rows=50)
    assert [row["line"] for row in found] == list(range(990, 1000))
    assert all(len(row["text"]) == 301 for row in found)
    assert rejected(path, start=5000, n_rows=50) == []
    assert rejected(tmp_path / "none", start=0, n_rows=50) == []
    path.write_text('{"row": 7, "column": "", "found": "", "expected": "", "text": ""}')
    assert rejected(path, start=0, n_rows=1)[0]["line"] == 7


@pytest.mark.parametrize("start", [0, 2_000])
@pytest.mark.parametrize("sort", ["line", "probability", "class"])
@pytest.mark.parametrize("kept", KEPT)
def test_a_page_reads_two_numbers_of_each_row_and_its_own_rows_alone(
    small, monkeypatch, kept, sort, start
):
    """That is why a page of a million rows does not take long."""
    frame, results = small
    read, collect = [], pl.LazyFrame.collect

    def counted(lazy):
        found = collect(lazy)
        read.append(found.height * found.width)
        return found

    monkeypatch.setattr(pl.LazyFrame, "collect", counted)
    page = results.page(
        kept, sort=sort, descending=True, start=start, columns=["service"]
    )
    of_the_page = len(page.rows) * len(["place", *VERDICT_COLUMNS, "service"])
    assert sum(read) == 2 * page.total + of_the_page
    assert page.total == frame.filter(kept.expression()).height
