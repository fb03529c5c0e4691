"""Published formats whose files are large or not here, in small files like them."""

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from evenflow import datasets
from evenflow.datasets import (
    bot_iot,
    bot_iot_10best,
    cic_ids2017,
    kdd99,
    nsl_kdd,
    unsw_nb15,
)
from evenflow.errors import ChecksumError, DataError, RecipeError
from evenflow.schema import Schema

from .reading import load

HEADER = (
    "pkSeqID,stime,flgs,flgs_number,proto,proto_number,saddr,sport,daddr,dport,pkts,"
    "bytes,state,state_number,ltime,seq,dur,mean,stddev,sum,min,max,spkts,dpkts,sbytes,"
    "dbytes,rate,srate,drate,TnBPSrcIP,TnBPDstIP,TnP_PSrcIP,TnP_PDstIP,TnP_PerProto,"
    "TnP_Per_Dport,AR_P_Proto_P_SrcIP,AR_P_Proto_P_DstIP,N_IN_Conn_P_DstIP,"
    "N_IN_Conn_P_SrcIP,AR_P_Proto_P_Sport,AR_P_Proto_P_Dport,"
    "Pkts_P_State_P_Protocol_P_DestIP,Pkts_P_State_P_Protocol_P_SrcIP,attack,category,"
    "subcategory "  # with its blank, as published
)
FIVE = HEADER.split(",")


def five_row(number, category, subcategory, **changed):
    values = dict.fromkeys((name.strip() for name in FIVE), "1")
    values |= {
        "pkSeqID": str(number), "flgs": " e        ", "proto": "tcp",
        "state": "RST", "saddr": "192.168.100.147", "sport": "0x0303",
        "category": category, "subcategory": subcategory, "rate": "2.5e-05",
    }  # fmt: skip
    return ",".join((values | changed).values())


def five_files(folder, rows):
    (folder / "bot-iot").mkdir()
    for number in (1, 2, 3, 4):
        lines = [",".join(FIVE), *rows.get(number, [five_row(9, "DoS", "UDP")])]
        path = folder / f"bot-iot/UNSW_2018_IoT_Botnet_Full5pc_{number}.csv"
        path.write_text("\n".join(lines) + "\n")


def test_bot_iots_four_files_become_one_table_in_order(tmp_path):
    rows = {
        1: [five_row(1, "Normal", "Normal"), five_row(2, "DDoS", "HTTP")],
        3: [five_row(3, "Theft", "Data_Exfiltration")],
        4: [five_row(4, "Reconnaissance", "OS_Fingerprint")],
    }
    five_files(tmp_path, rows)
    table, notes = load("bot_iot", folders=[tmp_path])
    assert table.attack.to_list() == [
        "benign", "ddos_http", "dos_udp", "theft_data_exfiltration",
        "reconnaissance_os_fingerprint",
    ]  # fmt: skip
    assert table.y.tolist() == [0, 1, 2, 4, 3]
    assert table.frame["flgs"].to_list() == ["e"] * 5
    assert table.frame["rate"][0] == 2.5e-05
    assert table.extra["sport"][0] == "0x0303"
    assert not {"seq", "saddr", "stime", "proto_number"} & set(table.schema.names)
    assert "not the published ones" in notes[-1]


def test_bot_iots_seq_is_a_feature_only_when_asked_for(tmp_path):
    five_files(tmp_path, {})
    table, _ = load("bot_iot", folders=[tmp_path], with_seq=True)
    assert table.schema.names[-1] == "seq"


def test_bot_iot_without_one_of_its_files_reads_none(tmp_path):
    five_files(tmp_path, {1: ["not a row that could be read"]})
    (tmp_path / "bot-iot/UNSW_2018_IoT_Botnet_Full5pc_3.csv").unlink()
    with pytest.raises(DataError, match="Full5pc_3"):
        load("bot_iot", folders=[tmp_path])


