"""A file scored in the background: what a direct run gives, once, whatever dies."""

import gzip
import io
import json
import time
from datetime import timedelta
from unittest.mock import Mock

import polars as pl
import pytest
from sqlalchemy import delete, func, select, update

from evenflow.errors import StorageError
from evenflow.runtime.stream import score_file
from evenflow.web.alerts.groups import MAX_NAMED
from evenflow.web.jobs import queue, worker
from evenflow.web.jobs.task import Stopped
from evenflow.web.store.tables import Alert, AlertGroup, Job, Tally, User, now
from evenflow.web.uploads import job as score_job
from evenflow.web.uploads import manage
from evenflow.web.uploads.alerts import likeliest
from evenflow.web.uploads.results import FILE, REJECTS, Filter, Results

databases = pytest.mark.databases


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"alerts_per_upload": 40})


def broken(table):
    """Return rows as CSV of which three do not keep the contract."""
    lines = table.frame.write_csv().splitlines()
    lines[5] = "too,few"
    lines[50] = lines[50].replace(lines[50].split(",")[0], "lots", 1)
    lines[77] = "1,2,3"
    return "\n".join(lines).encode() + b"\n"


@pytest.fixture
def owner_id(here):
    """The id of somebody who may upload."""
    with here.database.session() as session:
        user = User(email="a@example.org", role="viewer", fs_uniquifier="a")
        session.add(user)
        session.flush()
        return user.id


@databases
def test_the_result_is_what_scoring_the_file_gives(
    here, desk, bundle, rows, tmp_path, stored, write, owner_id
):
    source = write("x.csv", broken(rows["test"]))
    wanted = score_file(
        bundle, source, tmp_path / FILE, keep_columns=True, on_bad_row="reject",
        rejects=tmp_path / REJECTS,
    )  # fmt: skip
    job = desk.run(here, source, bundle, owner_id=owner_id)
    assert (job.state, job.error) == ("done", "")
    folder = here.home.results / job.id
    found, direct = (pl.read_parquet(p / FILE) for p in (folder, tmp_path))
    assert found.equals(direct)
    assert (folder / REJECTS).read_bytes() == (tmp_path / REJECTS).read_bytes()
    opened = desk.alerts_of(here, job.id)
    figures = {
        "read": wanted.read, "scored": wanted.scored, "rejected": 3,
        "counts": wanted.counts,
        "alerts": {"opened": len(opened), "of": wanted.attacks},
    }  # fmt: skip
    assert figures.items() <= job.result.items()
    assert desk.tallied(here) == {k: n for k, n in wanted.counts.items() if n}
    assert len(opened) == 40
    by_line = {row["line"]: row for row in direct.to_dicts()}
    results = Results(folder / FILE, bundle.schema.classes)
    for alert in opened:
        row = by_line[alert.line]
        assert alert.label == row["verdict"]
        assert row["is_attack"]
        assert alert.probability == pytest.approx(row["attack_probability"], abs=1e-9)
        assert (alert.owner_id, alert.source) == (owner_id, "upload")
        assert alert.service == row["service"]
        assert alert.values == results.values(row)
    services = stored.execute(
        select(Tally.value, func.sum(Tally.n))
        .where(Tally.facet == "service")
        .group_by(Tally.value)
    ).all()
    counted = direct["service"].value_counts().rows()
    assert {name: int(n) for name, n in services} == dict(counted)


def test_an_alert_budget_takes_the_likeliest_and_forgets_no_class(tmp_path):
    frame = pl.DataFrame(
        {
            "line": range(2, 1002),
            "verdict": ["dos"] * 900 + ["r2l"] * 60 + ["benign"] * 40,
            "is_attack": [True] * 960 + [False] * 40,
            "attack_probability": [0.99] * 900 + [0.6] * 60 + [0.1] * 40,
        }
    )
    path = tmp_path / "x.parquet"
    frame.write_parquet(path)
    results = Results(path, ["benign", "dos", "r2l"])
    lines = [row["line"] for row in likeliest(results, 80)]
    labels = frame.filter(pl.col("line").is_in(lines))["verdict"].value_counts().rows()
    assert dict(labels) == {"dos": 70, "r2l": 10}  # 80 / (4 x 2) at least for each
    assert lines[:3] == [2, 3, 4]  # of equal ones the first
    assert len(likeliest(results, 10_000)) == 960
    assert likeliest(results, 0) == []
    assert len(likeliest(results, 1)) == 1


