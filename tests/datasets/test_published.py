"""The real files hold what their description says, row for row and class for class."""

import functools
import gzip
import shutil
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evenflow import conform, datasets
from evenflow.datasets import _remote, bot_iot_10best_sample, nsl_kdd, unsw_nb15
from evenflow.errors import ChecksumError, DataError

pytestmark = pytest.mark.data

NSL = {
    "train": (67_343, 45_927, 11_656, 995, 52),
    "train20": (13_449, 9_234, 2_289, 209, 11),
    "test": (9_711, 7_458, 2_421, 2_754, 200),
    "test21": (2_152, 4_342, 2_402, 2_754, 200),
}
NSL_ATTACKS = {
    "train": "benign 67343 neptune 41214 satan 3633 ipsweep 3599 portsweep 2931 smurf "
    "2646 nmap 1493 back 956 teardrop 892 warezclient 890 pod 201 guess_passwd 53 "
    "buffer_overflow 30 warezmaster 20 land 18 imap 11 rootkit 10 loadmodule 9 "
    "ftp_write 8 multihop 7 phf 4 perl 3 spy 2",
    "test": "benign 9711 neptune 4657 guess_passwd 1231 mscan 996 warezmaster 944 "
    "apache2 737 satan 735 processtable 685 smurf 665 back 359 snmpguess 331 saint 319 "
    "mailbomb 293 snmpgetattack 178 portsweep 157 ipsweep 141 httptunnel 133 nmap 73 "
    "pod 41 buffer_overflow 20 multihop 18 named 17 ps 15 sendmail 14 rootkit 13 xterm "
    "13 teardrop 12 xlock 9 land 7 xsnoop 4 ftp_write 3 imap 1 loadmodule 2 perl 2 phf "
    "2 sqlattack 2 udpstorm 2 worm 2",
}
# name, split -> class counts, attack-type counts
OTHERS = {
    ("bot_iot_8feature_sample", "train"): (
        {"benign": 6, "ddos": 26_981, "dos": 23_121, "reconnaissance": 1_249,
         "theft": 2},
        "ddos_tcp 13670 ddos_udp 13297 ddos_http 14 dos_udp 14589 dos_tcp 8506 "
        "dos_http 26 reconnaissance_service_scan 995 reconnaissance_os_fingerprint 254 "
        "benign 6 theft_keylogging 2",
    ),
    ("bot_iot_12col_sample", "train"): (
        {"benign": 6_870, "ddos": 0, "dos": 10_161, "reconnaissance": 1_836,
         "theft": 0},
        "dos 10161 benign 6870 reconnaissance 1836",
    ),
    ("bot_iot_10best_sample", "train"): (
        {"benign": 118, "ddos": 4_999, "dos": 0, "reconnaissance": 0, "theft": 0},
        "ddos_tcp 2527 ddos_udp 2471 ddos_http 1 benign 118",
    ),
    ("bot_iot_10best_sample", "test"): (
        {"benign": 107, "ddos": 5_033, "dos": 0, "reconnaissance": 0, "theft": 0},
        "ddos_tcp 2567 ddos_udp 2462 ddos_http 4 benign 107",
    ),
    ("bot_iot_argus_sample", "train"): (
        {"benign": 65, "ddos": 1_044, "dos": 0, "reconnaissance": 0, "theft": 0},
        "ddos_tcp 1044 benign 65",
    ),
    ("nf_bot_iot_v2", "train"): (
        {"benign": 1_285, "ddos": 84_552, "dos": 167_004, "reconnaissance": 25_907,
         "theft": 33},
        "dos 167004 ddos 84552 reconnaissance 25907 benign 1285 theft 33",
    ),
    ("unsw_nb15", "test"): (
        {"benign": 37_000, "analysis": 677, "backdoor": 583, "dos": 4_089,
         "exploits": 11_132, "fuzzers": 6_062, "generic": 18_871,
         "reconnaissance": 3_496, "shellcode": 378, "worms": 44},
        "benign 37000 generic 18871 exploits 11132 fuzzers 6062 dos 4089 "
        "reconnaissance 3496 analysis 677 backdoor 583 shellcode 378 worms 44",
    ),
}  # fmt: skip
ALL = [*(("nsl_kdd", s) for s in NSL), *OTHERS]


def hashes(frame):
    """Return a number a row, ascending: the same lists for the same sets of rows."""
    return frame.hash_rows(seed=1).sort().to_list()


def counted(text):
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


@pytest.fixture(scope="module")
def load(data_folders):
    """Load a part once for all tests of this file."""

    @functools.cache
    def load(name, split, **params):
        return datasets.load(name, split, folders=data_folders, **params)

    return load


def attacks(table):
    return dict(table.attack.value_counts().iter_rows())


@pytest.mark.parametrize("split", NSL)
def test_nsl_kdd_has_the_rows_of_each_class(load, split):
    table = load("nsl_kdd", split)
    assert tuple(table.counts().values()) == NSL[split]
    if split in NSL_ATTACKS:
        assert attacks(table) == counted(NSL_ATTACKS[split])


