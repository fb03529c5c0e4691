"""Judging through the API: one record, many, in each kind of body."""

import gzip
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evenflow.prepare.features import Preprocessor
from evenflow.runtime import stream
from evenflow.web.record_form.form import RecordForm
from evenflow.web.store.tables import Alert, Record, Tally

RECORD = json.loads(Path(__file__).with_name("record.json").read_text())

CSV, NDJSON = "text/csv", "application/x-ndjson"


@pytest.fixture
def program(programs):
    return programs("viewer", "score")


def frame_of(rows, n=20):
    return rows["test"].frame.head(n)


def sent(program, data, kind=CSV, expect=200):
    """Send many records in a body of some kind."""
    how = {"content_type": kind, "expect": expect}
    return program.ask("POST", "/score/batch", data=data, **how)


def test_a_verdict_is_the_bundles_own_and_nothing_is_stored(program, bundle, stored):
    answer = program.ask("POST", "/score", json={"record": RECORD}, expect=200)
    found, expected = answer.json, bundle.decide_record(RECORD)
    assert found["verdict"] == expected.label
    assert found["attack_probability"] == pytest.approx(
        expected.probability, rel=1e-6, abs=1e-9
    )
    assert sum(found["classes"].values()) == pytest.approx(1, abs=1e-6)
    assert found["bundle"] == "small"
    assert set(found) == {
        "verdict", "is_attack", "attack_probability", "threshold", "classes", "bundle",
        "test_rows", "unusual",
    }  # fmt: skip
    assert found["test_rows"] == expected.band.to_dict()
    assert [stored.count(table) for table in (Record, Alert, Tally)] == [0, 0, 0]


def test_a_record_that_is_kept_is_in_the_history_and_an_attack_is_an_alert(
    program, stored
):
    path = "/score?keep=true&explain=true"
    found = program.ask("POST", path, json={"record": RECORD}).json
    assert found["is_attack"]
    assert found["explanation"]["explanation"]["contributions"]
    record = stored.get_one(Record, found["record_id"])
    alert = stored.get_one(Alert, found["alert_id"])
    assert record.owner_id == alert.owner_id == program.user_id
    assert record.source == "api"
    assert record.values == RECORD
    assert record.view["headline"] == found["explanation"]["headline"]
    assert alert.record_id == record.id
    assert stored.verdicts() == 1


def test_what_else_comes_with_a_record_is_kept_within_bounds(program, stored):
    more = {f"more_{k}": "x" * 500 for k in range(300)}
    found = program.ask("POST", "/score?keep=true", json={"record": more | RECORD})
    values = stored.get_one(Record, found.json["record_id"]).values
    assert len(values) == len(RECORD) + 100
    assert RECORD.items() <= values.items()


def test_a_normal_record_that_is_kept_is_no_alert(program, rows, bundle, stored):
    benign = rows["test"].frame.filter(pl.Series(rows["test"].y == 0))
    record = next(
        r for r in benign.iter_rows(named=True) if not bundle.decide_record(r).is_attack
    )
    found = program.ask("POST", "/score?keep=true", json={"record": record}).json
    assert found["alert_id"] is None
    assert [stored.count(table) for table in (Record, Alert)] == [1, 0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"duration": "soon"}, "duration"),
        ({"serror_rate": 1.5}, "serror_rate"),
        ({"duration": [1]}, "record.duration"),
        ({"duration": {"a": 1}}, "record.duration"),
        ({"service": "x" * 501}, "record.service"),
        ({"x" * 201: 1}, "record."),
    ],
)
def test_a_wrong_value_is_named_and_says_what_is_expected(program, change, named):
    answer = program.ask("POST", "/score", json={"record": RECORD | change}, expect=422)
    error = answer.json["error"]
    assert named in error["message"] + str(error.get("fields"))
    assert "expected" in error["message"]


def test_missing_columns_are_all_named(program):
    record = {k: v for k, v in RECORD.items() if k not in ("flag", "hot")}
    error = program.ask("POST", "/score", json={"record": record}).json["error"]
    assert "flag" in error["message"]
    assert "hot" in error["message"]