FAULTS = {
    "a label outside the taxonomy": (
        1, [five_row(1, "Normal", "Normal"), five_row(2, "DoS", "X")],
        r"line 3: found the label 'dos_x'",
    ),
    "a word in a numeric column": (
        2, [five_row(1, "Normal", "Normal"), five_row(2, "DoS", "UDP", dur="long")],
        r"line 3, column dur: found 'long'",
    ),
    "missing columns": (
        1, "pkSeqID,category,subcategory\n1,DoS,UDP\n",
        "lacks the columns flgs, proto, state",
    ),
    "an empty file": (1, "", r"pc_1\.csv is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_with_a_published_file_is_named_with_its_place(tmp_path, case):
    number, content, message = FAULTS[case]
    five_files(tmp_path, {} if isinstance(content, str) else {number: content})
    if isinstance(content, str):
        path = tmp_path / f"bot-iot/UNSW_2018_IoT_Botnet_Full5pc_{number}.csv"
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        load("bot_iot", folders=[tmp_path])


def test_bot_iots_published_counts_are_those_of_3_668_522_rows():
    assert sum(bot_iot.PUBLISHED.values()) == 3_668_522


def publish(text, module, part, folder, monkeypatch):
    """Write a file in place of the one that is published, with its checksum."""
    data = text.encode()
    digest = hashlib.sha256(data).hexdigest()
    file = replace(module.FILES[part], sha256=digest, size=len(data))
    monkeypatch.setitem(module.FILES, part, file)
    (folder / file.name).write_bytes(data)


@pytest.mark.parametrize("separator", [",", ";"])
def test_the_ten_best_are_read_with_comma_or_semicolon(
    tmp_path, monkeypatch, separator
):
    text = (
        "pkSeqID,proto,saddr,sport,daddr,dport,seq,stddev,N_IN_Conn_P_SrcIP,min,"
        "state_number,mean,N_IN_Conn_P_DstIP,drate,srate,max,attack,category,"
        "subcategory\n"
        "1,tcp,10.0.0.1,80,10.0.0.2,0x50,7,0.1,100,0,4,0.2,3,0,1e-05,0.4,1,DDoS,TCP\n"
        "2,arp,10.0.0.1,-1,10.0.0.2,-1,8,0.1,1,0,1,0.2,3,0,0.5,0.4,0,Normal,Normal\n"
    ).replace(",", separator)
    publish(text, bot_iot_10best, "test", tmp_path, monkeypatch)
    table, _ = load("bot_iot_10best", "test", folders=[tmp_path])
    assert table.attack.to_list() == ["ddos_tcp", "benign"]
    assert table.frame["state_number"].to_list() == ["4", "1"]
    assert table.frame["srate"].to_list() == [1e-05, 0.5]
    assert len(table.schema.names) == 9


def test_a_ten_best_file_with_other_bytes_is_refused(tmp_path):
    (tmp_path / bot_iot_10best.FILES["train"].name).write_text("pkSeqID\n1\n")
    with pytest.raises(ChecksumError):
        load("bot_iot_10best", folders=[tmp_path])


CIC = ["Destination Port", *cic_ids2017.NAMES, "Label"]
# as in the published header: a column twice, and a blank before most names
PLACE = CIC.index("Avg Bwd Segment Size") + 1
CIC = [*CIC[:PLACE], "Fwd Header Length", *CIC[PLACE:]]


def cic_row(label, **changed):
    values = ["80"] + ["3"] * (len(CIC) - 2) + [label]
    for name, value in changed.items():
        values[CIC.index(name.replace("_", " ").replace(" per s", "/s"))] = value
    return ",".join(values)


def cic_file(folder, part, rows, encoding="cp1252"):
    path = folder / "cic-ids2017" / cic_ids2017.FILES[part].name
    path.parent.mkdir(exist_ok=True)
    header = ",".join(f" {name}" for name in CIC)
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))


def cic(folder, rows, encoding="cp1252"):
    """Return the rows of a day's file, and the notes."""
    cic_file(folder, "monday", rows, encoding)
    return load("cic_ids2017", folders=[folder], parts=["monday"])


def test_cics_header_has_its_79_columns():
    assert len(CIC) == 79
    assert CIC.count("Fwd Header Length") == 2


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_cics_labels_survive_their_broken_dash(tmp_path, encoding):
    labels = {
        "BENIGN": ("benign", "benign"),
        "Web Attack \u2013 Brute Force": ("web_attack_brute_force", "web_attack"),
        "Web Attack \u2013 XSS": ("web_attack_xss", "web_attack"),
        "Web Attack \u2013 Sql Injection": ("web_attack_sql_injection", "web_attack"),
        "FTP-Patator": ("ftp_patator", "brute_force"),
        "DoS slowloris": ("dos_slowloris", "dos"),
        "DoS Slowhttptest": ("dos_slowhttptest", "dos"),
        "DoS GoldenEye": ("dos_goldeneye", "dos"),
        "Heartbleed": ("heartbleed", "heartbleed"),
        "Infiltration": ("infiltration", "infiltration"),
        "PortScan": ("portscan", "port_scan"),
        "Bot": ("bot", "botnet"),
        "DDoS": ("ddos", "ddos"),
    }
    table, _ = cic(tmp_path, [cic_row(v) for v in labels], encoding)
    classes = [table.schema.classes[c] for c in table.y]
    found = list(zip(table.attack.to_list(), classes, strict=True))
    assert found == list(labels.values())


