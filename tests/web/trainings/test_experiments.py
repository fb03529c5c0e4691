"""Promises about the form of a training: who may, what is refused, what is kept."""

import html

import pytest

from evenflow import recipe as recipes
from evenflow import registry, toml
from evenflow.datasets import Dataset
from evenflow.plugins import part_mark
from evenflow.recipe import Recipe
from evenflow.web.datasets import explorations
from evenflow.web.jobs import worker
from evenflow.web.store.tables import Audit, Job
from evenflow.web.trainings import form, shipped

FIELDS = {"form": "fields", "dataset": "synthetic", "model": "dnn", "balance": "none"}
KNOWN = explorations.sources(())


def toml_of(recipe):
    return toml.dumps(recipe.to_dict())


# ---------------------------------------------------------------- who may


def test_trainings_are_for_analysts(people, viewer):
    assert 'href="/experiments"' not in viewer.get("/models").text
    assert viewer.get("/experiments").status_code == 403
    assert people("admin").get("/experiments").status_code == 200


# ---------------------------------------------------------------- the form


def test_the_form_offers_what_there_is(analyst):
    page = analyst.get("/experiments/new").text
    assert '<option value="cnn_lstm"' in page
    assert '<option value="smote_enn"' in page
    assert "A multi-layer perceptron" in page
    assert 'value="synthetic"' in page
    assert 'value="table_file"' not in page
    assert 'value="nsl_kdd"' not in page  # its files are not here


def test_recipes_are_grouped_by_data_set_and_model_headline_ones_first(
    analyst, data_folders
):
    groups = shipped.groups(explorations.sources(data_folders))
    assert groups[0].dataset == "nsl_kdd"
    assert [one.label for one in groups[0].headlines] == [
        "fusion-trees", "cnn_lstm-smote", "lightgbm-none",
    ]  # fmt: skip
    listed = [c.name for g in groups for _, choices in g.models for c in choices]
    known = {g.dataset for g in groups}
    wanted = [n for n in recipes.shipped() if n.partition("/")[0] in known]
    assert sorted(listed) == wanted
    assert {"table_file", "memory"} & known == set()
    here = [group.is_here for group in groups]
    assert here == sorted(here, reverse=True)
    page = analyst.get("/experiments/new").text
    assert page.index("Synthetic traffic") < page.index("NSL-KDD (2009)")
    assert "?recipe=nsl_kdd/fusion-trees" in page.replace("%2F", "/")


def test_a_shipped_recipe_that_names_its_parts_is_shown_as_text(analyst):
    page = analyst.get("/experiments/new?recipe=nsl_kdd/lightgbm-live").text
    assert 'name = "columns"' in html.unescape(page)
    assert "dst_host_srv_rerror_rate" in page


def test_the_form_offers_every_plug_in_of_each_kind(analyst):
    page = analyst.get("/experiments/new").text
    for field, kind in (("model", "models"), ("select", "select"), ("loss", "losses")):
        start = page.index(f'id="f-{field}"')
        offered = page[start : page.index("</select>", start)]
        for name in registry.names(kind):
            assert f'<option value="{name}"' in offered
    for group in ("Networks and estimators", "Novelty detectors", "Systems"):
        assert f'<optgroup label="{group}">' in page


@pytest.mark.parametrize("name", ["gate", "view"])
def test_the_fields_of_a_system_are_its_parts(analyst, name, stored):
    typed = FIELDS | {"model": name, "do": "fields", "title": "kept words"}
    answer = analyst.send("/experiments/new", typed, expect=200)
    assert "kept words" in answer.text
    assert f"Parts of {name}" in answer.text
    accepted = registry.parameters("models", name)
    for field in (key for key, (hint, _) in accepted.items() if part_mark(hint)):
        start = answer.text.index(f'id="f-part_{field}"')
        assert '<option value="lightgbm"' in answer.text[start : start + 3000]
        doc = registry.field_docs(registry.load("models", name).Config)[field]
        assert doc.split(",")[0] in answer.text[start : start + 6000]
    assert not stored.all(Job)


def test_a_model_without_a_loss_has_no_field_for_one(analyst):
    for model, has_field in (("lightgbm", False), ("dnn", True), ("nonsense", True)):
        typed = FIELDS | {"model": model, "do": "fields"}
        page = analyst.send("/experiments/new", typed).text
        assert ('id="f-loss"' in page) == has_field


