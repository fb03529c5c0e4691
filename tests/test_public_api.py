"""What ``import evenflow`` offers, and what importing it costs."""

import pytest

import evenflow

NAMES = {
    "BundleError", "BusyError", "ChecksumError", "DataError", "EvenflowError",
    "LeakError", "MissingExtraError", "Recipe", "RecipeError", "StorageError",
    "Table", "__version__", "ablate", "compare", "evaluate", "load_bundle",
    "load_dataset", "train", "tune",
}  # fmt: skip


def test_the_public_names_are_these():
    assert set(evenflow.__all__) == NAMES == set(dir(evenflow))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(evenflow, name)
    assert thing.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = evenflow.trian


def modules_after(python, code):
    return set(python("-c", f"{code}\nimport sys; print(*sys.modules)").stdout.split())


def test_importing_evenflow_imports_nothing_else(python):
    assert not {"numpy", "polars", "pydantic", "torch"} & modules_after(
        python, "import evenflow"
    )


def test_loading_a_bundle_needs_the_base_install_alone(python):
    loaded = modules_after(
        python, "import evenflow.runtime.bundle, evenflow.runtime.stream"
    )
    trains = {"torch", "sklearn", "lightgbm", "imblearn", "onnx", "altair", "shap"}
    assert not trains & loaded
    assert not {m for m in loaded if m.startswith(("evenflow.learn", "evenflow.judge"))}


def test_a_program_trains_scores_and_judges_through_it(tmp_path, forest):
    recipe = forest(2000, 10)
    experiment = evenflow.train(recipe, tmp_path / "bundle", seed=3)
    assert experiment.report.binary["accuracy"] > 0.7
    assert experiment.trained.recipe.seed == 3
    shown = f"<Experiment {recipe.name}, seed 3: {experiment.report!r}>"
    assert repr(experiment) == shown
    assert experiment._repr_html_() == experiment.report._repr_html_()
    assert repr(experiment.trained) == f"<Trained {recipe.name}, seed 3>"
    bundle = evenflow.load_bundle(tmp_path / "bundle")
    rows = evenflow.load_dataset("synthetic", "test", n_rows=2000)
    scores = bundle.decide(rows)
    assert scores.is_attack.sum() == (experiment.trained.scores.is_attack).sum()
    again = evenflow.evaluate(tmp_path / "bundle", "synthetic")
    accuracy = experiment.report.binary["accuracy"]
    assert again.binary["accuracy"] == pytest.approx(accuracy, abs=1e-3)
    with pytest.raises(evenflow.StorageError, match="already exists"):
        evenflow.train(recipe, tmp_path / "bundle")
    with pytest.raises(evenflow.LeakError, match="a training row"):
        evenflow.evaluate(bundle, "synthetic", "train")
