"""What a look at the rows tells, and that it tells the truth."""

import json
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow import datasets
from evenflow.errors import DataError
from evenflow.prepare.explore import association, explore
from evenflow.prepare.explore.columns import bin_edges, histogram
from evenflow.schema import Column, Schema, Table

NAN, INF = float("nan"), float("inf")
SCHEMA = Schema(
    name="tiny",
    columns=(
        Column(name="a", low=0, high=10),
        Column(name="b", kind="category"),
        Column(name="c"),
    ),
    classes=("benign", "dos", "worm"),
    families={"syn": "dos", "udp": "dos"},
)


def tiny(a, b, c, attack=None):
    frame = pl.DataFrame(
        {"a": a, "b": b, "c": c},
        schema={"a": pl.Float64, "b": pl.String, "c": pl.Float64},
    )
    if attack is None:
        return Table(schema=SCHEMA, frame=frame)
    y = np.array([SCHEMA.classes.index(SCHEMA.class_of(x)) for x in attack])
    return Table(schema=SCHEMA, frame=frame, y=y, attack=pl.Series("attack", attack))


@pytest.fixture
def table():
    return tiny(
        [1, 1, NAN, INF, 11, 2],
        ["x", "x", None, "y", "y", "x"],
        [5, 5, 5, 5, 5, 5],
        ["benign", "syn", "benign", "udp", "benign", "syn"],
    )


@pytest.fixture
def found(table):
    return explore(table)


def column(found, name):
    return next(c for c in found.columns if c["name"] == name)


def kinds(found):
    return {w["kind"] for w in found.warnings}


def test_missing_infinite_and_impossible_values_are_counted(found):
    a, b = column(found, "a"), column(found, "b")
    assert (a["missing"], a["infinite"], a["out_of_bounds"]) == (1, 1, 1)
    assert (b["missing"], b["infinite"]) == (1, 0)
    assert {"missing", "infinite", "out_of_bounds"} <= kinds(found)


def test_figures_rest_on_finite_values_only(found):
    numeric = column(found, "a")["numeric"]
    assert (numeric["min"], numeric["max"]) == (1, 11)
    assert numeric["mean"] == pytest.approx(3.75)
    assert numeric["std"] == pytest.approx(np.std([1, 1, 11, 2]))
    assert numeric["quantiles"]["0.5"] == 1


def test_a_constant_column_is_named(found):
    assert [c["name"] for c in found.columns if c["is_constant"]] == ["c"]
    assert any("c" in w["text"] for w in found.warnings if w["kind"] == "constant")


def test_classes_without_rows_are_shown(found):
    assert [(c["name"], c["n"]) for c in found.classes] == [
        ("benign", 3), ("dos", 3), ("worm", 0),
    ]  # fmt: skip
    assert "absent_class" in kinds(found)
    assert found.overview["imbalance_ratio"] == 1


def test_attack_types_come_most_frequent_first_with_their_family(found):
    assert [(a["name"], a["family"], a["n"]) for a in found.attacks] == [
        ("syn", "dos", 2), ("udp", "dos", 1),
    ]  # fmt: skip


def test_duplicates_and_contradictions_are_counted(found):
    assert found.duplicates["distinct_rows"] == 5
    assert found.duplicates["duplicate_rows"] == 1
    assert found.duplicates["distinct_by_class"] == {"benign": 3, "dos": 3, "worm": 0}
    assert (found.conflicts["vectors"], found.conflicts["rows"]) == (1, 2)
    assert found.conflicts["examples"] == [{"classes": {"benign": 1, "dos": 1}}]
    assert "conflicts" in kinds(found)


def test_rows_with_missing_values_can_be_duplicates_too():
    twice = tiny([NAN, NAN], [None, None], [1, 1], ["benign", "syn"])
    assert explore(twice).duplicates["duplicate_rows"] == 1


def test_two_attack_types_of_one_class_are_no_class_conflict():
    table = tiny([1, 1, 2], ["x"] * 3, [1] * 3, ["syn", "udp", "benign"])
    conflicts = explore(table).conflicts
    assert (conflicts["vectors"], conflicts["attack_vectors"]) == (0, 1)


