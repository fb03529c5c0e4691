"""Every published file at hand loads, balances, trains and is judged."""

import pytest

from evenflow.experiment.run import run
from evenflow.recipe import Recipe

SAMPLES = {
    "bot_iot_8feature_sample": "stratified",
    "bot_iot_12col_sample": "stratified",
    "bot_iot_10best_sample": "official",
    "bot_iot_argus_sample": "stratified",
}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "protocol"), SAMPLES.items())
def test_each_argus_sample_trains_a_balanced_network(name, protocol, data_folders):
    recipe = Recipe.load(f"{name}/cnn-smote").with_(
        training__epochs=3, training__batch_size=128
    )
    report = run(recipe, folders=data_folders).report
    assert report.protocol == protocol
    assert report.is_optimistic == (protocol == "stratified")
    # one sample has six benign rows in all: no figure on them alone would mean anything
    assert report.argmax["multiclass"]["weighted_f1"] > 0.9
    before, after = report.training["class_counts"].values()
    grown = [n for n in before if 0 < before[n] < after[n]]
    assert grown
