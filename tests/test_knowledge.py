"""Every verdict a model can give is told in plain words, with what to do next."""

import re

import pytest

from evenflow import datasets
from evenflow.errors import DataError
from evenflow.knowledge import about, columns, tables
from evenflow.schema import UNKNOWN_ATTACK, Column

SCHEMAS = [s for n in datasets.names() if (s := datasets.get(n).schema) is not None]
LABELS = sorted(
    {UNKNOWN_ATTACK, *(label for s in SCHEMAS for label in (*s.classes, *s.families))}
)


def words(known):
    return [
        known.name, known.phrase, known.meaning, known.false_alarm, *known.steps,
    ]  # fmt: skip


def test_the_data_sets_at_hand_are_the_ones_meant():
    assert {"nsl_kdd", "bot_iot", "unsw_nb15", "cic_ids2017"} <= {
        s.name for s in SCHEMAS
    }
    assert len(LABELS) > 75


@pytest.mark.parametrize("label", [*LABELS, "attack"])
def test_every_class_and_attack_type_is_known(label):
    known = about(label)
    assert known.is_known, f"nothing is known of {label}"
    assert known.label == label
    assert 3 <= len(known.steps) <= 5
    assert len(set(known.steps)) == len(known.steps)
    for text in words(known):
        assert text == text.strip()
        assert "  " not in text
    for sentence in (known.meaning, known.false_alarm, *known.steps):
        assert len(sentence) > 20
        assert sentence[0].isupper()
        assert sentence[-1] in ".?!", sentence
    assert known.meaning != known.name


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_an_attack_type_is_told_apart_from_its_family(schema):
    for attack, family in schema.families.items():
        of_type, of_family = about(family, attack=attack), about(family)
        assert of_type == about(attack)
        if attack != family:
            assert of_type.meaning != of_family.meaning or attack == "portscan"


def test_nothing_is_kept_that_no_data_set_says():
    types = tables.attack_types()
    used = {types[label].base for label in LABELS if label in types}
    assert set(types) <= set(LABELS)
    assert set(tables.classes()) <= {*LABELS, "attack", *used}
    named = {t.id for label in LABELS for t in about(label).techniques}
    assert named == set(tables.techniques())


def test_attack_techniques_have_ids_names_and_pages():
    for technique in {t for label in LABELS for t in about(label).techniques}:
        assert re.fullmatch(r"T1\d{3}", technique.id)
        assert technique.url == f"https://attack.mitre.org/techniques/{technique.id}/"
        assert technique.name
        assert technique.tactic


def techniques(label, *, attack=None):
    return tuple(t.id for t in about(label, attack=attack).techniques)


def test_floods_scans_guesses_and_tunnels_carry_the_ids_of_the_field():
    assert techniques("dos") == ("T1498", "T1499")
    assert "T1046" in techniques("probe")
    assert "T1110" in techniques("r2l")
    assert techniques("r2l", attack="guess_passwd") == ("T1110",)
    assert techniques("u2r") == ("T1068",)
    assert techniques("u2r", attack="httptunnel") == ("T1572",)
    assert techniques("theft", attack="theft_data_exfiltration") == ("T1041", "T1048")
    assert techniques("benign") == ()


def test_normal_traffic_is_not_promised_to_be_harmless():
    known = about("benign")
    assert "does not prove" in known.meaning
    assert "Nothing needs to be done" in known.steps[0]
    assert about("Normal") == known


def test_spelling_does_not_matter():
    assert about("Web Attack – XSS") == about("web_attack_xss")
    assert about(" DoS ") == about("dos")


def test_of_an_unknown_label_nothing_is_made_up():
    known = about("zero_day_7")
    assert not known.is_known
    assert known.techniques == ()
    assert "zero_day_7" in known.phrase
    assert "no more information" in known.meaning
    assert 3 <= len(known.steps) <= 5
    assert about("dos", attack="zero_day_7") == about("dos")


GOOD = """
[attack]
name = "Attack"
phrase = "an attack"
meaning = "Something is wrong."
steps = ["Look."]
false_alarm = "None."
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[attack", "classes.toml is not TOML: Expected"),
        (f'{GOOD}step = "Look."', "classes.toml: attack.step is 'Look.': Extra"),
        (GOOD.replace('name = "Attack"', "name = 7"), "attack.name is 7: .* string"),
        (GOOD.replace('"None."', '" None."'), "attack.false_alarm is ' None.'"),
        (GOOD.replace("attack]", '"Web attack"]'), "Web attack"),
        (f'{GOOD}techniques = ["T1999"]', "T1999, expected one of techniques.toml"),
        (f'{GOOD}base = "scan"', "base of .attack. is 'scan', expected a class"),
        (GOOD.replace('false_alarm = "None."', ""), "neither false_alarm nor a base"),
        (
            f'{GOOD}[a]\nbase = "attack"\nname = "A"\nphrase = "a"\nmeaning = "A."\n'
            '[b]\nbase = "a"\nname = "B"\nphrase = "b"\nmeaning = "B."',
            "base of .b. is 'a', which has a base itself",
        ),
    ],
)
def test_a_damaged_file_of_classes_is_refused_with_the_place(monkeypatch, text, told):
    tables.techniques()  # those stay as they are
    monkeypatch.setattr(tables, "_text", lambda _: text)
    with pytest.raises(DataError, match=told):
        tables.classes.__wrapped__()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_every_column_has_a_label_that_stands_alone_with_its_name(schema):
    found = columns.titles(schema.columns)
    key = columns.family(schema.names)
    assert key is not None, "the labels of its columns stand in columns.toml"
    for column in schema.columns:
        label = columns.labels(schema.columns)[column.name]
        assert found[column.name] == f"{label} ({column.name})"
        assert label[0].isupper() or label[0] == "'"
        assert not re.match(r"(Of|The same|To|From) ", label), label
    assert len(set(found.values())) == len(schema.columns)


def test_columns_of_ones_own_are_called_by_description_or_name():
    own = (
        Column(name="count"),
        Column(name="dur", description="duration of the visit; in seconds"),
        Column(name="fwdPkts"),
    )
    assert columns.family([c.name for c in own]) is None
    assert columns.titles(own) == {
        "count": "count",
        "dur": "Duration of the visit (dur)",
        "fwdPkts": "Forward packets (fwdPkts)",
    }
