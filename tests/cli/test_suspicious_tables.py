"""What a table may hide is named by ``data inspect`` and on top of the report."""

import json

import numpy as np
import polars as pl
import pytest


def flows(counts):
    """Return labelled flows in random order, so many of each class."""
    rng = np.random.default_rng(0)
    label = rng.permutation(np.repeat(list(counts), list(counts.values())))
    n = len(label)
    return pl.DataFrame(
        {
            "dur": rng.exponential(size=n),
            "proto": rng.choice(["tcp", "udp"], n),
            "bytes": rng.lognormal(np.where(label == "benign", 6.0, 5.2), 1.0),
            "label": label,
        }
    )


def shuffled_numbers(frame):
    numbers = np.random.default_rng(1).permutation(frame.height)
    return frame.with_columns(odd=pl.Series(numbers))


def binary_copy(frame):
    return frame.with_columns(odd=(pl.col("label") != "benign").cast(pl.Int8))


def times(frame):
    return frame.with_columns(odd=1.7e9 + pl.int_range(frame.height) // 2)


def copied(frame):
    rare = frame.filter(pl.col("label") == "scan")
    return pl.concat([frame, *[rare] * 19])


def findings(train, path, bundle):
    """Return what the report of a training on the file says of leaks."""
    done = train(path, bundle, words=["--json"])
    return json.loads(done.stdout)["report"]["leaks"]


SOME = {"benign": 300, "ddos": 80, "scan": 20}
TABLES = {
    "shuffled row numbers": (SOME, shuffled_numbers, "odd (numbers the rows)"),
    "times with ties": (SOME, times, "odd (rises or falls from row to row)"),
    "a binary copy of the label": (SOME, binary_copy, "odd 100.0%"),
    "equal classes": (dict.fromkeys(SOME, 130), lambda f: f, "equally large before"),
    "half attacks": ({"benign": 200, "ddos": 130, "scan": 70}, lambda f: f,
                     "equally large before"),
    "copies of a rare class": (SOME, copied, "of scan are copies", "are usual in scan"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_suspicious_table_is_named_before_and_after_training(
    run, tmp_path, case, train
):
    counts, change, *said = TABLES[case]
    path = tmp_path / "t.csv"
    change(flows(counts)).write_csv(path)
    found = run("data", "inspect", "table_file", "-s", f"path={path}", "--json")
    assert any(said[0] in w["text"] for w in json.loads(found.stdout)["warnings"])
    leaks = findings(train, path, tmp_path / "b")
    assert any(said[-1] in f["text"] for f in leaks if f["status"] == "warn")


def test_an_honest_table_is_not_suspected(run, tmp_path, train):
    path = tmp_path / "t.csv"
    flows(SOME).write_csv(path)
    found = run("data", "inspect", "table_file", "-s", f"path={path}", "--json")
    assert {w["kind"] for w in json.loads(found.stdout)["warnings"]} == {"rare_class"}
    leaks = findings(train, path, tmp_path / "b")
    assert [f["check"] for f in leaks if f["status"] == "warn"] == ["protocol"]


@pytest.mark.parametrize("name", ["is_anomaly", "vibe"])
def test_inspect_names_the_label_twins_that_stand_aside(run, tmp_path, name):
    path = tmp_path / "t.csv"
    table = flows({"benign": 700, "ddos": 250, "scan": 150})
    binary_copy(table).rename({"odd": name}).write_csv(path)
    found = run("data", "inspect", "table_file", "-s", f"path={path}", "--json")
    said = [w["text"] for w in json.loads(found.stdout)["warnings"]]
    assert any(f"reveal the label, so no model reads them: {name}." in t for t in said)
