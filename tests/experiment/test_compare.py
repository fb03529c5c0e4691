"""Cells are kept, resumed, and never lost; every figure stands in its context."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from evenflow import files
from evenflow.errors import BusyError, DataError, RecipeError, StorageError
from evenflow.experiment.compare import (
    Entry,
    cell_name,
    compare,
    distinct,
    with_baselines,
)
from evenflow.judge.comparison import Cell, collect
from evenflow.judge.pages import comparison as comparison_page
from evenflow.judge.tables.comparison import grids, measured
from evenflow.judge.tables.grid import latex, markdown
from evenflow.prepare.split import Protocol
from evenflow.progress import Note, Progress
from evenflow.recipe import Recipe

from ..judging import OFFICIAL, TRAINING, judged  # noqa: TID252 (not a package)


@pytest.fixture(scope="module")
def forest():
    return Recipe.load("nsl_kdd/random_forest-none")


@pytest.fixture(scope="module")
def reporter(small_table):
    """Return a function that judges a made-up model, better with a larger seed."""

    random = Protocol(name="stratified", description="random", is_optimistic=True)

    def report(recipe, *, optimistic=False):
        right = 2 + recipe.seed / 10
        how = {"seed": recipe.seed, "noise": 1, "right": right, "threshold": -0.5}
        return judged(
            small_table, how, protocol=random if optimistic else OFFICIAL,
            unseen_attacks=("perl",), training=TRAINING,
        ).to_dict()  # fmt: skip

    return report


def run(recipes, folder, reporter, *, seeds=2, fail=(), **options):
    """Compare, and return the comparison, the cells run, and the notes."""
    ran, events = [], []

    def run_cell(recipe):
        ran.append((recipe.name, recipe.seed))
        if (recipe.name, recipe.seed) in fail:
            raise DataError("the file is gone")
        return reporter(recipe)

    given = {"on_event": events.append, "pages": False} | options
    made = compare(recipes, seeds, folder, run_cell=run_cell, **given)
    return made, ran, [e.text for e in events if isinstance(e, Note)]


def test_finished_cells_are_not_run_again(forest, reporter, tmp_path):
    first, ran, _ = run([forest], tmp_path, reporter)
    assert [seed for _, seed in ran] == [forest.seed, forest.seed + 1]
    again, ran, _ = run([forest], tmp_path, reporter, seeds=3)
    assert [seed for _, seed in ran] == [forest.seed + 2]
    assert again.rows[0].seeds == (7, 8, 9)
    assert first.rows[0].binary["accuracy"]["n"] == 2


def test_a_changed_recipe_is_another_cell(forest, reporter, tmp_path):
    run([forest], tmp_path, reporter, seeds=1)
    other = forest.with_(decide__false_alarm_budget=0.01)
    _, ran, _ = run([forest, other], tmp_path, reporter, seeds=1)
    assert len(ran) == 1
    assert cell_name(other) != cell_name(forest)


def holding(**change):
    return lambda text: json.dumps(json.loads(text) | change)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "[]", "is damaged"),
        (holding(recipe_sha256="0"), "is damaged"),
        (holding(report=3), "is damaged"),
        (lambda _: "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
         "is damaged"),
        (holding(evenflow="0.0.1"), "made by evenflow 0.0.1"),
    ],
)  # fmt: skip
def test_a_cell_that_is_damaged_or_of_another_version_is_run_again_and_said(
    forest, reporter, tmp_path, damage, said
):
    run([forest], tmp_path, reporter, seeds=1)
    [path] = (tmp_path / "cells").glob("*.json")
    path.write_text(damage(path.read_text()))
    _, ran, notes = run([forest], tmp_path, reporter, seeds=1)
    assert len(ran) == 1
    assert any(said in note for note in notes)
    assert json.loads(path.read_text())["recipe_sha256"] == forest.sha256


def test_a_failing_cell_costs_no_other(forest, reporter, tmp_path):
    lost = (forest.name, forest.seed)
    made, ran, notes = run([forest], tmp_path, reporter, seeds=3, fail={lost})
    assert len(ran) == 3
    assert made.rows[0].seeds == (8, 9)
    [failed] = made.failed
    assert (failed.seed, failed.error) == (7, "DataError: the file is gone")
    assert any("failed" in note for note in notes)
    assert "the file is gone" in (tmp_path / "comparison.md").read_text()
    made, ran, _ = run([forest], tmp_path, reporter, seeds=3)
    assert ran == [lost]
    assert not made.failed


def test_where_every_cell_fails_the_comparison_is_still_written(
    forest, reporter, tmp_path
):
    fail = {(forest.name, forest.seed)}
    made, _, _ = run([forest], tmp_path, reporter, seeds=1, fail=fail)
    assert made.rows == ()
    assert json.loads((tmp_path / "comparison.json").read_text())["failed"]


def test_a_full_disk_stops_the_comparison(forest, tmp_path):
    def full(recipe):
        raise StorageError("cannot write: no space")

    with pytest.raises(StorageError):
        compare([forest], 1, tmp_path, run_cell=full, pages=False)


def test_ctrl_c_keeps_what_is_finished(forest, reporter, tmp_path):
    def run_cell(recipe):
        if recipe.seed == 8:
            raise KeyboardInterrupt
        return reporter(recipe)

    with pytest.raises(KeyboardInterrupt):
        compare([forest], 3, tmp_path, run_cell=run_cell, pages=False)
    _, ran, _ = run([forest], tmp_path, reporter, seeds=3)
    assert [seed for _, seed in ran] == [8, 9]


def test_two_comparisons_do_not_write_one_folder(forest, reporter, tmp_path):
    with files.owned(tmp_path), pytest.raises(BusyError, match="another run"):
        run([forest], tmp_path, reporter)


def test_rows_that_cells_share_are_deleted_before_another_run_may_begin(
    forest, reporter, tmp_path, monkeypatch
):
    def deleted(path, **how):
        with pytest.raises(BusyError), files.owned(tmp_path):
            pass
        gone.append(path)

    gone = []
    monkeypatch.setattr(shutil, "rmtree", deleted)
    run([forest], tmp_path, reporter)
    assert gone == [tmp_path / "cache"]


@pytest.mark.parametrize(("recipes", "seeds"), [([], 1), (["forest"], 0)])
def test_nothing_to_compare_is_refused(forest, reporter, tmp_path, recipes, seeds):
    with pytest.raises(RecipeError, match="expected one recipe or more"):
        run([forest] * len(recipes), tmp_path, reporter, seeds=seeds)


def test_progress_counts_cells(forest, reporter, tmp_path):
    events = []
    run([forest], tmp_path, reporter, on_event=events.append)
    told = [(e.done, e.total, e.unit) for e in events if isinstance(e, Progress)]
    assert told == [(0, 2, "cells"), (1, 2, "cells"), (2, 2, "cells")]


def test_a_balanced_model_brings_its_unbalanced_twin():
    balanced = Recipe.load("nsl_kdd/random_forest-smote").with_(
        decide__false_alarm_budget=0.02, seed=3
    )
    [first, twin] = with_baselines([balanced])
    assert (first.recipe, first.why) == (balanced, "")
    assert twin.why == "no balancing, threshold moved"
    assert twin.recipe.name == "nsl_kdd/random_forest-none"
    assert (twin.recipe.decide, twin.recipe.seed) == (balanced.decide, 3)


def test_a_network_brings_trees_on_the_same_rows():
    network = Recipe.load("nsl_kdd/dnn-smote")
    names = [entry.recipe.name for entry in with_baselines([network])]
    expected = ("dnn-smote", "dnn-none", "random_forest-none", "lightgbm-none")
    assert names == [f"nsl_kdd/{name}" for name in expected]


def test_a_baseline_the_user_named_is_not_added_again(forest):
    smote = Recipe.load("nsl_kdd/random_forest-smote")
    entries = with_baselines([smote, forest])
    assert [(e.recipe.name, e.why) for e in entries] == [
        ("nsl_kdd/random_forest-smote", ""),
        ("nsl_kdd/random_forest-none", ""),
    ]


def test_every_fold_is_run_by_one_call_and_averaged(forest, reporter, tmp_path):
    folded = forest.with_(split={"name": "kfold", "k": 3})
    ran = []

    def run_cell(recipe):
        ran.append(recipe)
        return reporter(recipe.with_(seed=recipe.seed + recipe.split.params["fold"]))

    made = compare([folded], 2, tmp_path, run_cell=run_cell, folds=True, pages=False)
    assert [(r.seed, r.split.params["fold"]) for r in ran] == [
        (seed, fold) for seed in (7, 8) for fold in range(3)
    ]
    (row,) = made.rows
    assert (row.seeds, row.folds, row.protocol) == ((7, 8), 3, "kfold, 3 folds")
    reports = [reporter(forest.with_(seed=s + f)) for s in (7, 8) for f in range(3)]
    accuracy = [report["binary"]["accuracy"] for report in reports]
    assert len(set(accuracy)) > 1
    assert row.binary["accuracy"]["n"] == 6
    assert row.binary["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
    assert row.n_rows == sum(report["n_rows"] for report in reports[:3])
    assert "2 x 3 folds" in (tmp_path / "comparison.md").read_text()


def test_folds_whose_classes_differ_are_added_up_by_name(forest, reporter, tmp_path):
    folded = forest.with_(split={"name": "kfold", "k": 2})

    def run_cell(recipe):
        report = reporter(recipe.with_(seed=recipe.seed + recipe.split.params["fold"]))
        if recipe.split.params["fold"]:  # another order, and one class instead of u2r
            counts = dict(reversed(report["class_counts"].items()))
            report["class_counts"] = counts | {"worm": counts.pop("u2r")}
            recall = report["multiclass"]["recall"]
            recall["worm"] = recall.pop("u2r")
        return report

    made = compare([folded], 1, tmp_path, run_cell=run_cell, folds=True, pages=False)
    (row,) = made.rows
    first, second = (reporter(forest.with_(seed=s)) for s in (7, 8))
    counts = first["class_counts"]
    assert {name: found["rows"] for name, found in row.recall.items()} == {
        name: n if name == "u2r" else 2 * n for name, n in counts.items()
    } | {"worm": counts["u2r"]}
    assert row.recall["u2r"]["mean"] == first["multiclass"]["recall"]["u2r"]
    assert row.recall["worm"]["mean"] == second["multiclass"]["recall"]["u2r"]


def test_folds_of_a_split_without_folds_are_refused(forest, reporter, tmp_path):
    with pytest.raises(RecipeError, match="has no folds; expected kfold"):
        run([forest], tmp_path, reporter, folds=True)


def test_means_and_spreads_are_those_of_the_seeds(forest, reporter, tmp_path):
    made, _, _ = run([forest], tmp_path, reporter, seeds=3)
    found = [reporter(forest.with_(seed=s)) for s in (7, 8, 9)]
    row = made.rows[0]
    for part, name in (("binary", "f1"), ("multiclass", "macro_f1")):
        values = [report[part][name] for report in found]
        over = getattr(row, part)[name]
        assert over["mean"] == pytest.approx(np.mean(values))
        assert over["std"] == pytest.approx(np.std(values, ddof=1))
    plain = [report["argmax"]["binary"]["f1"] for report in found]
    assert row.argmax["binary"]["f1"]["mean"] == pytest.approx(np.mean(plain))
    assert row.train_s["mean"] == 6.0
    assert row.model_bytes["mean"] == 2048


def test_a_rare_class_has_the_interval_of_its_own_rows(forest, reporter, tmp_path):
    made, _, _ = run([forest], tmp_path, reporter, seeds=3)
    rare, common = made.rows[0].recall["u2r"], made.rows[0].recall["benign"]
    assert rare["rows"] == 14
    widths = [high - low for low, high in (rare["wilson"], common["wilson"])]
    assert widths[0] > 0.1 > widths[1]


def test_the_label_of_a_recipe_says_what_sets_it_apart_from_those_of_its_name(
    forest, reporter
):
    strict = forest.with_(decide__false_alarm_budget=0.01)
    part = forest.with_(select={"name": "columns", "without": ["count"]})
    tree = forest.with_(model="decision_tree")
    found = collect(
        [Cell(recipe=r, report=reporter(r)) for r in (forest, strict, part, tree)]
    )
    budget = forest.decide.false_alarm_budget
    assert [row.label for row in found.rows] == [
        f"nsl_kdd/random_forest-none (decide.false_alarm_budget={budget})",
        "nsl_kdd/random_forest-none (decide.false_alarm_budget=0.01)",
        f"{part.name}",
        "nsl_kdd/decision_tree-none",
    ]


def test_recipes_that_differ_in_many_settings_are_labelled_by_their_digests(
    forest, reporter
):
    small = forest.with_(
        model__n_estimators=7, model__min_samples_leaf=2, model__max_features=0.5,
        decide__false_alarm_budget=0.01,
    )  # fmt: skip
    found = collect([Cell(recipe=r, report=reporter(r)) for r in (forest, small)])
    labels = [row.label for row in found.rows]
    name = "nsl_kdd/random_forest-none"
    assert labels == [f"{name} [{r.sha256[:6]}]" for r in (forest, small)]


def test_an_entry_given_twice_runs_with_the_folds_and_seeds_of_both(forest):
    one, more = Entry(recipe=forest, seeds=3), Entry(recipe=forest, folds=True, seeds=1)
    assert distinct([one, more]) == distinct([more, one]) == [replace(one, folds=True)]


def test_an_optimistic_protocol_is_marked_in_every_table(forest, reporter):
    report = reporter(forest, optimistic=True)
    made = collect([Cell(recipe=forest, report=report)])
    with_protocol = [g for g in measured(made) if "protocol" in g.head]
    assert len(with_protocol) == 3
    for grid in with_protocol:
        assert grid.rows[0][1] == "stratified, optimistic"
        assert "| stratified, optimistic |" in markdown(grid)
    assert "Optimistic" in with_protocol[0].note


def test_every_table_stands_in_every_form(forest, reporter, tmp_path):
    run([forest], tmp_path, reporter, seeds=1)
    text = (tmp_path / "comparison.md").read_text()
    tex = (tmp_path / "comparison.tex").read_text()
    value = json.loads((tmp_path / "comparison.json").read_text())
    assert value["rows"][0]["taxonomy"] == "small"
    for said in ("SAVAER-DNN", "cannot be right as printed", "90.46", "Recall of each"):
        assert said in text
    assert tex.count(r"\begin{table}") == text.count("\n## ") == 7


def test_latex_escapes_what_latex_reads_as_commands(forest, reporter):
    made = collect([Cell(recipe=forest, report=reporter(forest))])
    for grid in grids(made):
        body = latex(grid).replace(r"\_", "").replace(r"\%", "").replace(r"\&", "")
        assert "_" not in body
        assert "%" not in body


def test_the_twin_without_balancing_is_named_so_in_the_table(reporter, tmp_path):
    smote = Recipe.load("nsl_kdd/random_forest-smote")
    made, _, _ = run([smote], tmp_path, reporter, seeds=1)
    first = grids(made)[0]
    assert [row[0] for row in first.rows] == [
        "nsl_kdd/random_forest-smote",
        "nsl_kdd/random_forest-none (no balancing, threshold moved)",
    ]


def test_the_first_picture_sets_the_best_of_ours_first_and_marks_impossible_rows(
    forest, reporter, tmp_path
):
    worse = Recipe.load("nsl_kdd/random_forest-smote")
    made = collect(
        [
            Cell(recipe=worse, report=reporter(worse.with_(seed=0))),
            Cell(recipe=forest, report=reporter(forest.with_(seed=19))),
        ]
    )
    name, chart, _ = comparison_page.pictures(made)[0]
    assert name == "compare"
    guide = chart.to_dict(validate=False)["layer"][0]
    lines = [line["name"] for line in guide["data"]["values"]]
    ours = sorted(made.rows, key=lambda row: -row.binary["accuracy"]["mean"])
    assert lines[0] == f"Measured here: {ours[0].dataset}, official"
    assert ours[0].balance == "none"
    assert lines[1:3] == [row.label.removeprefix(f"{row.dataset}/") for row in ours]
    assert "SAVAER-DNN †" in lines
    assert "TSE+DS (TSE-IDS)" in lines


def test_recalls_under_two_protocols_stand_in_two_tables(forest, reporter):
    other = Recipe.load("nsl_kdd/random_forest-smote")
    made = collect(
        [
            Cell(recipe=forest, report=reporter(forest)),
            Cell(recipe=other, report=reporter(other, optimistic=True)),
        ]
    )
    names = [name for name, *_ in comparison_page.pictures(made)]
    assert names[-2:] == ["recall_1", "recall_2"]


def test_published_accuracies_stand_under_what_judged_them(forest, reporter):
    made = collect([Cell(recipe=forest, report=reporter(forest))])
    made = replace(made, rows=(replace(made.rows[0], dataset="nsl_kdd"),))
    charts = {name: chart for name, chart, _ in comparison_page.pictures(made)}
    chart = charts["compare_survey_nsl_kdd"].to_dict(validate=False)
    lines = [line["name"] for line in chart["layer"][0]["data"]["values"]]
    official = lines.index("Published, test rows: KDDTest+")
    unknown = lines.index("Published, test rows: not stated")
    assert lines.index("Measured here: nsl_kdd, official") == 0
    assert official < lines.index("TSE-IDS (Tama)") < unknown


@pytest.mark.slow
def test_the_page_and_the_pictures_show_ours_beside_the_printed(
    forest, reporter, tmp_path
):
    smote = Recipe.load("nsl_kdd/random_forest-smote")
    run([smote, forest], tmp_path, reporter, pages=True)
    page = (tmp_path / "comparison.html").read_text()
    for said in ("SAVAER-DNN", "nsl_kdd/random_forest-smote", "no balancing", "90.46"):
        assert said in page
    for name in ("compare", "recall_1"):
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 10_000
