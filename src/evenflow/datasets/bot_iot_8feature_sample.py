"""51,359 rows of BoT-IoT's 5 % extract with eight Argus columns."""

from __future__ import annotations

from evenflow.datasets import _argus, _samples
from evenflow.datasets._remote import RemoteFile

SCHEMA = _argus.schema(
    "bot_iot_8feature_sample",
    ("proto_number", "flgs_number", "pkts", "bytes", "dur", "mean", "rate", "sum"),
)
DATASET = _samples.dataset(
    title="BoT-IoT, sample of 51,359 rows, 8 Argus columns",
    schema=SCHEMA,
    file=RemoteFile(
        name="bot-iot_5pc_8feature_sample_51359.parquet",
        folder="bot-iot",
        sha256="2b938ff7303c0868a91950f6a469d5567af2dfde23712b9736de246aa5ebb7db",
        size=1_058_420,
        parquet="bot-iot_5pc_8feature_sample_51359.parquet",
        parquet_sha256="2b938ff7303c0868a91950f6a469d5567af2dfde23712b9736de246aa5ebb7db",
    ),
    source="https://github.com/Bool-urns/iot_botnet_nids",
    caveats=(
        "6 benign and 2 theft rows: nothing can be said about either class.",
        "The original is a MATLAB file without column names; names and labels were "
        "decoded from its author's scripts and checked (rate = (pkts - 1) / dur in "
        "every row). Read from the Parquet copy made of it.",
        "proto_number (1 tcp, 2 arp, 3 udp, 4 icmp) and flgs_number are codes, so "
        "they are categories here.",
        "2,680 duplicated rows.",
    ),
)
