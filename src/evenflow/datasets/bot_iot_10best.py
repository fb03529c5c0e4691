"""BoT-IoT's ten best features, in the publisher's training and test files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evenflow.datasets import Dataset, _argus
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table

# The publisher's ten without seq.
FEATURES = (
    "stddev", "N_IN_Conn_P_SrcIP", "min", "state_number", "mean", "N_IN_Conn_P_DstIP",
    "drate", "srate", "max",
)  # fmt: skip
SCHEMA = _argus.schema("bot_iot_10best", FEATURES)
FILES = {
    "train": RemoteFile(
        name="UNSW_2018_IoT_Botnet_Final_10_best_Training.csv",
        folder="bot-iot",
        sha256="047e577cd9c7f8f61d44ac170114497904c33091bf80d1dd5e682e353a69c15b",
        size=369_103_929,
    ),
    "test": RemoteFile(
        name="UNSW_2018_IoT_Botnet_Final_10_best_Testing.csv",
        folder="bot-iot",
        sha256="8617de2ac5d6ca4c2f77272c7409253a396f2a9e667c29c8e797ab9f57a1868e",
        size=92_281_052,
    ),
}


def columns(kind: Schema, *, with_seq: bool) -> Schema:
    """Return the schema, with ``seq`` if it is wanted."""
    if not with_seq:
        return kind
    return replace(kind, columns=(*kind.columns, _argus.COLUMNS["seq"]))


def load(
    split: str,
    *,
    folders: Sequence[Path],
    with_seq: bool = False,
    on_event: OnEvent = ignore,
) -> Table:
    """Load a published file.

    Nine of the ten features: ``seq`` follows the order of the capture, and with it
    the class. Record number, protocol, addresses and ports stand aside, as the
    publisher counts none of them among the ten.

    Parameters
    ----------
    split : {'train', 'test'}
    with_seq : bool
        Keep ``seq`` as a feature, as published work does; an optimistic figure.

    Raises
    ------
    DataError, ChecksumError
        The file is missing, damaged or not the published one.
    """
    del on_event
    kind = columns(SCHEMA, with_seq=with_seq)
    frame, where = _argus.read(
        FILES[split], folders, kind, needs=("category", "subcategory")
    )
    return _argus.table(frame, kind, where)


DATASET = Dataset(
    name="bot_iot_10best",
    title="BoT-IoT, ten best features, official split (2018)",
    load=load,
    splits=tuple(FILES),
    reads_own_file=False,
    files=tuple(FILES.values()),
    schema=SCHEMA,
    has_official_test=True,
    url=_argus.PAGE,
    terms=_argus.TERMS,
    citation=_argus.CITATION,
    caveats=(
        "The test file has 733,705 rows with 107 benign and 14 theft: read their "
        "recall with its interval, not accuracy or weighted F1.",
        "The split is random within one capture: it tells little about new traffic.",
        "The N_IN_Conn columns were computed over windows of 100 rows of the sorted, "
        "labelled file.",
        "seq is one of the published ten; it is left out unless with_seq = true.",
    ),
)
