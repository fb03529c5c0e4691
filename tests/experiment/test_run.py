"""One run from recipe to bundle: what stands in its way is said before it starts."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from evenflow.errors import BundleError, DataError, RecipeError, StorageError
from evenflow.experiment.evaluate import evaluate
from evenflow.experiment.run import run
from evenflow.progress import Progress
from evenflow.recipe import Recipe


@pytest.fixture
def recipe():
    return Recipe.load("synthetic/random_forest-ros").with_(
        dataset={"name": "synthetic", "n_rows": 600},
        model={"name": "random_forest", "n_estimators": 2},
    )


def stop_before_fitting(event):
    if isinstance(event, Progress) and event.step == "fit":
        raise KeyboardInterrupt


def test_resume_with_another_recipe_is_refused_and_with_the_same_goes_on(
    recipe, tmp_path
):
    output, kept = tmp_path / "b", tmp_path / "b.partial"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, folders=[], output=output, on_event=stop_before_fitting)
    [balanced] = kept.glob("balanced-*.npz")
    made = balanced.stat().st_mtime_ns
    other = recipe.with_(seed=8, training__epochs=3)
    with pytest.raises(RecipeError, match=r"seed was 7, is 8; training was .*epochs"):
        run(other, folders=[], output=output, resume=True)
    assert balanced.stat().st_mtime_ns == made, "what was kept is still there"
    run(recipe, folders=[], output=output, resume=True)
    assert (output / "SHA256SUMS").is_file()
    assert not kept.exists()


def test_a_run_that_fails_before_it_learnt_anything_leaves_nothing(tmp_path):
    recipe = Recipe.load("nsl_kdd/random_forest-none")
    with pytest.raises(DataError, match="is missing"):
        run(recipe, folders=[], output=tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_no_bundle_is_never_replaced_and_said_before_training(
    recipe, tmp_path, overwrite
):
    (tmp_path / "thesis.tex").write_text("")

    def start(_event):
        pytest.fail("the run began")

    with pytest.raises(StorageError, match="is not a bundle"):
        run(recipe, folders=[], output=tmp_path, overwrite=overwrite, on_event=start)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("report", [{}, {"training": None}, {"training": {}}])
def test_a_bundle_without_its_record_of_training_is_not_judged(recipe, report):
    bundle = SimpleNamespace(
        recipe=recipe.to_dict(), report=report, path=Path("theirs")
    )
    with pytest.raises(BundleError, match="theirs: report.json lacks"):
        evaluate(bundle, "synthetic", "test", folders=[])
