"""A file in, its verdicts out: nothing lost, nothing half-written, memory flat."""

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError, StorageError
from evenflow.progress import Event, Progress
from evenflow.runtime.detect import verdicts
from evenflow.runtime.stream import score_file
from evenflow.runtime.writers import inert


@pytest.fixture
def source(small_table, tmp_path):
    path = tmp_path / "in.csv"
    small_table.frame.with_columns(label=pl.lit("neptune")).write_csv(path)
    return path


@pytest.fixture
def scored(bundle, tmp_path):
    """Return a function that scores a file or a frame; it gives what was written."""

    def scored(source, out="out.csv", **options):
        if isinstance(source, pl.DataFrame):
            source.write_parquet(tmp_path / "in.parquet")
            source = tmp_path / "in.parquet"
        summary = score_file(bundle, source, tmp_path / out, **options)
        return summary, READ[Path(out).suffix[1:]](tmp_path / out)

    return scored


READ = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}


def spoil(path, line, text):
    rows = path.read_text().split("\n")
    rows[line - 1] = text
    path.write_text("\n".join(rows))


@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("given", ["csv", "csv.gz", "jsonl", "parquet"])
def test_every_format_gives_the_verdicts_of_the_table(
    bundle, small_table, tmp_path, given, wanted, save
):
    source, sink = tmp_path / f"in.{given}", tmp_path / f"out.{wanted}"
    frame = small_table.frame
    if given == "csv.gz":
        source.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        save(frame, source)
    summary = score_file(bundle, source, sink)
    out = READ[wanted](sink)
    scores = bundle.decide(small_table)
    labels = [bundle.schema.classes[code] for code in scores.code]
    assert out["verdict"].to_list() == labels
    first = 2 if given.startswith("csv") else 1
    assert out["line"].to_list() == list(range(first, len(small_table) + first))
    proba = out.select(f"p_{c}" for c in bundle.schema.classes).to_numpy()
    np.testing.assert_allclose(proba, scores.proba, rtol=1e-12)
    above = out["attack_probability"] > out["threshold"]
    assert above.to_list() == out["is_attack"].to_list() == scores.is_attack.tolist()
    assert summary.read == summary.scored == len(small_table)
    assert summary.attacks == int(scores.is_attack.sum())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [source.name, sink.name]
    )


def test_a_label_in_the_source_changes_nothing_and_is_listed(
    bundle, source, small_table, tmp_path
):
    summary = score_file(bundle, source, tmp_path / "out.csv")
    assert summary.extra == ("label",)
    assert summary.counts["benign"] == (bundle.decide(small_table).code == 0).sum()


def test_columns_given_are_kept_as_they_were(bundle, source, tmp_path):
    score_file(bundle, source, tmp_path / "out.csv", keep_columns=True)
    out = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    given = pl.read_csv(source, infer_schema=False)
    assert out.select(given.columns).equals(given)


def test_a_column_given_under_a_verdicts_name_is_kept_beside_it(scored, small_table):
    frame = small_table.frame.with_columns(line=pl.lit("x"))
    _, out = scored(frame, keep_columns=True)
    assert out["line"][0] == 1
    assert out["line_given"][0] == "x"


def test_json_lines_whose_keys_change_still_make_one_parquet_file(
    scored, small_table, write
):
    rows = small_table.frame.to_dicts() * 6  # several blocks
    for i, row in enumerate(rows):
        row["note"] = i if i < 9000 else f"n{i}"
        if i > 9000:
            row["late"] = 1
    given = write("in.jsonl", "\n".join(json.dumps(row) for row in rows))
    _, out = scored(given, "out.parquet", keep_columns=True)
    assert out.height == len(rows)
    assert out["note"][-1] == f"n{len(rows) - 1}"


def test_a_bad_row_stops_the_run_and_leaves_nothing(bundle, source, tmp_path):
    spoil(source, 1700, "0,tcp,http,abc,0,0,3,0,x")
    rejects = tmp_path / "rejects.jsonl"
    with pytest.raises(DataError, match=r"line 1700, column fwd_bytes: found 'abc'"):
        score_file(bundle, source, tmp_path / "out.csv", rejects=rejects)
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