def test_cics_infinity_and_nan_survive_loading(tmp_path):
    rows = [
        cic_row("BENIGN", Flow_Bytes_per_s="Infinity", Flow_Packets_per_s="NaN"),
        cic_row("DDoS", Flow_Duration="-1"),
    ]
    table, _ = cic(tmp_path, rows)
    assert np.isposinf(table.frame["flow_bytes_per_s"][0])
    assert np.isnan(table.frame["flow_packets_per_s"][0])
    assert table.frame["flow_duration"].to_list() == [3.0, -1.0]


def test_cics_doubled_column_comes_once_and_the_port_stands_aside(tmp_path):
    table, _ = cic(tmp_path, [cic_row("BENIGN"), cic_row("BENIGN")])
    assert len(table.schema.names) == 76
    assert table.extra.columns == ["Destination Port", "part", "line"]
    assert table.extra["line"].to_list() == [2, 3]
    aliases = {c.name: c.aliases for c in table.schema.columns}
    assert aliases["flow_bytes_per_s"] == ("Flow Bytes/s",)


def test_cics_blank_lines_are_dropped_and_counted(tmp_path):
    rows = [cic_row("BENIGN"), "," * (len(CIC) - 1), cic_row("DDoS")]
    table, notes = cic(tmp_path, rows)
    assert len(table) == 2
    assert "1 lines without any value were dropped" in notes[0]
    assert "another extract" in notes[1]


def test_cics_files_come_in_the_order_of_the_week_and_all_are_needed(tmp_path):
    for part in cic_ids2017.PARTS:
        cic_file(tmp_path, part, [cic_row("BENIGN")])
    table, _ = load("cic_ids2017", folders=[tmp_path])
    assert table.extra["part"].to_list() == list(cic_ids2017.PARTS)
    (tmp_path / "cic-ids2017" / cic_ids2017.FILES["friday_morning"].name).unlink()
    with pytest.raises(DataError, match="Friday-WorkingHours-Morning"):
        load("cic_ids2017", folders=[tmp_path])


def test_an_unknown_part_of_the_week_names_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match="friday_morning"):
        load("cic_ids2017", folders=[tmp_path], parts=["friday_mrning"])


UNSW = ["id", *unsw_nb15.SCHEMA.names, "attack_cat", "label"]


def unsw_text(labels):
    lines = [
        ",".join([str(i), "0.1", "tcp", " - ", "FIN", *["1"] * 38, label, "1"])
        for i, label in enumerate(labels, start=1)
    ]
    return "\ufeff" + "\n".join([",".join(UNSW), *lines]) + "\n"


@pytest.mark.parametrize("name", unsw_nb15._NAMES)
def test_unsws_training_part_is_known_by_its_rows_whatever_its_name(
    tmp_path, monkeypatch, name
):
    monkeypatch.setitem(unsw_nb15.N_ROWS, "train", 4)
    labels = ["Normal", " Fuzzers ", "Backdoors", "Worms"]
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(unsw_text(labels).encode()))
    table, notes = load("unsw_nb15", folders=[tmp_path])
    assert table.attack.to_list() == ["benign", "fuzzers", "backdoor", "worms"]
    assert table.frame["service"].to_list() == ["-"] * 4
    assert table.extra.columns == ["id"]
    assert "other classes" in notes[0]


def test_unsws_published_training_counts_add_up():
    assert sum(unsw_nb15.TRAIN_COUNTS.values()) == unsw_nb15.N_ROWS["train"]


