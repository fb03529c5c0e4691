"""Rows that trained a bundle are never judged in silence."""

import json

import numpy as np
import pytest

import evenflow
from evenflow.recipe import Recipe

N = 600


def flows(n=N, seed=0):
    """Return a CSV file's lines: a head and ``n`` labelled flows, no two alike."""
    rng = np.random.default_rng(seed)
    lines = ["dur,proto,src_bytes,pkts,label"]
    for _ in range(n):
        label = rng.choice(["benign", "ddos", "scan"], p=[0.6, 0.25, 0.15])
        size = rng.lognormal(6 if label == "benign" else 5, 1)
        proto = rng.choice(["tcp", "udp"])
        lines.append(f"{rng.random():.5f},{proto},{size:.2f},{rng.poisson(9)},{label}")
    return lines


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def evaluate(run, bundle, *words, code=0):
    return run("evaluate", bundle, "--data", "table_file", *words, code=code)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of the bundle ``b`` and of ``t.csv``, which trained it."""
    folder = tmp_path_factory.mktemp("seen")
    write(folder / "t.csv", flows())
    recipe = Recipe.from_dict(
        {
            "title": "Own flows",
            "dataset": {"name": "table_file", "path": str(folder / "t.csv")},
            "model": {"name": "random_forest", "n_estimators": 5},
            "balance": {"name": "none"},
            "split": "stratified",
        }
    )
    evenflow.train(recipe, folder / "b")
    return folder


@pytest.fixture
def table(trained):
    """Return the training file, put back after the test."""
    path = trained / "t.csv"
    before = path.read_text()
    yield path
    path.write_text(before)


def test_held_out_judges_the_rows_that_the_training_held_out(run, trained):
    done = evaluate(run, trained / "b", "--split", "held_out", "--json", "-")
    now, then = (
        json.loads(done.stdout),
        json.loads((trained / "b" / "report.json").read_text()),
    )
    assert now["confusion"] == then["confusion"]
    shared = next(f for f in now["leaks"] if f["check"] == "shared rows")
    assert shared["status"] == "pass"
    assert shared["text"].startswith(f"0 of {now['n_rows']} test rows")


@pytest.mark.parametrize("setting", [
    "split=kfold", "split=blocks", "target=binary", "target=attack", "seed=3",
])  # fmt: skip
def test_held_out_rows_are_drawn_again_whatever_the_recipe(
    run, trained, tmp_path, setting, train
):
    train(trained / "t.csv", tmp_path / "b", setting)
    done = evaluate(run, tmp_path / "b", "--split", "held_out", "--json", "-")
    assert "0 of " in done.stdout


CHANGES = {
    "sorted": lambda lines: [lines[0], *sorted(lines[1:])],
    "appended": lambda lines: [*lines, *flows(40, seed=9)[1:]],
    "cut": lambda lines: lines[:-7],
    "replaced": lambda lines: flows(seed=5),
    "one value edited": lambda lines: [
        line if "scan" not in line else line.replace("scan", "ddos") for line in lines
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_held_out_rows_of_a_file_that_changed_are_refused(run, trained, table, change):
    write(table, CHANGES[change](table.read_text().splitlines()))
    done = evaluate(run, trained / "b", "--split", "held_out", "--json", "-", code=2)
    assert done.stdout == ""
    assert "are not the rows that its training held out" in done.stderr
    assert "Bring the file back as it was" in done.stderr


def test_training_rows_in_any_file_are_counted_and_warned_of_on_top(
    run, trained, tmp_path, train
):
    known = (trained / "t.csv").read_text().splitlines()
    later = write(tmp_path / "later.csv", [*flows(540, seed=3), *known[1:61]])
    html = tmp_path / "r.html"
    words = ("--split", "train", "-s", f"path={later}")
    done = evaluate(run, trained / "b", *words, "--json", "-", "--html", html)
    shared = next(
        f for f in json.loads(done.stdout)["leaks"] if f["check"] == "shared rows"
    )
    n = int(shared["text"].split()[0])
    assert 30 < n <= 60
    said = f"{n} of 600 test rows ({n / 600:.1%}) have exactly the features"
    assert shared["status"] == "warn"
    assert said in shared["text"]
    assert "warning: " + said in done.stderr
    page = html.read_text()
    assert page.index(said) < page.index("attacks found")
    text = evaluate(run, trained / "b", *words).stdout
    assert text.index("warning: " + said) < text.index("attacks detected")


def test_a_file_without_training_rows_is_not_warned_of(run, trained, tmp_path, train):
    later = write(tmp_path / "later.csv", flows(200, seed=4))
    words = ("--split", "train", "-s", f"path={later}")
    done = evaluate(run, trained / "b", *words, "--json", "-")
    assert "0 of 200 test rows (0.0%)" in done.stdout
    assert "warning" not in done.stderr


def test_a_test_file_of_training_rows_is_refused_before_anything_is_trained(
    trained, tmp_path, train
):
    known = (trained / "t.csv").read_text().splitlines()
    test = write(tmp_path / "test.csv", known[:201])
    done = train(trained / "t.csv", tmp_path / "b", f"dataset.test={test}",
                 "split=official", code=2)  # fmt: skip
    assert "200 of 200 test rows (100.0%)" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_test_file_with_some_training_rows_is_warned_of(trained, tmp_path, train):
    known = (trained / "t.csv").read_text().splitlines()
    test = write(tmp_path / "test.csv", [*flows(190, seed=6), *known[1:11]])
    done = train(trained / "t.csv", tmp_path / "b", f"dataset.test={test}",
                 "split=official")  # fmt: skip
    said = "10 of 200 test rows (5.0%) have exactly the features of a training row"
    assert "warning: " + said in done.stderr
    assert done.stdout.index(said) < done.stdout.index("attacks detected")
    assert "publisher" not in done.stdout.split(said)[1]


def test_inspect_compares_a_test_file_of_one_s_own(run, trained, tmp_path, train):
    known = (trained / "t.csv").read_text().splitlines()
    test = write(tmp_path / "test.csv", [*flows(50, seed=8), *known[1:51]])
    words = ("-s", f"path={trained / 't.csv'}", "-s", f"test={test}")
    done = run("data", "inspect", "table_file", *words)
    to_act_on = " ".join(done.stdout.split("Warnings")[1].split())
    assert "50 rows of test (50.0%) also occur here" in to_act_on
    assert "Training rejects test as the other file" in to_act_on
    other = run("data", "inspect", "table_file", *words, "--split", "test", "--json")
    assert json.loads(other.stdout)["splits"][0]["name"] == "train"
    alone = run("data", "inspect", "table_file", *words[:2], "--json")
    assert json.loads(alone.stdout)["splits"] == []