def test_keys_that_the_model_does_not_use_make_no_column(program, monkeypatch):
    widths, judged = [], stream.judged

    def seen(bundle, batch):
        widths.append((batch.given.width, len(batch.unused)))
        return judged(bundle, batch)

    monkeypatch.setattr(stream, "judged", seen)
    more = {f"k{i}": i for i in range(900)}
    texts = [json.dumps(RECORD | more), json.dumps(more | RECORD)]
    for body in (f"{texts[0]}\n" * 20, f"{texts[0]}\n{texts[1]}\n" * 10):
        assert sent(program, body, NDJSON).headers["Records-Scored"] == "20"
    assert widths == [(len(RECORD), 900)] * 2


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "BadJson"),
        (b"{", 400, "BadJson"),
        (b'{"record": {"duration": NaN}}', 400, "BadJson"),
        (b'{"record": {"duration": "\xff"}}', 400, "BadJson"),
        (b'{"record": ' + b"[" * 5000, 400, "BadJson"),
        (b'{"record": {"duration": "\\u0000"}}', 422, "ValidationError"),
        (b'{"record": {"duration": 1e999}}', 422, "ValidationError"),
        (b'{"record": {}}', 422, "ValidationError"),
        (b'{"record": 1}', 422, "ValidationError"),
        (b"{}", 422, "ValidationError"),
        (b"[]", 422, "ValidationError"),
        (b'{"record": {"a": 1}, "more": 2}', 422, "ValidationError"),
    ],
)
def test_a_body_that_is_none_is_refused(program, body, status, kind):
    answer = program.ask("POST", "/score", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["error"]["type"]) == (status, kind)


def test_an_integer_of_400_digits_is_refused_and_not_a_fault(program):
    record = RECORD | {"hot": int("9" * 400)}
    program.ask("POST", "/score", json={"record": record}, expect=422)


def test_an_unknown_word_in_the_address_is_refused(program):
    answer = program.ask("POST", "/score?kep=true", json={"record": RECORD}, expect=422)
    assert "kep" in answer.json["error"]["fields"]


def test_a_body_of_another_kind_is_refused(program):
    body = {"data": "a=1", "content_type": "text/plain", "expect": 415}
    program.ask("POST", "/score", **body)
    answer = program.ask("POST", "/score/batch", **body)
    assert NDJSON in answer.json["error"]["message"]


def test_before_there_is_a_model_the_answer_is_503_and_when_to_ask_again(
    program, monkeypatch, web
):
    monkeypatch.setattr(web.detectors, "active", lambda: None)
    answer = program.ask("POST", "/score", json={"record": RECORD})
    assert (answer.status_code, answer.json["error"]["type"]) == (503, "NoModel")
    assert int(answer.headers["Retry-After"]) > 0


def expected_of(bundle, frame):
    return [bundle.decide_record(row).label for row in frame.iter_rows(named=True)]


def test_many_records_as_json_are_judged_like_each_alone(program, rows, bundle):
    frame = frame_of(rows)
    body = {"records": frame.to_dicts()}
    found = program.ask("POST", "/score/batch", json=body).json
    assert [v["verdict"] for v in found["verdicts"]] == expected_of(bundle, frame)
    assert [v["line"] for v in found["verdicts"]] == list(range(1, 21))
    assert found["counts"]["read"] == found["counts"]["scored"] == 20
    assert sum(found["counts"]["classes"].values()) == 20
    assert found["rejected"] == []


def test_a_bad_record_is_told_and_the_others_are_judged(program, rows):
    records = frame_of(rows, 6).to_dicts()
    records[1]["duration"] = "soon"
    del records[2]["flag"]
    records[3] = 7
    records[4]["service"] = {"a": 1}
    found = program.ask("POST", "/score/batch", json={"records": records}).json
    assert [v["line"] for v in found["verdicts"]] == [1, 6]
    told = {r["line"]: r for r in found["rejected"]}
    assert set(told) == {2, 3, 4, 5}
    assert (told[2]["column"], told[2]["found"]) == ("duration", "'soon'")
    assert (told[3]["column"], told[3]["found"]) == ("flag", "nothing")
    assert told[4]["expected"] == "a JSON object"
    assert told[5]["column"] == "service"
    counts = found["counts"]
    assert (counts["read"], counts["scored"], counts["rejected"]) == (6, 2, 4)


