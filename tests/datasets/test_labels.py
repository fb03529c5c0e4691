"""What benign is called is recognised, named or asked for, and never guessed wrong."""

import tomllib

import polars as pl
import pytest

from evenflow.datasets import _guess
from evenflow.errors import DataError

from .reading import load_file


@pytest.fixture
def load(tmp_path, save):
    """Return a function that loads a file of labels, and the notes it gave."""

    def load(labels, *, kind="csv", others=None, **params):
        rows = {"dur": range(len(labels)), "bytes": range(7, 7 + len(labels))}
        marks = {"label": labels} | (others or {})
        path = tmp_path / f"mine.{kind}"
        save(pl.DataFrame(rows | marks), path)
        return load_file(path, **params)

    return load


def benign(table):
    return [k == 0 for k in table.y]


@pytest.mark.parametrize(
    "name",
    [
        "normal", "normal.", "NORMAL", "BENIGN", "Benign", "BenignTraffic",
        "Benign_Final", "Normal Traffic", "NormalTraffic", "normaltraffic", "legit",
        "Legitimate", "legitimate_traffic", "-Benign-", "(normal)", "Normal flow",
        "Class: Normal", "Benign 2018", "Clean", "Background", "non-attack",
        "Not Attack", "NotAnAttack", "No attack", "non_malicious", "Non-malicious flow",
        "not anomalous", "normal activity", "\ufeffnormal",
    ],
)  # fmt: skip
def test_a_label_says_benign_whatever_stands_around_the_word(name):
    assert _guess.is_benign(name)


@pytest.mark.parametrize(
    "name",
    [
        "abnormal", "Abnormal Traffic", "anormal", "AbNormal", "non-benign",
        "nonbenign", "not normal", "NotNormal", "un-normal", "no normal traffic",
        "!normal", "normal scan", "benign vs attack", "malicious", "attack", "anomaly",
        "paranormal", "attack (not benign)", "legitimacy_attack", "unclean",
        "normal=false", "", "0", "smurf.", "non-legit", "Not clean", "background scan",
        "never benign", "abnormality", "no", "not", "non-tor",
    ],
)  # fmt: skip
def test_a_label_that_denies_or_bends_the_word_is_not_benign(name):
    assert not _guess.is_benign(name)


@pytest.mark.parametrize(
    "word", ["normal.", "BenignTraffic", "Normal Traffic", "legit", "Benign_Final"]
)
def test_the_rarest_value_is_benign_if_it_says_so(load, word):
    table, told = load([word, word, *["smurf."] * 5, *["neptune."] * 3])
    assert benign(table) == [True] * 2 + [False] * 8
    assert table.schema.classes == ("benign", "neptune", "smurf")
    assert f"benign is {word}" in told


def test_two_words_for_benign_are_both_benign_and_told(load):
    table, told = load(["Benign", "Background", "Probing", "Probing"])
    assert benign(table) == [True, True, False, False]
    assert "Background" in told
    assert "Benign" in told


UNSURE = {
    "codes": [3, 3, 3, 3, 0, 0, 1, 2],
    "words": ["ok", "ok", "ok", "dos", "scan"],
    "foreign words": ["безопасный", "атака"],
    "two codes that are not 0 and 1": [1, 2, 2],
    "signs": [1, -1, 1],
    "attacks only": ["dos", "dos", "scan"],
    "a denial": ["abnormal", "attack", "abnormal"],
    "0 beside words": ["0", "dos", "scan"],
    "0 beside a word for benign": ["normal", "0", "dos"],
    "no and other words": ["no", "dos", "scan"],
}


