"""1,109 rows of the full BoT-IoT release with all of its 35 columns."""

from __future__ import annotations

from evenflow.datasets import _argus, _samples
from evenflow.datasets._remote import RemoteFile

SCHEMA = _argus.schema(
    "bot_iot_argus_sample",
    ("flgs", "proto", "state", "pkts", "bytes", "dur", "mean", "stddev", "sum", "min",
     "max", "spkts", "dpkts", "sbytes", "dbytes", "rate", "srate", "drate"),
)  # fmt: skip
DATASET = _samples.dataset(
    title="BoT-IoT, sample of 1,109 rows, all Argus columns",
    schema=SCHEMA,
    file=RemoteFile(
        name="bot-iot_full-argus_sample_1109.csv",
        folder="bot-iot",
        sha256="89e121f5a6f4d47c9facb58f047b832168cd4419a9f0fb44883cf77b3789e5b5",
        size=219_051,
        other_names=("data_t.csv",),
        parquet="bot-iot_full-argus_sample_1109.parquet",
        parquet_sha256="a327a7f2e1aa9bbf9afb70d49726845b2e459ff59645b7a851607d90423b871b",
    ),
    source="https://github.com/sid-203/BoT-IoT-DDoS-Detection-ML",
    caveats=(
        "DDoS over TCP (1,044) and benign (65) only.",
        "3 duplicated rows; the columns smac to dco are empty.",
    ),
)
