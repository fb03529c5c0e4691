"""A table of one's own on the command line: what trains scores and is judged."""

import json

import numpy as np
import polars as pl
import pytest

N = 400


def rows(seed):
    rng = np.random.default_rng(seed)
    label = rng.choice(["ok", "Angriff – groß"], N, p=[0.7, 0.3])
    load = rng.lognormal(5, 1, N) * np.where(label == "ok", 1, 4)
    return label, np.round(load, 2), rng.integers(1, 3000, N)


def spreadsheet(path, seed):
    """Write what a German spreadsheet exports: two columns of one name among them."""
    label, load, pkts = rows(seed)
    amounts = [f"{x:,.2f}".translate(str.maketrans(",.", ".,")) for x in load]
    lines = ["Datum;Bytes;Pakete;Zone;Pakete;verdict"] + [
        f"{1 + i // 24:02}.02.2026 {i % 24:02}:00;{amounts[i]};{pkts[i]};"
        f"{'süd' if i % 3 else 'nord'};{pkts[i]};{label[i]}"
        for i in range(N)
    ]
    lines[7:7] = ["", ";;;;;"]
    path.write_bytes("\r\n".join(lines).encode("cp1252"))


def options(values):
    return [word for value in values for word in ("-s", value)]


def test_a_spreadsheet_trains_scores_and_is_judged_as_it_is(
    run, tmp_path, monkeypatch, train
):
    monkeypatch.chdir(tmp_path)
    path, later = tmp_path / "mine.csv", tmp_path / "later.csv"
    spreadsheet(path, 1)
    spreadsheet(later, 2)
    params = ["label=verdict", "benign=ok", "decimal=,"]
    found = run("data", "inspect", "table_file", "-s", f"path={path}",
                *options(params), "--json")  # fmt: skip
    assert json.loads(found.stdout)["overview"]["n_rows"] == N
    refused = run("data", "inspect", "table_file", "-s", f"path={path}",
                  *options(params[:2]), code=2)  # fmt: skip
    assert "line 2, column Bytes" in refused.output
    train(path, "b", *(f"dataset.{param}" for param in params))
    scored = run("score", "b", later, "-o", "v.csv", "--json")
    summary = json.loads(scored.stdout)
    assert (summary["scored"], summary["rejected"]) == (N, 0)
    assert any("Windows-1252" in note for note in summary["notes"])
    assert any("skipped: 2" in note for note in summary["notes"])
    verdicts = pl.read_csv("v.csv")
    assert set(verdicts["verdict"]) == {"benign", "angriff - groß"}
    judged = run("evaluate", "b", "--data", "table_file", "--split", "train",
                 "-s", f"path={later}", "--json", "r.json")  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert "angriff - groß" in json.dumps(report, ensure_ascii=False)
    assert "not in training" not in judged.output
    run("evaluate", "b", "--data", "table_file", "--split", "held_out")


@pytest.mark.parametrize(
    "written", ["%-d/%-m/%Y %-H:%M", "%Y-%m-%dT%H:%M:%SZ", "%s", "%d.%m.%Y %H:%M"]
)
def test_blocks_of_a_csv_follow_its_times(tmp_path, monkeypatch, written, train):
    monkeypatch.chdir(tmp_path)
    label, load, pkts = rows(3)
    start = pl.datetime(2017, 7, 1)
    times = pl.select(
        pl.datetime_range(start, start.dt.offset_by(f"{2 * (N - 1)}h"), "2h")
    ).to_series()
    frame = pl.DataFrame(
        {
            "load": load,
            "pkts": pkts,
            "Timestamp": times.dt.strftime(written),
            "label": np.where(label == "ok", "benign", "scan"),
        }
    ).sample(fraction=1, shuffle=True, seed=1)
    frame.write_csv("t.csv")
    train("t.csv", "b", "split=blocks", "split.order=Timestamp")
    text = (tmp_path / "b" / "report.json").read_text()
    assert "Timestamp order (" in text


def test_blocks_by_a_column_of_words_are_refused(tmp_path, monkeypatch, train):
    monkeypatch.chdir(tmp_path)
    lines = [f"{i},{'tcp' if i % 3 else 'udp'},{'x' if i % 4 else 'benign'}"
             for i in range(200)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["a,proto,label", *lines, ""]))
    refused = train("t.csv", "b", "split=blocks", "split.order=proto", code=2)
    assert "'udp' in the column 'proto', row 1; expected numbers" in refused.output
    assert not (tmp_path / "b").exists()


def never_trains(monkeypatch):
    from evenflow.learn import training

    monkeypatch.setattr(training, "_parts", lambda *_: pytest.fail("it trains"))


NAMES = {
    "a control character": ("du\x07r", "scan", "du\\x07r"),
    "a mark of direction": ("du\u202er", "scan", "du\\u202er"),
    "a column that is no feature": ("src_\x07ip", "scan", "src_\\x07ip"),
    "two lines in one name": ('"du\tr"', "scan", "expected one line"),
    "a long name": ("d" * 501, "scan", "at most 500"),
    "a control character in a label": ("dur", "sc\x01an", "sc\\x01an"),
    "a long label": ("dur", "s" * 501, "at most 500"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_no_bundle_holds_is_refused_before_the_training(
    case, tmp_path, monkeypatch, train
):
    never_trains(monkeypatch)
    name, attack, shown = NAMES[case]
    label, load, pkts = rows(1)
    lines = [f"{name},pkts,label"] + [
        f"{load[i]},{pkts[i]},{'benign' if label[i] == 'ok' else attack}"
        for i in range(N)
    ]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    done = train(path, tmp_path / "b", code=2)
    assert shown in done.stderr
    assert "Rename the column, drop it, or correct the label" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    ("target", "n_types", "found"),
    [
        ("attack", 300, "found 301 classes, expected at most 300"),
        ("binary", 2000, "found 2,001 attack types, expected at most 2,000"),
    ],
)
def test_more_classes_than_a_bundle_holds_are_refused_before_the_training(
    target, n_types, found, tmp_path, monkeypatch, train
):
    never_trains(monkeypatch)
    types = [f"t{k}" for k in range(n_types)]
    lines = [f"{i % 7},{label}" for i, label in enumerate(["benign", *types] * 2)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["a,label", *lines]), encoding="utf-8")
    families = "\n".join(["[families]", *(f'{name} = "attack"' for name in types)])
    (tmp_path / "mine.toml").write_text(families, encoding="utf-8")
    settings = (f"target={target}", f"dataset.config={tmp_path / 'mine.toml'}")
    done = train(path, tmp_path / "b", *settings, code=2)
    assert found in done.stderr
    assert "check whether the label column is the right one" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_recipe_that_no_bundle_holds_is_refused_before_the_training(
    run, tmp_path, train
):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "a\\u0007b"\ndataset = "synthetic"\nmodel = "random_forest"\n',
        encoding="utf-8",
    )
    done = run("train", path, "-o", tmp_path / "b", code=2)
    assert "the recipe: found the control character '\\x07'" in done.stderr
    assert "load" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]