@pytest.mark.parametrize("case", UNSURE)
def test_where_no_value_surely_means_benign_the_file_is_not_read(load, case):
    labels = UNSURE[case]
    with pytest.raises(DataError, match="surely means benign") as caught:
        load(labels)
    message = str(caught.value)
    for value in set(labels):
        n = labels.count(value)
        assert f"'{value}' ({n} rows)" in message
    assert 'benign = "VALUE"' in message
    assert "--set dataset.benign=VALUE" in message


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([3, 3, 0, 1, 2], 3), ([3, 3, 0, 1, 2], "3"), ([0, 1, 2], 0),
        (["ok", "dos", "Ok "], "ok"), (["x.", "y."], "x"), ([1, -1], 1),
        (["none", "dos"], "none"), (["N/A", "dos"], "n/a"), (["-", "dos"], "-"),
        (["null", "dos", "null"], ["null"]), ([None, "dos"], ""), (["", "dos"], ""),
        ([" ", "dos"], ""), ([None, "dos", "none"], ["", "none"]),
        ([True, False], False), ([True, False], "false"), (["True", "False"], False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_any_value_means_benign_when_it_is_named(load, labels, named, kind):
    table, told = load(labels, benign=named, kind=kind)
    each = [str(n).lower() for n in (named if isinstance(named, list) else [named])]
    said = ["" if v is None else str(v).strip().strip(".").lower() for v in labels]
    assert benign(table) == [s in each for s in said]
    assert "guessed: benign" not in told


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 1, 1], [0.0, 1.0], ["0", "1"], ["false", "true"], ["No", "Yes"],
     [False, True], ["0.0", "1.0"]],
)  # fmt: skip
def test_the_negative_of_two_values_is_benign_and_told(load, labels):
    table, told = load(labels)
    assert benign(table) == [True] + [False] * (len(labels) - 1)
    assert "guessed: benign is" in told


def test_a_missing_label_points_at_the_column_of_0_and_1_and_at_benign(load):
    attack_cat = [None, None, "Fuzzers", " Fuzzers ", "Backdoor", "Backdoors"]
    flags = {"Label": [0, 0, 1, 1, 1, 1]}
    with pytest.raises(DataError, match="line 2: found no value") as caught:
        load(flags["Label"], others={"attack_cat": attack_cat})
    assert 'label = "label"' in str(caught.value)
    assert 'benign = ""' in str(caught.value)
    table, told = load(flags["Label"], others={"attack_cat": attack_cat}, benign="")
    assert table.counts() == {"benign": 2, "backdoor": 2, "fuzzers": 2}
    assert "'backdoors' and 'backdoor' are treated as one class" in told


def test_a_word_for_missing_is_quoted_with_the_line_that_would_name_it(load):
    with pytest.raises(DataError, match="line 3: found 'None'.*benign = \"None\""):
        load(["dos", "None", "None", "scan"])


def test_the_line_to_write_names_the_words_for_benign_too(load):
    labels = ["normal.", "dos", "None", "Benign"]
    with pytest.raises(DataError, match="line 4") as caught:
        load(labels)
    line = 'benign = ["normal.", "Benign", "None"]'
    assert line in str(caught.value)
    table, _ = load(labels, **tomllib.loads(line))
    assert benign(table) == [True, False, True, True]
    with pytest.raises(DataError, match=r'= \["dos", "normal.", "Benign", "None"'):
        load(labels, benign="dos")


def test_a_word_for_benign_that_is_not_named_is_pointed_at(load):
    table, told = load(["ok", "normal", "dos"], benign="ok")
    assert benign(table) == [True, False, False]
    assert "normal: treated as attacks, because benign does not list them" in told


def test_another_column_of_0_and_1_is_offered_where_words_do_not_say_benign(load):
    with pytest.raises(DataError, match='surely means benign.*label = "label"'):
        load([0, 1, 1], others={"type": ["tcp", "udp", "icmp"]})


@pytest.mark.slow
def test_a_label_of_very_many_values_is_refused_at_once(load):
    values = ["normal", *(f"attack {k}" for k in range(20_000))]
    with pytest.raises(DataError, match=r"20,001 classes in the label column 'label'"):
        load(values)
    trained, _ = load(["normal", "dos", "scan"])
    with pytest.raises(DataError, match=r"20,000 classes.*expected 200 at most"):
        load(values, like=trained.schema)


def test_with_a_label_named_the_other_label_columns_stand_aside(load):
    others = {"attack_cat": ["x", "y", None, "y"], "Label": [0, 1, 0, 1]}
    table, told = load([0, 1, 0, 1], others=others, label="label")
    assert table.schema.names == ("dur", "bytes")
    assert "attack_cat, Label also reveal the label" in told
    kept, _ = load([0, 1, 0, 1], others={"type": [1, 2, 3, 4]}, label="label",
                   config=None)  # fmt: skip
    assert "type" not in kept.schema.names