def test_what_splits_share_is_counted_on_the_other_side(table):
    other = tiny([1, 1, 3], ["x", "x", "z"], [5, 5, 5], ["benign", "worm", "worm"])
    found = explore(table, others={"test": other})
    (split,) = found.splits
    assert (split["name"], split["n_rows"], split["shared_rows"]) == ("test", 3, 2)
    assert (split["shared_same_class"], split["shared_other_class"]) == (1, 1)
    assert [a["name"] for a in split["unseen_attacks"]] == ["worm"]
    assert split["absent_attacks"] == ["syn", "udp"]
    assert split["unseen_values"] == {"b": ["z"]}
    assert {"shared_rows", "unseen_attacks", "unseen_values"} <= kinds(found)


def test_rows_without_labels_can_be_explored():
    found = explore(tiny([1, 2, 3], ["x", "y", None], [1, 1, 2]))
    assert found.classes == []
    assert found.attacks == []
    assert column(found, "a")["mutual_information_bits"] is None
    assert column(found, "a")["distribution"]["counts"] == {"all": [1, 1, 1]}
    assert "no_labels" in kinds(found)
    assert found.to_text()


def test_a_column_that_gives_the_label_away_is_named():
    noise = np.random.default_rng(0).random(400)
    table = tiny([0.0, 9.0] * 200, ["x"] * 400, noise, ["benign", "syn"] * 200)
    [text] = texts(table, "gives_away_label")
    assert text.startswith("a alone")


def flows(n=1_200, name="c", values=None, attack=None):
    """Return labelled flows whose third feature has that name and those values."""
    rng = np.random.default_rng(0)
    attack = (
        rng.choice(["benign", "syn"], n, p=[0.7, 0.3]) if attack is None else attack
    )
    values = rng.random(n) if values is None else values
    table = tiny(rng.random(n) * 9, ["x", "y"] * (n // 2), values * 1.0, list(attack))
    columns = (*SCHEMA.columns[:2], Column(name=name))
    return replace(
        table,
        schema=replace(SCHEMA, columns=columns),
        frame=table.frame.rename({"c": name}),
    )


def texts(table, kind):
    return [w["text"] for w in explore(table).warnings if w["kind"] == kind]


def test_clean_flows_are_not_suspected():
    suspicions = {"label_as_feature", "identifiers", "single_columns", "balanced"}
    assert not suspicions & kinds(explore(flows()))


def test_what_a_training_would_refuse_is_named():
    assert "attack_label" in texts(flows(name="attack_label"), "label_as_feature")[0]
    attack = np.repeat(["benign", "syn"], [800, 400])
    copy = flows(name="vibe", values=np.repeat([3, 1], [800, 400]), attack=attack)
    assert 'drop = ["vibe"]' in texts(copy, "label_as_feature")[0]
    assert "vibe 100.0%" in texts(copy, "single_columns")[0]


def test_what_a_training_would_warn_of_is_named():
    assert "ts (by name)" in texts(flows(name="ts"), "identifiers")[0]
    numbers = np.random.default_rng(0).permutation(1_200)
    assert "c (numbers the rows)" in texts(flows(values=numbers), "identifiers")[0]
    even = flows(attack=np.repeat(["benign", "syn"], 600))
    assert "before the split" in texts(even, "balanced")[0]


def test_a_class_of_copies_is_named():
    table = flows(attack=np.repeat(["benign", "syn"], [900, 300]))
    copied = table.take([*range(900), *[900, 901, 902] * 100])
    assert texts(copied, "copied_class")[0].startswith("297 of 300 rows of dos")


def test_one_class_and_rare_classes_are_named():
    one = explore(tiny([1, 2], ["x", "x"], [1, 2], ["benign"] * 2))
    assert "one_class" in kinds(one)
    rare = explore(tiny([1] * 60, ["x"] * 60, [1] * 60, ["benign"] * 58 + ["syn"] * 2))
    assert "rare_class" in kinds(rare)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_one_or_two_rows_are_enough(n_rows):
    table = tiny([1, INF][:n_rows], ["x", None][:n_rows], [NAN] * n_rows)
    assert json.loads(json.dumps(explore(table).to_dict(), allow_nan=False))


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="no rows"):
        explore(tiny([], [], [], []))


def test_a_split_with_other_columns_is_refused(table, small_table):
    with pytest.raises(DataError, match="other columns"):
        explore(table, others={"test": small_table})


def test_everything_found_is_plain_json(small_table):
    n = np.arange(len(small_table))
    values = small_table.frame["fwd_bytes"].to_numpy()
    odd = small_table.frame.with_columns(
        fwd_bytes=np.where(n % 7 == 0, INF, np.where(n % 5 == 0, NAN, values)),
        error_rate=np.full(len(n), NAN),
        duration_s=1e308 * (n % 2),
    )
    found = explore(replace(small_table, frame=odd), others={"test": small_table})
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text) == found.to_dict()
    assert set(found.to_dict()) == {
        "overview", "columns", "classes", "attacks", "duplicates", "conflicts",
        "splits", "correlation", "warnings",
    }  # fmt: skip


