"""One list of column names decides what is a label, an identifier, or a feature."""

import pytest

from evenflow import datasets
from evenflow.prepare import names

LABELS = [
    "label", "Label.1", "label (2)", "LABEL_duplicated_0", "Attack_label", "is_anomaly",
    "binary_label", "label_binary", "Attack_type", "attackType", "attack_cat",
    "AttackName", "Class", "class_label", "detailed-label", "Sub-Category", "category",
    "isMalicious", "target_class", "ground_truth_label", "predicted_label", "benign",
    "gt_label", "my_label", "expected_label", "Label_GT", "bool_label", "label_manual",
    "Attack Subcategory", "is_normal", "isAbnormal",
    "attackID", "attackDescription", "label_encoded", "Multi_Class", "threat_name",
]  # fmt: skip
FOLLOWERS = ["difficulty", "Difficulty_Level", "Attempted Category"]
VAGUE = ["y", "type", "Traffic", "outcome", "level"]
IDENTIFIERS = [
    "", " ", "#", "Unnamed: 0", "Unnamed: 0.1", "index", "level_0", "No.", "rownames",
    "S.No", "id", "ID", "uid", "pkSeqID", "Flow ID", "expiration_id", "mbtcp.trans_id",
    "ts", "Time", "timestamp", "frame.time", "frame.time_epoch", "frame.number",
    "frame.time_relative", "Stime", "StartTime", "Date first seen", "Timestamp",
    "FLOW_START_MILLISECONDS", "bidirectional_last_seen_ms", "session_time",
    "srcip", "Src IP", "Source IP", "IPV4_SRC_ADDR", "ip.src_host", "ip.src", "eth.dst",
    "arp.src.proto_ipv4", "src_mac", "src_oui", "Source", "Dst Port", "sport", "dsport",
    "lineno", "time_start", "Dataset", "source_file", "pcap",
    "L4_DST_PORT", "tcp.srcport", "udp.port", "id.orig_h", "id.resp_p", "tcp.stream",
]  # fmt: skip
FEATURES = [
    "Duration", "flow_duration", "FLOW_DURATION_MILLISECONDS", "Number",
    "Protocol Type",
    "Rate", "Tot sum", "IAT", "fin_flag_number", "syn_count", "Header_Length", "state",
    "udp.time_delta", "tcp.len", "tcp.seq", "dns.qry.type", "icmp_type", "proto",
    "flag",
    "conn_state", "src_ip_bytes", "dst_pkts", "dns_qclass", "content_type",
    "local_orig",
    "is_sm_ips_ports", "ct_src_dport_ltm", "ct_state_ttl", "response_time", "RunTime",
    "max_idle_time", "inter_arrival_time", "count", "srv_count", "num_failed_logins",
    "dst_host_same_src_port_rate", "land", "hot", "ttl", "Fwd Header Length.1",
    "Init_Win_bytes_forward", "Flow Bytes/s", "Idle Mean", "N_IN_Conn_P_SrcIP",
    "AR_P_Proto_P_Dport", "TnBPSrcIP", "0", "1", "f12", "attack_count", "num_attacks",
    "ipv6.flow_label", "mpls_label", "labels_max", "longest_label", "file_count",
    "class_of_service", "端口数", "window",
]  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_a_label_is_known_by_its_name(name):
    assert names.is_label(name)
    assert names.must_be_label(name)


@pytest.mark.parametrize("name", FOLLOWERS)
def test_what_follows_from_a_label_is_never_taken_for_one(name):
    assert not names.is_label(name)
    assert names.must_be_label(name)


@pytest.mark.parametrize("name", VAGUE)
def test_a_name_that_may_mean_something_else_is_not_refused(name):
    assert names.tells_label(name)
    assert not names.must_be_label(name)


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_an_identifier_is_known_by_its_name(name):
    assert names.is_identifier(name)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_suspected_of_nothing(name):
    assert not names.is_identifier(name)
    assert not names.tells_label(name)


@pytest.mark.parametrize("name", datasets.names())
def test_no_published_feature_is_named_like_a_label(name):
    schema = datasets.get(name).schema
    assert not [c for c in (schema.names if schema else ()) if names.tells_label(c)]


def test_the_more_telling_name_comes_first():
    found = sorted(["y", "is_anomaly", "label", "Attack_Type"], key=names.rank)
    assert found == ["Attack_Type", "label", "y", "is_anomaly"]
