"""What makes figures flatter is refused or said."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from evenflow import datasets
from evenflow.errors import LeakError
from evenflow.judge.leaks import examine
from evenflow.prepare import leaks, suspects
from evenflow.prepare.dealing import hold_out
from evenflow.prepare.leaks import (
    MOSTLY_SEEN,
    Shared,
    check_shared,
    check_split,
    count_shared,
    digest,
    fingerprint,
    seen,
)
from evenflow.prepare.split import Protocol, Split
from evenflow.schema import Column

OFFICIAL = Protocol(
    name="official",
    description="training file -> test file",
    may_share_rows=True,
    is_published=True,
)
N_SMALL = 1_974
"""Rows of the fixture ``small_table``."""
OWN = dataclasses.replace(OFFICIAL, is_published=False)
RANDOM = Protocol(name="stratified", description="random 80/20", is_optimistic=True)


def added(table, name, values, kind="numeric"):
    """Return the table with one more feature."""
    schema = dataclasses.replace(
        table.schema, columns=(*table.schema.columns, Column(name=name, kind=kind))
    )
    frame = table.frame.with_columns(pl.Series(name, values))
    return dataclasses.replace(table, schema=schema, frame=frame)


def check(train, test, protocol):
    """Return the findings of a split, as training and the report make them."""
    suspects.check_features(train)
    split = Split(train=train, test=test, protocol=protocol)
    shared = Shared(rows=len(test), compared=len(test), found=check_split(split))
    record = {"class_counts": {"before": train.counts()}}
    return examine(test, protocol, record, shared)


def found(findings):
    return {f["check"]: f["status"] for f in findings}


@pytest.fixture(scope="module")
def parts(small_table):
    train, test = hold_out(small_table, fraction=0.3, seed=0)
    return small_table.take(train), small_table.take(test)


def test_a_clean_split_passes_every_check(parts):
    statuses = found(check(*parts, dataclasses.replace(RANDOM, is_optimistic=False)))
    assert statuses["protocol"] == statuses["shared rows"] == "pass"
    assert statuses["identifiers"] == statuses["balanced test rows"] == "pass"


@pytest.mark.parametrize("name", ["stratified", "kfold 1/5", "blocks", "unseen 1/5"])
def test_shared_rows_are_refused_where_the_protocol_promises_none(parts, name):
    train, _ = parts
    leaky = train.take([*range(len(train)), 0])
    protocol = Protocol(name=name, description="")
    with pytest.raises(LeakError, match=rf"{len(leaky)} of {len(leaky)}"):
        check(train, leaky, protocol)


def beside(train, test, n):
    """Return 100 test rows, ``n`` of them replaced by training rows."""
    both = test.take(range(100))
    frame = pl.concat([both.frame[: 100 - n], train.frame[:n]])
    return dataclasses.replace(both, frame=frame)


def shared_rows(findings):
    return next(f for f in findings if f["check"] == "shared rows")


@pytest.mark.parametrize(("n", "status"), [(5, "note"), (60, "note"), (0, "pass")])
def test_shared_rows_of_published_files_are_counted(parts, n, status):
    finding = shared_rows(check(parts[0], beside(*parts, n), OFFICIAL))
    assert finding["status"] == status
    assert f"{n} of 100 test rows ({n}.0%)" in finding["text"]


def test_shared_rows_of_a_file_of_one_s_own_are_warned_of_from_the_first_per_cent(
    parts,
):
    assert shared_rows(check(parts[0], beside(*parts, 0), OWN))["status"] == "pass"
    finding = shared_rows(check(parts[0], beside(*parts, 1), OWN))
    assert finding["status"] == "warn"
    assert finding["text"].startswith("1 of 100 test rows (1.0%)")


def test_a_file_of_one_s_own_made_of_training_rows_is_refused(parts):
    check(parts[0], beside(*parts, 20), OWN)
    with pytest.raises(LeakError, match="21 of 100.*Remove them from the file"):
        check(parts[0], beside(*parts, 21), OWN)


def test_less_than_one_per_cent_is_a_note(small_table):
    few = Shared(rows=len(small_table), compared=len(small_table), found=1)
    assert shared_rows(examine(small_table, OWN, shared=few))["status"] == "note"


def test_without_training_rows_nothing_is_counted(parts):
    finding = shared_rows(examine(parts[1], OFFICIAL))
    assert finding["status"] == "note"
    assert "not counted" in finding["text"]


def test_a_leak_is_refused_when_judging(parts):
    shared = Shared(rows=len(parts[1]), compared=len(parts[1]), found=3)
    with pytest.raises(LeakError, match="3 of"):
        examine(parts[1], RANDOM, shared=shared)


@pytest.mark.parametrize("n", [0, 7, 60])
def test_the_sketch_counts_training_rows_exactly(parts, n):
    shared = seen(fingerprint(parts[0]), beside(*parts, n))
    assert (shared.found, shared.rows, shared.is_exact) == (n, 100, True)


def test_a_sketch_that_is_too_small_estimates_and_says_so(parts, monkeypatch):
    monkeypatch.setattr(leaks, "SKETCH_SIZE", 200)
    train, test = parts
    mixed = dataclasses.replace(
        train.take(range(2 * len(test))),
        frame=pl.concat([train.frame[: len(test)], test.frame]),
    )
    shared = seen(fingerprint(train), mixed)
    assert 0 < shared.compared < shared.rows
    assert shared.share == pytest.approx(0.5, abs=0.15)
    assert str(shared).startswith("about ")
    with pytest.raises(LeakError, match="about"):
        examine(mixed, OWN, shared=shared)
    few = dataclasses.replace(shared, found=shared.compared // 20)
    text = shared_rows(examine(mixed, OWN, shared=few))["text"]
    assert text.startswith("About")
    assert f"an estimate from the {shared.compared} rows" in text


def test_rows_held_out_are_counted_as_the_training_counted_them(parts, monkeypatch):
    monkeypatch.setattr(leaks, "SKETCH_SIZE", 200)
    train, test = parts[0], beside(*parts, 5)
    record = {"held_out_sha256": digest(test), "rows_shared_with_test": 5}
    sketch = fingerprint(train)
    for is_held_out in (True, False):
        shared = count_shared(test, record, sketch, is_held_out)
        assert (shared.found, shared.is_exact) == (5, True)
    other = test.take(range(99))
    assert not count_shared(other, record, sketch, is_held_out=False).is_exact
    with pytest.raises(LeakError, match="are not the rows that its training held out"):
        count_shared(other, record, sketch, is_held_out=True)


def test_an_estimate_from_few_rows_is_not_refused():
    few = Shared(rows=1_000, compared=3, found=1)
    assert few.share > MOSTLY_SEEN > few.least_share
    check_shared(few, OWN)


def test_the_digest_knows_the_rows_in_any_order_and_sees_each_change(small_table):
    known = digest(small_table)
    rows = np.random.default_rng(0).permutation(len(small_table))
    assert digest(small_table.take(rows)) == known
    assert digest(small_table.take(rows[1:])) != known
    assert digest(small_table.take([*rows, 0])) != known
    labels = small_table.labels.copy()
    labels[0] = (labels[0] + 1) % 5
    assert digest(dataclasses.replace(small_table, y=labels)) != known


def test_an_optimistic_protocol_is_a_warning(parts):
    findings = check(*parts, RANDOM)
    assert findings[0]["status"] == "warn"
    assert findings[0]["text"].startswith("Optimistic")


@pytest.mark.parametrize("name", ["Label", "attack_cat", "difficulty", "Sub-Category"])
def test_a_column_named_like_a_label_is_refused(small_table, name):
    table = added(small_table, name, np.zeros(len(small_table)))
    with pytest.raises(LeakError, match=rf"{name}.*leave them out"):
        examine(table, OFFICIAL)


COPIES = {
    "codes": lambda table: np.array([7.0, 3.0, 1.0, 9.0, 4.0])[table.labels],
    "words": lambda table: np.array(list("abcde"))[table.labels],
    "attack or benign": lambda table: (table.labels > 0) * 1.0,
    "upside down": lambda table: np.where(table.labels > 0, -1.0, 7.0),
    "missing for benign": lambda table: np.where(table.labels > 0, 1.0, np.nan),
    "families": lambda table: np.array([0.0, 3.0, 3.0, 4.0, 3.0])[table.labels],
    "types": lambda table: table.attack.rank("dense").to_numpy() * 1.0,
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_the_label_is_refused_fine_or_coarse(small_table, copy):
    kind = "category" if copy == "words" else "numeric"
    table = added(small_table, "vibe", COPIES[copy](small_table), kind)
    assert suspects.label_copies(table) == ["vibe"]
    with pytest.raises(LeakError, match=r'vibe.*drop = \["vibe"\]'):
        examine(table, OFFICIAL)


def test_judged_rows_that_a_feature_tells_apart_by_chance_are_judged(small_table):
    table = added(small_table, "state", (small_table.labels > 0) * 1.0)
    assert found(examine(table, OFFICIAL, {"suspects": {}}))["single columns"] == "warn"
    text = {"identifiers": "odd (numbers the rows)"}
    findings = examine(small_table, OFFICIAL, {"suspects": text})
    assert found(findings)["identifiers"] == "warn"


def test_a_column_of_one_attack_type_only_is_a_feature(small_table):
    land = (small_table.labels == 1) * 1.0
    assert suspects.label_twins(added(small_table, "land", land)) == []
    assert suspects.label_twins(added(small_table, "label_dos", land)) == ["label_dos"]


def test_a_column_of_further_attack_types_is_a_twin_but_no_copy(small_table):
    rng = np.random.default_rng(0)
    tools = np.where(small_table.labels > 0, rng.integers(1, 6, len(small_table)), 0)
    table = added(small_table, "tool", tools * 1.0)
    assert suspects.label_twins(table) == ["tool"]
    assert suspects.label_copies(table) == []
    assert found(examine(table, OFFICIAL))["single columns"] == "warn"


def test_codes_of_few_values_that_tell_all_are_found_in_any_order(small_table):
    rng = np.random.default_rng(0)
    codes = np.where(small_table.labels > 0, 1, 0) + 2 * rng.integers(0, 40, N_SMALL)
    told = suspects.gives_away(added(small_table, "code", codes * 1.0))
    assert told["code"] == 1.0


def test_a_copy_with_one_error_only_warns(small_table):
    codes = np.array([7.0, 3.0, 1.0, 9.0, 4.0])[small_table.labels]
    codes[0] = 5.5
    findings = examine(added(small_table, "vibe", codes), OFFICIAL)
    assert found(findings)["single columns"] == "warn"


@pytest.mark.parametrize("name", ["pkSeqID", "saddr", "Dst IP", "sport", "L4_DST_PORT",
                                  "Timestamp", "seq", "id.orig_h"])  # fmt: skip
def test_identifiers_addresses_ports_and_times_are_warned_of(small_table, name):
    rng = np.random.default_rng(0)
    table = added(small_table, name, rng.random(len(small_table)))
    assert found(examine(table, OFFICIAL))["identifiers"] == "warn"


@pytest.mark.parametrize("name", ["duration", "dst_host_same_src_port_rate",
                                  "srv_count", "spkts", "idle_mean_ms"])  # fmt: skip
def test_features_that_only_sound_alike_are_not_suspected(small_table, name):
    rng = np.random.default_rng(0)
    table = added(small_table, name, rng.random(len(small_table)))
    assert name not in suspects.identifiers(table)


ORDERS = {
    "rising from row to row": lambda i: i * 2,
    "with ties": lambda i: i // 4,
    "falling": lambda i: -i,
    "files one after another": lambda i: i % (len(i) // 3),
    "seconds": lambda i: 1.7e9 + i * 0.37 + np.sin(i) / 9,
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_column_that_follows_the_order_of_rows_is_an_identifier(small_table, order):
    table = added(small_table, "odd", ORDERS[order](np.arange(N_SMALL)) * 1.0)
    assert suspects.counts_up(table) == ["odd"]
    assert suspects.counts_up(table.take(range(50))) == []
    assert found(examine(table, OFFICIAL))["identifiers"] == "warn"


SHUFFLED = {
    "row numbers": lambda rng: rng.permutation(N_SMALL),
    "of a larger file": lambda rng: rng.choice(3 * N_SMALL, N_SMALL, replace=False),
    "with ties": lambda rng: rng.permutation(N_SMALL) // 2,
    "with an offset": lambda rng: rng.permutation(N_SMALL) + 5_000_000,
}


@pytest.mark.parametrize("numbers", SHUFFLED)
def test_shuffled_row_numbers_are_identifiers(small_table, numbers):
    values = SHUFFLED[numbers](np.random.default_rng(0)) * 1.0
    table = added(small_table, "odd", values)
    assert suspects.numbers_rows(table) == ["odd"]
    assert "odd (numbers the rows)" in suspects.warnings(table)["identifiers"]


HONEST = {
    "bytes": lambda rng: np.floor(rng.lognormal(6, 1, N_SMALL)),
    "uniform": lambda rng: rng.integers(40, 1_500, N_SMALL),
    "sequence numbers": lambda rng: rng.integers(0, 2**32, N_SMALL),
    "packets": lambda rng: rng.poisson(50, N_SMALL),
    "hours": lambda rng: rng.permutation(N_SMALL) % 24,
    "seconds": lambda rng: rng.random(N_SMALL),
    "sorted flags": lambda rng: np.sort(rng.integers(0, 9, N_SMALL)),
}


@pytest.mark.parametrize("values", HONEST)
def test_honest_numbers_are_no_identifiers(small_table, values):
    for seed in range(20):
        column = HONEST[values](np.random.default_rng(seed)) * 1.0
        table = added(small_table, "odd", column)
        assert "identifiers" not in suspects.warnings(table)


def test_a_column_that_separates_alone_is_named_with_its_accuracy(small_table):
    rng = np.random.default_rng(0)
    tell = (small_table.labels > 0) * 5 + rng.random(len(small_table))
    told = suspects.gives_away(added(small_table, "tell", tell))
    assert set(told) == {"tell"}
    assert told["tell"] >= 0.99


def test_an_identifier_does_not_look_like_a_perfect_feature(small_table):
    rng = np.random.default_rng(0)
    table = added(small_table, "noise", rng.permutation(len(small_table)) * 1.0)
    names = np.array([f"v{i}" for i in range(len(small_table))])
    table = added(table, "word", names, "category")
    assert suspects.gives_away(table) == {}


def test_missing_values_can_give_the_label_away(small_table):
    tell = np.where(small_table.labels > 0, np.nan, 1.0)
    assert "gap" in suspects.gives_away(added(small_table, "gap", tell))


def test_a_test_set_balanced_by_hand_is_warned_of(small_table):
    y = small_table.labels
    sizes = {"class_counts": {"before": small_table.counts()}}
    rows = np.concatenate([np.flatnonzero(y == k)[:14] for k in range(5)])
    statuses = found(examine(small_table.take(rows), OFFICIAL, sizes))
    assert statuses["balanced test rows"] == "warn"
    assert found(examine(small_table, OFFICIAL, sizes))["balanced test rows"] == "pass"


@pytest.mark.parametrize("target", ["classes", "attack types"])
def test_a_table_balanced_before_the_split_is_warned_of(small_table, target):
    even = dict.fromkeys(small_table.counts(), 400)
    sizes = {"class_counts": {"before": even}}
    if target == "attack types":
        sizes = {"class_counts": {"before": small_table.counts()}, "attacks": even}
    findings = {f["check"]: f for f in examine(small_table, OFFICIAL, sizes)}
    assert findings["balanced test rows"]["status"] == "warn"
    assert "before the split" in findings["balanced test rows"]["text"]


def test_half_attacks_of_a_real_capture_are_no_sign_of_balancing():
    assert not suspects.is_balanced({"benign": 67_343, "attack": 58_630})
    assert not suspects.is_balanced({"benign": 20, "attack": 20})
    assert suspects.is_balanced({"benign": 500, "attack": 500})


def test_copies_of_rare_classes_alone_are_warned_of(small_table):
    rare = np.flatnonzero(small_table.labels == 4)[:5]
    table = small_table.take([*range(N_SMALL), *np.repeat(rare, 60)])
    copies = next(f for f in examine(table, OFFICIAL) if f["check"] == "copies")
    assert copies["status"] == "warn"
    assert f"usual in {small_table.schema.classes[4]} but rare" in copies["text"]


def test_many_copies_among_judged_rows_are_warned_of(small_table):
    table = small_table.take([0] * 80 + list(range(1, 41)))
    statuses = found(examine(table, OFFICIAL))
    assert statuses["copies"] == "warn"


@pytest.mark.data
def test_the_official_nsl_kdd_files_share_664_rows(data_folders):
    train, test = (
        datasets.load("nsl_kdd", s, folders=data_folders) for s in ("train", "test")
    )
    findings = {f["check"]: f for f in check(train, test, OFFICIAL)}
    assert "664 of 22,544 test rows" in findings["shared rows"]["text"]
    assert findings["identifiers"]["status"] == "pass"
    assert findings["single columns"]["status"] == "pass"


def test_a_split_with_the_label_among_its_features_is_refused_before_training(parts):
    train, test = (added(p, "attack_cat", p.labels * 1.0) for p in parts)
    with pytest.raises(LeakError, match="attack_cat"):
        check_split(Split(train=train, test=test, protocol=OFFICIAL))
