"""Evidence within groups of benign rows: Mondrian conformal p-values."""

import dataclasses

import numpy as np
import pytest

from evenflow.errors import DataError, RecipeError
from evenflow.learn.export import to_onnx
from evenflow.learn.fitting import Rows
from evenflow.learn.graphs import Graph
from evenflow.learn.systems import fusion
from evenflow.learn.systems._groups import Groups
from evenflow.learn.systems.fusion import Member
from evenflow.recipe import Recipe

TREES = {"trees": {"name": "extra_trees", "n_estimators": 10, "n_jobs": 1}}
BY = ("protocol", "service")


N_FEATURES = 9


class Given:
    """A model whose log odds are the first feature."""

    n_features = N_FEATURES
    n_classes = 2

    def log_proba(self, X):
        return np.stack([np.zeros(len(X)), X[:, 0]], axis=1)

    def graph(self):
        graph = Graph()
        pick = np.zeros((N_FEATURES, 2), dtype=np.float32)
        pick[0, 1] = 1
        graph.node("MatMul", ["x", graph.constant("pick", pick)], "log_proba")
        return graph.model(N_FEATURES, 2)


NAMES = (
    "score", "other", "protocol=tcp", "protocol=udp", "protocol=<unseen>",
    "service=dns", "service=http", "service=ntp", "service=<unseen>",
)  # fmt: skip
TCP, UDP, UNSEEN = 2, 3, 4
DNS, HTTP, NTP, NO_SERVICE = 5, 6, 7, 8


@pytest.fixture(scope="module")
def hosts(layout):
    """Return the layout of a score, a number, a protocol and a service."""
    return dataclasses.replace(
        layout.keeping(layout.groups),
        names=NAMES,
        n_numeric=2,
        blocks=((2, 5), (5, 9)),
        groups={
            "score": np.array([0]),
            "other": np.array([1]),
            "protocol": np.arange(2, 5),
            "service": np.arange(5, 9),
        },
    )


def made(scores, protocol, service):
    X = np.zeros((len(scores), N_FEATURES), dtype=np.float32)
    X[:, 0] = scores
    X[:, protocol] = 1
    X[:, service] = 1
    return X


def benign(layout, *parts):
    X = np.concatenate(parts)
    y = np.zeros(len(X), dtype=np.int64)
    return Rows(X=X, y=y, classes=("benign", "attack"), layout=layout)


@pytest.fixture(scope="module")
def traffic(hosts):
    """Benign rows: http scores low, dns high; few of ntp."""
    rng = np.random.default_rng(5)
    return benign(
        hosts,
        made(rng.normal(-4, 1, 600), TCP, HTTP),
        made(rng.normal(2, 1, 60), UDP, DNS),
        made(rng.normal(0, 1, 10), UDP, NTP),
    )


def test_a_row_belongs_to_the_finest_group_that_has_enough_rows(traffic):
    groups = Groups.of(BY, 50, traffic)
    assert groups.paths == ((), (TCP,), (UDP,), (TCP, HTTP), (UDP, DNS))
    for protocol, service, path in (
        (TCP, HTTP, (TCP, HTTP)),
        (UDP, DNS, (UDP, DNS)),
        (UDP, NTP, (UDP,)),  # 10 rows only
        (TCP, DNS, (TCP,)),  # none
        (UDP, NO_SERVICE, (UDP,)),
        (UNSEEN, HTTP, ()),
        (UNSEEN, NO_SERVICE, ()),
    ):
        (code,) = groups.codes(made([0.0], protocol, service))
        assert groups.paths[code] == path
    assert "udp and service=dns with 60" in groups.note
    assert Groups.of(BY, 65, traffic).paths == ((), (TCP,), (UDP,), (TCP, HTTP))
    few = Groups.of(BY, 1000, traffic)
    assert few.paths == ((),)
    assert few.note.startswith("no groups by protocol, service hold 1,000")


def test_the_unseen_bucket_is_no_group_however_many_rows_it_has(hosts):
    rows = benign(hosts, made(np.zeros(500), UDP, NO_SERVICE))
    assert Groups.of(BY, 50, rows).paths == ((), (UDP,))


def test_a_group_of_few_rows_is_compared_with_the_rows_of_the_next_coarser_group(
    traffic,
):
    grouped = Member.of(Given(), traffic.X, Groups.of(BY, 50, traffic))
    is_udp = traffic.X[:, UDP] == 1
    for protocol, service, among in (
        (UDP, NTP, is_udp),
        (UDP, DNS, traffic.X[:, DNS] == 1),
        (UNSEEN, NTP, np.ones(len(traffic), dtype=bool)),
    ):
        X = made(np.linspace(-8, 8, 50), protocol, service)
        alone = Member.of(Given(), traffic.X[among])
        np.testing.assert_array_equal(grouped.of_rows(X), alone.of_rows(X))


