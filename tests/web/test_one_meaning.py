"""A value means the same in training, evaluation, every way of scoring and a form."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evenflow import datasets
from evenflow.errors import DataError
from evenflow.runtime.stream import score_file
from evenflow.schema import Column
from evenflow.web.record_form import fields

MISSING, REJECTED = "missing", "rejected"
RECORD = json.loads((Path(__file__).with_name("api") / "record.json").read_text())
WORDS = {
    "7": 7, " 7 ": 7, "\t7": 7, "7\u00a0": 7, "+7": 7, "7.0": 7, ".7e1": 7, "007": 7,
    "7E0": 7, "-0": 0, "0": 0,
    "": MISSING, " ": MISSING, "-": MISSING, "?": MISSING, "NA": MISSING,
    "n/a": MISSING, "nan": MISSING, "NaN": MISSING, "-nan": MISSING, "null": MISSING,
    "None": MISSING, " NA ": MISSING, "inf": MISSING, "-inf": MISSING,
    "Infinity": MISSING, "-INFINITY": MISSING, "1e400": MISSING, "9" * 400: MISSING,
    "abc": REJECTED, "0xfa": REJECTED, "1_000": REJECTED, "7 0": REJECTED,
    "7%": REJECTED, "--7": REJECTED, "\u0667": REJECTED, "true": REJECTED,
    "T": REJECTED, "#N/A": REJECTED,
}  # fmt: skip
"""What a text means in a column of numbers that is not of 0 and 1 alone."""
FLAGS = {
    "1": 1, "0": 0, "1.0": 1, "true": 1, "False": 0, " TRUE ": 1, "T": 1, "f": 0,
    "": MISSING, "NA": MISSING, "inf": MISSING, "2": REJECTED, "-1": REJECTED,
    "yes": REJECTED, "0x1": REJECTED,
}  # fmt: skip
"""What a text means in a column of 0 and 1."""
TYPED = [
    (7, 7), (7.0, 7), (True, 1), (False, 0), (None, MISSING), ([7], REJECTED),
    ({"a": 7}, REJECTED),
]  # fmt: skip
"""What a value of JSON means in either column, where it is no text."""
CASES = [
    *(("count", word, meaning) for word, meaning in WORDS.items()),
    *(("logged_in", word, meaning) for word, meaning in FLAGS.items()),
    *(("count", value, meaning) for value, meaning in TYPED),
    *(("logged_in", value, meaning) for value, meaning in TYPED[2:]),
    ("logged_in", 7, REJECTED),
]


def of(value):
    """Return what a number of a table, or of a form, says."""
    if value is None or not math.isfinite(value):
        return MISSING
    return value


def as_csv(records):
    out = io.StringIO()
    rows = csv.DictWriter(out, records[0].keys(), lineterminator="\n")
    rows.writeheader()
    rows.writerows(records)
    return out.getvalue().encode()


def as_lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


@pytest.fixture(scope="module")
def probability(bundle):
    """Return a function from a column and a meaning to what the model says."""
    known = {}

    def of_meaning(column, meaning):
        if (column, meaning) not in known:
            value = None if meaning == MISSING else meaning
            verdict = bundle.decide_record(RECORD | {column: value})
            known[column, meaning] = verdict.probability
        return known[column, meaning]

    assert len({of_meaning("count", x) for x in (7, 0, 1, MISSING)}) == 4
    assert len({of_meaning("logged_in", x) for x in (0, 1)}) == 2
    return of_meaning


@pytest.mark.parametrize(("column", "value", "meaning"), CASES)
def test_python_and_the_form_read_a_value_alike(
    bundle, probability, column, value, meaning
):
    record = RECORD | {column: value}
    if meaning == REJECTED:
        with pytest.raises(DataError, match=f"column {column}: found"):
            bundle.decide_record(record)
        with pytest.raises(DataError):
            fields.read(bundle.schema.column(column), value)
        return
    assert bundle.decide_record(record).probability == probability(column, meaning)
    assert of(fields.read(bundle.schema.column(column), value)) == meaning


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (np.int64(7), 7), (np.float32(7), 7), (np.uint8(7), 7), (np.True_, 1),
        (np.float64("nan"), MISSING), (float("inf"), MISSING), (10**400, MISSING),
        (-(10**400), MISSING), (np.str_("NA"), MISSING), (np.str_("x"), REJECTED),
    ],
)  # fmt: skip
def test_python_reads_the_numbers_of_numpy_as_their_texts(
    bundle, probability, value, meaning
):
    record = RECORD | {"count": value}
    if meaning == REJECTED:
        with pytest.raises(DataError, match="column count: found 'x'"):
            bundle.decide_record(record)
    else:
        found = bundle.decide_record(record).probability
        assert found == probability("count", meaning)


def expected(probability, cases):
    """Return each line that is scored with its probability, and the rejected ones."""
    scored = {
        line: pytest.approx(probability(column, meaning), abs=1e-9)
        for line, (column, _, meaning) in cases
        if meaning != REJECTED
    }
    return scored, [line for line, (_, _, meaning) in cases if meaning == REJECTED]


@pytest.mark.slow
@pytest.mark.parametrize("keep_columns", [False, True], ids=["file", "upload"])
@pytest.mark.parametrize("alone", [False, True], ids=["among others", "alone"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_files_read_a_value_as_python_does(
    bundle, probability, tmp_path, form, alone, keep_columns
):
    cases = [c for c in CASES if form == "jsonl" or isinstance(c[1], str)]
    write, first = (as_lines, 1) if form == "jsonl" else (as_csv, 2)
    source, sink = tmp_path / f"in.{form}", tmp_path / "out.csv"
    groups = [[case] for case in cases] if alone else [cases]
    for group in groups:
        source.write_bytes(write([RECORD | {c: value} for c, value, _ in group]))
        rejects = tmp_path / "rejects.jsonl"
        score_file(
            bundle,
            source,
            sink,
            keep_columns=keep_columns,
            on_bad_row="reject",
            rejects=rejects,
        )
        out = pl.read_csv(sink, columns=["line", "attack_probability"])
        bad = [json.loads(line)["line"] for line in rejects.read_text().splitlines()]
        wanted = expected(probability, list(enumerate(group, first)))
        assert (dict(out.rows()), bad) == wanted


def test_parquet_reads_typed_values_as_python_does(bundle, probability, tmp_path):
    for kind, values in (
        (pl.Boolean, [True, False, None]),
        (pl.Int64, [7, 0, None]),
        (pl.Float32, [7.0, math.nan, math.inf]),
        (pl.String, ["7", "NA", None]),
    ):
        rows = {k: [v] * 3 for k, v in RECORD.items()} | {"count": values}
        path = tmp_path / "x.parquet"
        pl.DataFrame(rows, schema_overrides={"count": kind}).write_parquet(path)
        score_file(bundle, path, tmp_path / "out.csv")
        found = pl.read_csv(tmp_path / "out.csv")["attack_probability"].to_list()
        verdicts = [bundle.decide_record(RECORD | {"count": v}) for v in values]
        assert found == pytest.approx([v.probability for v in verdicts], abs=1e-9)


@pytest.fixture
def program(programs):
    return programs("viewer", "score")


def test_the_api_reads_a_value_as_python_does(program, probability):
    for column, value, meaning in CASES:
        answer = program.ask(
            "POST", "/score", json={"record": RECORD | {column: value}}
        )
        if meaning == REJECTED:
            assert answer.status_code == 422, value
            assert column in answer.json["error"]["message"]
        else:
            assert answer.json["attack_probability"] == pytest.approx(
                probability(column, meaning), abs=1e-9
            ), value


@pytest.mark.parametrize(
    "kind", ["application/json", "text/csv", "application/x-ndjson"]
)
def test_a_batch_reads_a_value_as_python_does(program, probability, kind):
    cases = [c for c in CASES if kind != "text/csv" or isinstance(c[1], str)]
    records = [RECORD | {column: value} for column, value, _ in cases]
    if kind == "application/json":
        answer = program.ask("POST", "/score/batch", json={"records": records})
        verdicts, rejected = answer.json["verdicts"], answer.json["rejected"]
    else:
        body = (as_csv if kind == "text/csv" else as_lines)(records)
        answer = program.ask("POST", "/score/batch", data=body, content_type=kind)
        if kind == "text/csv":
            lines = list(csv.DictReader(io.StringIO(answer.text)))
        else:
            lines = [json.loads(line) for line in answer.text.splitlines()]
        rejected = [r for r in lines if r.get("error") or r.get("error_column")]
        verdicts = [r for r in lines if r not in rejected]
    found = {int(v["line"]): float(v["attack_probability"]) for v in verdicts}
    first = 2 if kind == "text/csv" else 1
    wanted = expected(probability, list(enumerate(cases, first)))
    assert (found, [int(r["line"]) for r in rejected]) == wanted


def labelled(path, word, flag):
    """Write a table in which one row has these words."""
    rows = [
        {"x": k, "up": "true" if k % 2 else "false", "label": "dos" if k % 3 else "ok"}
        for k in range(40)
    ]
    rows[11] |= {"x": word, "up": flag}
    path.write_bytes(as_csv(rows))
    return path


TRAINED = [
    *((word, "true", meaning, 1) for word, meaning in WORDS.items()),
    *(("11", word, 11, meaning) for word, meaning in FLAGS.items()),
]


@pytest.mark.parametrize("way", ["train", "evaluate"])
def test_a_table_that_trains_or_judges_reads_a_value_as_score_does(tmp_path, way):
    params = {"benign": "ok"}
    clean = labelled(tmp_path / "clean.csv", 11, "true")
    schema = datasets.load("table_file", "train", path=str(clean), **params).schema
    assert [c.kind for c in schema.columns] == ["numeric", "numeric"]
    assert schema.column("up") == Column(name="up", low=0, high=1, step=1)
    like = schema if way == "evaluate" else None
    for word, flag, *meaning in TRAINED:
        if way == "train" and flag.strip().lower() not in ("true", "false", "", "na"):
            continue  # such a word among true and false makes the column one of words
        path = labelled(tmp_path / "t.csv", word, flag)
        table = datasets.load(
            "table_file", "train", like=like, path=str(path), **params
        )
        if REJECTED in meaning:
            assert (len(table), table.n_rejected) == (39, 1), (word, flag)
            assert 11 not in table.frame["x"].to_list()
        else:
            assert (len(table), table.n_rejected) == (40, 0), (word, flag)
            assert list(map(of, table.frame.row(11))) == meaning
