"""Each command does what it says, on a small synthetic world."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow import files
from evenflow.cli import user
from evenflow.errors import DataError
from evenflow.experiment.run import STARTED
from evenflow.web.verdicts.view import explain_record

FEW = ("-s", "dataset.n_rows=1000", "-s", "model.n_estimators=5")
FOREST = "synthetic/random_forest-none"


def test_train_saves_a_bundle_and_prints_what_it_reached(run, tmp_path, train):
    done = run("train", FOREST, "-o", tmp_path / "b", "--seed", 3, *FEW)
    assert "SYNTHETIC" in done.stdout
    assert "attacks detected" in done.stdout
    assert "at argmax" in done.stdout
    assert not (tmp_path / "b.partial").exists()
    recipe = json.loads((tmp_path / "b" / "recipe.json").read_text())
    assert (recipe["seed"], recipe["model"]["n_estimators"]) == (3, 5)


def test_train_for_machines_prints_json_alone(run, tmp_path, train):
    done = run("train", FOREST, "-o", tmp_path / "b", "--json", "--quiet", *FEW)
    value = json.loads(done.stdout)
    assert value["report"]["protocol"] == "official"
    assert done.stderr == ""


def test_evaluate_writes_every_form(run, bundle, tmp_path):
    run(
        "evaluate", bundle, "--data", "synthetic", "--json", tmp_path / "r.json",
        "--markdown", tmp_path / "r.md", "--latex", tmp_path / "r.tex",
    )  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert {"protocol", "taxonomy", "n_rows", "binary", "multiclass"} <= report.keys()
    assert report["binary"].keys() >= {
        "accuracy", "precision", "f1", "detection_rate", "false_alarm_rate", "roc_auc",
        "unseen_detection_rate",
    }  # fmt: skip
    assert report["multiclass"].keys() >= {
        "accuracy", "weighted_f1", "macro_f1", "recall",
    }  # fmt: skip
    assert report["n_rows"] == 250
    assert "SYNTHETIC" in (tmp_path / "r.md").read_text().upper()
    assert r"\begin{table}" in (tmp_path / "r.tex").read_text()


@pytest.mark.slow
def test_evaluate_draws_pages_and_pictures(run, bundle, tmp_path):
    done = run(
        "evaluate", bundle, "--data", "synthetic", "--html", tmp_path / "r.html",
        "--png", tmp_path / "png", "--json", "-",
    )  # fmt: skip
    assert json.loads(done.stdout)["dataset"] == "synthetic"
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    names = {path.name for path in (tmp_path / "png").iterdir()}
    assert {"confusion_matrix.png", "roc.png", "recall.png"} <= names


def test_evaluate_refuses_rows_that_trained(run, bundle):
    done = run("evaluate", bundle, "--data", "synthetic", "--split", "train", code=2)
    assert "a training row" in done.stderr


def test_score_writes_a_verdict_for_every_record(run, bundle, records, tmp_path):
    out = tmp_path / "v.parquet"
    done = run("score", bundle, records, "-o", out, "--json")
    summary = json.loads(done.stdout)
    verdicts = pl.read_parquet(out)
    assert summary["scored"] == len(verdicts) == 250
    assert verdicts["is_attack"].sum() == summary["attacks"]
    assert verdicts["line"].to_list() == list(range(2, 252))


def test_score_finds_no_drift_in_rows_like_those_of_the_training(run, bundle, tmp_path):
    path = tmp_path / "records.csv"
    evenflow.load_dataset("synthetic", "train", n_rows=1000).frame.write_csv(path)
    done = run("score", bundle, path, "-o", tmp_path / "v.csv", "--json")
    drift = json.loads(done.stdout)["drift"]
    assert drift["rows"] == 1000
    assert not drift["is_drifted"]
    assert drift["columns"] == []


def test_score_says_that_a_file_has_drifted(run, bundle, records, tmp_path):
    frame = pl.read_csv(records)
    name = frame.select(pl.col(pl.Float64)).columns[0]
    frame.with_columns(pl.col(name) * 50).write_csv(tmp_path / "moved.csv")
    done = run(
        "score", bundle, tmp_path / "moved.csv", "-o", tmp_path / "v.csv", "--json"
    )
    assert json.loads(done.stdout)["drift"]["is_drifted"]
    assert f"values moved most since calibration: {name} (PSI" in done.stderr


def test_score_reads_stdin_and_writes_stdout(bundle, records):
    words = [sys.executable, "-m", "evenflow", "score", str(bundle), "-"]
    with records.open("rb") as stream:
        done = subprocess.run(
            [*words, "--format", "jsonl"], stdin=stream, capture_output=True, check=True
        )
    lines = done.stdout.splitlines()
    assert len(lines) == 250
    assert json.loads(lines[0])["line"] == 2
    assert b"250 records scored" in done.stderr


@pytest.fixture
def with_bad_row(records, write):
    lines = records.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "soon", 1)
    return write("bad.csv", "\n".join(lines) + "\n")


@pytest.mark.parametrize("words", [("score", "-o", "v.csv"), ("explain", "--row", 3)])
def test_a_bad_row_stops_the_run_with_its_line_and_column(
    run, bundle, with_bad_row, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    done = run(words[0], bundle, with_bad_row, *words[1:], code=2)
    assert "line 4, column duration: found 'soon'" in done.stderr
    assert not (tmp_path / "v.csv").exists()


def test_rejects_go_to_their_file_and_are_counted(run, bundle, with_bad_row, tmp_path):
    rejects = tmp_path / "bad.jsonl"
    done = run(
        "score", bundle, with_bad_row, "-o", tmp_path / "v.csv", "--rejects", rejects
    )
    [rejected] = map(json.loads, rejects.read_text().splitlines())
    assert (rejected["line"], rejected["column"]) == (4, "duration")
    assert "1 records rejected" in done.stderr


@pytest.mark.parametrize("method", ["occlusion", "shap"])
def test_explain_names_the_columns_that_pushed(run, bundle, records, method):
    words = ("explain", bundle, records, "--method", method)
    rows = evenflow.load_dataset("synthetic", "test", n_rows=1000)
    attack = 1 + int(evenflow.load_bundle(bundle).decide(rows).is_attack.argmax())
    said = run(*words, "--row", attack)
    assert said.stdout.startswith("Called ")
    assert "towards attack." in said.stdout
    by_row = run(*words, "--row", attack, "--json").stdout
    assert by_row == run(*words, "--line", attack + 1, "--json").stdout
    value = json.loads(by_row)
    contributions = [abs(c["contribution"]) for c in value["contributions"]]
    assert contributions == sorted(contributions, reverse=True)
    assert contributions[0] > 0
    total = value["base"] + sum(c["contribution"] for c in value["contributions"])
    whole = value["value"] if method == "shap" else value["log_odds"]
    assert total == pytest.approx(whole, abs=1e-5)


def four_attacks(path, n_rows=1200, families=("ant", "bee", "cat", "dog")):
    """Write a table in which each attack has a column of its own."""
    rng = np.random.default_rng(2)
    code = rng.integers(0, 1 + len(families), n_rows)
    columns = {
        name: rng.normal(np.where(code == k, 6.0, 0.0), 1.0).round(3)
        for k, name in enumerate(families, 1)
    }
    words = np.array(["benign", *families])[code]
    columns = {f"x_{name}": x for name, x in columns.items()}
    pl.DataFrame(columns).with_columns(label=words).write_csv(path)
    return words


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        *product(["random_forest", "lightgbm"], ["split=unseen", "target=binary", ""]),
        ("extra_trees", ""),
    ],
)
def test_both_explanations_agree_on_the_side_and_name_the_class_called(
    run, model, setting, tmp_path, train
):
    words = four_attacks(tmp_path / "f.csv")
    hidden = setting == "split=unseen"
    options = ["-s", f"dataset.path={tmp_path / 'f.csv'}", "-s", "split=stratified"]
    options += ["-s", setting] if setting else []
    options += ["-s", "split.k=2", "-s", "split.fold=0"] if hidden else []
    options += ["-s", "model.n_estimators=15"]
    done = run("train", f"table_file/{model}-none", "-o", tmp_path / "b", *options)
    lines = run("score", tmp_path / "b", tmp_path / "f.csv", "--format", "jsonl").stdout
    verdicts = [json.loads(line) for line in lines.splitlines()]
    called = {}
    for row, (verdict, word) in enumerate(zip(verdicts, words, strict=True), 1):
        trained = verdict["verdict"] in {word, "attack"} and word != "benign"
        if verdict["is_attack"] and trained:
            called.setdefault(word, (row, verdict["verdict"]))
    assert len(called) == (2 if hidden else 4)
    table = pl.read_csv(tmp_path / "f.csv")
    for word, (row, label) in called.items():
        record = table.row(row - 1, named=True)
        view = explain_record(evenflow.load_bundle(tmp_path / "b"), record)
        shown = (view.verdict.label, view.top[0].column)
        assert shown == (label, f"x_{word}"), "on the web"
        row_words = ("explain", tmp_path / "b", tmp_path / "f.csv", "--row", row)
        for method in ("shap", "occlusion"):
            done = run(*row_words, "--method", method, "--json")
            found = json.loads(done.stdout)
            assert found["text"].startswith(f"Called {label}:")
            first = found["contributions"][0]
            assert first["column"] == f"x_{word}"
            assert first["contribution"] > 0
            total = sum(c["contribution"] for c in found["contributions"])
            assert total > 0
            if method == "shap":
                assert found["base"] + total == pytest.approx(found["value"])
                if model == "lightgbm":
                    assert found["quantity"] == f"log odds of {label} against benign"
                    assert found["value"] > 0 > found["base"]


def test_explain_finds_any_record_of_a_long_file(run, bundle, records, write):
    head, *lines = records.read_text().splitlines()
    path = write("long.csv", "\n".join([head, *(lines * 120)]) + "\n")
    far = run("explain", bundle, path, "--row", 250 * 110 + 5, "--json").stdout
    near = run("explain", bundle, records, "--row", 5, "--json").stdout
    assert json.loads(far)["contributions"] == json.loads(near)["contributions"]


def test_explain_refuses_a_record_that_is_not_there(run, bundle, records):
    done = run("explain", bundle, records, "--row", 251, code=2)
    assert "holds 250 records; expected at least 251" in done.stderr
    done = run("explain", bundle, records, "--line", 1, code=2)
    assert "no record on line 1" in done.stderr
    run("explain", bundle, records, code=2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["occlusion", "shap"])
def test_explain_draws_a_page(run, bundle, records, method, tmp_path):
    run(
        "explain", bundle, records, "--row", 5, "--method", method, "--html",
        tmp_path / "why.html",
    )  # fmt: skip
    page = (tmp_path / "why.html").read_text()
    assert "Synthetic" in page
    assert "src_bytes" in page


def test_bundle_show_and_verify(run, bundle):
    shown = run("bundle", "show", bundle)
    assert "src_bytes" in shown.stdout
    assert "false alarms on training rows" in shown.stdout
    value = json.loads(run("bundle", "show", bundle, "--json").stdout)
    assert value["manifest"]["n_classes"] == 5
    assert run("bundle", "show", bundle, "--card").stdout.startswith("#")
    verified = run("bundle", "verify", bundle)
    assert all(line.startswith("ok  ") for line in verified.stdout.splitlines())


def test_data_list_says_what_is_here(run, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENFLOW_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    listed = json.loads(run("data", "list", "--json").stdout)
    value = {one["name"]: one for one in listed}
    assert value["synthetic"]["here"] == "built in"
    assert value["nsl_kdd"]["here"] == "not here"
    assert value["nsl_kdd"]["citation"]
    assert str(tmp_path) in run("data", "list").stdout


def test_data_inspect_compares_the_parts(run):
    done = run("data", "inspect", "synthetic", "-s", "n_rows=1000")
    assert "1,000 rows" in done.stdout
    assert "Beside test (250 rows)" in done.stdout
    assert "caveat: SYNTHETIC" in done.stdout
    value = run("data", "inspect", "synthetic", "-s", "n_rows=1000", "--json").stdout
    assert json.loads(value)["overview"]["n_rows"] == 1000


def test_data_inspect_reads_a_table_of_one_s_own(run, records):
    done = run("data", "inspect", "table_file", "-s", f"path={records}", "-s",
               "label=logged_in", "-s", 'benign="0.0"')  # fmt: skip
    assert "250 rows" in done.stdout, done.stderr


def test_train_tells_what_it_guessed_of_a_table_and_keeps_it(tmp_path, train):
    table = evenflow.load_dataset("synthetic", n_rows=500)
    path = tmp_path / "mine.csv"
    table.frame.with_columns(table.attack.alias("label")).write_csv(path)
    done = train(path, tmp_path / "b", "target=binary", words=["--json"])
    guess = "guessed: the label is the column 'label'"
    assert done.stderr.count(guess) == 1
    notes = json.loads(done.stdout)["report"]["training"]["notes"]
    assert [guess in note for note in notes].count(True) == 1


def test_evaluate_judges_a_table_of_one_s_own(run, bundle, tmp_path, train):
    table = evenflow.load_dataset("synthetic", "test", n_rows=600)
    path = tmp_path / "later.csv"
    families = [table.schema.classes[code] for code in table.labels]
    table.frame.with_columns(label=pl.Series(families)).write_csv(path)
    done = run("evaluate", bundle, "--data", "table_file", "--split", "train", "-s",
               f"path={path}", "--json", "-")  # fmt: skip
    assert json.loads(done.stdout)["n_rows"] == len(table)
    assert "guessed: the label" in done.stderr
    wrong = run("evaluate", bundle, "--data", "table_file", "-s", "pth=x", code=2)
    assert "unknown key 'pth'; did you mean path?" in wrong.stderr


def test_a_run_that_fails_early_leaves_nothing(tmp_path, train):
    (tmp_path / "mine.csv").write_text("a,label\n1,benign\n2,benign\n")
    done = train(tmp_path / "mine.csv", tmp_path / "b", code=2)
    assert "at least one kind of attack" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mine.csv"]


def test_data_fetch_says_what_to_put_where(run, tmp_path):
    done = run("data", "fetch", "synthetic", code=2)
    assert "nothing to fetch" in done.stderr
    done = run("data", "fetch", "bot_iot", "-o", tmp_path, code=2)
    assert str(tmp_path) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_recipe_show_prints_a_recipe_that_reads_back(run, write):
    shown = run("recipe", "show", "nsl_kdd/random_forest-smote", "-s", "seed=9")
    path = write("mine.toml", shown.stdout)
    assert tomllib.loads(shown.stdout)["seed"] == 9
    again = run("recipe", "show", path)
    assert again.stdout == shown.stdout
    assert "nsl_kdd/cnn-hybrid" in run("recipe", "list").stdout


@pytest.mark.slow
def test_compare_prints_and_keeps(run, tmp_path):
    words = ("compare", "synthetic/random_forest-ros", "-o", tmp_path, *FEW, "--json")
    done = run(*words, env={"COLUMNS": "80"})
    value = json.loads(done.stdout)
    assert [row["label"] for row in value["rows"]] == [
        "synthetic/random_forest-ros", "synthetic/random_forest-none",
    ]  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "cells").iterdir()}
    assert len(before) == 2
    again = run(*words)
    assert json.loads(again.stdout)["rows"] == value["rows"]
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cells").iterdir()} == before


def test_a_compare_with_a_failing_cell_is_exit_2_and_shows_the_rest(run, tmp_path):
    done = run(
        "compare", FOREST, "synthetic/extra_trees-none", "-o", tmp_path, *FEW,
        "-s", "model.max_depth=4", "--no-baselines",
        "-s", "dataset.n_rows=600", "-s", "split=kfold", "-s", "split.fold=9", code=2,
    )  # fmt: skip
    assert "fold 9 of 5 does not exist" in done.stderr


# what bad input gets


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["synthetic/cn-smote"], "did you mean"),
        (["synthetic/dnn-smoot"], "did you mean"),
        (["sintetic/dnn-smote"], "did you mean synthetic"),
        (["dnn"], "is not a recipe"),
        (["nowhere.toml"], "cannot read the recipe"),
        ([FOREST, "-s", "epoch=3"], "unknown key 'epoch'"),
        ([FOREST, "-s", "model.n_estimator=3"], "did you mean n_estimators?"),
        ([FOREST, "-s", "training.epochs=0"], "training.epochs"),
        ([FOREST, "-s", "dataset.n_rows=3"], "expected 500"),
        ([FOREST, "--seed", "-1"], "seed"),
    ],
)
def test_train_refuses_what_cannot_be_in_one_line(run, tmp_path, words, said, train):
    done = run("train", *words, "-o", tmp_path / "b", code=2)
    assert said in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "b").exists()


def test_train_does_not_overwrite_unasked(run, bundle, train):
    before = (bundle / "SHA256SUMS").read_bytes()
    done = run("train", FOREST, "-o", bundle, *FEW, code=2)
    assert "already exists" in done.stderr
    assert (bundle / "SHA256SUMS").read_bytes() == before


def test_resuming_what_is_done_says_so_and_changes_nothing(run, tmp_path, train):
    out = tmp_path / "b"
    run("train", FOREST, "-o", out, *FEW)
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    left = tmp_path / "b.partial"  # killed between the last two steps
    left.mkdir()
    shutil.copy(out / "recipe.json", left / STARTED)
    done = run("train", FOREST, "-o", out, *FEW, "--resume")
    assert "is complete; there is nothing to resume" in done.stderr
    assert f"bundle: {out}" in done.stdout
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert not left.exists()
    other = run("train", FOREST, "-o", out, *FEW, "--resume", "--seed", "8", code=2)
    assert "already exists" in other.stderr


PROGRAM = [sys.executable, "-m", "evenflow"]


@pytest.fixture
def filled(bundle, records, tmp_path):
    """Return a function that puts paths in the place of words in capitals."""
    places = {"BUNDLE": bundle, "RECORDS": records, "LOOP": tmp_path / "loop",
              "OUT": tmp_path / "out", "HOME": tmp_path / "home"}  # fmt: skip
    return lambda words: [str(places.get(word, word)) for word in words]


def run_closed(descriptors, *words):
    """Run a command that was started without some of its standard streams."""
    shut = " ".join(f"{number}>&-" for number in descriptors)
    words = ["sh", "-c", f'exec "$@" {shut}', "sh", *PROGRAM, *map(str, words)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "has a bug" not in done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("descriptors", ["1", "012"])
def test_an_output_is_written_whatever_streams_are_closed(
    bundle, records, tmp_path, descriptors
):
    out, rejects = tmp_path / "out.csv", tmp_path / "rejects"
    words = ("score", bundle, records, "-o", out, "--rejects", rejects)
    assert run_closed(descriptors, *words).returncode == 0
    lines = out.read_text().splitlines()
    assert lines[0].startswith("line,verdict,")
    assert len(lines) > 1
    assert rejects.read_text() == ""  # and no words of ours


@pytest.mark.parametrize(("descriptor", "words", "said"), [
    ("1", ("score", "BUNDLE", "RECORDS"), "output"),
    ("1", ("bundle", "show", "BUNDLE", "--json"), "output"),
    ("1", ("score", "BUNDLE", "RECORDS", "--format", "parquet"), "output"),
    ("0", ("score", "BUNDLE", "-"), "input"),
])  # fmt: skip
def test_a_closed_stdin_or_a_result_that_a_closed_stdout_would_lose_is_exit_2(
    filled, descriptor, words, said
):
    done = run_closed(descriptor, *filled(words))
    assert done.returncode == 2
    assert f"Error: standard {said} is closed" in done.stderr


@pytest.mark.parametrize("from_stdin", [True, False])
def test_a_password_is_not_read_from_a_closed_stdin(monkeypatch, from_stdin):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="is closed|without a terminal"):
        user._password(from_stdin)


def test_words_that_stderr_does_not_take_fail_nothing(bundle, records, tmp_path):
    out = tmp_path / "out.csv"
    words = [*PROGRAM, "score", bundle, records, "-o", out]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(words, stderr=full, check=False).returncode == 0
        assert out.exists()
        for option in ("--version", "--help"):
            done = subprocess.run(
                [*PROGRAM, option], stdout=full, stderr=subprocess.PIPE, check=False
            )
            assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_an_output_that_is_redirected_stdout_is_written_to(bundle, records, tmp_path):
    link, out = tmp_path / "link", tmp_path / "out.csv"
    link.symlink_to("/proc/self/fd/1")
    words = [*PROGRAM, "score", bundle, records, "-o", link]
    with out.open("w") as stream:
        assert subprocess.run(words, stdout=stream, check=False).returncode == 0
    assert link.is_symlink()
    assert out.read_text().startswith("line,verdict,")
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.stdout == out.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("words", [
    ("score", "BUNDLE", "RECORDS", "-o", "LOOP"), ("score", "BUNDLE", "LOOP"),
    ("score", "BUNDLE", "RECORDS", "-o", "OUT", "--rejects", "LOOP"),
    ("score", "BUNDLE", "RECORDS", "-o", "LOOP", "--format", "parquet"),
    ("explain", "BUNDLE", "RECORDS", "--row", "1", "--html", "LOOP"),
    ("bundle", "verify", "LOOP"), ("train", FOREST, "-o", "LOOP"),
    ("train", "LOOP", "-o", "OUT"), ("db", "backup", "LOOP", "--home", "HOME"),
    ("db", "restore", "LOOP", "--home", "HOME"), ("user", "list", "--home", "LOOP"),
    ("serve", "--port", "0", "--home", "HOME", "--add-bundle", "LOOP"),
])  # fmt: skip
def test_a_loop_of_links_is_one_line_and_exit_2(run, filled, tmp_path, words):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    done = run(*filled(words), code=2)
    assert "has a bug" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert loop.is_symlink()


def test_two_runs_do_not_write_one_bundle(run, tmp_path, train):
    with files.owned(tmp_path / "b.partial"):
        done = run("train", FOREST, "-o", tmp_path / "b", *FEW, code=2)
    assert "another run" in done.stderr


def test_missing_data_says_where_it_was_looked_for(run, tmp_path, monkeypatch, train):
    monkeypatch.setenv("EVENFLOW_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = run("train", "nsl_kdd/random_forest-none", "-o", tmp_path / "b", code=2)
    assert "KDDT" in done.stderr
    assert str(tmp_path / "nowhere") in done.stderr


@pytest.mark.parametrize("what", ["empty", "missing columns", "folder", "absent"])
def test_score_refuses_files_it_cannot_read(run, bundle, records, tmp_path, what):
    path = tmp_path / "given.csv"
    if what == "empty":
        path.touch()
    if what == "missing columns":
        pl.read_csv(records).drop("src_bytes").write_csv(path)
    if what == "folder":
        path.mkdir()
    done = run("score", bundle, path, "-o", tmp_path / "v.csv", code=2)
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    if what == "missing columns":
        assert "src_bytes" in done.stderr
    assert not (tmp_path / "v.csv").exists()


def test_a_changed_bundle_is_refused(run, bundle, records, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    text = (copy / "decision.json").read_text()
    (copy / "decision.json").write_text(text.replace("0", "1", 1))
    for words in (("score", copy, records), ("bundle", "verify", copy)):
        done = run(*words, code=2)
        assert "decision.json" in done.stderr
    run("bundle", "show", tmp_path, code=2)


@pytest.mark.parametrize("words", [
    ("score", "BUNDLE", "RECORDS", "-o"), ("train", FOREST, *FEW, "-o"),
    ("evaluate", "BUNDLE", "--data", "synthetic", "--json"),
])  # fmt: skip
def test_a_folder_that_cannot_be_written_is_said(run, filled, write, words):
    # a file stands where a folder would have to be: refused to root as well
    done = run(*filled(words), write("file", "") / "inside", code=2)
    assert "cannot write" in done.stderr or "Not a directory" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_said(run, tmp_path, train):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        done = run("train", FOREST, "-o", tmp_path / "b", *FEW, code=2)
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert "Permission denied" in done.stderr


def test_a_full_disk_is_one_line_and_exit_2(bundle, records):
    words = [*PROGRAM, "score", bundle, records]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left on device" in done.stderr.splitlines()[-1]
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_gets_no_traceback(bundle, records, write):
    head, *lines = records.read_text().splitlines()
    path = write("long.csv", "\n".join([head, *(lines * 100)]) + "\n")
    words = f"{sys.executable} -m evenflow score {bundle} {path} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"], capture_output=True, check=False
    )
    assert done.stdout.startswith(b"line,verdict")
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_going_on_works(tmp_path, train):
    words = [
        *PROGRAM, "train", "synthetic/dnn-none", "-o", tmp_path / "b",
        "-s", "training.epochs=20", "-s", "dataset.n_rows=4000",
    ]  # fmt: skip
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as started:
        for line in started.stderr:
            if line.startswith("epoch 2/"):
                break
        started.send_signal(2)
        said = started.stderr.read().splitlines()[-1]
        assert started.wait(60) == 130
    assert said.endswith(
        f"evenflow train synthetic/dnn-none -o {tmp_path}/b --resume "
        "--set training.epochs=20 --set dataset.n_rows=4000"
    )
    assert not (tmp_path / "b").exists()
    done = subprocess.run(
        [*words, "--resume"], capture_output=True, text=True, check=True
    )
    assert "epoch 1/" not in done.stderr
    assert (tmp_path / "b" / "SHA256SUMS").exists()


def test_the_way_to_go_on_repeats_every_choice(run, tmp_path, monkeypatch, train):
    stop = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("evenflow.experiment.run.run", stop)
    words = ("--seed", "3", *FEW, "--overwrite", "--device", "cpu", "--data-dir", "d")
    done = run("train", FOREST, "-o", tmp_path / "b", *words, code=130)
    said = " ".join(words).replace("-s ", "--set ")
    assert f"evenflow train {FOREST} -o {tmp_path}/b --resume {said}" in done.stderr


def test_a_name_from_a_file_cannot_move_the_cursor(
    run, bundle, records, tmp_path, write
):
    head, *lines = records.read_text().splitlines()
    odd = [f"{head},no\x1b[2Jte", *(f"{line},1" for line in lines)]
    path = write("records.csv", "\n".join(odd))
    done = run("score", bundle, path, "-o", tmp_path / "v.csv")
    assert "columns not used: no\\x1b[2Jte" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("data", "inspect", "synthetic", "-s", "n_rows=500"),
        ("explain", "BUNDLE", "RECORDS", "--row", "1"),
        ("evaluate", "BUNDLE", "--data", "synthetic", "-s", "n_rows=500"),
    ],
    ids=lambda words: words[0],
)
def test_a_page_on_standard_output_is_alone_there(run, words, filled, python):
    words = [*filled(words), "--html", "/dev/stdout"]
    done = python("-m", "evenflow", *words)
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.rstrip().endswith("</html>")
    assert "wrote /dev/stdout" in done.stderr
    done = run(*words, "--json", *(["-"] if words[0] == "evaluate" else []), code=2)
    assert done.stdout == ""
    assert "two results would be mixed on standard output" in done.stderr