CHOSEN = {
    "loss": (
        {"loss": "focal", "epochs": "1"},
        {"loss": {"name": "focal", "gamma": 2.0}},
    ),
    "selector": (
        {"select": "mutual_information", "n_columns": "4", "epochs": "1"},
        {"select": {"name": "mutual_information", "n_columns": 4}},
    ),
    "novelty": ({"model": "isolation_forest"}, {"target": "binary"}),
    "system": (
        {"model": "gate", "part_second": "logistic_regression"},
        {"model": Recipe.load(
            "synthetic/gate-none", model__second={"name": "logistic_regression"}
        ).model.flat()},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", CHOSEN)
def test_what_was_chosen_is_trained(analyst, here, what, stored):
    typed, expected = CHOSEN[what]
    assert analyst.send("/experiments/new", FIELDS | typed).status_code == 303
    job = stored.one(Job)
    found = Recipe.from_dict(job.payload["recipe"]).to_dict()
    assert {key: found[key] for key in expected} == expected
    assert worker.run_one(here, "train") == job.id
    assert stored.get(Job, job.id).state == "done"


def test_a_form_starts_a_training_with_what_was_typed(analyst, stored):
    typed = FIELDS | {"epochs": "3", "seed": "11", "title": "<b>mine</b>"}
    answer = analyst.send("/experiments/new", typed)
    job = stored.one(Job)
    assert answer.headers["Location"].endswith(f"/experiments/{job.id}")
    assert (job.kind, job.lane, job.owner_id) == ("train", "train", analyst.user_id)
    recipe = Recipe.from_dict(job.payload["recipe"])
    assert (recipe.seed, recipe.training.epochs) == (11, 3)
    assert job.payload["name"].startswith("synthetic-dnn-none-seed11-")
    page = analyst.get("/experiments").text + analyst.get(f"/experiments/{job.id}").text
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "<b>mine" not in page
    assert stored.one(Audit.object, Audit.action == "experiment.start") == job.id


WRONG = [
    ("epochs", "0", "greater than or equal to 1"),
    ("epochs", "many", "a valid integer"),
    ("seed", "-1", "greater than or equal to 0"),
    ("learning_rate", "fast", "a valid number"),
    ("batch_size", "1.5", "a valid integer"),
    ("false_alarm_budget", "2", "less than 1"),
    ("max_rows_per_class", "9", "has no such parameter"),
    ("n_columns", "3", "Choose one"),
    ("loss", "mine", "one of the list"),
    ("select", "mine", "one of the list"),
    ("scaling", "best", "expected"),
    ("target", "all", "expected"),
    ("split", "mine", ""),
    ("model", "resnet", "one of the list"),
    ("balance", "../none", "one of the list"),
    ("dataset", "kdd", "one of the list"),
    ("dataset", "nsl_kdd", "evenflow data fetch nsl_kdd"),
    ("dataset", "table_file", "from the command line"),
    ("dataset", "memory", "given by a Python program"),
]


UNFIT = [
    ({"model": "lightgbm", "loss": "focal"}, "loss", "does not use a loss"),
    ({"model": "isolation_forest", "balance": "smote"}, "balance", "balances no rows"),
    ({"model": "isolation_forest", "target": "family"}, "target", "only separates"),
    ({"model": "gate", "part_second": "isolation_forest"}, "target", "only separates"),
    ({"model": "gate", "part_gate": "resnet"}, "part_gate", "one of the list"),
    ({"select": "mutual_information", "n_columns": "0"}, "n_columns", "1 or more"),
    ({"select": "mutual_information", "n_columns": "x"}, "n_columns", "valid integer"),
]


def error_at(page, field):
    start = page.index(f'id="f-{field}-error"')
    return page[start : start + 700]


@pytest.mark.parametrize(("typed", "field", "told"), UNFIT)
def test_parts_that_do_not_fit_the_model_are_refused_at_their_field(
    analyst, typed, field, told, stored
):
    answer = analyst.send("/experiments/new", FIELDS | typed, expect=422)
    assert told in error_at(answer.text, field)
    assert not stored.all(Job)


def test_an_error_stands_at_its_field_and_keeps_what_was_typed(analyst, stored):
    for field, value, told in WRONG:
        typed = FIELDS | {"title": "kept words", field: value}
        answer = analyst.send("/experiments/new", typed, expect=422)
        assert "kept words" in answer.text
        if field != "split":
            at = "select" if field == "n_columns" else field
            assert told in error_at(answer.text, at), (field, value)
    assert not stored.all(Job)


def test_a_number_that_may_be_left_out_may_be_left_out(analyst):
    analyst.send("/experiments/new", FIELDS | {"patience": ""}, expect=303)


NO_RECIPES = [
    "",
    "not toml at all",
    "[" * 5000,
    "a = 1",
    'dataset = "synthetic"',
    'dataset = "synthetic"\nmodel = "dnn"\nepochs = 3',
    'dataset = "synthetic"\nmodel = "dnn"\n[training]\nepoch = 3',
    'dataset = "synthetic"\nmodel = "dnn"\n[training]\nlearning_rate = inf',
    'dataset = "synthetic"\n[model]\nname = "dnn"\ndropout = nan',
    'dataset = "synthetic"\n[model]\nname = "dnn"\nhidden = ["a"]',
    'dataset = 3\nmodel = "dnn"',
    'dataset = ["synthetic"]\nmodel = "dnn"',
    'model = "dnn"\n[dataset]\nname = "table_file"\npath = "/etc/passwd"',
    'model = "dnn"\n[dataset]\nname = "table_file"\nparams = {path = "/x"}',
    'model = "dnn"\n[dataset]\nname = "synthetic"\npath = "/etc/passwd"',
    'model = "dnn"\n[dataset]\nname = "../../etc"',
    'dataset = "synthetic"\nmodel = "dnn"\n[split]\nname = "official"\ntest = "/x"',
    'title = "a\\u0000b"\ndataset = "synthetic"\nmodel = "dnn"\nbalance = "none"',
    'dataset = "synthetic"\n[model]\nname = "fusion"\n[model.members."../x"]\n'
    'name = "lightgbm"',
    "seed = " + "9" * 4000,
    "x" * 30_000,
]


def test_a_recipe_that_cannot_be_is_refused_in_words_and_kept(analyst, stored):
    for text in NO_RECIPES:
        answer = analyst.send("/experiments/new", {"form": "toml", "toml": text})
        assert answer.status_code == 422, text[:200]
        assert 'id="f-toml-error"' in answer.text
        assert "Traceback" not in answer.text
        assert "root:" not in answer.text
    assert not stored.all(Job)


def test_a_data_set_that_does_not_declare_what_it_reads_is_refused(monkeypatch):
    silent = Dataset(name="silent", title="", load=print, splits=("train",))
    monkeypatch.setattr("evenflow.datasets.names", lambda: ["silent"])
    monkeypatch.setattr("evenflow.datasets.get", {"silent": silent}.__getitem__)
    filled = form.from_toml('dataset = "silent"', KNOWN)
    assert filled.recipe is None
    assert "can read any file of the server" in " ".join(filled.errors.values())


def test_the_data_set_of_own_files_alone_reads_them():
    assert [s.name for s in KNOWN if s.dataset.reads_own_file] == ["table_file"]


@pytest.mark.parametrize("what", ["plain", *CHOSEN])
def test_the_form_becomes_toml_that_describes_the_same(analyst, what):
    typed = FIELDS | {"epochs": "2"} | (CHOSEN[what][0] if what in CHOSEN else {})
    answer = analyst.send("/experiments/new", typed | {"do": "edit"})
    filled = form.from_fields(typed, KNOWN)
    assert toml_of(filled.recipe) in html.unescape(answer.text)
    again = form.from_toml(toml_of(filled.recipe), KNOWN)
    assert again.recipe == filled.recipe


def test_a_model_s_recipe_can_be_varied(analyst):
    page = analyst.get("/experiments/new?model=small").text
    assert "logistic_regression" in page
    assert analyst.get("/experiments/new?model=nonsense").status_code == 404


def test_the_same_recipe_is_not_trained_twice(analyst, settings, stored):
    analyst.send("/experiments/new", FIELDS)
    again = analyst.send("/experiments/new", FIELDS, expect=422)
    assert "already in the list" in again.text
    name = stored.one(Job).payload["name"]
    (settings.home / "bundles" / name).mkdir()
    assert "this recipe" in analyst.send("/experiments/new", FIELDS).text


def test_without_the_training_parts_the_page_says_how_to_get_them(
    analyst, monkeypatch, stored
):
    monkeypatch.setattr("evenflow.web.pages.experiments.can_train", lambda: False)
    for url in ("/experiments", "/experiments/new"):
        assert "evenflow[train]" in analyst.get(url).text
    assert analyst.send("/experiments/new", FIELDS).status_code == 303
    assert not stored.all(Job)
