"""18,867 rows of the full BoT-IoT release: nearly all benign rows, no DDoS."""

from __future__ import annotations

from evenflow.datasets import _argus, _samples
from evenflow.datasets._remote import RemoteFile

SCHEMA = _argus.schema(
    "bot_iot_12col_sample",
    ("flgs", "proto", "pkts", "bytes", "dur", "mean", "stddev", "sum", "min", "max",
     "rate"),
)  # fmt: skip
DATASET = _samples.dataset(
    title="BoT-IoT, sample of 18,867 rows, 11 Argus columns",
    schema=SCHEMA,
    file=RemoteFile(
        name="bot-iot_12col_sample_18867.csv",
        folder="bot-iot",
        sha256="e4964d18945fb8555e2650099eddca38ae39b4e568aa314d74f108f1cc7a8592",
        size=1_373_812,
        other_names=("pre_pocessed_data.csv",),
        parquet="bot-iot_12col_sample_18867.parquet",
        parquet_sha256="37b0db1ef86c331a4b8a7f8ae91b2f6506ff66618207690bccddd65f890007ba",
    ),
    source="https://github.com/sakshi450/Real-Time-Anomaly-detection-in-bot-iot-dataset",
    needs=("category",),
    caveats=(
        "No DDoS and no theft rows: a model trained here can predict neither.",
        "Rows without ports (ARP) were dropped by the sample's author; up to 1,000 "
        "attack rows of each of the 74 files were kept, so proportions mean nothing.",
        "1,951 duplicated rows; no subcategory, so an attack type is its category.",
    ),
)