@databases
def test_every_kind_of_file_gives_the_same_counts(here, desk, bundle, rows, tmp_path):
    frame = rows["test"].frame
    text = frame.write_csv().encode()
    frame.write_parquet(tmp_path / "x.parquet")
    files = {
        "x.csv": text,
        "x.csv.gz": gzip.compress(text),
        "x.jsonl": frame.write_ndjson().encode(),
        "x.parquet": (tmp_path / "x.parquet").read_bytes(),
        "misnamed.csv": frame.write_ndjson().encode(),
    }
    seen = []
    for name, data in files.items():
        job = desk.run(here, data, bundle, name=name)
        assert job.error == ""
        assert job.result["source"] == name
        seen.append(job.result["counts"])
    assert all(counts == seen[0] for counts in seen)
    assert sum(desk.tallied(here).values()) == len(files) * len(frame)


@pytest.mark.parametrize("limit", ["max_rows", "max_unpacked_mb"])
def test_a_file_over_a_limit_fails_with_words_and_leaves_no_result(
    settings, desk, bundle, rows, limit
):
    small = {"max_rows": 100, "max_unpacked_mb": 0.01}[limit]
    here = desk.workplace(settings.model_copy(update={limit: small}))
    packed = gzip.compress(rows["test"].frame.write_csv().encode())
    job = desk.run(here, packed, bundle, name="big.csv.gz")
    assert job.state == "failed"
    assert job.error.startswith("big.csv.gz: found more than")
    assert not (here.home.results / job.id).exists()
    assert (here.home.uploads / job.id / "data").exists()  # to be run again
    here.database.dispose()


def test_a_zip_that_got_here_fails_with_words(here, desk, bundle):
    assert desk.run(here, b"PK\x03\x04" + bytes(500), bundle).state == "failed"


def test_a_model_or_file_that_is_gone_is_told(here, desk, bundle):
    job_id = desk.put(here, b"a,b\n1,2\n", bundle="../../etc")
    worker.run_one(here, "score")
    assert "there is no model '../../etc'" in desk.job_of(here, job_id).error
    job_id = desk.put(here, b"", bundle=bundle.path.name)
    (here.home.uploads / job_id / "data").unlink()
    worker.run_one(here, "score")
    assert "does not exist any longer" in desk.job_of(here, job_id).error


@databases
def test_a_file_outlives_the_account_it_came_from(
    here, desk, bundle, rows, monkeypatch, stored, owner_id
):
    def judged(path, most):
        stored.execute(delete(User).where(User.id == owner_id))
        return likeliest(path, most)

    monkeypatch.setattr(score_job, "likeliest", judged)
    data = desk.csv_of(rows["test"], 100)
    job = desk.run(here, data, bundle, owner_id=owner_id)
    assert job.state == "done"
    assert {alert.owner_id for alert in desk.alerts_of(here, job.id)} == {None}
    assert sum(desk.tallied(here).values()) == 100


def test_a_worker_that_slept_too_long_deletes_nothing_of_the_next_one(
    here, desk, bundle, rows, monkeypatch, stored
):
    def slept(*_args, **_kwargs):
        monkeypatch.setattr(score_job, "score_file", score_file)
        late = now() - timedelta(seconds=1)
        stored.execute(update(Job).values(lease_until=late))
        other = desk.workplace(here.settings)
        assert worker.run_one(other, "score")
        other.database.dispose()
        raise StorageError("what was being written is gone")

    monkeypatch.setattr(score_job, "score_file", slept)
    job = desk.run(here, desk.csv_of(rows["test"], 100), bundle)
    assert job.state == "done"
    assert (here.home.results / job.id / FILE).is_file()


def test_what_is_wrong_with_a_model_names_no_folder_of_the_server(
    here, desk, bundle, rows
):
    (here.home.bundles / bundle.path.name / "model.onnx").write_bytes(b"other")
    error = desk.run(here, desk.csv_of(rows["test"]), bundle).error
    assert "model.onnx was changed" in error
    assert str(here.home.root) not in error


