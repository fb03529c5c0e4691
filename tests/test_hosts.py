"""A model over hosts reads no address, and is served as it was judged."""

import dataclasses

import numpy as np
import polars as pl
import pytest

import evenflow
from evenflow.errors import BundleError, RecipeError
from evenflow.learn.models.e_graphsage_hosts import NO_HOSTS
from evenflow.recipe import Recipe
from evenflow.runtime import bundle as bundles
from evenflow.runtime.explain import explain
from evenflow.runtime.incidents.grouping import Incidents
from evenflow.runtime.records import read_records
from evenflow.runtime.watch import Watch
from evenflow.traffic.columns import conform
from evenflow.web.record_form.form import RecordForm

from .runtime.toy_contract import ToyRows

N = 1_500
HOSTS = {"src": "10.0.0.", "dst": "192.168.7."}


def rows(src="10.0.0.", dst="192.168.7."):
    """Return connections in which a host's others tell more than its own."""
    rng = np.random.default_rng(3)
    source, target = rng.integers(0, 40, N), rng.integers(0, 25, N)
    attack = (source < 8) & (rng.random(N) < 0.9)
    refused = rng.random(N) < np.where(source < 8, 0.7, 0.3)
    return pl.DataFrame(
        {
            "proto": np.where(rng.random(N) < 0.5, "tcp", "udp"),
            "is_refused": refused * 1.0,
            "bytes": np.floor(rng.exponential(500, N)),
            "src": [f"{src}{i}" for i in source],
            "dst": [f"{dst}{i}" for i in target],
            "label": np.where(attack, "probe", "benign"),
        }
    )


def recipe(model="e_graphsage_hosts", **more):
    return Recipe.from_dict(
        {
            "dataset": {"name": "memory", "extra": ["src", "dst"]},
            "model": {"name": model} | ({} if "gbm" in model else {"hidden": 16}),
            "split": {"name": "stratified"},
            "prepare": {"hosts": ["src", "dst"]},
            "training": {"epochs": 12, "batch_size": 64, "learning_rate": 3e-3},
        }
        | more
    )