def test_every_finite_value_is_in_exactly_one_bin(small_table):
    found = explore(small_table)
    sizes = small_table.counts()
    for c in found.columns:
        shown = c["distribution"]
        assert set(shown["counts"]) == set(sizes)
        for name, counts in shown["counts"].items():
            assert len(counts) == len(shown["labels"])
            assert sum(counts) == sizes[name], c["name"]
        if shown["edges"] is not None:
            assert len(shown["edges"]) == len(shown["labels"]) + 1
            assert (np.diff(shown["edges"]) > 0).all()
        assert len(set(shown["labels"])) == len(shown["labels"])


def test_values_over_orders_of_magnitude_get_a_log_axis():
    rng = np.random.default_rng(1)
    x = np.concatenate([np.zeros(500), np.round(rng.lognormal(6, 3, 5_000))])
    edges, scale = bin_edges(np.unique(x), is_whole=True)
    counts, _ = np.histogram(x, edges)
    assert scale == "log"
    assert counts.max() < 0.25 * len(x)
    assert counts.sum() == len(x)


def test_negative_values_get_a_log_axis_too():
    x = np.concatenate([-np.geomspace(1, 1e6, 500), np.geomspace(1, 1e6, 500)])
    edges, scale = bin_edges(np.unique(x), is_whole=False)
    assert (scale, edges[0], edges[-1]) == ("log", -1e6, 1e6)


def test_even_values_get_an_even_axis():
    _, scale = bin_edges(np.linspace(0, 1, 101), is_whole=False)
    assert scale == "linear"


@pytest.mark.parametrize("top", [1e300, 1e308, 1.7e308])
@pytest.mark.parametrize("bottom", [0, 1])
def test_huge_values_break_no_histogram(top, bottom):
    x = np.concatenate([np.linspace(0, 1, 200), [-bottom * top, top]])
    shown = histogram(x, Column(name="x"), {"all": np.arange(len(x))}, np.unique(x))
    assert sum(shown["counts"]["all"]) == len(x)
    assert np.isfinite(shown["edges"]).all()


def test_a_long_list_of_values_is_cut_and_the_rest_is_counted():
    words = [f"w{i % 60:02}" for i in range(300)]
    found = explore(tiny([1] * 300, words, [1] * 300, ["benign", "syn"] * 150))
    b = column(found, "b")
    assert len(b["category"]["top"]) == 20
    assert b["category"]["other"] == 300 - 20 * 5
    assert b["distribution"]["labels"][-1] == "other values"


def test_quantiles_of_a_class_are_those_of_its_rows(small_table):
    found = explore(small_table)
    shown = column(found, "fwd_bytes")["by_class"]["dos"]
    mine = small_table.frame["fwd_bytes"].to_numpy()[small_table.labels == 1]
    assert shown["0.5"] == np.quantile(mine, 0.5, method="inverted_cdf")


def test_correlation_is_pearsons_and_spearmans(small_table):
    stats = pytest.importorskip("scipy.stats")
    found = association.correlation(small_table)
    x = small_table.frame.select(found["columns"]).to_numpy()
    varies = [j for j in range(x.shape[1]) if np.ptp(x[:, j]) > 0]
    for name, expected in (
        ("pearson", np.corrcoef(x[:, varies].T)),
        ("spearman", stats.spearmanr(x[:, varies]).statistic),
    ):
        mine = np.array(found[name], dtype=float)
        np.testing.assert_allclose(mine[np.ix_(varies, varies)], expected, atol=2e-6)
        constant = found["columns"].index("constant")
        assert np.isnan(mine[constant]).all()


def test_a_missing_value_pulls_a_correlation_neither_way():
    x = np.arange(100.0)
    noise = np.random.default_rng(0).random(100)
    whole = tiny(x % 10, ["x"] * 100, noise)
    gaps = np.where(np.arange(100) % 3 == 0, NAN, x % 10)
    r = association.correlation(tiny(gaps, ["x"] * 100, noise))["pearson"][0][1]
    assert abs(r - association.correlation(whole)["pearson"][0][1]) < 0.15