def test_csv_is_answered_as_csv_with_the_bad_rows_in_their_place(program, rows, bundle):
    frame = frame_of(rows, 5).cast(pl.String)
    frame[1, "duration"] = "=cmd()"
    answer = sent(program, frame.write_csv())
    assert answer.mimetype == CSV
    found = pl.read_csv(io.BytesIO(answer.data))
    assert found["line"].to_list() == [2, 3, 4, 5, 6]
    assert found["verdict"].is_null().to_list() == [False, True, False, False, False]
    bad = found.row(1, named=True)
    assert bad["error_column"] == "duration"
    assert "number" in bad["error_expected"]
    told = [answer.headers[f"Records-{n}"] for n in ("Read", "Scored", "Rejected")]
    assert told == ["5", "4", "1"]
    good = frame_of(rows, 5)[[0, 2, 3, 4]]
    assert found["verdict"].drop_nulls().to_list() == expected_of(bundle, good)


def test_json_lines_are_answered_as_json_lines_in_order(program, rows, bundle):
    lines = frame_of(rows, 4).write_ndjson().splitlines()
    lines[2] = "{broken"
    answer = sent(program, "\n".join(lines), NDJSON)
    assert answer.mimetype == NDJSON
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["line"] for row in found] == [1, 2, 3, 4]
    assert set(found[2]["error"]) == {"column", "found", "expected"}
    labels = [row["verdict"] for row in found if "verdict" in row]
    assert labels == expected_of(bundle, frame_of(rows, 4)[[0, 1, 3]])


def batch_of(rows, n=8):
    """Return records as a sensor sends them: with a time and two addresses."""
    at = [f"2026-01-05T10:00:{k:02}Z" for k in range(n)]
    more = {"ts": at, "src_ip": ["10.0.0.1"] * n, "dst_ip": ["10.0.0.2"] * n}
    return frame_of(rows, n).with_columns(pl.DataFrame(more))


def as_body(frame, kind):
    if kind == "json":
        return {"json": {"records": frame.to_dicts()}}
    text = frame.write_csv() if kind == CSV else frame.write_ndjson()
    return {"data": text, "content_type": kind}


def answers(answer, kind):
    """Return the verdicts of an answer, with their columns on one level."""
    if kind == CSV:
        return pl.read_csv(io.BytesIO(answer.data)).to_dicts()
    lines = answer.text.splitlines()
    found = answer.json["verdicts"] if kind == "json" else map(json.loads, lines)
    return [row | row.pop("columns", {}) for row in found]


@pytest.mark.databases
@pytest.mark.parametrize("kind", ["json", CSV, NDJSON])
def test_many_records_that_are_kept_are_kept_as_one_is(program, rows, stored, kind):
    frame = batch_of(rows)
    path = "/score/batch?keep=true&id=batch-1&columns=true"
    first = program.ask("POST", path, **as_body(frame, kind), expect=200)
    found = answers(first, kind)
    attacks = [row for row in found if row["is_attack"]]
    assert attacks
    assert stored.count(Record) == stored.verdicts() == len(frame)
    assert stored.count(Alert) == len(attacks)
    for row in found:
        record = stored.get_one(Record, row["record_id"])
        assert (record.label, record.owner_id) == (row["verdict"], program.user_id)
        assert record.values["ts"] == row["ts"] == frame["ts"][found.index(row)]
        assert record.values["src_ip"] == row["src_ip"] == "10.0.0.1"
        if row["is_attack"]:
            alert = stored.get_one(Alert, row["alert_id"])
            assert (alert.record_id, alert.src) == (record.id, "10.0.0.1")
        else:
            assert row["alert_id"] is None
    again = program.ask("POST", path, **as_body(frame, kind), expect=200)
    assert answers(again, kind) == found
    assert stored.count(Record) == stored.verdicts() == len(frame)
    program.ask("POST", path, **as_body(frame[::-1], kind), expect=422)