def trained(chosen=None, output=None, **names):
    return evenflow.train(
        chosen or recipe(), output, data=rows(**names), label="label",
        deterministic=True, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The experiment, and its bundle."""
    folder = tmp_path_factory.mktemp("hosts") / "b"
    return trained(output=folder), bundles.load(folder, threads=1)


@pytest.fixture(scope="module")
def bundle(made):
    return made[1]


@pytest.fixture(scope="module")
def test_rows(made):
    return made[0].trained.test


def test_hosts_tell_what_a_connection_alone_does_not(made):
    alone = trained(recipe(prepare={}))
    assert NO_HOSTS in alone.trained.fitted.notes
    assert made[0].report.binary["roc_auc"] > alone.report.binary["roc_auc"] + 0.2


def test_the_same_traffic_between_other_addresses_has_equal_scores(made):
    other = trained(src="fe80::", dst="srv-")
    assert (
        other.trained.scores.attack.tolist() == made[0].trained.scores.attack.tolist()
    )
    assert other.trained.model == made[0].trained.model


def test_the_report_says_how_many_test_rows_have_hosts_of_training_rows(made):
    notes = "\n".join(made[0].trained.record["notes"])
    assert "both hosts of 300 of 300 test rows are hosts of training rows" in notes
    assert "the bundle holds the addresses of 65 hosts" in notes


def test_a_record_is_decided_as_in_the_report_alone_and_among_others(
    made, bundle, test_rows
):
    scores = made[0].trained.scores
    assert bundle.decide(test_rows).attack.tolist() == scores.attack.tolist()
    backwards = bundle.decide(test_rows.take(np.arange(300)[::-1][:50]))
    np.testing.assert_allclose(backwards.attack, scores.attack[:-51:-1], atol=1e-6)
    records = test_rows.frame.rows(named=True)
    alone = [bundle.decide_record(r).probability for r in records]
    np.testing.assert_allclose(alone, np.max(scores.proba[:, 1:], axis=1), atol=1e-6)


def test_the_served_graph_computes_what_the_network_computes(made, bundle, test_rows):
    X = bundle.preprocessor.transform(test_rows)
    own = made[0].trained.fitted.log_proba(X)
    np.testing.assert_allclose(np.exp(bundle.log_proba(X)), np.exp(own), atol=1e-5)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_file_of_records_is_read_with_its_hosts(form, bundle, test_rows, tmp_path):
    frame, path = test_rows.frame, tmp_path / f"t.{form}"
    write = {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}
    getattr(frame, write[form])(path)
    tables = [batch.table for batch in read_records(path, bundle.schema)]
    assert pl.concat([table.frame for table in tables]).equals(frame)


def test_a_record_without_addresses_has_unknown_hosts(bundle, test_rows):
    record = test_rows.frame.row(0, named=True)
    decided = [
        bundle.decide_record(record | {"src": a, "dst": a}).probability
        for a in (None, "", "10.9.9.9", 7)
    ]
    assert len({*decided}) == 1
    assert bundle.decide_record(record).probability not in decided
    with pytest.raises(evenflow.errors.DataError, match="src .an address., dst"):
        bundle.decide_record({k: record[k] for k in ("proto", "is_refused", "bytes")})


@pytest.mark.parametrize("dataset", ["memory", "table_file"])
def test_rows_with_their_hosts_beside_them_give_the_same_report_again(
    dataset, made, bundle, tmp_path
):
    if dataset == "memory":
        again = evenflow.evaluate(bundle, rows(), "held_out")
    else:
        frame = made[0].trained.test.frame
        labels = pl.Series("label", ["benign", "probe"]).gather(made[0].trained.test.y)
        frame.with_columns(labels).write_csv(tmp_path / "t.csv")
        path = str(tmp_path / "t.csv")
        again = evenflow.evaluate(bundle, "table_file", path=path, test=path)
    assert again.confusion == made[0].report.confusion


def test_a_form_takes_the_addresses_as_they_are(bundle, test_rows):
    form, record = RecordForm.of(bundle), test_rows.frame.row(0, named=True)
    assert {f.name: f.kind for f in form.fields}["src"] == "address"
    typed = form.parse(form.values(record))
    assert typed.record == record


def test_an_explanation_names_hosts_among_the_columns(bundle, test_rows):
    row = int(np.argmax(bundle.decide(test_rows).attack))
    columns = {c.column: c for c in explain(bundle, test_rows, row).contributions}
    assert columns["src"].value == test_rows.frame["src"][row]
    assert columns["src"].contribution > 0


def test_captures_and_sensors_bring_the_hosts(bundle, detector, capture):
    plain = bundles.load(detector, threads=1).schema
    schema = dataclasses.replace(
        plain, columns=(*plain.columns, *bundle.schema.addresses)
    )
    found = pl.concat(b.table.frame for b in read_records(capture, schema))
    assert "192.0.2.66" in found["src"].to_list()
    assert found["dst"].null_count() == 0

    at = [1_767_225_600 * 10**9] * 2
    sources = ["10.0.0.1", "10.0.0.30"]
    connections = {
        "ts": at, "uid": ["C0", "C1"], "id.orig_h": sources, "id.orig_p": [40000] * 2,
        "id.resp_h": ["192.168.7.1"] * 2, "id.resp_p": [1] * 2, "proto": ["tcp"] * 2,
        "orig_bytes": [0] * 2, "resp_bytes": [0] * 2, "conn_state": ["REJ"] * 2,
        "ip_proto": [6] * 2, "last_packet": at, "known": at, "is_over": [True] * 2,
    }  # fmt: skip
    record = {"proto": "tcp", "is_refused": 1, "bytes": 0, "dst": "192.168.7.1"}
    alone = [bundle.decide_record(record | {"src": source}) for source in sources]
    watch = Watch(bundle, ToyRows(), Incidents(), on_report=print)
    attacks = watch.score(conform(pl.DataFrame(connections)))
    assert [verdict.is_attack for verdict in alone] == [True, False]
    assert attacks.probability.tolist() == pytest.approx([alone[0].probability])
    assert attacks.rows_of([0]).frame["src"].to_list() == sources[:1]


@pytest.mark.parametrize(
    ("balance", "model"),
    [("smote", "e_graphsage_hosts"), ("ros", "random_forest"), ("none", "lio_ids")],
)
def test_a_sampler_that_makes_rows_is_refused(balance, model):
    with pytest.raises(RecipeError, match="makes rows, which no host began"):
        Recipe.load(f"nsl_kdd/{model}-{balance}", prepare__hosts=["a", "b"])


def test_hosts_that_do_not_fit_the_columns_are_refused(made, tmp_path):
    experiment = made[0]
    part = dataclasses.replace(
        experiment.trained,
        preprocessor=dataclasses.replace(experiment.trained.preprocessor, hosts=None),
    )
    with pytest.raises(BundleError):
        dataclasses.replace(experiment, trained=part).save(tmp_path / "b")
