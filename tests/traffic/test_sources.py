"""Logs of other sensors to connections: Zeek, Suricata, Argus and nfdump."""

import contextlib
import gzip
import io
import ipaddress
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenflow.errors import DataError
from evenflow.traffic import conn_log
from evenflow.traffic.columns import CONNECTION
from evenflow.traffic.flows import read_connections
from evenflow.traffic.sources import SOURCES, recognised
from evenflow.traffic.sources._cells import address

LOGS = Path(__file__).with_name("logs")
CAPTURES = Path(__file__).with_name("captures")
NS = 10**9


def read(kind, data, name="a log"):
    """Return the connections of a log as rows, and the notes."""
    notes = []
    data = data.encode() if isinstance(data, str) else data
    frames = SOURCES[kind].read(io.BytesIO(data), source=name, on_event=notes.append)
    frame = pl.concat(list(frames))
    assert frame.schema == pl.Schema({n: t() for n, t in CONNECTION.items()})
    return frame.to_dicts(), [note.text for note in notes]


def ns(*when):
    """Return a time of UTC as nanoseconds since 1970."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * NS


# -- Zeek

FIELDS = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service",
    "duration", "orig_bytes", "resp_bytes", "conn_state", "history", "orig_pkts",
    "orig_ip_bytes", "resp_pkts", "resp_ip_bytes",
)  # fmt: skip
ROW = (
    "1767225600.25", "Ca", "192.0.2.1", "4000", "198.51.100.2", "80", "tcp", "http",
    "0.5", "35", "42", "SF", "ShADadFf", "6", "287", "4", "250",
)  # fmt: skip


def zeek(*rows, names=FIELDS, separator="\t", shown="\\x09", unset="-", between=","):
    """Return a conn.log."""
    head = (
        ("#set_separator", between), ("#empty_field", "(empty)"),
        ("#unset_field", unset), ("#path", "conn"), ("#fields", *names),
    )  # fmt: skip
    lines = [separator.join(words) for words in (*head, *rows)]
    return "\n".join([f"#separator {shown}", *lines, ""])


def test_each_line_of_zeek_is_read_by_the_header_before_it():
    rows, notes = read("zeek", (LOGS / "two_headers.log").read_bytes(), "conn.log")
    assert [r["uid"] for r in rows] == ["Caaa1", "Caaa2", "Cbbb1", "Cbbb2"]
    assert [r["missed_bytes"] for r in rows] == [0, 0, 0, 0]
    assert [r["service"] for r in rows] == ["http", None, None, "ssl,http"]
    assert [r["history"] for r in rows] == ["ShADadFf", "S", None, "Sr"]
    assert [r["duration"] for r in rows] == [NS // 4, None, None, 1000]
    assert [r["last_packet"] for r in rows[:2]] == [ns(2026, 1, 1) + 250_001_000, None]
    assert [r["known"] for r in rows[:2]] == [
        ns(2026, 1, 1) + 250_001_000, ns(2026, 1, 1) + 1_500_000_000,
    ]  # fmt: skip
    assert (rows[2]["id.orig_p"], rows[2]["id.resp_p"]) == (133, 134)
    assert [r["ip_proto"] for r in rows] == [6, 6, 58, 6]
    assert all(r["is_over"] for r in rows)
    assert notes == [
        "incomplete lines of conn.log: 1 (line 22 has no end and was not read)"
    ]


@pytest.mark.parametrize(
    ("separator", "shown"), [(",", "\\x2c"), ("|", "|"), ("||", "||"), ("\t", "\\x09")]
)
def test_zeek_s_separators_and_marks_are_those_of_the_header(separator, shown):
    row = [*ROW]
    row[7], row[12] = "ssl\\x2chttp", "NONE"
    names = ("tunnel_parents", *reversed(FIELDS))
    text = zeek(
        ["(empty)", *reversed(row)],
        names=names, separator=separator, shown=shown, unset="NONE", between=";",
    )  # fmt: skip
    [found], notes = read("zeek", text)
    assert notes == []
    assert found["service"] == "ssl,http"
    assert found["history"] is None
    assert found["ts"] == ns(2026, 1, 1) + NS // 4
    assert found["resp_ip_bytes"] == 250


def test_a_log_that_begins_within_a_line_or_its_header_is_recognised():
    whole = zeek(ROW).encode()
    without_first = whole.split(b"\n", 1)[1]
    begins = (b"0.5\t-\tSF\n", b"\xff\n", b"\0" * 99)
    for text in (without_first, *(begin + whole for begin in begins)):
        kind, stream = recognised(io.BytesIO(text), source="a log")
        assert kind is SOURCES["zeek"]
        assert sum(f.height for f in kind.read(stream, source="a log")) == 1


def test_an_empty_set_of_zeek_is_not_a_missing_one():
    lines = [[*ROW[:7], word, *ROW[8:]] for word in ("(empty)", "-")]
    rows, _ = read("zeek", zeek(*lines))
    assert [r["service"] for r in rows] == ["", None]


@pytest.mark.parametrize(
    "text",
    [
        '{"ts":1767225600.25,"uid":"Ca","id.orig_h":"192.0.2.1","id.orig_p":4000,'
        '"id.resp_h":"198.51.100.2","id.resp_p":80,"proto":"tcp","service":"http",'
        '"duration":0.5,"orig_bytes":35,"resp_bytes":42,"conn_state":"SF","x":[1,{}]}',
        '{"ts":"2026-01-01T00:00:00.250000Z","uid":"Ca","id":{"orig_h":"192.0.2.1",'
        '"orig_p":4000,"resp_h":"198.51.100.2","resp_p":80},"proto":"tcp",'
        '"service":["http"],"duration":0.5,"orig_bytes":35,"resp_bytes":42,'
        '"conn_state":"SF"}',
        '{"ts":"1767225600.25","uid":"Ca","id_orig_h":"192.0.2.1","id_orig_p":"4000",'
        '"id_resp_h":"198.51.100.2","id_resp_p":80,"proto":"tcp","service":"http",'
        '"duration":0.5,"orig_bytes":35,"resp_bytes":42,"conn_state":"SF"}',
        '{"_path":"conn","ts":1767225600250,"uid":"Ca","id.orig_h":"192.0.2.1",'
        '"id.orig_p":4000,"id.resp_h":"198.51.100.2","id.resp_p":80,"proto":"tcp",'
        '"service":"http","duration":5e-1,"orig_bytes":35,"resp_bytes":42,'
        '"conn_state":"SF"}',
    ],
    ids=["epoch", "iso and nested", "text", "milliseconds"],
)
def test_zeek_s_json_is_the_same_in_each_of_its_forms(text):
    [found], notes = read("zeek", text + "\n")
    [expected], _ = read("zeek", zeek(ROW))
    names = [n for n in FIELDS if found[n] is not None]
    assert len(names) == 12
    assert {n: found[n] for n in names} == {n: expected[n] for n in names}
    assert notes == []
    assert read("zeek", text)[0] == [found]  # a whole object needs no line end


def test_a_line_of_zeek_that_cannot_be_read_is_counted_and_the_first_are_named():
    bad = [
        [*ROW[:3], "port", *ROW[4:]], ROW[:-1], [*ROW[:11], "T", *ROW[12:]],
        [*ROW[:2], "192.0.2.256", *ROW[3:]], ["-", *ROW[1:]],
        [*ROW[:9], "-5", *ROW[10:]],
    ]  # fmt: skip
    rows, notes = read("zeek", zeek(ROW, *bad, ROW))
    assert len(rows) == 2
    assert (
        "a log, line 8: column id.orig_p is 'port'; expected a port from 0 to 65535. "
        "The line was not read"
    ) in notes
    assert any("line 9: 16 fields; expected 17, as the header has" in n for n in notes)
    assert len(notes) == 4
    assert notes[-1] == "lines of a log that could not be read: 6"


def test_lines_that_are_not_text_are_counted_and_those_around_them_read():
    good = "\t".join(ROW).encode() + b"\n"
    text = zeek().encode() + good + b"\xff\xfe\n" + b"a\0b\n" + b"\n" + b"x" * 2**21
    rows, notes = read("zeek", text + b"\n" + b"\0" * 5000 + good)
    assert len(rows) == 2
    first, second, third, last = notes
    assert "line 8: the byte 0xff at byte 1; expected UTF-8" in first
    assert "line 9: a NUL byte at byte 2; expected text" in second
    assert re.search(r"line 11: .* bytes and more; expected lines of", third)
    assert last == "lines of a log that could not be read: 3"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hello world\n", "begins with 'hello world'; expected Zeek's conn.log"),
        ("#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tquery\n",
         "is Zeek's dns log; expected Zeek's conn.log"),
        ('{"ts":1,"uid":"C","id.orig_h":"192.0.2.1","query":"x"}\n',
         "has other objects; expected Zeek's conn.log"),
    ],
)  # fmt: skip
def test_what_is_not_zeek_s_conn_log_is_refused(text, what):
    with pytest.raises(DataError, match=what):
        read("zeek", text)


def test_lines_of_zeek_s_other_logs_are_counted_by_kind():
    text = (
        '{"_path":"dns","ts":1,"id.orig_h":"192.0.2.1"}\n'
        '{"_path":"conn","ts":1,"id.orig_h":"192.0.2.1","id.resp_h":"192.0.2.2"}\n'
        '{"_path":"x509","ts":1,"id":"Fabc"}\n'
    )
    rows, notes = read("zeek", text)
    assert len(rows) == 1
    assert sorted(notes) == [
        "records of a log that are not connections (Zeek's dns log): 1",
        "records of a log that are not connections (Zeek's x509 log): 1",
    ]


@pytest.mark.parametrize(
    "name", ["us_le.pcap", "vxlan_two_tenants.pcap", "backwards.pcap"]
)
def test_connections_written_as_zeek_does_are_the_same_when_read(name):
    with (CAPTURES / name).open("rb") as stream:
        ours = pl.concat(list(read_connections(stream, source=name)))
    text = conn_log.header() + conn_log.lines(ours)
    back = pl.concat(list(SOURCES["zeek"].read(io.BytesIO(text.encode()), source=name)))
    assert conn_log.header() + conn_log.lines(back) == text
    names = [*conn_log.ZEEK_TYPES.keys() - {"duration", "orig_bytes", "resp_bytes"}]
    same = ours.with_columns(
        pl.col("history").replace("", None), pl.col("ts") // 1000 * 1000
    )
    assert back.select(names).equals(same.select(names))


def test_rows_are_in_the_order_in_which_they_were_known():
    ends = ["1767225700", "1767225600", "1767225650", "1767225800"]
    rows, notes = read("zeek", zeek(*([end, *ROW[1:]] for end in ends)))
    assert [r["known"] - r["last_packet"] for r in rows] == [0, 100 * NS, 50 * NS, 0]
    assert [r["known"] for r in rows] == sorted(r["known"] for r in rows)
    assert notes == []
    _, [note] = read("zeek", zeek(ROW, ["1767000000", *ROW[1:]]))
    assert "times in a log go back by a day and more" in note


# -- Suricata


def test_flows_of_eve_have_what_the_log_says_and_no_more():
    rows, notes = read("eve", (LOGS / "eve.json").read_bytes(), "eve.json")
    assert [r["uid"] for r in rows] == ["1", "2", "3", "4"]
    begin = ns(2026, 1, 1)
    assert [r["ts"] - begin for r in rows] == [0, NS, 2 * NS, 5 * NS]
    assert [r["duration"] for r in rows] == [NS // 4, NS // 100, None, 3 * NS]
    assert [(r["id.orig_p"], r["id.resp_p"]) for r in rows] == [
        (40000, 80), (None, None), (None, None), (40001, 443),
    ]  # fmt: skip
    assert [r["proto"] for r in rows] == ["tcp", "icmp", "udp", "tcp"]
    assert [r["service"] for r in rows] == ["http", None, None, None]
    assert [r["orig_pkts"] for r in rows] == [6, 1, 1, 3]
    assert [r["known"] for r in rows] == sorted(r["known"] for r in rows)
    assert rows[2]["last_packet"] is None
    assert rows[3]["id.orig_h"] == "2001:db8::10"
    for name in ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes"):
        assert [r[name] for r in rows] == [None] * 4
    assert notes == [
        "incomplete lines of eve.json: 1 (line 7 has no end and was not read)",
        "records of eve.json that are not connections (event_type stats): 1",
        "records of eve.json that are not connections (no event_type): 1",
    ]


def flow(**changes):
    """Return a record of a flow; None leaves a value out."""
    record = {
        "timestamp": "2026-01-01T00:01:00.000000+0000", "flow_id": 1,
        "event_type": "flow", "src_ip": "192.0.2.1", "src_port": 4000,
        "dest_ip": "192.0.2.2", "dest_port": 443, "proto": "TCP", "app_proto": "tls",
        "flow": {"pkts_toserver": 1, "pkts_toclient": 2,
                 "start": "2026-01-01T00:00:00.000000+0000",
                 "end": "2026-01-01T00:00:01.5Z"},
    }  # fmt: skip
    record.update(changes)
    return json.dumps({k: v for k, v in record.items() if v is not None}) + "\n"


def test_a_row_of_eve_was_known_when_it_was_logged():
    [row], _ = read("eve", flow())
    assert row["last_packet"] == ns(2026, 1, 1) + 1_500_000_000
    assert row["known"] == ns(2026, 1, 1, 0, 1)
    [row], _ = read("eve", flow(flow={"start": "2026-01-02T00:00:00Z"}))
    assert row["known"] == row["ts"]
    assert row["service"] == "ssl"


def test_odd_records_of_eve_are_read_or_counted():
    start = {"start": "2026-01-01T00:00:00.000000+0200"}
    text = (
        flow(flow=None)
        + flow(flow=5)
        + '{"event_type": \n[1]\nnull\n{"event_type":"flow"} {}\n'
        + flow(event_type="alert", alert={"signature": "\u2028 flow"})
        + flow(src_port=None, dest_port=None, proto="SCTP", flow=start)
        + flow(proto="IPv6-ICMP", flow=start, icmp_type=128, vlan=[1, 2])
        + flow(proto="089", flow=start)
        + flow(src_ip="not an address")
        + flow(flow={**start, "end": "2020-01-01T00:00:00Z"})
    )
    rows, notes = read("eve", text)
    assert [r["proto"] for r in rows] == [
        "unknown_transport", "icmp", "unknown_transport", "tcp",
    ]  # fmt: skip
    assert [r["ip_proto"] for r in rows] == [132, 58, 89, 6]
    assert {r["ts"] for r in rows} == {ns(2025, 12, 31, 22)}
    assert rows[3]["duration"] is None  # it ends before it begins
    assert "lines of a log that could not be read: 7" in notes
    assert "records of a log that are not connections (event_type alert): 1" in notes


def test_kinds_of_records_that_are_counted_are_bounded():
    text = "".join(flow(event_type=f"kind {k}") for k in range(200))
    _, notes = read("eve", text + flow())
    assert len(notes) == 65
    assert "records of a log that are not connections (other kinds): 136" in notes


def test_what_is_not_eve_is_refused():
    with pytest.raises(DataError, match="a log has no JSON objects with an event_type"):
        read("eve", '{"a": 1}\n{"b": 2}\n')
    with pytest.raises(DataError, match="expected Suricata's EVE log"):
        read("eve", "ts,te,td\n1,2,3\n")


def test_a_contract_is_told_which_columns_a_source_cannot_give_and_why():
    eve = SOURCES["eve"]
    assert eve.missing(["ts", "duration", "orig_pkts", "known"]) == {}
    with pytest.raises(DataError) as error:
        eve.check(["ts", "orig_bytes", "resp_bytes", "urgent"], contract="nsl_kdd_live")
    assert str(error.value) == (
        "the contract nsl_kdd_live cannot be computed from Suricata's EVE log, which "
        "lacks orig_bytes, resp_bytes (Suricata's EVE flow records count bytes of "
        "frames, not payload); urgent (measured packet by packet). Read the packets "
        "instead, or choose another contract"
    )


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_has_no_column_it_does_not_name(kind):
    logs = {
        "zeek": "two_headers.log", "eve": "eve.json", "argus": "argus_flags.csv",
        "nfdump": "nfdump_both_ways.csv",
    }  # fmt: skip
    source = SOURCES[kind]
    rows, _ = read(kind, (LOGS / logs[kind]).read_bytes())
    found = {name for row in rows for name, value in row.items() if value is not None}
    assert found <= {*source.columns, "last_packet", "known", "is_over"}
    assert set(source.columns) <= set(CONNECTION)
    assert not set(source.reasons) & set(source.columns)
    assert set(source.missing(CONNECTION)) | {*source.columns} >= set(CONNECTION) - {
        "last_packet", "known", "is_over",
    }  # fmt: skip


# -- Argus


def test_records_of_argus_have_payload_and_the_states_that_flags_say():
    rows, notes = read("argus", (LOGS / "argus_flags.csv").read_bytes())
    assert [r["conn_state"] for r in rows] == [
        "S1", None, "SF", "SF", None, "SF", "SF", None,
    ]  # fmt: skip
    assert [(r["orig_bytes"], r["resp_bytes"]) for r in rows[:3]] == [
        (33, 2382), (43, 297), (0, 342),
    ]  # fmt: skip
    assert rows[0]["ts"] == 1329843161_968492000
    assert rows[0]["last_packet"] == rows[0]["known"] == 1329843166_672122000
    assert {r["orig_ip_bytes"] for r in rows} == {None}
    assert notes == ["records of a log that are not connections (management): 2"]


def argus(
    *rows, names="StartTime,Dur,Proto,SrcAddr,Sport,DstAddr,Dport,SrcPkts,DstPkts,State"
):
    return "\n".join([names, *rows, ""])


def test_argus_s_columns_may_have_any_order_names_and_separator():
    row = "1400000000.5,1,tcp,192.0.2.1,1,192.0.2.2,0x0050,1,0,REQ"
    long, _ = read("argus", argus(row))
    short = "daddr;dport;state;saddr;sport;proto;dpkts;spkts;dur;stime"
    text = f"{short}\n192.0.2.2;80;REQ;192.0.2.1;1;tcp;0;1;1;1400000000.5\n"
    assert read("argus", text)[0] == long
    assert (long[0]["id.resp_p"], long[0]["conn_state"]) == (80, "S0")


@pytest.mark.parametrize(
    ("proto", "sent", "answered", "state", "expected"),
    [
        ("tcp", 1, 1, "REQ", None), ("tcp", 5, 5, "FIN", None),
        ("tcp", 1, 1, "RST", None), ("tcp", 1, 1, "S_RA", "REJ"),
        ("tcp", 1, 0, "S_", "S0"), ("tcp", 2, 0, "FS_", "SH"),
        ("tcp", 2, 0, "SR_", "RSTOS0"), ("tcp", 5, 5, "SPA_SPA", "S1"),
        ("tcp", 5, 5, "FSPA_SPA", "S2"), ("tcp", 5, 5, "SPA_FSPA", "S3"),
        ("tcp", 5, 5, "SRPA_SPA", "RSTO"), ("tcp", 5, 5, "SPA_SRPA", "RSTR"),
        ("tcp", 5, 5, "FSRPA_FSPA", None), ("tcp", 5, 5, "PA_PA", None),
        ("udp", 1, 1, "CON", "SF"), ("udp", 2, 0, "INT", "S0"),
        ("icmp", 1, 1, "ECO", "OTH"),
    ],
)  # fmt: skip
def test_a_state_of_argus_is_one_of_zeek_where_it_says_as_much(
    proto, sent, answered, state, expected
):
    row = f"1400000000,1,{proto},192.0.2.1,1,192.0.2.2,2,{sent},{answered},{state}"
    [found], _ = read("argus", argus(row))
    assert found["conn_state"] == expected


def test_records_of_argus_that_are_not_ip_are_counted_by_kind():
    text = argus(
        "1400000000,1,man,0,0,0,0,0,0,STA",
        "1400000000,1,arp,192.0.2.1,,192.0.2.2,,1,1,CON",
        "1400000000,1,lldp,00:22:2d:81:db:1,,01:80:c2:0:0:e,,1,0,INT",
        "1400000000,1,icmp,192.0.2.1,0x0008,192.0.2.2,0x0003,1,1,ECO",
        "1400000000,1,udp,2001:db8::1,*,2001:db8::2,*,1,1,CON",
        "1400000000,1,tcp,192.0.2.1,http,192.0.2.2,1,1,1,CON",
    )
    rows, notes = read("argus", text)
    assert [(r["proto"], r["id.orig_p"], r["id.resp_p"]) for r in rows] == [
        ("icmp", None, None), ("udp", None, None),
    ]  # fmt: skip
    for kind in ("management", "not IP: arp", "not IP: lldp"):
        assert f"records of a log that are not connections ({kind}): 1" in notes
    assert any("column Sport is 'http'; expected a port" in n for n in notes)


def test_a_clock_without_a_date_is_named_with_what_to_do():
    rows, notes = read("argus", (LOGS / "argus_clock.csv").read_bytes())
    assert rows == []
    expected = "expected seconds since 1970, or a date and a time (ra -u)"
    assert any(f"column StartTime is '16:52:41.968492'; {expected}" in n for n in notes)


def test_payload_that_argus_did_not_measure_is_not_zero():
    names = "StartTime,Proto,SrcAddr,DstAddr,SAppBytes,DAppBytes"
    zero = "1400000000,tcp,192.0.2.1,192.0.2.2,0,0"
    rows, notes = read("argus", argus(zero, zero, names=names))
    assert [r["orig_bytes"] for r in rows] == [None, None]
    assert any("start argus with -A" in n for n in notes)
    scan = "1400000000,tcp,192.0.2.1,192.0.2.2,0,0,S_RA"
    [row], _ = read("argus", argus(scan, names=f"{names},State"))
    assert (row["conn_state"], row["orig_bytes"]) == ("REJ", 0)
    some = "1400000000,tcp,192.0.2.1,192.0.2.2,0,7"
    rows, notes = read("argus", argus(zero, some, zero, names=names))
    assert [r["orig_bytes"] for r in rows] == [None, 0, 0]
    assert notes == []


# -- nfdump


def test_flows_of_both_directions_have_the_bytes_by_the_ip_header():
    rows, notes = read("nfdump", (LOGS / "nfdump_both_ways.csv").read_bytes())
    assert len(rows) == 5
    row = next(r for r in rows if r["id.resp_p"] == 21)
    assert (row["orig_pkts"], row["resp_pkts"]) == (38, 25)
    assert (row["orig_ip_bytes"], row["resp_ip_bytes"]) == (2164, 4458)
    assert row["duration"] == 38_111_000_000
    assert row["orig_bytes"] is None
    assert row["conn_state"] is None
    assert notes == [
        "times without a zone in a log were read as UTC",
        "records of a log that are not connections (summary): 2",
    ]


def test_the_answers_of_flows_of_one_direction_are_not_known():
    rows, notes = read("nfdump", (LOGS / "nfdump_one_way.csv").read_bytes())
    assert {r["resp_pkts"] for r in rows} == {None}
    assert {(r["id.orig_p"], r["id.resp_p"]) for r in rows} == {(8, 0), (0, 8)}
    assert any("nfdump -B" in n for n in notes)


@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows",
         "2026-01-01 00:00:00.250,00:00:01.500,TCP,192.0.2.1,4000,192.0.2.2,80,3,180,"
         "1"),
        ("cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,"
         "input,output,flags,srcTos,packets,bytes",
         "1,2,1767225600250,1767225601750,6,192.0.2.1,4000,192.0.2.2,80,0,0,0,0,"
         "...AP.SF,0,3,180"),
        ("ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt",
         "2026-01-01 00:00:00.250,2026-01-01 00:00:01.750,1.500,192.0.2.1,192.0.2.2,"
         "4000,80,TCP,.AP.SF,0,0,3,180"),
    ],
)  # fmt: skip
def test_old_and_new_forms_of_nfdump_are_the_same_flow(names, row):
    [found], _ = read("nfdump", f"{names}\n{row}\n")
    assert found["ts"] == ns(2026, 1, 1) + NS // 4
    assert found["duration"] == 1_500_000_000
    assert (found["orig_pkts"], found["orig_ip_bytes"]) == (3, 180)
    assert (found["id.orig_p"], found["id.resp_p"]) == (4000, 80)
    assert (found["proto"], found["ip_proto"]) == ("tcp", 6)


def test_types_of_icmp_in_a_port_of_nfdump_are_found():
    head = "ts,te,td,sa,da,sp,dp,pr,flg\n"
    line = "2026-01-01 00:00:00,2026-01-01 00:00:00,0,{0},{0},0,{1},{2},......\n"
    text = head + "".join(
        [line.format("192.0.2.1", "3.1", "ICMP"), line.format("192.0.2.1", 769, "ICMP"),
         line.format("::1", "128.0", "ICMP6")]
    )  # fmt: skip
    rows, _ = read("nfdump", text)
    ports = [(r["id.orig_p"], r["id.resp_p"]) for r in rows]
    assert ports == [(3, 1), (3, 1), (128, 129)]


def test_a_summary_ends_the_rows_until_the_next_header():
    head = "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes\n"
    row = "2026-01-01 00:00:00,1.0,UDP,192.0.2.1,53,192.0.2.2,4000,1,60\n"
    text = head + row + "Summary\nflows,bytes\n1,60\n" + head + row
    assert len(read("nfdump", text)[0]) == 2


# -- in the command line


@pytest.mark.parametrize(
    ("name", "n"),
    [("two_headers.log", 4), ("eve.json", 4), ("argus_flags.csv", 8),
     ("nfdump_both_ways.csv", 5)],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_flows_recognises_a_log_by_its_content(name, n, packed, write, run):
    data = (LOGS / name).read_bytes()
    done = run("flows", "-r", write("input", gzip.compress(data) if packed else data))
    assert done.stderr.endswith(f"connections in input: {n}\n")
    rows, _ = read("zeek", done.stdout)
    assert len(rows) == n


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_log_has_the_columns_of_a_capture_in_each_form(form, tmp_path, run):
    reads = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
    frames = []
    for path in (CAPTURES / "us_le.pcap", LOGS / "eve.json"):
        out = tmp_path / f"{path.name}.{form}"
        run("flows", "-r", path, "-o", out)
        frames.append(reads[form](out))
    assert frames[0].columns == frames[1].columns
    assert frames[1]["duration"].to_list() == [0.25, 0.01, None, 3.0]


def test_a_contract_that_a_log_cannot_give_is_refused_before_anything_is_written(run):
    words = ("--contract", "nsl_kdd_live")
    done = run("flows", "-r", LOGS / "eve.json", *words, code=2)
    assert done.stdout == ""
    assert "count bytes of frames, not payload" in done.stderr
    done = run("flows", "-r", LOGS / "two_headers.log", *words)
    assert len(done.stdout.splitlines()) == 5


def test_flows_reads_a_log_from_a_pipe(run):
    data = (LOGS / "eve.json").read_bytes()
    done = run("flows", "-r", "-", "--format", "jsonl", input=data)
    uids = [json.loads(line)["uid"] for line in done.stdout.splitlines()]
    assert uids == list("1234")


def test_text_that_is_no_log_is_refused_with_what_was_expected(write, run):
    done = run("flows", "-r", write("notes.txt", "Dear diary,\n"), code=2)
    assert "notes.txt begins with 'Dear diary,'; expected a capture" in done.stderr


def test_what_a_log_says_cannot_break_the_lines_that_are_written():
    [row], _ = read("eve", flow(app_proto="a\tb\nc"))
    frame = pl.DataFrame([row], schema=CONNECTION)
    assert conn_log.lines(frame).count("\n") == 1
    [back], _ = read("zeek", conn_log.header() + conn_log.lines(frame))
    assert back["service"] == "a\tb\nc"


# -- whatever the bytes are

WHOLE = {path.name: path.read_bytes() for path in LOGS.iterdir()}


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    cut=st.floats(0, 1),
)
def test_no_changed_or_missing_byte_crashes(name, changes, cut):
    data = bytearray(WHOLE[name])
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    data = data[: int(cut * len(data))]
    frames = []
    with contextlib.suppress(DataError):
        kind, stream = recognised(io.BytesIO(bytes(data)), source=name)
        frames = list(kind.read(stream, source=name)) if kind else []
    for frame in frames:
        conn_log.lines(frame)
        conn_log.table(frame)
        assert (frame["duration"].drop_nulls() >= 0).all()


@pytest.mark.data
def test_all_expected_logs_of_zeek_s_own_traces_are_read(data_folders):
    folder = next(r / "zeek-conn" for r in data_folders if (r / "zeek-conn").is_dir())
    paths = sorted(folder.glob("*.conn.tsv"))
    assert len(paths) == 40
    for path in paths:
        rows, notes = read("zeek", path.read_bytes())
        head, *lines = path.read_text().splitlines()
        assert (len(rows), notes) == (len(lines), [])
        for row, line in zip(rows, lines, strict=True):
            given = dict(zip(head.split("\t"), line.split("\t"), strict=True))
            for name in ("conn_state", "history", "orig_bytes", "resp_pkts"):
                if name in given:
                    found = "-" if row[name] is None else str(row[name])
                    assert found == given[name]


def test_what_is_read_as_an_address_is_one():
    """Later steps take it for granted: a watch would stop at one that is none."""
    valid = ["1.2.3.4", "::1", "2001:db8::", "fe80::1%eth0", "::ffff:1.2.3.4"]
    wrong = ["01.2.3.4", "1.2.3.4.", "1.2.3.4.5", "1.2.3", "256.1.1.1", "1::2::3",
             "1.2.3.4\n", "::1\x1b", ":", "x", "1:2", "::" + "1" * 99]  # fmt: skip
    found = address(pl.Series([*valid, None, *wrong]))
    assert found.to_list() == [*valid, *[None] * (1 + len(wrong))]
    for name in valid:
        ipaddress.ip_address(name)