def test_an_older_output_survives_a_run_that_stops(bundle, source, tmp_path):
    (tmp_path / "out.csv").write_text("older")
    spoil(source, 3, "too,few")
    with pytest.raises(DataError, match="line 3: found 2 fields, expected 9"):
        score_file(bundle, source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "older"


def test_rejected_rows_keep_their_text_and_the_rest_is_scored(scored, source, tmp_path):
    good, before = scored(source, "good.csv")
    spoilt = {5: "0,tcp,http,-4,0,0,3,0,x", 9: "1,2", 11: "0,tcp,http,1,0,7,3,0,x"}
    for line, text in spoilt.items():
        spoil(source, line, text)
    path = tmp_path / "rejects.jsonl"
    summary, out = scored(source, on_bad_row="reject", rejects=path)
    rejects = pl.read_ndjson(path)
    assert dict(rejects.select("line", "text").iter_rows()) == spoilt
    assert rejects["column"].to_list() == ["fwd_bytes", "", "error_rate"]
    assert (summary.read, summary.rejected) == (good.read, 3)
    assert summary.read == summary.scored + summary.rejected
    expected = before.filter(~pl.col("line").is_in(list(spoilt)))
    assert out.equals(expected)


def test_a_file_of_bad_rows_alone_is_rejected_row_by_row_and_gives_a_head(
    scored, source, tmp_path
):
    header = source.read_text().split("\n")[0]
    source.write_text(header + "\n" + "x,tcp,http,1,0,0,3,0,x\n" * 50)
    rejects = tmp_path / "r.jsonl"
    summary, out = scored(source, on_bad_row="reject", rejects=rejects)
    assert out.columns[:2] == ["line", "verdict"]
    assert (summary.read, summary.scored, summary.rejected) == (50, 0, 50)
    assert len(rejects.read_text().splitlines()) == 50
    assert len(summary.first_bad) == 20


def test_cells_a_spreadsheet_would_run_are_made_inert(scored, small_table):
    attack = '=HYPERLINK("http://x","y")'
    frame = small_table.frame[:3].with_columns(
        pl.Series("service", [attack, "@sum", "-1"]),
        pl.Series("+note", ["a", "b", "c"]),
    )
    _, out = scored(frame, keep_columns=True)
    assert out["service"].to_list() == [f"'{attack}", "'@sum", "-1"]
    assert out["'+note"][0] == "a"


INERT = {
    "-1": "-1", "+2.5e3": "+2.5e3", " -.5": " -.5", "-1+1": "'-1+1", "-": "'-",
    "=1": "'=1", "a=1": "a=1", None: None, "": "", "x;y": "x;y", "a=1; b": "a=1; b",
    "x;=cmd()": "x;'=cmd()", "x; ＝1;@y": "x;' ＝1;'@y", "x\n=1": "x\n'=1",
    "x\t-1+1": "x\t'-1+1",
}  # fmt: skip


@pytest.mark.parametrize(("cell", "expected"), INERT.items())
def test_a_part_of_a_cell_that_would_run_is_inert_and_numbers_stay_plain(
    cell, expected
):
    frame = pl.DataFrame({"a": [cell]}, schema={"a": pl.String})
    assert inert(frame)["a"].to_list() == [expected]


UNSEEN = ["", *" \u00a0\u3000\u200b\ufeff\x1f\x00\u2060\u3164\u2800\U0001d159"]
SIGNS = "=+-@|%＝＋－＠﹦﹢﹣﹫⁺⁼−"


@pytest.mark.parametrize("before", UNSEEN, ids=ascii)
def test_no_sign_in_any_width_begins_a_cell_or_a_name(before):
    cells = [f"{before}{sign}cmd()" for sign in SIGNS]
    found = inert(
        pl.DataFrame({"a": cells} | {cell: [1] * len(cells) for cell in cells})
    )
    assert found["a"].to_list() == [f"'{cell}" for cell in cells]
    assert found.columns[1:] == [f"'{cell}" for cell in cells]
    kind = pl.Series("a", cells, dtype=pl.Categorical)
    assert inert(kind.to_frame())["a"].to_list() == [f"'{cell}" for cell in cells]


def test_a_lone_dash_stays_in_a_file_that_is_scored_again():
    found = inert(pl.DataFrame({"a": ["-", "=1"]}), is_input=True)["a"].to_list()
    assert found == ["-", "'=1"]


def test_a_stream_gets_verdicts_as_rows_come(bundle, small_table):
    reading, writing = os.pipe()
    out = io.BytesIO()
    seen: list[int] = []

    def on_event(event):
        assert isinstance(event, Progress)
        seen.append(out.getvalue().count(b"\n"))
        if len(seen) == 1:  # only now does the second row come
            os.write(
                writing, small_table.frame[1:2].write_csv(include_header=False).encode()
            )
            os.close(writing)

    os.write(writing, small_table.frame[:1].write_csv().encode())
    with os.fdopen(reading, "rb") as stream:
        summary = score_file(bundle, stream, out, format="jsonl", on_event=on_event)
    assert seen == [1, 2]
    assert summary.source == "standard input"
    first = json.loads(out.getvalue().splitlines()[0])
    expected = next(
        verdicts(bundle.decide(small_table.take([0])), bundle.schema, bundle.decision)
    )
    assert first["verdict"] == expected.label
    assert first["attack_probability"] == pytest.approx(expected.probability)


def test_parquet_for_a_stream_is_refused(bundle, source):
    with pytest.raises(StorageError, match="expected a file"):
        score_file(bundle, source, io.BytesIO(), format="parquet")


def test_one_name_for_two_files_is_refused(bundle, source, tmp_path):
    before = source.read_bytes()
    with pytest.raises(StorageError, match="given twice"):
        score_file(bundle, source, source)
    with pytest.raises(StorageError, match="given twice"):
        score_file(bundle, source, tmp_path / "o", rejects=tmp_path / "." / "o")
    assert source.read_bytes() == before


def test_a_device_is_written_to_and_never_replaced(bundle, source):
    score_file(bundle, source, Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_a_storage_error(bundle, source):
    with pytest.raises(StorageError, match="/dev/full: No space left"):
        score_file(bundle, source, Path("/dev/full"))
    with (
        pytest.raises(StorageError, match="standard output: No space left"),
        Path("/dev/full").open("wb", buffering=0) as stream,
    ):
        score_file(bundle, source, stream)  # type: ignore[arg-type]


def test_a_reader_that_has_seen_enough_ends_the_run(bundle, source):
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "wb", buffering=0)
    with pytest.raises(BrokenPipeError):
        score_file(bundle, source, stream)  # type: ignore[arg-type]
    stream.close()


@pytest.mark.parametrize("kind", [OSError, pl.exceptions.ComputeError])
def test_a_full_disk_leaves_nothing_half_written(
    bundle, source, tmp_path, monkeypatch, kind
):
    def full(*_, **__):  # as Polars says it, one way or the other
        raise kind("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(StorageError, match="No space left"):
        score_file(bundle, source, tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_an_output_in_no_folder_of_ours_is_a_storage_error(
    bundle, source, tmp_path, name
):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        score_file(bundle, source, tmp_path / "file" / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        score_file(bundle, source, tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "in.csv"]


def test_progress_ends_at_the_whole_file(bundle, source, small_table, tmp_path):
    events: list[Any] = []
    score_file(bundle, source, tmp_path / "out.csv", on_event=events.append)
    assert events[-1].done == events[-1].total == len(small_table)


BASE_ONLY = """
import sys
class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Fence())
from pathlib import Path
from evenflow.runtime.bundle import load
from evenflow.runtime.explain import explain
from evenflow.runtime.stream import score_file
from evenflow.runtime.verify import verify
bundle = load(Path(sys.argv[1]))
verify(Path(sys.argv[1]))
print(score_file(bundle, Path(sys.argv[2]), Path(sys.argv[3])).read)
print(explain(bundle, bundle.golden, 0).text)
print(sorted(set(sys.modules) & {blocked}))
"""


def test_the_base_install_alone_loads_scores_and_explains(
    saved, source, small_table, tmp_path, python
):
    blocked = {
        "torch", "sklearn", "lightgbm", "altair", "imblearn", "scipy", "onnx", "shap",
        "pandas", "pyarrow", "skl2onnx", "onnxmltools", "numba", "vl_convert",
    }  # fmt: skip
    code = BASE_ONLY.format(blocked=blocked)
    done = python("-c", code, saved, source, tmp_path / "out.csv")
    lines = done.stdout.splitlines()
    assert lines[0] == str(len(small_table))
    assert lines[-1] == "[]"


PEAK = """
import re, sys
from pathlib import Path
from evenflow.runtime.bundle import load
from evenflow.runtime.stream import score_file
from evenflow.runtime.verify import verify
bundle = load(Path(sys.argv[1]), threads=1)
score_file(bundle, Path(sys.argv[2]), Path(sys.argv[3]))
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("out", ["csv", "parquet"])
def test_ten_times_the_rows_take_no_more_memory(
    saved, small_table, tmp_path, out, python
):
    def peak_mb(repeats):
        source = tmp_path / f"{repeats}.csv"
        body = small_table.frame.write_csv(include_header=False)
        header = ",".join(small_table.frame.columns)
        with source.open("w") as stream:
            stream.write(f"{header}\n")
            for _ in range(repeats):
                stream.write(body)
        sink = tmp_path / f"out{repeats}.{out}"
        done = python("-c", PEAK, saved, source, sink)
        return int(done.stdout) / 1024

    few, many = peak_mb(100), peak_mb(1000)  # 0.2 and 2 million rows
    assert many < few + 120, f"{few:.0f} MB for 0.2 M rows, {many:.0f} MB for 2 M"


ODD: dict[str, pl.Series] = {
    "a date": pl.Series([0, 2**31 - 1], dtype=pl.Int32).cast(pl.Date),
    "a moment": pl.Series([0, -(2**63)], dtype=pl.Int64).cast(pl.Datetime("us")),
    "a moment somewhere": pl.Series([0, 2**60]).cast(
        pl.Datetime("us", "Europe/Berlin")
    ),
    "a time": pl.Series([0, 10**13]).cast(pl.Time),
    "a duration": pl.Series([0, 2**63 - 1]).cast(pl.Duration("us")),
    "a decimal": pl.Series(["0", "1.5"]).cast(pl.Decimal(38, 2)),
    "a category": pl.Series(["a", "b"], dtype=pl.Categorical),
    "bytes": pl.Series([b"\xff\0", b"ok"]),
    "a list": pl.Series([[1, 2], []]),
    "a list of dates": pl.Series([[0], [2**31 - 1]], dtype=pl.List(pl.Int32)).cast(
        pl.List(pl.Date)
    ),
    "a struct": pl.Series([{"b": b"\xff", "t": [None]}, None]),
    "an array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
    "nothing": pl.Series([None, None]),
}


@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", ODD)
def test_a_column_of_any_type_is_repeated_in_every_format(
    scored, small_table, kind, wanted
):
    frame = small_table.frame.head(2).with_columns(ODD[kind].alias("odd"))
    summary, out = scored(frame, f"out.{wanted}", keep_columns=True)
    assert (summary.scored, summary.rejected) == (2, 0)
    assert out.height == 2
    assert out.columns[-1] == "odd"


def test_dates_and_lists_become_text_that_says_the_same(scored, small_table):
    odd = small_table.frame.head(2).with_columns(s.alias(k) for k, s in ODD.items())
    _, out = scored(odd, "out.parquet", keep_columns=True)
    first, second = out.select(*ODD).to_dicts()
    assert first["a date"] == "1970-01-01"
    assert second["a date"] == "2147483647"
    assert first["a moment"] == "1970-01-01T00:00:00.000000"
    assert first["a duration"] == "PT0S"
    assert second["a decimal"] == pytest.approx(1.5)
    assert (first["bytes"], second["bytes"]) == ("\\xff\0", "ok")
    assert first["a list"] == "[1, 2]"
    assert second["a list of dates"] == "[2147483647]"
    assert json.loads(first["a struct"]) == {"b": "\\xff", "t": [None]}
    assert second["a struct"] is None


def test_a_column_nested_beyond_all_reason_is_refused(scored, small_table):
    value: Any = 1
    kind: Any = pl.Int64
    for _ in range(20):
        value, kind = [value], pl.List(kind)
    odd = pl.Series([value, None], dtype=kind)
    with pytest.raises(DataError, match="nested more than 32 levels"):
        scored(small_table.frame.head(2).with_columns(odd=odd))


def test_a_line_without_a_column_spoils_itself_wherever_it_stands(
    scored, small_table, write
):
    good = small_table.frame.head(1).write_ndjson()
    source = write("in.jsonl", good + '{"other": [1]}\n' * 9000 + good)
    summary, _ = scored(source, on_bad_row="reject", keep_columns=True)
    assert (summary.scored, summary.rejected) == (2, 9000)


def test_blank_lines_are_told_as_progress(scored, small_table, write):
    text = small_table.frame.head(5).write_csv().encode() + b"\n" * 2**23
    events: list[Event] = []
    source = write("in.csv.gz", gzip.compress(text))
    summary, _ = scored(source, on_event=events.append)
    assert summary.scored == 5
    assert len(events) > 5
