"""A later day is judged as training meant it, whatever classes its rows have."""

import json

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow.cli.report import summary
from evenflow.errors import DataError
from evenflow.judge.pages import report as render
from evenflow.runtime.stream import score_file


def day(seed, **n):
    """Return rows whose classes can be learnt: label -> number of rows."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(list(n), list(n.values()))
    shift = {"normal": 0, "ddos": 4, "scan": -4, "worm": 6}
    center = np.array([shift[name] for name in labels])
    return pl.DataFrame(
        {
            "dur": rng.normal(center, 1).round(4),
            "rate": rng.normal(-center, 1).round(4),
            "proto": rng.choice(["tcp", "udp"], len(labels)),
            "label": labels,
        }
    )


def recipe(path, **more):
    dataset = {"name": "table_file", "path": str(path)} | more.pop("dataset", {})
    model = {"name": "random_forest", "n_estimators": 5}
    whole = {"dataset": dataset, "model": model, "split": "stratified"}
    return evenflow.Recipe.from_dict(whole | more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the file that trained, and bundles by their target."""
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "train.csv"
    day(1, ddos=250, normal=150, scan=40).write_csv(path)
    for target in ("family", "binary", "attack"):
        evenflow.train(recipe(path, target=target), folder / target)
    return folder


@pytest.fixture(params=["family", "binary", "attack"])
def bundle(request, trained):
    return trained / request.param


def judged(bundle, frame, folder, **params):
    path = str(folder / "later.csv")
    frame.write_csv(path)
    return evenflow.evaluate(bundle, "table_file", path=path, **params)


def in_every_form(report):
    """Return what every form of the report says."""
    forms = [render.text, render.markdown, render.latex, render.html]
    texts = [form(report) for form in forms]
    json.dumps(report.to_dict(), allow_nan=False)
    assert not any("nan %" in text or "None %" in text for text in texts)
    return texts


def test_a_quiet_day_gives_false_alarms_and_no_detection(bundle, tmp_path):
    report = judged(bundle, day(2, normal=60), tmp_path)
    assert report.class_counts["benign"] == report.n_rows == 60
    assert report.binary["false_alarm_rate"] is not None
    for name in ("detection_rate", "precision", "f1", "roc_auc", "pr_auc"):
        assert report.binary[name] is None
        assert report.argmax["binary"][name] is None
    assert any("There are no attack test rows" in note for note in report.notes)
    assert all("undefined" in text for text in in_every_form(report))


def test_a_day_of_attacks_gives_detection_and_no_false_alarms(bundle, tmp_path):
    report = judged(bundle, day(3, ddos=60, scan=20), tmp_path)
    assert report.class_counts["benign"] == 0
    assert report.binary["detection_rate"] > 0.9
    for name in ("false_alarm_rate", "specificity", "precision", "f1", "roc_auc"):
        assert report.binary[name] is None
    assert any("There are no benign test rows" in note for note in report.notes)
    assert {one["type"] for one in report.attacks} == {"ddos", "scan"}
    assert all("undefined" in text for text in in_every_form(report))


@pytest.mark.slow
def test_a_new_attack_type_is_judged_and_named_as_unseen(bundle, tmp_path):
    report = judged(bundle, day(4, normal=60, ddos=20, worm=30), tmp_path)
    assert report.n_rows == 110
    [worm] = [one for one in report.attacks if one["type"] == "worm"]
    assert (worm["n"], worm["is_unseen"]) == (30, True)
    assert report.binary["unseen_detection_rate"] == worm["detected"] / 30 > 0.9
    assert not [one for one in report.attacks if one["is_unseen"] and one is not worm]
    assert any("worm (30 of 30 found)" in note for note in report.notes)
    assert all("worm" in text for text in in_every_form(report))


@pytest.mark.slow
def test_a_day_with_a_new_attack_type_is_drawn(trained, tmp_path):
    report = judged(trained / "family", day(4, normal=60, worm=30), tmp_path)
    assert all(p.stat().st_size > 1000 for p in render.png(report, tmp_path / "png"))


def test_a_day_of_one_new_attack_type_alone_is_judged(bundle, tmp_path):
    report = judged(bundle, day(5, worm=12), tmp_path)
    assert report.binary["detection_rate"] > 0.9
    assert report.binary["false_alarm_rate"] is None
    in_every_form(report)