@pytest.mark.parametrize(("name", "split"), OTHERS)
def test_samples_have_the_rows_of_each_class_and_attack(load, name, split):
    table = load(name, split)
    classes, types = OTHERS[name, split]
    assert table.counts() == classes
    assert attacks(table) == counted(types)


@pytest.mark.parametrize(("name", "split"), ALL)
def test_every_value_keeps_the_contract(load, name, split):
    table = load(name, split)
    for column in table.schema.numeric:
        x = table.frame[column.name].to_numpy()
        assert np.isfinite(x).all(), column.name
        assert column.low is None or x.min() >= column.low, column.name
        assert column.high is None or x.max() <= column.high, column.name
        if column.step:
            steps = x / column.step
            assert np.allclose(steps, np.round(steps), atol=1e-6), column.name
    for column in table.schema.categories:
        values = table.frame[column.name]
        assert values.null_count() == 0, column.name
        assert (values == values.str.strip_chars()).all(), column.name


@pytest.mark.parametrize("split", NSL)
def test_text_and_parquet_hold_the_same_nsl_kdd(data_folders, load, tmp_path, split):
    text = load("nsl_kdd", split)
    copy = nsl_kdd.FILES[split].parquet
    source = next(p for root in data_folders for p in root.rglob(copy))
    (tmp_path / "nsl_kdd").mkdir()
    shutil.copy(source, tmp_path / "nsl_kdd")
    table = datasets.load("nsl_kdd", split, folders=[tmp_path])
    assert table.frame.equals(text.frame)
    assert (table.y == text.y).all()
    assert table.extra.equals(text.extra)


@pytest.mark.parametrize(
    "name",
    ["bot_iot_12col_sample", "bot_iot_10best_sample", "bot_iot_argus_sample",
     "nf_bot_iot_v2", "unsw_nb15"],
)  # fmt: skip
def test_text_and_parquet_hold_the_same_rows(data_folders, load, tmp_path, name):
    dataset = datasets.get(name)
    split = "test" if name == "unsw_nb15" else "train"
    text = load(name, split)
    for file in dataset.files:
        for root in data_folders:
            for source in root.rglob(file.parquet) if file.parquet else ():
                shutil.copy(source, tmp_path)
    table = datasets.load(name, split, folders=[tmp_path])

    assert hashes(table.frame) == hashes(text.frame)
    assert table.counts() == text.counts()


def test_nsl_kdds_difficulty_stands_aside(load):
    table = load("nsl_kdd", "test")
    assert "difficulty" not in table.schema.names
    assert table.extra["difficulty"].max() == 21


def test_train20_is_the_head_of_train_and_test21_the_hard_part_of_test(load):
    part = {s: load("nsl_kdd", s) for s in NSL}
    assert part["train20"].frame.equals(part["train"].frame.head(25_192))
    hard = part["test"].frame.filter(part["test"].extra["difficulty"] != 21)
    assert hashes(hard) == hashes(part["test21"].frame)


def test_the_other_taxonomy_moves_httptunnel_and_nothing_else(load):
    usual = load("nsl_kdd", "test")
    other = load("nsl_kdd", "test", taxonomy="httptunnel_r2l")
    assert other.counts() | {"r2l": 2_754, "u2r": 200} == usual.counts()
    assert (other.counts()["r2l"], other.counts()["u2r"]) == (2_887, 67)
    moved = usual.attack.filter(pl.Series(usual.y != other.y))
    assert set(moved) == {"httptunnel"}
    assert other.schema.taxonomy != usual.schema.taxonomy


def test_seventeen_attack_types_are_new_in_the_test_file(load):
    train, test = (load("nsl_kdd", s) for s in ("train", "test"))
    new = set(test.attack) - set(train.attack)
    assert len(new) == 17
    assert int(test.attack.is_in(list(new)).sum()) == 3_750
    known = set(nsl_kdd.SCHEMA.families)
    assert (set(test.attack) | set(train.attack)) - {"benign"} == known


def test_every_documented_service_and_flag_occurs_in_training(load):
    train = load("nsl_kdd", "train")
    for column in train.schema.categories:
        assert set(train.frame[column.name]) == set(column.choices)


# name, split -> rows that repeat an earlier one, labels and columns aside included
REPEATED = {
    **{("nsl_kdd", split): 0 for split in NSL},
    ("bot_iot_8feature_sample", "train"): 2_680,
    ("bot_iot_12col_sample", "train"): 1_951,
    ("bot_iot_argus_sample", "train"): 3,
}


@pytest.mark.parametrize(("name", "split"), REPEATED)
def test_as_many_rows_are_doubled_as_known(load, name, split):
    table = load(name, split)
    whole = pl.concat(
        [table.frame, table.extra, table.attack.alias("__attack").to_frame()],
        how="horizontal",
    )
    assert len(table) - whole.n_unique() == REPEATED[name, split]


