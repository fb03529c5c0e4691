"""What every data set promises, whoever adds it."""

from pathlib import Path

import pytest

from evenflow import datasets, registry
from evenflow.errors import DataError, RecipeError
from evenflow.testing import check_dataset

NAMES = datasets.names()
CARDS = Path(__file__).parents[2] / "docs" / "datasets"


@pytest.fixture(params=NAMES)
def dataset(request):
    return datasets.get(request.param)


def test_the_data_sets_are_there():
    assert set(NAMES) >= {
        "nsl_kdd", "bot_iot", "bot_iot_10best", "nf_bot_iot_v2", "unsw_nb15",
        "cic_ids2017", "table_file", "synthetic", "bot_iot_8feature_sample",
        "bot_iot_12col_sample", "bot_iot_10best_sample", "bot_iot_argus_sample",
    }  # fmt: skip


def test_its_name_is_that_of_its_file(dataset):
    assert registry.load("datasets", dataset.name) is dataset


def test_it_keeps_the_promises_of_every_data_set(dataset):
    check_dataset(dataset)


def test_without_its_files_it_says_what_is_missing(dataset, tmp_path):
    if not dataset.files:
        pytest.skip("no published files")
    assert all(place is None for _, place in datasets.status(dataset, [tmp_path]))
    for split in dataset.splits:
        with pytest.raises(DataError, match="Get it from https://|or get it from"):
            datasets.load(dataset.name, split, folders=[tmp_path])


def test_it_has_a_card(dataset):
    text = (CARDS / f"{dataset.name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {dataset.title}\n")
    prose = " ".join(text.split())
    for fact in (dataset.terms, dataset.citation, *dataset.caveats):
        assert " ".join(fact.split()) in prose
    for column in dataset.schema.columns if dataset.schema else ():
        assert f"| {column.name} | {column.kind} | {column.unit} |" in text
    for file in dataset.files:
        assert file.name in text
        assert (file.sha256 or "no checksum") in text


@pytest.mark.parametrize(
    ("name", "split", "told"),
    [
        ("nf_bot_iot_v2", "test", "stratified"),
        ("nsl_kdd", "test_21", "test21"),
        ("nslkdd", "train", "nsl_kdd"),
    ],
)
def test_a_part_or_data_set_that_does_not_exist_points_to_one_that_helps(
    name, split, told
):
    with pytest.raises(RecipeError, match=told):
        datasets.load(name, split)


def test_what_evenflow_makes_itself_is_not_fetched(tmp_path):
    with pytest.raises(DataError, match="nothing to fetch"):
        datasets.fetch_all(datasets.get("synthetic"), tmp_path)
