"""BoT-IoT's 5 % extract: four CSV files of Argus records, all 46 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evenflow.datasets import Dataset, _argus, _remote, _tables
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.schema import Table

FEATURES = (
    "flgs", "proto", "state", "pkts", "bytes", "dur", "mean", "stddev", "sum", "min",
    "max", "spkts", "dpkts", "sbytes", "dbytes", "rate", "srate", "drate",
    "TnBPSrcIP", "TnBPDstIP", "TnP_PSrcIP", "TnP_PDstIP", "TnP_PerProto",
    "TnP_Per_Dport", "AR_P_Proto_P_SrcIP", "AR_P_Proto_P_DstIP", "N_IN_Conn_P_DstIP",
    "N_IN_Conn_P_SrcIP", "AR_P_Proto_P_Sport", "AR_P_Proto_P_Dport",
    "Pkts_P_State_P_Protocol_P_DestIP", "Pkts_P_State_P_Protocol_P_SrcIP",
)  # fmt: skip
SCHEMA = _argus.schema("bot_iot", FEATURES)
FILES = tuple(
    RemoteFile(
        name=f"UNSW_2018_IoT_Botnet_Full5pc_{number}.csv", folder="bot-iot", sha256=None
    )
    for number in (1, 2, 3, 4)
)
# As published; no checksum of these files is known, so the counts are the check.
PUBLISHED = {
    "benign": 477,
    "ddos": 1_926_624,
    "dos": 1_650_260,
    "reconnaissance": 91_082,
    "theft": 79,
}


def load(
    split: str,
    *,
    folders: Sequence[Path],
    with_seq: bool = False,
    on_event: OnEvent = ignore,
) -> Table:
    """Load the four files as one; all four are needed.

    Left out of the features: record number, addresses, ports, start and end times,
    and ``seq``, which follows the order of the capture and so gives away the class;
    ``flgs_number``, ``proto_number`` and ``state_number`` repeat a text column.

    Parameters
    ----------
    split : {'train'}
    with_seq : bool
        Keep ``seq`` as a feature, as published work does; an optimistic figure.

    Raises
    ------
    DataError
        A file is missing or not in the published format.
    """
    del split
    kind = SCHEMA
    if with_seq:
        kind = replace(kind, columns=(*kind.columns, _argus.COLUMNS["seq"]))
    for file in FILES:  # say what is missing before the first is read
        if _remote.find(file, folders) is None:
            raise _remote.missing(file, folders, page=_argus.PAGE)
    parts = []
    where = Path()
    for number, file in enumerate(FILES, start=1):
        frame, where = _argus.read(
            file, folders, kind, needs=("category", "subcategory")
        )
        parts.append(_argus.table(frame, kind, where))
        on_event(
            Progress(step="load bot_iot", done=number, total=len(FILES), unit="files")
        )
    table = _tables.joined(parts)
    if table.counts() != PUBLISHED:
        on_event(
            Note(
                text="bot_iot: no checksum of the 5 % files is known, and their rows "
                f"({_tables.tally(table.counts())}) are not the published ones "
                f"({_tables.tally(PUBLISHED)}): report it as another extract"
            )
        )
    return table


DATASET = Dataset(
    name="bot_iot",
    title="BoT-IoT, 5 % extract (2018)",
    load=load,
    splits=("train",),
    reads_own_file=False,
    files=FILES,
    schema=SCHEMA,
    url=_argus.PAGE,
    terms=_argus.TERMS,
    citation=_argus.CITATION,
    caveats=(
        "477 benign and 79 theft rows among 3,668,522: accuracy and weighted F1 say "
        "nothing about them; read their recall with its interval.",
        "DoS and DDoS share subcategory names and tools; seq and the addresses "
        "distinguish them, traffic hardly does.",
        "The columns from TnBPSrcIP on were computed over windows of 100 rows of the "
        "sorted, labelled files: they carry the class's neighbourhood.",
        "No checksum of these four files is known; their row counts are compared.",
    ),
)
