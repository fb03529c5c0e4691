"""Contracts: the same rows however the connections are cut, and as defined."""

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import evenflow
from evenflow import registry
from evenflow.conform import conform as conform_rows
from evenflow.errors import DataError
from evenflow.schema import Schema
from evenflow.traffic.columns import conform
from evenflow.traffic.contracts import CONTRACTS, contract, flow, for_columns
from evenflow.traffic.contracts.bot_iot import BOT_IOT
from evenflow.traffic.contracts.flow import FLOW
from evenflow.traffic.contracts.netflow_v2 import NETFLOW_V2
from evenflow.traffic.contracts.nsl_kdd import LIVE, LOGINS, NSL_KDD_LIVE
from evenflow.traffic.memory import Clock, GoingOn
from evenflow.traffic.sources import recognised
from evenflow.traffic.windows import in_order

HOSTS = [f"192.0.2.{i}" for i in range(4)] + ["2001:db8::1"]
STATES = [
    "SF", "S0", "S1", "S2", "S3", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR",
    "OTH",
]  # fmt: skip
SECOND = 10**9


def made(n, seed, *, rate=100.0, hosts=HOSTS, going_on=0.2):
    """Return connections that were drawn at random."""
    rng = np.random.default_rng(seed)
    known = np.cumsum(rng.exponential(SECOND / rate, n)).astype(np.int64)
    packets = rng.integers(1, 9, (2, n))
    sides = {}
    for side, count in zip(("orig", "resp"), packets, strict=True):
        sides |= {f"{side}_pkts": count, f"{side}_bytes": rng.integers(0, 2000, n)}
        sides |= {f"{side}_ip_bytes": count * 60}
        for name in ("data_pkts", "push_pkts", "resent_pkts", "size_min", "size_max"):
            sides[f"{side}_{name}"] = np.minimum(rng.integers(0, 3, n), count)
        sides[f"{side}_gap_max"] = rng.integers(0, SECOND, n)
        for name in ("size_std", "gap_std"):
            sides[f"{side}_{name}"] = rng.random(n)
    return conform(
        pl.DataFrame(
            {
                "ts": known,
                "uid": rng.choice([f"C{i}" for i in range(max(n // 2, 1))], n),
                "id.orig_h": rng.choice(hosts, n),
                "id.orig_p": rng.integers(1024, 1027, n),
                "id.resp_h": rng.choice(hosts, n),
                "id.resp_p": rng.choice([80, 443, 161, 8081, 60000], n),
                "proto": rng.choice(["tcp", "udp", "icmp"], n, p=[0.8, 0.1, 0.1]),
                "service": rng.choice(["http", "ssl", "dns"], n),
                "duration": rng.integers(0, 3 * SECOND, n),
                "conn_state": rng.choice(STATES, n),
                "history": rng.choice(["S", "ShADadFf", "Sr", "D"], n),
                "ip_proto": rng.choice([6, 17, 1], n),
                "missed_bytes": 0,
                "last_packet": known,
                "known": known,
                "is_over": rng.random(n) > going_on,
                "urgent": rng.integers(0, 2, n),
                "wrong_fragments": rng.integers(0, 2, n),
                **sides,
            }
        )
    )


def rows_of(frame, name, sizes, *, resume=False):
    """Return a contract's rows of connections in batches of those sizes."""
    started, parts, at = contract(name).start(), [], 0
    for size in [*sizes, frame.height]:
        parts.append(started.add(frame[at : at + size]))
        at += size
        if resume:
            started = contract(name).start(state=started.state())
        if at >= frame.height:
            return pl.concat(parts)
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rate=st.sampled_from([0.01, 5.0, 300.0, 1e5]),
    sizes=st.lists(st.integers(0, 300), max_size=8),
    resume=st.booleans(),
)
def test_rows_are_the_same_in_one_batch_and_in_many(name, seed, rate, sizes, resume):
    frame = made(900, seed, rate=rate)
    assert_frame_equal(
        rows_of(frame, name, sizes, resume=resume), rows_of(frame, name, [])
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTS)
def test_rows_are_the_same_one_by_one(name):
    frame = made(260, 3, rate=60)
    assert_frame_equal(rows_of(frame, name, [1] * 259), rows_of(frame, name, []))


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_row_has_the_contract_s_columns_and_types_in_any_batch(name):
    whole = rows_of(made(50, 1), name, [])
    assert tuple(whole.columns) == contract(name).columns
    none = contract(name).start().add(made(50, 1)[:0])
    assert none.schema == whole.schema
    lacking = [c for c in whole.columns if c not in contract(name).had]
    assert all(whole[c].null_count() == whole.height for c in lacking)
    sure = [c for c in contract(name).had if name != "nsl_kdd" or c not in LOGINS]
    assert not whole.select(sure).null_count().sum_horizontal().item()


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_source_that_lacks_a_column_is_refused_with_the_reason(name):
    frame = made(5, 1)
    for column, what_for in contract(name).needs.items():
        with pytest.raises(DataError) as error:
            contract(name).start(source="conn.log").add(frame.drop(column))
        text = str(error.value)
        assert f"conn.log: column {column} is unknown in " in text
        assert "of 5 connections, first in number " in text
        assert name in text
        assert what_for in text


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_state_that_was_not_saved_by_the_contract_is_refused(name):
    started = contract(name).start()
    started.add(made(20, 1))
    state = started.state()
    for array in state.values():
        assert array.dtype.kind in "iU"  # no pickle
    with pytest.raises(DataError, match="another|expected"):
        contract(name).start(state={**state, "contract": np.array(["other"])})
    for key in set(state) - {"contract"}:
        for damaged in ({k: v for k, v in state.items() if k != key},
                        {**state, key: np.zeros((2, 2))}):  # fmt: skip
            with pytest.raises(DataError, match=r"expected what evenflow saved"):
                contract(name).start(state=damaged)
    if "past.number" in state:
        for key, worse in (
            ("past.number", state["past.number"][::-1]),
            ("past.time", state["past.time"][1:]),
            ("hosts", state["hosts"][:1]),
        ):
            with pytest.raises(DataError, match=r"expected"):
                contract(name).start(state={**state, key: worse})


def kdd_windows(frame, basic):
    """Return the window columns, a row at a time."""
    hosts, ports = frame["id.resp_h"].to_list(), frame["id.orig_p"].to_list()
    services, flags = basic["service"].to_list(), basic["flag"].to_list()
    known = frame["known"].to_list()
    syn, rejected = {"S0", "S1", "S2", "S3", "SH"}, {"REJ", "RSTO", "RSTR", "RSTOS0"}

    def share(part, of):
        return round(100 * part / len(of)) / 100  # 1/8 is 0.12 in the data set

    def different(values):
        return len(set(values)) if len(set(values)) > 1 else 0

    found = []
    for i in range(len(hosts)):
        row = {}
        two = [j for j in range(max(0, i - 510), i + 1)
               if known[i] - known[j] <= 2 * SECOND]  # fmt: skip
        for pre, rows in (("", two), ("dst_host_", range(max(0, i - 254), i + 1))):
            h = [j for j in rows if hosts[j] == hosts[i]]
            s = [j for j in rows if services[j] == services[i]]
            srv = "srv_" if not pre else "dst_host_srv_"
            row |= {
                f"{pre}count": len(h),
                f"{srv}count": len(s),
                f"{pre}serror_rate": share(sum(flags[j] in syn for j in h), h),
                f"{srv}serror_rate": share(sum(flags[j] in syn for j in s), s),
                f"{pre}rerror_rate": share(sum(flags[j] in rejected for j in h), h),
                f"{srv}rerror_rate": share(sum(flags[j] in rejected for j in s), s),
                f"{pre}same_srv_rate": share(len(set(h) & set(s)), h),
                f"{pre}diff_srv_rate": share(different([services[j] for j in h]), h),
                f"{srv}diff_host_rate": share(different([hosts[j] for j in s]), s),
            }
        same = [j for j in h if ports[j] == ports[i]]
        row["dst_host_same_src_port_rate"] = share(len(same), h)
        found.append(row)
    return pl.DataFrame(found)


@pytest.mark.parametrize(
    ("rate", "hosts"), [(400, HOSTS), (40, HOSTS), (400, HOSTS[:1])]
)
def test_nsl_kdd_s_windows_are_as_defined(rate, hosts):
    frame = made(1200, 5, rate=rate, hosts=hosts, going_on=0)
    found = rows_of(frame, "nsl_kdd_live", [500, 13])
    expected = kdd_windows(frame, found)
    assert_frame_equal(found.select(expected.columns), expected)
    assert found["dst_host_count"].max() <= 255
    if len(hosts) == 1:
        assert found["count"].max() == 511
        assert found["dst_host_count"].max() == 255


def test_nsl_kdd_s_columns_are_those_of_the_data_set():
    schema = registry.load("datasets", "nsl_kdd").schema
    assert contract("nsl_kdd").columns == schema.names
    assert contract("nsl_kdd_live").columns == tuple(
        n for n in schema.names if n in LIVE
    )
    assert len(LIVE) == 28
    frame = rows_of(made(2000, 2), "nsl_kdd_live", [])
    for column in schema.columns:
        if column.name in LIVE and column.kind == "category":
            assert set(frame[column.name].unique()) <= set(column.choices)
        elif column.name in LIVE and column.high is not None:
            assert frame[column.name].is_between(0, column.high).all()


@pytest.mark.data
def test_nsl_kdd_s_windows_are_those_that_its_rows_show(data_folders):
    """Both windows hold the last connections of the whole network."""
    for split in ("train", "test"):
        rows = evenflow.load_dataset("nsl_kdd", split, folders=data_folders).frame
        for pre, srv, most in (
            ("", "srv_", 511), ("dst_host_", "dst_host_srv_", 255),
        ):  # fmt: skip
            n = pl.col(f"{pre}count")
            same = (pl.col(f"{pre}same_srv_rate") + 0.005) * n
            together = rows.select(n + pl.col(f"{srv}count") - same).to_series()
            assert together.max() < most
            # "different" counts values, the own one too, and 0 where there is one
            k = (pl.col(f"{pre}diff_srv_rate") * n).round()
            few = rows.filter(n <= 50).select(k).to_series()
            assert few.eq(1).mean() < 0.001
        one = rows.filter(pl.col("count") == 1)
        for name, flags in (
            ("serror_rate", ("S0", "S1", "S2", "S3", "SH")),
            ("rerror_rate", ("REJ", "RSTO", "RSTR", "RSTOS0")),
        ):
            assert (one[name] == one["flag"].is_in(flags)).all()


def flag_and_service(**values):
    frame = made(1, 0).with_columns(
        **{name.replace("__", "."): pl.lit(value) for name, value in values.items()}
    )
    return NSL_KDD_LIVE.start().add(frame).row(0, named=True)


@pytest.mark.parametrize(
    ("proto", "port", "service", "expected"),
    [
        ("tcp", 80, None, "http"),
        ("tcp", 8081, "http", "http"),
        ("tcp", 8081, "ssl,http", "http"),
        ("tcp", 8081, None, "other"),
        ("tcp", 22, "ssh", "ssh"),
        ("tcp", 443, "ssl", "http_443"),
        ("tcp", 53, "dns", "domain"),
        ("udp", 53, "dns", "domain_u"),
        ("udp", 161, None, "private"),
        ("udp", 40000, None, "other"),
        ("udp", 80, None, "private"),
        ("sctp", 80, None, "other"),
    ],
)
def test_the_service_is_kdd_s_name(proto, port, service, expected):
    row = flag_and_service(proto=proto, id__resp_p=port, service=service)
    assert row["service"] == expected


@pytest.mark.parametrize(
    ("host", "kind", "code", "expected"),
    [
        ("192.0.2.1", 8, 0, "eco_i"), ("192.0.2.1", 0, 8, "ecr_i"),
        ("192.0.2.1", 3, 3, "urp_i"), ("192.0.2.1", 3, 1, "urh_i"),
        ("192.0.2.1", 5, 0, "red_i"), ("192.0.2.1", 11, 0, "tim_i"),
        ("192.0.2.1", 13, 14, "other"),
        ("2001:db8::1", 128, 129, "eco_i"), ("2001:db8::1", 1, 4, "urp_i"),
        ("2001:db8::1", 1, 0, "urh_i"), ("2001:db8::1", 8, 0, "other"),
    ],
)  # fmt: skip
def test_icmp_s_service_is_its_type(host, kind, code, expected):
    row = flag_and_service(
        proto="icmp", id__orig_h=host, id__orig_p=kind, id__resp_p=code
    )
    assert (row["service"], row["flag"], row["land"]) == (expected, "SF", 0)


def test_connections_that_lack_a_value_or_are_of_another_protocol_have_no_row():
    notes = []
    frame = made(40, 0).with_columns(proto=pl.lit("tcp"), conn_state=pl.lit("SF"))
    changes = {3: ("conn_state", None), 5: ("proto", "unknown_transport")}
    changes |= {9: ("conn_state", None), 11: ("id.resp_p", None)}
    for row, (name, value) in changes.items():
        is_row = pl.int_range(pl.len()) == row
        frame = frame.with_columns(
            pl.when(is_row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        )
    rows = NSL_KDD_LIVE.start(source="a log")
    fitting, which = rows.fitting(frame, notes.append)
    assert which.tolist() == [n for n in range(40) if n not in changes]
    assert rows.add(fitting).height == 36
    assert rows.notes() == [
        "connections of a log that are of other protocols than tcp, udp, icmp get no "
        "verdict: 1",
        "connections of a log that have no id.resp_p get no verdict: 1",
        "connections of a log that have no conn_state get no verdict: 2",
    ]
    assert len(notes) == 3
    rows.fitting(frame, notes.append)
    assert len(notes) == 3, "each reason is a note once"


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_contract_describes_a_protocol_without_ports_or_types(name):
    frame = made(4, 0).with_columns(proto=pl.lit("unknown_transport"), ip_proto=132)
    assert CONTRACTS[name].start().fitting(frame)[0].is_empty()


def test_the_flag_is_zeek_s_state_in_kdd_s_words():
    of = {s: flag_and_service(proto="tcp", conn_state=s)["flag"] for s in STATES}
    assert of == {**{s: s for s in STATES}, "RSTRH": "RSTR", "SHR": "SH"}
    assert flag_and_service(proto="udp", conn_state="S0")["flag"] == "SF"


def test_basic_columns_are_whole_seconds_payload_and_packets():
    row = flag_and_service(
        proto="tcp", duration=2_999_999_999, orig_bytes=7, resp_bytes=9, urgent=2,
        wrong_fragments=3, id__orig_h="192.0.2.1", id__resp_h="192.0.2.1",
        id__orig_p=80, id__resp_p=80,
    )  # fmt: skip
    assert [row[n] for n in LIVE[:9] if n not in {"service", "flag"}] == [
        2, "tcp", 7, 9, 1, 3, 2
    ]  # fmt: skip
    unknown = flag_and_service(proto="tcp", urgent=None, wrong_fragments=None)
    assert unknown["urgent"] is unknown["wrong_fragment"] is None  # and not 0


@pytest.mark.parametrize(
    ("proto", "host", "ip_bytes", "expected"),
    [("udp", "192.0.2.1", 100, 72), ("udp", "2001:db8::1", 100, 52),
     ("icmp", "192.0.2.1", 84, 56), ("tcp", "192.0.2.1", 60, 0)],
)  # fmt: skip
def test_payload_that_zeek_leaves_out_follows_from_the_headers(
    proto, host, ip_bytes, expected
):
    row = flag_and_service(
        proto=proto, id__orig_h=host, duration=None, orig_bytes=None, resp_bytes=None,
        orig_pkts=1, orig_ip_bytes=ip_bytes, resp_pkts=0, resp_ip_bytes=0,
    )  # fmt: skip
    assert (row["src_bytes"], row["dst_bytes"], row["duration"]) == (expected, 0, 0)


def test_ftp_s_data_comes_from_port_20():
    row = flag_and_service(proto="tcp", id__orig_p=20, id__resp_p=40000)
    assert row["service"] == "ftp_data"


def test_a_connection_that_goes_on_enters_the_windows_once():
    rows = [("a", False), ("b", True), ("a", False), ("a", True), ("a", True)]
    frame = pl.concat([made(1, 0)] * len(rows)).with_columns(
        uid=pl.Series([uid for uid, _ in rows]),
        is_over=pl.Series([over for _, over in rows]),
    )
    found = NSL_KDD_LIVE.start().add(frame)
    # the last is another connection: the uid's first one is over
    assert found["count"].to_list() == [1, 2, 2, 2, 3]


def test_connections_that_go_on_are_forgotten_oldest_first():
    going_on = GoingOn(most=2)
    uid, over = pl.Series(["a", "b", "c", "b", "a"]), pl.Series([False] * 5)
    assert going_on.first(uid, over).tolist() == [True, True, True, False, True]
    assert going_on.n_forgotten == 2
    assert list(going_on.uids) == ["c", "a"]


@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_a_clock_never_runs_backwards_and_survives_a_jump(cut):
    ns = np.array([5, 3, 6, 10 * 3600, 7, 9, 8, 20]) * SECOND
    clock = Clock()
    found = np.concatenate([clock.read(ns[:cut]), clock.read(ns[cut:])]) // SECOND
    day = 10 * 3600
    assert found.tolist() == [5, 5, 6, day, day, day + 2, day + 2, day + 13]


def test_the_columns_of_a_model_name_their_contract():
    assert for_columns(["count", "flag"]).name == "nsl_kdd_live"
    for name, each in CONTRACTS.items():
        assert set(each.had) <= set(for_columns(each.had).had), name


def test_columns_that_cannot_be_had_are_refused_with_the_reason():
    with pytest.raises(DataError, match=r"hot: it is in what was typed.*nsl_kdd_live"):
        for_columns(["count", "hot"])
    with pytest.raises(DataError, match=r"nonsense: no contract has it"):
        for_columns(["count", "nonsense"])
    with pytest.raises(DataError, match=r"no contract 'nsl_kdd_life'.*nsl_kdd_live"):
        contract("nsl_kdd_life")


def test_contracts_have_names_of_their_own():
    assert all(each.name == name for name, each in CONTRACTS.items())
    for each in CONTRACTS.values():
        assert max(Counter(each.columns).values()) == 1


def flow_windows(frame):
    """Return the window columns of our own contract, a row at a time."""
    rows = frame.to_dicts()
    failed_states = {"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"}
    entries, seen, found = [], set(), []
    for row in rows:
        if row["uid"] not in seen:
            entries.append(row)
        seen.discard(row["uid"]) if row["is_over"] else seen.add(row["uid"])
        new = {}
        port = ("proto", "id.resp_p")
        for key, same, other in (
            ("src", ["id.orig_h"], "id.resp_h"), ("dst", ["id.resp_h"], "id.orig_h"),
            ("pair", ["id.orig_h", "id.resp_h"], "id.orig_h"),
            ("src_port", ["id.orig_h", *port], "id.resp_h"),
            ("dst_port", ["id.resp_h", *port], "id.orig_h"),
        ):  # fmt: skip
            mine = [e for e in entries if all(e[n] == row[n] for n in same)]
            for length, ns, most in (("2s", 2, 512), ("100", 3600, 100)):
                young = [e for e in mine if row["known"] - e["known"] <= ns * SECOND]
                w = young[-most:]
                failed = [
                    e["conn_state"] in failed_states or e["resp_pkts"] == 0 for e in w
                ]
                new |= {
                    f"{key}_{length}_connections": len(w),
                    f"{key}_{length}_hosts": len({e[other] for e in w}),
                    f"{key}_{length}_ports": len(
                        {tuple(e[n] for n in port) for e in w}
                    ),
                    f"{key}_{length}_sizes": len({e["orig_bytes"] for e in w}),
                    f"{key}_{length}_span_s": (
                        (row["known"] - w[0]["known"]) / 1e9 if w else 0.0
                    ),
                }
                for name, values in (
                    ("failed_share", failed),
                    ("open_share", [not e["is_over"] for e in w]),
                    ("fwd_mean_bytes", [e["orig_bytes"] for e in w]),
                    ("bwd_mean_bytes", [e["resp_bytes"] for e in w]),
                ):
                    mean = sum(values) / len(values) if values else 0.0
                    new[f"{key}_{length}_{name}"] = mean
        found.append(new)
    return pl.DataFrame(found)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.02, 30, 3000])
def test_flow_s_windows_are_as_defined(rate):
    frame = made(700, 8, rate=rate)
    found = rows_of(frame, "flow", [400, 7])
    expected = flow_windows(frame)
    names = [n for n in expected.columns if n in FLOW.columns]
    assert len(names) == 30
    assert_frame_equal(found.select(names), expected.select(names))


@pytest.mark.parametrize("rate", [0.3, 30, 2000])
def test_flow_s_rows_are_the_same_when_it_forgets_what_no_window_holds(
    rate, monkeypatch
):
    frame = made(2500, 4, rate=rate)
    expected = FLOW.start().add(frame)
    monkeypatch.setattr(flow, "LEAST_ROOM", 10)
    started = FLOW.start()
    parts = [started.add(frame[i : i + 61]) for i in range(0, 2500, 61)]
    assert_frame_equal(pl.concat(parts), expected)
    assert len(started.rows.memory.past) < 2500
    assert started.n_forgotten == 0


def test_flow_forgets_the_oldest_and_counts_them(monkeypatch):
    monkeypatch.setattr(flow, "MOST_ENTRIES", 200)
    monkeypatch.setattr(flow, "LEAST_ROOM", 50)
    frame = made(3000, 4, rate=30)
    whole, cut = FLOW.start(), FLOW.start()
    expected = whole.add(frame)
    parts = [cut.add(frame[i : i + 37]) for i in range(0, 3000, 37)]
    assert_frame_equal(pl.concat(parts), expected)
    assert 0 < len(cut.rows.memory.past) <= 500
    assert cut.n_forgotten > 100
    # hosts of which no connection is left are forgotten too
    later = made(500, 5, rate=30, hosts=["198.51.100.1", "198.51.100.2"])
    for i in range(0, 500, 50):
        cut.add(later.with_columns(pl.col("known") + 4000 * SECOND)[i : i + 50])
    assert set(cut.state()["hosts"]) == {"198.51.100.1", "198.51.100.2"}


def test_flow_s_columns_hold_no_address_port_or_time_and_keep_their_ranges():
    assert 40 <= len(FLOW.columns) <= 60
    assert all(c.description for c in flow.COLUMNS)
    frame = made(800, 6, rate=500).with_columns(orig_pkts=0, duration=0)
    rows = FLOW.start().add(frame)
    schema = Schema(name="flow", columns=flow.COLUMNS, classes=("benign", "attack"))
    table, bad = conform_rows(schema, rows)
    assert not bad
    assert len(table) == 800
    for column in schema.categories:
        assert set(rows[column.name].unique()) <= set(column.choices)
    assert all(rows[c.name].is_finite().all() for c in schema.numeric)
    # the same traffic on other addresses, source ports and days has the same rows
    moved = frame.with_columns(
        pl.col("id.orig_h", "id.resp_h").str.replace("192.0.2", "198.51.100"),
        pl.col("id.orig_p") + 1000,
        pl.col("ts", "known", "last_packet") + 10**17,
    )
    assert_frame_equal(FLOW.start().add(moved), rows)


@pytest.mark.parametrize(
    ("port", "proto", "expected"),
    [(80, "tcp", ("well_known", "http")), (80, "udp", ("well_known", "quic")),
     (1, "tcp", ("well_known", "none")), (1883, "tcp", ("registered", "mqtt")),
     (8080, "udp", ("registered", "none")), (60000, "tcp", ("dynamic", "none")),
     (8, "icmp", ("none", "none")), (None, "sctp", ("none", "none"))],
)  # fmt: skip
def test_flow_s_port_is_a_class(port, proto, expected):
    frame = made(1, 0).with_columns(pl.lit(port, pl.Int64).alias("id.resp_p"),
                                    proto=pl.lit(proto))  # fmt: skip
    rows = FLOW.start().add(frame)
    assert rows.select("port_class", "port_service").row(0) == expected


def test_a_scan_and_its_twin_differ_in_the_windows():
    """A scan of ports and a client of one service, as fast and as many."""
    twin = made(100, 0, rate=50, going_on=0).with_columns(
        pl.lit("tcp").alias("proto"), pl.lit("192.0.2.1").alias("id.orig_h"),
        pl.lit("192.0.2.2").alias("id.resp_h"), pl.lit(443).alias("id.resp_p"),
        pl.lit("SF").alias("conn_state"),
    )  # fmt: skip
    scan = twin.with_columns(
        pl.Series("id.resp_p", range(100)), pl.lit("REJ").alias("conn_state")
    )
    a, b = (FLOW.start().add(f).row(-1, named=True) for f in (scan, twin))
    assert (a["pair_100_ports"], b["pair_100_ports"]) == (100, 1)
    assert (a["src_100_failed_share"], b["src_100_failed_share"]) == (1, 0)
    assert a["src_2s_connections"] == b["src_2s_connections"] > 50


def test_numbers_too_large_for_one_are_sorted_the_same():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 3, (3, 400))
    order, again = in_order(*columns)
    wide, wide_again = in_order(*(columns << 40))
    assert np.array_equal(order, wide)
    assert np.array_equal(again, wide_again)
    assert np.array_equal(order, np.lexsort(columns[::-1]))


@pytest.mark.parametrize(
    ("found", "dataset"), [(NETFLOW_V2, "nf_bot_iot_v2"), (BOT_IOT, "bot_iot")]
)
def test_a_contract_s_columns_are_those_of_its_data_set(found, dataset):
    schema = registry.load("datasets", dataset).schema
    assert {*found.columns, *found.absent} >= set(schema.names)
    if found is NETFLOW_V2:
        assert found.columns == tuple(n for n in schema.names if n in found.columns)
    rows = found.start().add(made(500, 1))
    _, bad = conform_rows(schema.keeping(found.columns), rows)
    assert not bad
    for column in schema.keeping(found.columns).categories:
        words = set(rows[column.name].unique())
        assert words <= set(column.choices or words)


@pytest.mark.parametrize(
    ("proto", "state", "history", "pushed", "client", "server"),
    [
        ("tcp", "S0", "S", 0, 0x02, 0),
        ("tcp", "REJ", "Sr", 0, 0x02, 0x14),
        ("tcp", "RSTOS0", "SR", 0, 0x06, 0),
        ("tcp", "SF", "ShADadFf", 1, 0x02 | 0x10 | 0x08 | 0x01, 0x12 | 0x08 | 0x01),
        ("udp", "SF", "Dd", 0, 0, 0),
    ],
)
def test_netflow_s_tcp_flags_are_those_of_the_history(
    proto, state, history, pushed, client, server
):
    frame = made(1, 0).with_columns(
        proto=pl.lit(proto), history=pl.lit(history), conn_state=pl.lit(state),
        orig_push_pkts=pushed,
        resp_push_pkts=pushed, orig_pkts=2, orig_size_min=40, orig_size_max=90,
        resp_pkts=0, resp_size_min=0, resp_size_max=0,
    )  # fmt: skip
    row = NETFLOW_V2.start().add(frame).row(0, named=True)
    assert row["CLIENT_TCP_FLAGS"] == client
    assert row["SERVER_TCP_FLAGS"] == server
    assert row["TCP_FLAGS"] == client | server
    # a side that sent nothing has no shortest packet
    assert (row["SHORTEST_FLOW_PKT"], row["LONGEST_FLOW_PKT"]) == (40, 90)


def zeek_log(state, history):
    """Return the connections of a line of Zeek's conn.log."""
    log = {"ts": 1.5, "uid": "C1", "id.orig_h": "192.0.2.1", "id.orig_p": 1025,
           "id.resp_h": "192.0.2.2", "id.resp_p": 80, "proto": "tcp",
           "conn_state": state, "history": history, "orig_pkts": 1,
           "orig_ip_bytes": 60, "resp_pkts": 0, "resp_ip_bytes": 0}  # fmt: skip
    stream = io.BytesIO(json.dumps(log).encode() + b"\n")
    source, begun = recognised(stream, source="conn.log")
    return pl.concat(source.read(begun, source="conn.log"))


@pytest.mark.parametrize("name", ["nsl_kdd_live", "nsl_kdd", "bot_iot"])
def test_a_log_of_zeek_is_read_with_the_bytes_that_it_leaves_out(name):
    [found] = contract(name).start().add(zeek_log("S0", "S")).iter_rows(named=True)
    assert found.get("src_bytes", 0) == found.get("dur", 0) == 0


@pytest.mark.parametrize("name", ["flow", "netflow_v2"])
def test_a_log_of_zeek_has_no_sizes_of_packets_and_is_refused(name):
    started = contract(name).start(source="conn.log")
    with pytest.raises(DataError, match=r"^conn.log: column \w+ is unknown in 1 of 1"):
        started.add(zeek_log("S0", "S"))


def test_bot_iot_s_rates_are_argus_s_and_connections_are_counted_over_the_last_100():
    hosts = ["192.0.2.1"] * 150 + ["192.0.2.2"] * 30
    frame = pl.concat([made(1, 0)] * 180).with_columns(
        pl.Series("id.orig_h", hosts), pl.lit("192.0.2.9").alias("id.resp_h"),
        pl.Series("uid", [f"C{i}" for i in range(180)]), proto=pl.lit("tcp"),
        ts=0, last_packet=2 * SECOND, orig_pkts=5, resp_pkts=0, is_over=True,
    )  # fmt: skip
    rows = BOT_IOT.start().add(frame)
    rates = rows.select("pkts", "dur", "rate", "srate", "drate").row(0)
    assert rates == (5, 2, 2, 2, 0)
    assert rows["N_IN_Conn_P_DstIP"].to_list() == [*range(1, 100), *[100] * 81]
    assert rows["N_IN_Conn_P_SrcIP"][149] == 100
    assert rows["N_IN_Conn_P_SrcIP"].to_list()[150:] == list(range(1, 31))


@pytest.mark.parametrize(
    ("proto", "state", "expected"),
    [("tcp", "S0", "REQ"), ("tcp", "REJ", "RST"), ("tcp", "SF", "FIN"),
     ("tcp", "S1", "CON"), ("udp", "SF", "CON"), ("udp", "S0", "INT")],
)  # fmt: skip
def test_bot_iot_s_state_is_argus_s(proto, state, expected):
    frame = made(1, 0).with_columns(proto=pl.lit(proto), conn_state=pl.lit(state))
    assert BOT_IOT.start().add(frame)["state"].item() == expected


@pytest.mark.data
def test_bot_iot_s_published_windows_are_blocks_of_100_rows(data_folders):
    """What a row counts depends on rows that come later, so it cannot be had live."""
    parts = [
        evenflow.load_dataset("bot_iot_10best_sample", split, folders=data_folders)
        for split in ("train", "test")
    ]
    rows = pl.concat(
        [part.extra.select("pkSeqID", "saddr", "daddr").hstack(
            part.frame.select("N_IN_Conn_P_SrcIP", "N_IN_Conn_P_DstIP"))
         for part in parts]
    )  # fmt: skip
    block = (pl.col("pkSeqID").cast(pl.Int64) + 99) // 100
    n = 0
    for address, column in (("saddr", "Src"), ("daddr", "Dst")):
        groups = rows.group_by(block, address).agg(
            pl.len(), pl.col(f"N_IN_Conn_P_{column}IP").n_unique().alias("values")
        )
        some = groups.filter(pl.col("len") > 1)
        assert some["values"].to_list() == [1] * len(some)
        n += len(some)
    assert n == 3475


CAPTURE = Path(__file__).with_name("captures") / "us_le.pcap"


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_command_line_writes_a_contract_s_rows(name, tmp_path, run):
    done = run("flows", "-r", CAPTURE, "--contract", name)
    header, _row = done.stdout.splitlines()
    assert tuple(header.split(",")) == contract(name).columns
    assert done.stderr == "connections in us_le.pcap: 1\n"
    out = tmp_path / "rows.parquet"
    run("flows", "-r", CAPTURE, "--contract", name, "-o", out)
    assert tuple(pl.read_parquet(out).columns) == contract(name).columns


def test_a_contract_has_no_zeek_form_and_an_unknown_one_is_refused(tmp_path, run):
    out = tmp_path / "conn.log"
    for words, text in (
        (("flow", "--format", "zeek"), "expected --format csv"),
        (("flou",), "no contract 'flou'; expected flow"),
    ):
        done = run("flows", "-r", CAPTURE, "-o", out, "--contract", *words, code=2)
        assert text in done.stderr
        assert not out.exists()