def test_unsw_doubles_as_many_rows_as_known(load):
    table = load("unsw_nb15", "test")
    whole = table.frame.with_columns(table.attack)
    assert len(table) - whole.n_unique() == 26_387


def test_nf_bot_iot_with_its_destination_port_has_as_many_distinct_rows_as_known(load):
    table = load("nf_bot_iot_v2", "train")
    source = table.frame.with_columns(table.extra["L4_DST_PORT"])
    # the published 30,330 also count FLOW_DURATION_MILLISECONDS, which is dropped
    assert 18_267 < source.n_unique() <= 30_330


@pytest.mark.parametrize(("split", "n"), [("train", 15), ("test", 57)])
def test_as_many_kdd_vectors_carry_two_labels_as_known(load, split, n):
    table = load("nsl_kdd", split)
    labels = table.frame.with_columns(table.attack).unique()
    several = labels.group_by(table.schema.names).len().filter(pl.col("len") > 1)
    assert several.height == n


@pytest.mark.parametrize(("name", "split"), ALL)
def test_a_published_file_scored_as_it_is_gives_the_rows_that_trained(
    data_folders, load, name, split
):
    """What a user scores and what a model learnt from must be the same columns."""
    dataset, table = datasets.get(name), load(name, split)
    files = dataset.files
    if name == "nsl_kdd":
        files = [nsl_kdd.FILES[split]]
    elif name == "unsw_nb15":
        files = [unsw_nb15.FILES[split]]
    elif name == "bot_iot_10best_sample":
        files = bot_iot_10best_sample.FILES[split]
    parts = []
    for file in files:
        place = _remote.find(file, data_folders)
        if place.form == "parquet":
            raw = pl.read_parquet(place.path)
        elif name == "nsl_kdd":
            raw = pl.read_csv(
                place.path, has_header=False, new_columns=list(table.schema.layout)
            )
        else:
            raw = pl.read_csv(place.path, infer_schema_length=10_000)
        rows, bad = conform.conform(table.schema, raw)
        assert not bad
        parts.append(rows.frame)
    assert pl.concat(parts).equals(table.frame)


def test_addresses_ports_and_sequence_numbers_are_no_features(load):
    forbidden = {
        "saddr", "daddr", "sport", "dport", "seq", "stime", "ltime", "pkSeqID", "id",
        "IPV4_SRC_ADDR", "IPV4_DST_ADDR", "L4_SRC_PORT", "L4_DST_PORT", "label",
        "FLOW_DURATION_MILLISECONDS", "Label", "Attack", "Dataset", "attack",
        "category", "subcategory", "attack_cat", "difficulty", "split",
    }  # fmt: skip
    for name, split in ALL:
        table = load(name, split)
        assert not forbidden & set(table.schema.names), name


def test_the_nominal_tenth_feature_comes_only_when_asked_for(load):
    table = load("bot_iot_10best_sample", "train", with_seq=True)
    assert table.schema.names[-1] == "seq"
    assert table.frame["seq"].n_unique() > 1_000


def test_nf_bot_iot_has_as_few_distinct_rows_as_its_card_says(load):
    table = load("nf_bot_iot_v2", "train")
    assert table.frame.n_unique() == 18_267


def test_unsws_name_swap_is_seen_through(data_folders, tmp_path):
    source = next(
        p for root in data_folders for p in root.rglob("UNSW_NB15_training-set.csv.gz")
    )
    shutil.copy(source, tmp_path / "UNSW_NB15_testing-set.csv.gz")
    dataset = datasets.get("unsw_nb15")
    present = {f.name: p for f, p in datasets.status(dataset, [tmp_path])}
    assert sum(p is not None for p in present.values()) == 1
    assert len(datasets.load("unsw_nb15", "test", folders=[tmp_path])) == 82_332
    with pytest.raises(DataError, match="175,341"):
        datasets.load("unsw_nb15", "train", folders=[tmp_path])


def test_a_changed_digit_in_a_published_file_is_noticed(data_folders, tmp_path):
    place = _remote.find(nsl_kdd.FILES["test21"], data_folders)
    data = bytearray(gzip.decompress(place.path.read_bytes()))
    data[0] = ord("7")
    (tmp_path / "KDDTest-21.txt").write_bytes(data)
    with pytest.raises(ChecksumError):
        datasets.load("nsl_kdd", "test21", folders=[tmp_path])


def test_the_list_of_files_tells_what_is_here(data_folders):
    here = datasets.status(datasets.get("nsl_kdd"), data_folders)
    assert all(isinstance(p.path, Path) for _, p in here)


def test_nsl_kdd_loads_in_about_a_second_of_processor_time(data_folders, load):
    datasets.load("nsl_kdd", "test21", folders=data_folders)  # warm up
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        load("nsl_kdd", "train")
        best = min(best, time.process_time() - start)
    assert best < 1.5, "0.4 s where nothing else runs"
