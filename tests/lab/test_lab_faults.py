"""Fifteen faults that critics found in public intrusion data sets, looked for in ours.

Engelen 2021, Liu 2022, Lanvin 2022, Flood 2024, Layeghy 2024, Goldschmidt 2025, Sommer
and Paxson 2010, Apruzzese 2023.
"""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evenflow import datasets
from evenflow.datasets import lab
from evenflow.lab import attacks, benign, labels
from evenflow.lab.finding import GROUPS
from evenflow.lab.record import FILES, PACKAGES

from .. import scripts  # noqa: TID252 (tests are not a package)

ROOT = Path(__file__).parents[2]
CARD = ROOT / "docs" / "datasets" / "lab.md"
SCRIPT = ROOT / "benchmarks" / "traffic" / "lab_card.py"
FAMILIES = list(lab.FAMILIES)
COPIES = {
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "mosquitto_sub": "mosquitto-clients",
}
"""Programs that come with another one."""
SPREAD = {"syn_flood", "udp_flood", "icmp_flood", "dns_flood", "http_flood",
          "slow_http", "web_scan", "http_guessing", "ftp_guessing"}  # fmt: skip
"""Attacks that come from several addresses at times."""
ONLY_IN_TEST = [a for a in attacks.ACTIONS if a.only_in_test]


@pytest.fixture(scope="module")
def rows():
    return lab.rows()


@pytest.fixture(scope="module")
def card():
    """Return the script that writes what it measures on the rows onto the card."""
    for name in ("sklearn", "lightgbm"):
        pytest.importorskip(name)
    return scripts.loaded(SCRIPT)


@pytest.fixture(scope="module")
def runs(card):
    return card.runs()


def test_1_no_address_and_no_port_tells_an_attack(rows, card):
    assert not [c for c in lab.SCHEMA.names if re.search(r"addr|_ip$|ttl|mac$", c)]
    hosts = rows.with_columns(card.last_number(c) for c in ("source", "destination"))
    assert card.balanced_accuracy_of_a_tree(hosts, list(card.IDENTITY[:3])) < 0.6
    # odd destination ports are what makes a scan; of the others, the port says which
    # service is meant, and some services are attacked more than they are used; nobody
    # attacks what all machines are asked for
    asks_all = pl.col("destination_port").is_in([g.port for g in GROUPS.values()])
    others = hosts.filter((pl.col("family") != "scan") & ~asks_all)
    for columns in (list(card.IDENTITY), ["destination_port"]):
        assert card.balanced_accuracy_of_a_tree(others, columns) < 0.66


def test_1_attackers_and_users_share_other_networks_and_ipv6(rows, runs, card):
    marked = rows.with_columns(
        card.is_foreign(rows, runs).alias("foreign"),
        pl.col("source").str.contains(":").alias("six"),
    )
    assert card.balanced_accuracy_of_a_tree(marked, ["foreign", "six"]) < 0.6
    for part in ("train", "test"):
        of_part = marked.filter(pl.col("part") == part)
        for what, families in (
            ("six", ("benign", "scan", "dos", "guessing")),
            ("foreign", ("benign", "dos")),
        ):
            for family in families:
                found = of_part.filter(pl.col(what) & (pl.col("family") == family))
                assert found.height > 50, (part, what, family)


def test_1_attackers_and_users_share_hosts(rows, runs, card):
    machines = rows.filter(~card.is_foreign(rows, runs) & (pl.col("part") != "natural"))
    by_host = machines.group_by("run", "source").agg(
        (pl.col("family") == "benign").any().alias("uses"),
        (pl.col("family") != "benign").any().alias("attacks"),
    )  # fmt: skip
    attackers = by_host.filter("attacks")
    assert attackers["uses"].all()
    assert attackers.height > 0.6 * by_host.height


def test_2_time_does_not_tell_an_attack(rows, card):
    assert card.balanced_accuracy_of_a_tree(rows, ["known_s"]) < 0.6
    quarters = rows.filter(pl.col("part") != "natural").with_columns(
        (pl.col("known_s") / pl.col("known_s").max().over("run") * 4)
        .clip(0, 3).cast(pl.Int64).alias("quarter")
    )  # fmt: skip
    ordinary = quarters.filter(pl.col("family") == "benign")
    assert ordinary.select("run", "quarter").n_unique() == 4 * rows.filter(
        pl.col("part") != "natural"
    )["run"].n_unique()  # fmt: skip


def test_3_each_family_has_tools_and_settings_and_some_are_held_out(rows):
    for family in FAMILIES:
        seen = rows.filter((pl.col("family") == family) & (pl.col("part") == "train"))
        assert seen["tool"].n_unique() >= 2, family
        assert seen.group_by("action", "run").len().height >= 3, family
    for action in ONLY_IN_TEST:
        found = rows.filter(
            (pl.col("label") == action.name.lower().replace(" ", "_"))
            & (pl.col("tool") == action.tool)
        )
        assert "train" not in found["part"].to_list(), action.name
    held_out = set(rows.filter(pl.col("part") == "test")["tool"]) - set(
        rows.filter(pl.col("part") == "train")["tool"]
    )
    assert held_out


def test_4_ordinary_traffic_is_of_many_kinds_in_every_run(rows):
    ordinary = rows.filter(pl.col("family") == "benign")
    kinds = ordinary.group_by("run").agg(pl.col("label").n_unique())
    assert kinds["label"].min() >= 8
    assert {a.twin_of for a in benign.ACTIONS} - {""} == set(FAMILIES)
    for part in ("train", "test"):
        twins = ordinary.filter(pl.col("part") == part)["twin_of"].value_counts()
        assert set(FAMILIES) <= set(twins["twin_of"])