def test_p_values_within_each_group_are_uniform_for_exchangeable_rows(hosts):
    rng = np.random.default_rng(11)
    where = [(TCP, HTTP, -3, 2), (UDP, DNS, 1, 0.5), (UDP, NTP, 4, 1)]
    levels = np.array([0.02, 0.1, 0.3, 0.6])
    found = np.zeros((len(where), len(levels)))
    n_repeats, n = 40, 240
    for _ in range(n_repeats):
        draws = [
            [made(rng.normal(mean, sd, n), protocol, service) for _ in range(2)]
            for protocol, service, mean, sd in where
        ]
        rows = benign(hosts, *(drawn for drawn, _ in draws))
        member = Member.of(Given(), rows.X, Groups.of(BY, 230, rows))
        for k, (_, new) in enumerate(draws):
            p = np.exp(-member.of_rows(new))
            found[k] += (p[:, None] <= levels + 1e-9).mean(axis=0) / n_repeats
    # 40 means of rates whose calibration rows vary: three standard errors
    error = 3 * np.sqrt(levels * (1 - levels) * 2 / n / n_repeats)
    assert (found <= levels + error).all()
    # the interpolation may only lower evidence: less often small, never much less
    assert (found >= 0.7 * levels - error).all()


def test_each_group_keeps_the_budget_where_one_threshold_for_all_does_not(
    hosts, traffic, rows
):
    rng = np.random.default_rng(6)
    new = {
        "http": made(rng.normal(-4, 1, 4000), TCP, HTTP),
        "dns": made(rng.normal(2, 1, 4000), UDP, DNS),
    }
    budget = 0.05
    alarms = {}
    for by in ((), BY):
        config = fusion.Config(members=TREES, groups=by, min_group_rows=50)
        task = dataclasses.replace(
            rows.binary().task(n_classes=2),
            valid=traffic,
            part=lambda *_args, **_how: Given(),
        )
        fitted = fusion.fit(config, task)
        threshold = np.quantile(fitted.evidence(traffic.X), 1 - budget, method="higher")
        alarms[by] = {
            name: (fitted.evidence(X) > threshold).mean() for name, X in new.items()
        }
    assert alarms[()]["dns"] > 0.4
    assert alarms[BY]["dns"] < 2 * budget  # 60 rows of it set the p-values
    assert alarms[BY]["http"] < 1.5 * budget


@pytest.mark.parametrize("groups", [("protocol",), BY])
def test_the_graph_holds_the_groups(groups, traffic, served):
    member = Member.of(Given(), traffic.X, Groups.of(groups, 50, traffic))
    fitted = fusion.Fusion(members={"one": member}, rule="mean")
    rng = np.random.default_rng(1)
    kinds = [(p, s) for p in (TCP, UDP, UNSEEN) for s in range(DNS, N_FEATURES)]
    ties = np.concatenate([traffic.X[:40, 0], rng.choice(traffic.X[:, 0], 40)])
    X = np.concatenate(
        [
            *(made(np.concatenate([ties, rng.normal(0, 4, 40)]), *k) for k in kinds),
            rng.normal(size=(300, N_FEATURES)),  # rows of no or of many groups
        ]
    ).astype(np.float32)
    for part in (X, X[:1]):
        expected = np.exp(fitted.log_proba(part))
        np.testing.assert_allclose(served(fitted, part), expected, rtol=2e-5)


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_a_fusion_with_groups_leaves_as_one_graph_and_is_served_as_judged(
    rule, rows, layout, served
):
    novelty = {"name": "isolation_forest", "n_estimators": 20, "n_jobs": 1}
    config = {"members": TREES | {"novelty": novelty}, "rule": rule}
    config |= {"groups": BY, "min_group_rows": 20}
    fitted = rows.fit("fusion", config=config, layout=layout)
    assert len(fitted.members["trees"].evidence) > 3
    assert any("hold 20 benign" in note for note in fitted.notes)
    expected = np.exp(fitted.log_proba(rows.X_valid))
    np.testing.assert_allclose(served(fitted, rows.X_valid), expected, atol=1e-5)
    assert to_onnx(fitted)


def test_columns_that_hold_no_categories_are_refused(rows, layout, hosts):
    number = next(n for n, where in layout.groups.items() if where[0] == 0)
    config = {"members": TREES}
    for name, said in (
        (number, "a column of numbers; expected columns of categories: protocol"),
        ("servise", "did you mean service"),
    ):
        with pytest.raises(RecipeError, match=said):
            rows.fit(
                "fusion", config={"members": TREES, "groups": (name,)}, layout=layout
            )
    with pytest.raises(DataError, match="without a layout"):
        rows.fit("fusion", config=config | {"groups": ("service",)})
    for wrong, said in (
        ({"groups": ("service", "service")}, "each column once"),
        ({"min_group_rows": 1}, "expected 2 or more"),
    ):
        with pytest.raises(RecipeError, match=said):
            fusion.Config(**wrong)


def test_groups_that_are_not_used_leave_no_trace_in_a_recipe():
    model = {"name": "fusion", "members": TREES}
    plain = Recipe.from_dict({"dataset": "nsl_kdd", "model": model, "target": "binary"})
    assert not {"groups", "min_group_rows"} & plain.model.params.keys()
    spelt_out = plain.with_(model__groups=[], model__min_group_rows=230)
    assert spelt_out.sha256 == plain.sha256
    grouped = plain.with_(model__groups=["protocol_type"])
    assert grouped.model.params["groups"] == ["protocol_type"]
    assert Recipe.from_dict(grouped.to_dict()).sha256 == grouped.sha256 != plain.sha256
