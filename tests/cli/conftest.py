"""A bundle and records for the commands to work on."""

import logging

import pytest

import evenflow


@pytest.fixture(autouse=True)
def _log_as_before():
    """Commands set up the log of the process; the next test finds it as it was."""
    names = ("evenflow", "py.warnings")
    before = {n: vars(logging.getLogger(n)).copy() for n in names}
    yield
    logging.captureWarnings(capture=False)
    for name, state in before.items():
        vars(logging.getLogger(name)).update(state)


@pytest.fixture
def train(run):
    """Return a function that trains a small forest on a table."""

    def train(path, bundle, *settings, words=(), code=0):
        settings = (f"dataset.path={path}", "model.n_estimators=5", *settings)
        words = [*words, *(word for one in settings for word in ("-s", one))]
        recipe = "table_file/random_forest-none"
        return run("train", recipe, "-o", bundle, *words, code=code)

    return train


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """Return the folder of a small forest trained on synthetic rows."""
    folder = tmp_path_factory.mktemp("bundle") / "forest"
    recipe = evenflow.Recipe.load("synthetic/random_forest-none").with_(
        dataset={"name": "synthetic", "n_rows": 1000},
        model={"name": "random_forest", "n_estimators": 5},
    )
    evenflow.train(recipe, folder)
    return folder


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """Return a CSV file of 250 records without labels."""
    path = tmp_path_factory.mktemp("records") / "records.csv"
    evenflow.load_dataset("synthetic", "test", n_rows=1000).frame.write_csv(path)
    return path