@pytest.mark.parametrize("n", [{"normal": 1}, {"ddos": 1}, {"normal": 9, "scan": 1}])
def test_a_class_of_one_row_is_judged(trained, tmp_path, n):
    report = judged(trained / "family", day(6, **n), tmp_path)
    assert report.n_rows == sum(n.values())
    in_every_form(report)


def test_columns_and_labels_are_found_in_another_spelling_as_score_does(
    bundle, tmp_path, run
):
    frame = day(7, normal=40, ddos=30, scan=10)
    plain = judged(bundle, frame, tmp_path)
    spelled = frame.rename({"dur": " Dur", "rate": "RATE ", "label": "Label"})
    spelled = spelled.with_columns(pl.col("Label").str.to_uppercase())
    other = judged(bundle, spelled.select(reversed(spelled.columns)), tmp_path)
    assert other.binary == plain.binary
    assert other.confusion == plain.confusion
    spelled.write_csv(tmp_path / "s.csv")
    run("score", bundle, tmp_path / "s.csv")


def test_a_column_that_is_not_there_is_named(trained, tmp_path):
    with pytest.raises(DataError, match="1 column is missing: rate"):
        judged(trained / "family", day(8, normal=9, ddos=9).drop("rate"), tmp_path)


def test_the_test_file_of_a_recipe_may_be_one_sided_new_or_spelled_otherwise(
    trained, tmp_path
):
    days = {
        "quiet": day(9, normal=30),
        "attacks": day(10, ddos=30),
        "new": day(11, normal=30, worm=20).rename({"dur": "Dur ", "label": "Label"}),
    }
    for name, frame in days.items():
        path = tmp_path / f"{name}.csv"
        frame.write_csv(path)
        own = {"split": {"name": "official"}, "dataset": {"test": str(path)}}
        made = recipe(trained / "train.csv", **own)
        report = evenflow.train(made, tmp_path / name).report
        assert report.n_rows == frame.height
        assert (report.binary["detection_rate"] is None) == (name == "quiet")
        assert (report.binary["false_alarm_rate"] is None) == (name == "attacks")
        loaded = evenflow.load_bundle(tmp_path / name)
        assert loaded.schema.classes == ("benign", "ddos", "scan")
    assert [one["type"] for one in report.attacks if one["is_unseen"]] == ["worm"]
    card = (tmp_path / "new" / "card.md").read_text().replace("\n", " ")
    assert "which class: benign, ddos, scan." in card


def test_what_training_was_told_of_benign_holds_for_every_later_file(tmp_path):
    path = tmp_path / "codes.csv"
    code = {"normal": "3", "ddos": "0", "scan": "1"}
    frame = day(12, ddos=200, normal=100, scan=40)
    frame.with_columns(pl.col("label").replace(code)).write_csv(path)
    folder = tmp_path / "bundle"
    evenflow.train(recipe(path, dataset={"benign": 3}), folder)
    later = day(13, ddos=50, scan=5).with_columns(pl.col("label").replace(code))
    report = judged(folder, later, tmp_path)
    assert report.class_counts == {"benign": 0, "0": 50, "1": 5}
    assert report.binary["detection_rate"] > 0.9
    assert report.binary["false_alarm_rate"] is None


@pytest.mark.slow
def test_the_command_line_says_what_is_undefined_and_what_was_taken_for_benign(
    trained, tmp_path, run
):
    path = tmp_path / "later.csv"
    day(14, ddos=20).write_csv(path)
    words = ("--data", "table_file", "--split", "train", "-s", f"path={path}", "--html",
             tmp_path / "r.html", "--png", tmp_path / "png")  # fmt: skip
    done = run("evaluate", trained / "family", *words)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["false", "alarms", "undefined", "-", "undefined"] in lines
    assert "no row is benign" in done.stderr
    assert "no row is benign" in done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory, forest):
    """Return a bundle whose attack types and families a data set has fixed."""
    folder = tmp_path_factory.mktemp("published") / "bundle"
    evenflow.train(forest(), folder)
    return folder


def kdd_day(labels):
    rows = evenflow.load_dataset("synthetic", "test", n_rows=600)
    first = rows.frame.head(len(labels))
    return first.with_columns(pl.Series("class", labels))


