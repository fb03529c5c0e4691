"""Families, single attack types, or attack or not."""

from dataclasses import replace

import pytest

from evenflow.errors import DataError
from evenflow.prepare.target import label, target_schema


def test_binary_knows_two_classes_and_keeps_attack_types(small_table):
    schema = target_schema(small_table.schema, "binary", [])
    rows = label(small_table, schema)
    assert schema.classes == ("benign", "attack")
    assert "binary" in schema.taxonomy
    assert ((rows.y == 0) == (small_table.y == 0)).all()
    assert rows.attack.equals(small_table.attack)


def test_attack_has_a_class_for_each_type_those_of_training_first(small_table):
    schema = target_schema(
        small_table.schema, "attack", ["smurf", "benign", "neptune", "new", "smurf"]
    )
    assert schema.classes == ("benign", "smurf", "neptune", "new")


def test_each_row_gets_the_code_of_its_type(small_table):
    types = small_table.attack.unique().to_list()
    rows = label(small_table, target_schema(small_table.schema, "attack", types))
    named = [rows.schema.classes[code] for code in rows.y]
    assert named == small_table.attack.to_list()


def test_family_changes_nothing(small_table):
    schema = target_schema(small_table.schema, "family", [])
    assert schema is small_table.schema
    assert (label(small_table, schema).y == small_table.y).all()


def with_wormhole(table):
    return replace(table, attack=table.attack.replace("perl", "wormhole"))


def test_an_attack_type_nobody_knows_gets_a_class_of_its_own_at_the_end(small_table):
    odd = with_wormhole(small_table)
    rows = label(odd, small_table.schema)
    assert rows.schema.classes == (*small_table.schema.classes, "wormhole")
    is_odd = (odd.attack == "wormhole").to_numpy()
    assert (rows.y[is_odd] == len(small_table.schema.classes)).all()
    assert (rows.y[~is_odd] == small_table.y[~is_odd]).all()


def test_an_unknown_attack_type_goes_to_the_family_its_own_data_names(small_table):
    families = {"wormhole": "u2r"} | small_table.schema.families
    own = replace(small_table.schema, families=families)
    rows = label(replace(with_wormhole(small_table), schema=own), small_table.schema)
    assert rows.schema.classes == small_table.schema.classes
    assert (rows.y == small_table.y).all()


def test_an_unknown_attack_type_is_an_attack_where_nothing_else_is_told(small_table):
    schema = target_schema(small_table.schema, "binary", [])
    rows = label(with_wormhole(small_table), schema)
    assert rows.schema.classes == ("benign", "attack")
    assert ((rows.y > 0) == (small_table.y > 0)).all()


def test_rows_without_labels_are_refused(small_table):
    with pytest.raises(DataError, match="no labels"):
        label(replace(small_table, y=None, attack=None), small_table.schema)