def test_4_ordinary_traffic_is_thin_and_begins_in_the_middle_too(rows):
    for part in ("train", "test"):
        for family in ("benign", "attack"):
            is_benign = pl.col("family") == "benign"
            seen = rows.filter(
                (pl.col("part") == part)
                & (is_benign if family == "benign" else ~is_benign)
            )
            few = seen.filter(pl.col("src_100_connections") < 10)
            assert few.height > 200, (part, family)
            middle = seen.filter(
                (pl.col("protocol") == "tcp") & (pl.col("state") == "OTH")
            )
            assert middle.height > 100, (part, family)


def test_4_some_ordinary_connections_are_ten_minutes_old(rows):
    old = rows.filter(pl.col("duration_ms") >= 600_000)
    assert (old["family"] == "benign").any()


def test_5_rows_are_distinct(rows):
    for (part, family), found in rows.group_by("part", "family"):
        n = found.select(lab.SCHEMA.names).unique().height
        assert n > 0.5 * found.height, (part, family)
        if part != "natural":
            assert n >= 200, (part, family)


@pytest.mark.slow
def test_6_no_column_alone_does_it(rows, card):
    assert not [found for found in card.areas(rows) if found[0] > 0.95]


def test_7_other_senders_are_visitors_forgers_and_hosts_without_an_address(
    rows, runs, card
):
    foreign = rows.filter(card.is_foreign(rows, runs))
    named = foreign.filter(~pl.col("source").str.contains(r"^(0\.0\.0\.0|::|fe80:.*)$"))
    assert set(named["label"]) <= {*SPREAD, "visitors", "dhcp_flood", "booting"}
    without = foreign.filter(pl.col("source") == "0.0.0.0")
    assert set(without["label"]) <= {"dhcp_flood", "booting", "joining"}


def test_8_what_the_log_does_not_explain_is_not_in_the_file(rows):
    assert labels.UNKNOWN not in set(rows["family"])
    assert (
        rows.select("family", "label", "tool", "action").null_count().row(0) == (0,) * 4
    )


def test_9_all_rows_of_a_connection_have_one_label(rows):
    labels = rows.group_by("run", "connection").agg(pl.col("action").n_unique())
    assert labels["action"].max() == 1


def test_10_attacks_that_failed_are_kept_and_marked(rows):
    guessing = rows.filter(pl.col("family") == "guessing")
    assert set(guessing["succeeded"]) == {True, False}


def test_11_cables_differ_and_some_lose_and_reorder(runs):
    cables = [m["cable"] for run in runs for m in run["machines"]]
    for what in ("delay_s", "bits_per_s"):
        values = [c[what] for c in cables]
        assert max(values) > 5 * min(values)
    for what in ("loss", "reordering"):
        share = np.mean([c[what] > 0 for c in cables])
        assert 0.1 < share < 0.9


def test_12_rates_go_from_slow_to_fast(rows):
    tries = (
        rows.filter((pl.col("family") != "benign") & pl.col("rate").is_not_null())
        .unique(["run", "action"])["rate"]
    )  # fmt: skip
    assert tries.quantile(0.9) > 50 * tries.quantile(0.1)


def test_13_there_is_a_part_in_which_attacks_are_rare(rows):
    natural = rows.filter(pl.col("part") == "natural")
    share = (natural["family"] != "benign").mean()
    assert 0 < share < 0.01


def test_14_no_run_and_no_pair_of_hosts_is_on_both_sides(rows):
    assert rows.group_by("run").agg(pl.col("part").n_unique())["part"].max() == 1
    hosts = rows.filter(pl.col("source") != "0.0.0.0")
    pairs = hosts.select("part", "source", "destination").unique()
    assert pairs.select("source", "destination").is_duplicated().sum() == 0


def test_15_each_run_says_how_it_was_made(rows, runs):
    assert {run["run"] for run in runs} == set(rows["run"])
    for run in runs:
        assert run["dropped"] == 0
        assert isinstance(run["plan"]["seed"], int)
        assert set(run["sha256"]) == set(FILES)
        tools = rows.filter(pl.col("run") == run["run"])["tool"].unique()
        used = {t for tool in tools for t in tool.split(", ")} - {"own", "kernel"}
        assert {COPIES.get(t, PACKAGES.get(t, t)) for t in used} <= set(run["tools"])


def test_15_the_counts_on_the_card_are_those_of_the_file(rows):
    text = CARD.read_text(encoding="utf-8")
    for part in datasets.get("lab").splits:
        found = rows.filter(pl.col("part") == part)
        counts = [found.height, found.select("run", "connection").n_unique()]
        counts += [(found["family"] == f).sum() for f in ("benign", *FAMILIES)]
        line = " | ".join(f"{n:,}" for n in counts)
        assert f"| {part} | {found['run'].n_unique()} | {line} |" in text


@pytest.mark.slow
def test_a_tree_of_depth_three_does_not_do_what_a_model_does(rows, card):
    _, ((tree, _), (boosted, _)) = card.fitted(rows)
    assert tree < 0.8 * boosted


def test_the_card_is_that_of_the_script(card, rows):
    text = CARD.read_text(encoding="utf-8")
    assert card.tables(text, rows) == text