def test_information_is_scikit_learns_less_the_stated_bias():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 5_000)
    x = np.where(rng.random(5_000) < 0.7, y, rng.integers(0, 8, 5_000))
    plug_in = metrics.mutual_info_score(x, y) / np.log(2)
    bias = 7 * 2 / (2 * 5_000 * np.log(2))
    assert association.information(x, y) == pytest.approx(plug_in - bias, abs=1e-9)


def test_information_is_all_or_nothing_where_it_should_be():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 4, 20_000)
    assert association.information(y, y) == pytest.approx(2, abs=0.01)
    assert association.information(rng.integers(0, 64, 20_000), y) < 0.01
    assert association.information(np.zeros(20_000, dtype=np.int64), y) == 0


def test_a_missing_value_can_be_what_tells():
    n = 1_000
    attack = ["benign", "syn"] * (n // 2)
    table = tiny([1, NAN] * (n // 2), ["x", None] * (n // 2), [1] * n, attack)
    bits = association.mutual_information(table)
    assert bits[:2] == pytest.approx([1, 1], abs=0.01)
    assert bits[2] == 0


def test_the_text_names_what_is_there(found, small_table):
    text = explore(small_table, others={"test": small_table}).to_text()
    for word in (
        "1,974 rows", "8 columns", "u2r", "dos: neptune", "error_rate", "Beside test",
        "largest : smallest", "Only 14 rows of u2r", "u2r: perl",
    ):  # fmt: skip
        assert word in text
    assert max(map(len, found.to_text().splitlines())) <= 100


def test_synthetic_rows_are_marked_in_text_and_warnings():
    found = explore(datasets.load("synthetic", "train", n_rows=1_000))
    assert "SYNTHETIC" in found.to_text().splitlines()[0]
    assert found.warnings[0]["kind"] == "synthetic"


def test_progress_comes_step_by_step(table):
    events = []
    explore(table, others={"test": table}, on_event=events.append)
    assert [e.done for e in events] == [1, 2, 3, 4, 5, 6]
    assert {e.total for e in events} == {6}


def test_a_class_of_few_distinct_rows_is_rare_however_often_they_repeat():
    n = 400
    attack = ["benign"] * n + ["syn"] * n
    table = tiny([*range(n), *[7.5] * n], ["x"] * 2 * n, [1] * 2 * n, attack)
    [text] = texts(table, "rare_class")
    assert "400 rows of dos (1 of them distinct)" in text


ROW = st.tuples(
    st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0]),
    st.none() | st.text(max_size=3),
    st.floats(-1e6, 1e6),
    st.sampled_from(["benign", "syn", "udp", "worm"]),
)


@given(rows=st.lists(ROW, min_size=1, max_size=60), other=st.lists(ROW, max_size=5))
@settings(max_examples=40, deadline=None)
def test_whatever_the_rows_hold_the_answer_is_json_and_adds_up(rows, other):
    table = tiny(*zip(*rows, strict=True))
    others = {"test": tiny(*zip(*other, strict=True))} if other else {}
    found = explore(table, others=others)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert found.to_text()
    n = len(rows)
    assert found.duplicates["distinct_rows"] + found.duplicates["duplicate_rows"] == n
    assert sum(c["n"] for c in found.classes) == n
    for c in found.columns:
        shown = sum(map(sum, c["distribution"]["counts"].values()))
        assert shown + c["missing"] + c["infinite"] == n


@pytest.mark.slow
@pytest.mark.data
def test_the_real_training_file_shows_what_is_known_of_it(data_folders):
    train, test = (
        datasets.load("nsl_kdd", s, folders=data_folders) for s in ("train", "test")
    )
    start = time.process_time()
    found = explore(train, others={"test": test})
    seconds = time.process_time() - start
    (split,) = found.splits
    assert split["shared_rows"] == 664
    assert found.conflicts["attack_vectors"] == 15
    assert sum(a["n"] for a in split["unseen_attacks"]) == 3_750
    assert len(split["unseen_attacks"]) == 17
    assert split["absent_attacks"] == ["spy", "warezclient"]
    assert [c["name"] for c in found.columns if c["is_constant"]] == [
        "num_outbound_cmds"
    ]
    assert not any(c["out_of_bounds"] for c in found.columns)
    assert seconds < 8, "about 3 s of processor time"
