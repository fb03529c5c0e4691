"""10,257 rows of BoT-IoT's ten best features, drawn from both official parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from evenflow.datasets import Dataset, _argus, _samples, _tables
from evenflow.datasets._remote import RemoteFile
from evenflow.datasets.bot_iot_10best import FEATURES, columns
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Table

SCHEMA = _argus.schema("bot_iot_10best_sample", FEATURES)
PARQUET = "bot-iot_10best_sample_10257.parquet"
PARQUET_SHA256 = "9311ba09b6f9ccb7ea2e4b941e9c19fbab019f83f8385e8bd91d858b5eccffba"
SOURCE = "https://github.com/kth333/iot-ddos-intrusion-detection-system"


def _file(name: str, sha256: str, size: int) -> RemoteFile:
    return RemoteFile(
        name=f"10best_{name}.csv",
        folder="bot-iot",
        sha256=sha256,
        size=size,
        other_names=(f"{name}.csv",),
        parquet=PARQUET,
        parquet_sha256=PARQUET_SHA256,
    )


FILES = {
    "train": (
        _file(
            "Training_Set_Attack_Traffic",
            "a152d2f8c1b12dabaea44a8c532bfb1b293ae8e437afec0940faa1e0d54874e0",
            594_649,
        ),
        _file(
            "Training_Set_Normal_Traffic",
            "ca0658df1198827f685c75ac59d046e79c8a2cca2abfd082a08dce8d5ec2afdc",
            13_005,
        ),
    ),
    "test": (
        _file(
            "Test_Set_Attack_Traffic",
            "f376a0253cc7920c3f0da595583be2803a9fdb7e318268a66d9a1701a9bb2340",
            600_277,
        ),
        _file(
            "Test_Set_Normal_Traffic",
            "50d25a6be644d0bd98d2343cf1bd33f441cf150d730daffdcdfa11c7c4777d20",
            11_767,
        ),
    ),
}


def load(
    split: str,
    *,
    folders: Sequence[Path],
    with_seq: bool = False,
    on_event: OnEvent = ignore,
) -> Table:
    """Load the sample's rows of an official part: attacks, then benign ones.

    Parameters
    ----------
    split : {'train', 'test'}
    with_seq : bool
        Keep ``seq`` as a feature, as published work does; an optimistic figure.
    """
    del on_event
    kind = columns(SCHEMA, with_seq=with_seq)
    needs = ("category", "subcategory")
    parts = []
    for file in FILES[split]:
        frame, where = _argus.read(file, folders, kind, page=SOURCE, needs=needs)
        if where.suffix == ".parquet":  # all four files in one
            mine = frame.filter(pl.col("split") == split).drop("split")
            return _argus.table(mine, kind, where)
        parts.append(_argus.table(frame, kind, where))
    return _tables.joined(parts)


DATASET = Dataset(
    name="bot_iot_10best_sample",
    title="BoT-IoT, ten best features, sample of 10,257 rows",
    load=load,
    splits=tuple(FILES),
    reads_own_file=False,
    files=tuple(f for files in FILES.values() for f in files),
    schema=SCHEMA,
    has_official_test=True,
    url=SOURCE,
    terms=_argus.TERMS,
    citation=_argus.CITATION,
    caveats=(
        _samples.SAMPLE,
        "DDoS and benign only (225 benign rows in all); HTTP floods: 1 in train, 4 in "
        "test.",
        "Attack rows were drawn from the official parts; the test part holds all 107 "
        "benign rows of the official test file.",
        "seq is one of the published ten; it is left out unless with_seq = true.",
    ),
)