def test_unsw_with_82_332_other_rows_is_not_taken_for_the_test_part(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(unsw_nb15.N_ROWS, "test", 2)
    (tmp_path / "UNSW_NB15_training-set.csv").write_text(unsw_text(["Normal", "Worms"]))
    with pytest.raises(ChecksumError):
        load("unsw_nb15", "test", folders=[tmp_path])


KDD_LINE = ["0", "tcp", "http", "SF", *["0"] * 37, "normal", "21"]


def kdd_file(folder, monkeypatch, lines):
    text = "".join(",".join(line) + "\n" for line in lines)
    publish(text, nsl_kdd, "train", folder, monkeypatch)


def test_kdd_lines_without_a_header_are_read_by_position(tmp_path, monkeypatch):
    attack = [*KDD_LINE[:41], "neptune", "15"]
    kdd_file(tmp_path, monkeypatch, [KDD_LINE, attack])
    table, _ = load("nsl_kdd", folders=[tmp_path])
    assert table.attack.to_list() == ["benign", "neptune"]
    assert table.extra["difficulty"].to_list() == [21, 15]


def test_kdd_labels_may_end_in_a_full_stop_as_in_1999(tmp_path, monkeypatch):
    names = ["normal.", "smurf.", "worm."]
    lines = [[*KDD_LINE[:41], name, "21"] for name in names]
    kdd_file(tmp_path, monkeypatch, lines)
    table, _ = load("nsl_kdd", folders=[tmp_path])
    assert table.attack.to_list() == ["benign", "smurf", "worm"]
    assert [table.schema.classes[k] for k in table.y] == ["benign", "dos", "r2l"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["x", *KDD_LINE[1:]], r"line 2, column duration: found 'x'"),
        ([*KDD_LINE, "1", "2"], "cannot be read as a table"),
        (KDD_LINE[:20], "line 2: found no label"),
    ],
    ids=["a word", "too many fields", "too few fields"],
)
def test_a_bad_line_of_kdd_is_named(tmp_path, monkeypatch, line, message):
    kdd_file(tmp_path, monkeypatch, [KDD_LINE, line])
    with pytest.raises(DataError, match=message):
        load("nsl_kdd", folders=[tmp_path])


def kdd99_file(folder, name, labels, form="text"):
    lines = [",".join([*KDD_LINE[:41], label]) for label in labels]
    data = ("\n".join(lines) + "\n").encode()
    (folder / "kdd99").mkdir(exist_ok=True)
    name, data = (f"{name}.gz", gzip.compress(data)) if form == "gzip" else (name, data)
    (folder / "kdd99" / name).write_bytes(data)


@pytest.mark.parametrize("form", ["text", "gzip"])
def test_kdd_cup_99_is_read_with_its_duplicates(tmp_path, form):
    labels = ["normal.", "smurf.", "smurf.", "smurf.", "buffer_overflow."]
    kdd99_file(tmp_path, "kddcup.data_10_percent", labels, form)
    kdd99_file(tmp_path, "corrected", ["normal.", "httptunnel.", "worm."], form)
    (train, [note]), (test, [other]) = (
        load("kdd99", part, folders=[tmp_path]) for part in ("train", "test")
    )
    assert train.attack.to_list() == ["benign", *["smurf"] * 3, "buffer_overflow"]
    assert train.schema.names == nsl_kdd.SCHEMA.names
    assert train.extra is None
    assert [test.schema.classes[k] for k in test.y] == ["benign", "u2r", "r2l"]
    moved, _ = load("kdd99", "test", folders=[tmp_path], taxonomy="httptunnel_r2l")
    assert [moved.schema.classes[k] for k in moved.y] == ["benign", "r2l", "r2l"]
    assert "holds 5 rows" in note
    assert "the published file 494,021" in note
    assert "the published file 311,029" in other


def test_kdd_cup_99s_published_counts_bring_no_note(tmp_path, monkeypatch):
    counts = {"benign": 1, "dos": 2, "probe": 0, "r2l": 0, "u2r": 1}
    monkeypatch.setitem(kdd99.PUBLISHED, "train", counts)
    labels = ["normal.", "smurf.", "smurf.", "perl."]
    kdd99_file(tmp_path, "kddcup.data_10_percent", labels)
    assert load("kdd99", folders=[tmp_path])[1] == []


def test_a_line_of_nsl_kdd_is_refused_as_kdd_cup_99(tmp_path):
    kdd99_file(tmp_path, "kddcup.data_10_percent", ["normal.", "normal,21"])
    with pytest.raises(DataError, match="cannot be read as a table"):
        load("kdd99", folders=[tmp_path])


def test_a_schema_travels_as_json():
    for name in datasets.names():
        schema = datasets.get(name).schema
        if schema is not None:
            assert Schema.from_dict(schema.to_dict()).to_dict() == schema.to_dict()