@pytest.mark.parametrize("dash", ["-", "\u2013", "\u2014", "\ufffd", "\x96"])
def test_a_dash_in_a_class_name_is_one_dash_in_every_encoding(load, dash):
    table, _ = load(["BENIGN", f"Web Attack {dash} Brute Force"])
    assert table.schema.classes == ("benign", "web attack - brute force")


def test_signs_and_numbers_are_never_taken_for_spellings(load):
    table, _ = load(["normal", "-1", "1", "1.0", "a+", "a-", "dos", "ddos"])
    assert table.schema.classes == ("benign", "-1", "1", "a+", "a-", "ddos", "dos")


def test_spellings_of_one_class_are_one_and_told(load):
    table, told = load(["normal", "Brute_Force", "brute-force", "Brute  Force"])
    assert len(table.schema.classes) == 2
    assert "treated as one class" in told


# later rows


def test_later_rows_mean_by_benign_what_training_meant(load):
    trained, _ = load([3, 3, 0, 1, 2], benign=3)
    later, told = load([0, 0, 3, 1], like=trained.schema)
    assert benign(later) == [False, False, True, False]
    assert "benign is 3 (as in training)" in told
    alone, told = load([0, 0, 0, 1], like=trained.schema)
    assert alone.counts() == {"benign": 0, "0": 3, "1": 1, "2": 0}
    assert "no row is benign" in told


def test_benign_of_later_rows_is_said_as_it_was_known(load):
    trained, _ = load(["normal", "dos"])
    _, told = load(["", "normal", "dos"], like=trained.schema, benign=["", "normal"])
    assert "benign is an empty value, normal (named)" in told


def test_later_rows_may_spell_what_training_knew_in_another_way(load):
    trained, _ = load(["Normal", "Brute Force", "smurf.", "Backdoor"])
    later, told = load(
        ["NORMAL.", "brute_force", "Smurf", "Backdoors", "BENIGN"], like=trained.schema
    )
    assert later.schema.classes == trained.schema.classes
    assert later.attack.to_list() == [
        "benign", "brute force", "smurf", "backdoor", "benign",
    ]  # fmt: skip
    assert "not in training" not in told


def test_an_attack_class_called_benign_in_training_stays_an_attack(load):
    for word, spelled in (("normal", "normal"), ("benign", "Benign")):
        trained, _ = load(["ok", word, "dos"], benign="ok")
        later, _ = load([spelled, "ok", "dos"], like=trained.schema)
        assert benign(later) == [False, True, False]


def test_codes_are_not_taken_for_benign_by_later_rows_either(load):
    trained, _ = load(["normal", "dos", "scan"])
    with pytest.raises(DataError, match="surely means benign"):
        load([0, 1, 2], like=trained.schema)
    two, told = load([0, 1, 1], like=trained.schema)
    assert benign(two) == [True, False, False]
    assert "the model does not know these labels: 1" in told


def test_a_model_that_does_not_say_what_benign_is_called_asks(load):
    trained, _ = load(["normal", "dos", "scan"])
    schema = trained.schema.from_dict(trained.schema.to_dict() | {"benign": []})
    with pytest.raises(DataError, match="surely means benign"):
        load(["ok", "dos"], like=schema)
    named, _ = load(["ok", "dos"], like=schema, benign="ok")
    assert benign(named) == [True, False]
    attacks, _ = load(["dos", "scan", "dos"], like=schema)
    assert not any(benign(attacks))


def test_what_is_named_for_later_rows_need_not_be_there(load):
    trained, _ = load([None, "Fuzzers", "Worms"], benign="")
    later, _ = load(["Fuzzers", "Worms"], like=trained.schema, benign="")
    assert not any(benign(later))
    with pytest.raises(DataError, match="no column 'Lable'"):
        load(["Fuzzers"], like=trained.schema, label="Lable")


def test_a_label_column_may_have_any_name(load):
    for name in ("n", "attack", "count", "Unnamed: 3"):
        given = "" if ":" in name else name  # the fourth column has no name
        table, _ = load([1, 2, 3], others={given: ["normal", "dos", "dos"]}, label=name,
                        drop=["label"])  # fmt: skip
        assert benign(table) == [True, False, False]