@databases
def test_a_stop_in_the_middle_keeps_nothing(here, desk, bundle, rows, monkeypatch):
    data = rows["test"].frame.write_csv().encode()
    job_id = desk.put(here, data, bundle=bundle.path.name)

    def stopping(*args, **kwargs):
        with here.database.session() as session:
            queue.request_stop(session, session.get(Job, job_id))
        summary = score_file(*args, **kwargs)
        time.sleep(2 * here.settings.lease_s / 8 + 0.2)
        return summary

    here = worker.Workplace.open(here.settings.model_copy(update={"lease_s": 1.0}))
    monkeypatch.setattr("evenflow.web.uploads.job.score_file", stopping)
    worker.run_one(here, "score")
    assert desk.job_of(here, job_id).state == "stopped"
    assert desk.alerts_of(here, job_id) == []
    assert desk.tallied(here) == {}
    assert not (here.home.results / job_id).exists()
    here.database.dispose()


def test_what_rows_of_strangers_hold_is_cut_and_json(
    here, desk, bundle, rows, tmp_path
):
    frame = rows["test"].frame.with_columns(
        pl.lit("x" * 5000).alias("note"),
        pl.lit(float("nan")).alias("ratio"),
        pl.lit("a\0b").alias("src_ip"),
        *(pl.lit(1).alias(f"extra{k}") for k in range(200)),
    )
    path = tmp_path / "x.parquet"
    frame.write_parquet(path)
    opened = desk.alerts_of(here, desk.run(here, path, bundle).id)
    assert opened
    for alert in opened:
        assert set(bundle.schema.names) <= set(alert.values)
        assert len(alert.values) == len(bundle.schema.names) + 100
        assert len(alert.values["note"]) == 500
        assert alert.values["ratio"] is None
        assert alert.src == "ab"
        json.dumps(alert.values, allow_nan=False)


@pytest.mark.parametrize("lines", [b"\n" * 2**24, b"x\n" * 2**18])
def test_a_wish_to_stop_is_heard_amid_lines_that_are_no_records(
    here, desk, bundle, rows, monkeypatch, lines
):
    text = desk.csv_of(rows["test"], 5) + lines
    check = Mock(side_effect=[None] * 4 + [Stopped])
    monkeypatch.setattr("evenflow.web.jobs.task.Lease.check", check)
    assert desk.run(here, gzip.compress(text, 1), bundle).state == "stopped"
    assert check.call_count == 5


def test_columns_of_any_type_are_stored_and_shown(here, desk, bundle, rows):
    frame = rows["test"].frame.head(200)
    n = frame.height
    days = pl.Series([2**31 - 1] * n, dtype=pl.Int32)
    odd = frame.with_columns(
        day=days.cast(pl.Date),
        took=pl.Series([2**62] * n).cast(pl.Duration("us")),
        raw=pl.Series([b"\xff\0"] * n),
        all=pl.Series([[{"x": b"\xff"}]] * n),
    )
    out = io.BytesIO()
    odd.write_parquet(out)
    job = desk.run(here, out.getvalue(), bundle)
    assert (job.state, job.error) == ("done", "")
    found = Results(here.home.results / job.id / FILE, bundle.schema.classes)
    assert found.row(1)["day"] == str(2**31 - 1)
    for kind in ("csv", "jsonl"):
        text = b"".join(manage.rows(found, Filter(), kind))
        assert text.count(b"\n") == n + (kind == "csv")


def test_equal_attacks_are_one_alert_with_their_number(desk, viewer, rows, stored):
    lines = desk.csv_of(rows["test"], 200).splitlines()
    desk.scored(viewer, b"\n".join([lines[0], *(lines[1:] * 5)]))
    alerts = stored.all(Alert)
    assert {alert.n for alert in alerts} == {5}
    assert len({str(alert.values) for alert in alerts}) == len(alerts)
    assert stored.count(AlertGroup) <= 5 * (MAX_NAMED + 1)
    assert all(stored.all(AlertGroup.reason))
    counts = viewer.get("/alerts").tree.iterfind(".//td[@class='n']")
    assert sum(int(cell.text) for cell in counts) == 5 * len(alerts)
