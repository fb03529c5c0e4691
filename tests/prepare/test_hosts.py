"""Hosts are described by the training rows that they took part in, and by no other."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from evenflow.errors import RecipeError
from evenflow.prepare import hosts
from evenflow.prepare.features import Preprocessor
from evenflow.prepare.hosts import Hosts, addressed

X = np.array([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]], dtype=np.float32)
UNKNOWN = [0, 0, 0]


@pytest.fixture
def edges(table_of):
    """Return rows of one number between hosts, that have it twice."""

    def edges(*pairs):
        frame = pl.DataFrame(
            {"n": [float(i) for i in range(len(pairs))]}
            | {"from": [a for a, _ in pairs], "to": [b for _, b in pairs]},
            schema={"n": pl.Float64, "from": pl.String, "to": pl.String},
        )
        return addressed(table_of(frame), ("from", "to"))

    return edges


@pytest.fixture
def three(edges):
    """Return the rows a to b, a to c and c to a."""
    return edges(("a", "b"), ("a", "c"), ("c", "a"))


def test_a_host_is_the_mean_of_its_training_rows_both_ways(three):
    found, _ = Hosts.of(three, X)
    assert found.addresses == ("a", "c", "b")
    assert found.mean.tolist() == [[3, 30], [4, 40], [1, 10]]
    described = found.describe({"from": ["a", "b"], "to": ["c", "a"]})
    assert described.tolist() == [[3, 30, 1, 4, 40, 1], [1, 10, 1, 3, 30, 1]]


def test_a_training_row_is_described_by_the_other_rows_of_its_hosts(three):
    _, described = Hosts.of(three, X)
    assert described.tolist() == [
        [4, 40, 1, *UNKNOWN],  # b has no other row
        [3, 35, 1, 5, 60, 1],
        [3, 20, 1, 2, 15, 1],
    ]


@pytest.mark.parametrize("address", [None, "d", "A", "a" * 256])
def test_a_host_without_training_rows_is_zeros(address, three):
    found, _ = Hosts.of(three, X)
    one = found.describe({"from": [address], "to": ["b"]})
    two = found.describe({"from": [address] * 2, "to": ["b"] * 2})
    assert [*one.tolist(), *one.tolist()] == two.tolist()
    assert one[0].tolist() == [*UNKNOWN, 1, 10, 1]


def test_rows_without_addresses_describe_no_host(edges):
    found, described = Hosts.of(edges((None, "b"), ("", None), (" b ", None)), X)
    assert found.addresses == ("b",)
    assert found.mean.tolist() == [[3, 35]]
    assert described[1].tolist() == [*UNKNOWN, *UNKNOWN]
    none, described = Hosts.of(edges((None, None), (None, None), (None, None)), X)
    assert not described.any()
    assert not none.describe({"from": ["a", None], "to": ["b", "c"]}).any()


def test_copies_of_a_row_do_not_describe_it_between_whichever_hosts(three):
    which = [0, 1, 0, 2, 2, 0]
    rows = three.take(which)
    to = pl.Series([*rows.frame["to"][:5], "d"])
    rows = replace(rows, frame=rows.frame.with_columns(to=to))
    _, described = Hosts.of(rows, X[which])
    expected = [13 / 3, 140 / 3, 1, *UNKNOWN]
    np.testing.assert_allclose(described[[0, 2, 5]], [expected] * 3, rtol=1e-6)


def test_a_row_from_a_host_to_itself_is_one_row_of_it(edges):
    found, described = Hosts.of(edges(("a", "a"), ("a", "b"), ("a", "a")), X)
    assert found.mean[0].tolist() == [3, 30]
    assert described[0].tolist() == [4, 40, 1, 4, 40, 1]


def test_the_hosts_of_most_rows_are_kept_and_others_are_unknown(three, monkeypatch):
    monkeypatch.setattr(hosts, "MAX_NUMBERS", 4)
    found, described = Hosts.of(three, X)
    assert found.addresses == ("a", "c")
    assert described[0].tolist() == [4, 40, 1, *UNKNOWN]


def test_other_names_of_the_same_hosts_change_nothing(three, edges):
    other = edges(("z", "y"), ("z", "x"), ("x", "z"))
    (a, x), (b, y) = Hosts.of(three, X), Hosts.of(other, X)
    assert x.tolist() == y.tolist()
    assert a.mean.tolist() == b.mean.tolist()


def test_prepared_rows_end_with_their_hosts_and_json_keeps_all(three):
    plain = Preprocessor.fit(three)
    made, prepared = plain.with_hosts(three, plain.transform(three))
    layout = made.layout
    assert layout.names == (
        "n", "from: mean n", "from: known", "to: mean n", "to: known",
    )  # fmt: skip
    assert layout.hosts == ((1, 3), (3, 5))
    assert (layout.n_indicators, layout.n_features) == (0, prepared.shape[1])
    assert layout.keeping(["n", "to"]).hosts == ((1, 3),)
    again = Preprocessor.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again.transform(three).tolist() == made.transform(three).tolist()
    assert made.transform(three)[:, :1].tolist() == prepared[:, :1].tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [("form", "no column 'form'; did you mean from"), ("n", "holds Float64, expected")],
)
def test_a_column_without_addresses_is_refused(name, message, three):
    with pytest.raises(RecipeError, match=message):
        addressed(three, (name, "to"))