def test_a_batch_is_answered_with_its_columns_only_where_that_is_asked(program, rows):
    for kind in ("json", CSV, NDJSON):
        plain = program.ask("POST", "/score/batch", **as_body(batch_of(rows), kind))
        assert all("ts" not in row for row in answers(plain, kind))


def test_a_batch_that_is_sent_again_is_scored_by_the_model_that_scored_it(
    program, rows, web, stored
):
    path, body = "/score/batch?keep=true&id=b", as_body(batch_of(rows), "json")
    first = program.ask("POST", path, **body).json
    shutil.copytree(web.home.bundles / "small", web.home.bundles / "newer")
    with web.database.session() as session:
        web.detectors.activate(session, "newer")
    assert program.ask("POST", path, **body).json == first
    assert program.ask("POST", "/score/batch", **body).json["bundle"] == "newer"


def test_two_batches_at_once_with_one_id_are_kept_once(programs, app, rows, stored):
    program = programs("viewer", "score")
    path, body = "/score/batch?keep=true&id=b", as_body(batch_of(rows), "json")
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(program.ask, "POST", path, **body) for _ in range(3)]
    assert {answer.result().status_code for answer in sent} == {200}
    assert stored.count(Record) == 8


def test_only_bad_rows_are_no_fault(program, rows):
    frame = frame_of(rows, 2).cast(pl.String)
    frame[0, "duration"] = frame[1, "duration"] = "soon"
    for kind, body in ((CSV, frame.write_csv()), (NDJSON, frame.write_ndjson())):
        answer = sent(program, body, kind)
        assert answer.headers["Records-Rejected"] == "2"


@pytest.mark.parametrize(
    ("kind", "body"),
    [(k, b) for k in (CSV, NDJSON) for b in (b"", b"\n\n", b"\0\0", b"PAR1" * 9)]
    + [(CSV, b"a,b\n1,2\n"), (NDJSON, b'{"a": 1}\n')],
)
def test_what_holds_no_records_is_told(program, kind, body):
    assert sent(program, body, kind, expect=422).json["error"]["message"]


def test_more_records_than_a_request_may_have_are_refused(program):
    many = {"records": [1] * 10_001}
    program.ask("POST", "/score/batch", json=many, expect=422)
    sent(program, "duration\n" + "1\n" * 10_001, expect=422)


def test_a_body_over_the_limit_is_refused(build, settings, programs):
    app = build(settings.model_copy(update={"max_body_mb": 0.01}))
    program = programs("viewer", app=app)
    for path, kind in (("/score", "application/json"), ("/score/batch", CSV)):
        body = {"data": b"x" * 20_000, "content_type": kind}
        answer = program.ask("POST", path, **body, expect=413)
        assert answer.json["error"]["type"] == "RequestEntityTooLarge"


def test_a_packed_body_cannot_unpack_beyond_its_bound(build, settings, programs, rows):
    app = build(settings.model_copy(update={"max_body_mb": 0.05}))
    head = ",".join(rows["test"].frame.columns)
    bomb = gzip.compress(head.encode() + b"\n" + b"0" * 2_000_000)
    answer = sent(programs("viewer", app=app), bomb, expect=422)
    assert "unpacked" in answer.json["error"]["message"]


@pytest.mark.usefixtures("lab_live")
def test_the_document_s_example_is_scored_on_a_new_server(program, app):
    document = app.test_client().get("/api/v1/openapi.json").json
    bodies = document["paths"]["/score/batch"]["post"]["requestBody"]["content"]
    for kind in (CSV, NDJSON):
        answer = sent(program, bodies[kind]["example"], kind)
        assert answer.headers["Records-Scored"] == "1"
    example = document["components"]["schemas"]["BatchIn"]["examples"][0]
    found = program.ask("POST", "/score/batch", json=example).json
    assert found["counts"]["scored"] == 2
    assert np.isfinite(found["verdicts"][0]["attack_probability"])