def test_a_type_of_a_known_family_is_that_family_and_not_in_training(
    published, tmp_path
):
    labels = ["normal.", "Neptune.", "worm.", "worm.", "DOS", "guess passwd", "ufo."]
    report = judged(published, kdd_day(labels), tmp_path)
    found = {one["type"]: (one["family"], one["is_unseen"]) for one in report.attacks}
    assert found == {
        "neptune": ("dos", False), "worm": ("r2l", True), "dos": ("dos", False),
        "guess_passwd": ("r2l", False), "ufo": ("ufo", True),
    }  # fmt: skip
    assert report.class_counts["benign"] == 1


def test_benign_is_asked_for_where_the_model_does_not_say_what_it_is_called(
    published, tmp_path
):
    frame = kdd_day(["ok", "neptune", "smurf"])
    with pytest.raises(DataError, match=r"'ok' \(1 rows\).*surely means benign"):
        judged(published, frame, tmp_path)
    named = judged(published, frame, tmp_path, benign="ok")
    assert named.class_counts["benign"] == 1


@pytest.mark.parametrize(("ok", "bad"), [("0", "1"), ("normal", "attack")])
def test_a_day_labelled_without_attack_types_is_judged_as_attack_or_benign(
    bundle, tmp_path, ok, bad
):
    typed = day(15, normal=40, ddos=30, scan=20)
    says = pl.when(pl.col("label") == "normal").then(pl.lit(ok)).otherwise(pl.lit(bad))
    plain = judged(bundle, typed, tmp_path)
    report = judged(bundle, typed.with_columns(label=says), tmp_path)
    assert report.class_counts["benign"] == 40
    for name in ("detection_rate", "false_alarm_rate", "f1", "roc_auc"):
        assert report.binary[name] == plain.binary[name]
    assert report.binary["unseen_detection_rate"] is None


def test_a_model_trained_without_attack_types_judges_a_day_that_has_them(tmp_path):
    path = tmp_path / "binary.csv"
    is_attack = (pl.col("label") != "normal").cast(pl.Int8)
    frame = day(16, normal=150, ddos=150, scan=60)
    frame.with_columns(label=is_attack).write_csv(path)
    evenflow.train(recipe(path), tmp_path / "bundle")
    report = judged(tmp_path / "bundle", day(17, normal=40, worm=30), tmp_path)
    assert report.confusion["labels"] == ["benign", "1"]
    assert report.class_counts == {"benign": 40, "1": 30}
    assert report.binary["unseen_detection_rate"] is None


def test_rows_that_score_rejects_are_in_no_figure_and_counted_on_top(
    trained, bundle, tmp_path
):
    text = day(6, normal=60, ddos=60).write_csv().splitlines()
    text[7] = text[7].replace(text[7].split(",")[0], "fast", 1)
    text[90] = text[90].replace(text[90].split(",")[1], "0xfa", 1)
    later, out = tmp_path / "later.csv", tmp_path / "out.csv"
    later.write_text("\n".join(text) + "\n")
    report = evenflow.evaluate(bundle, "table_file", path=str(later))
    scored = score_file(evenflow.load_bundle(bundle), later, out, on_bad_row="reject")
    assert (report.n_rows, scored.rejected) == (scored.scored, 2)
    decided = np.sum(report.confusion["matrix"], axis=0)
    assert dict(zip(report.confusion["labels"], decided, strict=True)) == scored.counts
    finding = next(f for f in report.leaks if f["check"] == "rejected rows")
    assert (finding["status"], finding["text"][:6]) == ("warn", "2 rows")
    assert any("2 of 120 (line 8, 91)" in note for note in report.notes)
    top = summary(report.to_dict()).split("at the threshold")[0]
    assert "2 rows of the data set are in no figure" in top


def test_rows_without_a_finite_score_are_in_no_figure(trained, tmp_path):
    evenflow.train(
        recipe(trained / "train.csv", prepare={"scaling": "standard"}), tmp_path / "b"
    )
    frame = day(7, normal=30, ddos=30)
    frame[4, "dur"] = 1e300
    report = judged(tmp_path / "b", frame, tmp_path)
    assert report.n_rows == 59
    assert any("rejects them: 1 (row 5, column dur" in note for note in report.notes)
    assert "in no figure" in json.dumps(report.leaks)