def with_more(text):
    """Return the example as a JSON line with more in it."""
    return json.dumps(RECORD)[:-1] + f", {text}}}\n"


@pytest.mark.parametrize(
    ("more", "scored"),
    [
        ('"x": ' + '{"a":' * 600 + "1" + "}" * 600, 0),
        ('"x": ' + "[" * 900 + "]" * 900, 0),
        ('"x": {"deep": [{"er": 1}]}', 1),
        ('"x": "\\ud800"', 0),
        ('"\\udc00": 1', 0),
    ],
)
def test_what_comes_with_one_record_spoils_no_other(program, more, scored):
    answer = sent(program, json.dumps(RECORD) + "\n" + with_more(more), NDJSON)
    told = [answer.headers[f"Records-{n}"] for n in ("Scored", "Rejected")]
    assert told == [str(1 + scored), str(1 - scored)]


def test_a_list_of_records_may_nest_where_no_column_is(program):
    more = {"a": 1}
    for _ in range(150):
        more = {"a": more}
    body = {"records": [RECORD, RECORD | {"x": more}]}
    counts = program.ask("POST", "/score/batch", json=body).json["counts"]
    assert (counts["scored"], counts["rejected"]) == (1, 1)


def test_a_body_packed_twice_is_refused(program, rows):
    body = gzip.compress(gzip.compress(frame_of(rows, 2).write_csv().encode()))
    answer = sent(program, body, expect=422)
    assert "gzip data inside gzip data" in answer.json["error"]["message"]


def test_records_that_take_too_long_are_refused(program, rows, monkeypatch):
    monkeypatch.setattr("evenflow.web.api.batch.SECONDS", 0)
    answer = sent(program, frame_of(rows, 5).write_csv(), expect=413)
    assert answer.json["error"]["type"] == "TooMuchWork"
    assert "0 s" in answer.json["error"]["message"]


@pytest.fixture
def linear(bundle, rows, monkeypatch, web):
    """The detector in use, which reads raw numbers: 1e300 is no float32."""
    preprocessor = Preprocessor.fit(rows["train"], scaling="standard")
    found = replace(bundle, preprocessor=preprocessor)
    monkeypatch.setattr(web.detectors, "active", lambda: found)
    return found


@pytest.mark.parametrize("query", ["", "?explain=true", "?keep=true"])
def test_a_record_without_a_finite_score_is_refused_and_never_benign(
    program, linear, query, stored
):
    record = RECORD | {"src_bytes": 1e300}
    answer = program.ask("POST", f"/score{query}", json={"record": record}, expect=422)
    assert "column src_bytes: found 1e+300, expected" in answer.json["error"]["message"]
    assert stored.count(Record) == 0


@pytest.mark.parametrize("kind", ["json", CSV, NDJSON])
def test_of_many_records_those_without_a_finite_score_are_rejected(
    program, linear, kind
):
    records = [RECORD, RECORD | {"dst_bytes": 1e300}, RECORD]
    if kind == "json":
        answer = program.ask("POST", "/score/batch", json={"records": records}).json
        assert [v["line"] for v in answer["verdicts"]] == [1, 3]
        assert answer["counts"]["rejected"] == 1
        [rejected] = answer["rejected"]
        assert (rejected["line"], rejected["column"]) == (2, "dst_bytes")
        return
    frame = pl.DataFrame(records)
    text = frame.write_csv() if kind == CSV else frame.write_ndjson()
    answer = sent(program, text, kind)
    assert answer.headers["Records-Rejected"] == "1"
    assert answer.headers["Records-Scored"] == "2"
    lines = answer.text.splitlines()
    bad = lines[2] if kind == CSV else lines[1]
    assert "dst_bytes" in bad
    assert "benign" not in bad


def test_a_form_without_a_finite_score_is_shown_again(linear, stored, viewer):
    values = RecordForm.of(linear).values(RECORD | {"src_bytes": 1e300})
    page = viewer.send("/record", {f"v-{name}": text for name, text in values.items()})
    assert page.status_code == 422
    assert "Column src_bytes: found 1e+300, expected" in page.text
    assert stored.count(Record) == 0
