"""CIC-IDS2017: eight CSV files of CICFlowMeter flows, one or more a day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from evenflow.datasets import Dataset, _remote, _tables
from evenflow.datasets._remote import RemoteFile
from evenflow.errors import RecipeError
from evenflow.progress import Note, OnEvent, Progress, ignore
from evenflow.registry import nearest
from evenflow.schema import BENIGN, Column, Schema, Table

# The columns of MachineLearningCVE, in order, without the label, the destination
# port (aside) and the second Fwd Header Length, which repeats the first.
_JOINED = (
    "Flow Duration|Total Fwd Packets|Total Backward Packets|"
    "Total Length of Fwd Packets|Total Length of Bwd Packets|Fwd Packet Length Max|"
    "Fwd Packet Length Min|Fwd Packet Length Mean|Fwd Packet Length Std|"
    "Bwd Packet Length Max|Bwd Packet Length Min|Bwd Packet Length Mean|"
    "Bwd Packet Length Std|Flow Bytes/s|Flow Packets/s|Flow IAT Mean|Flow IAT Std|"
    "Flow IAT Max|Flow IAT Min|Fwd IAT Total|Fwd IAT Mean|Fwd IAT Std|Fwd IAT Max|"
    "Fwd IAT Min|Bwd IAT Total|Bwd IAT Mean|Bwd IAT Std|Bwd IAT Max|Bwd IAT Min|"
    "Fwd PSH Flags|Bwd PSH Flags|Fwd URG Flags|Bwd URG Flags|Fwd Header Length|"
    "Bwd Header Length|Fwd Packets/s|Bwd Packets/s|Min Packet Length|"
    "Max Packet Length|Packet Length Mean|Packet Length Std|Packet Length Variance|"
    "FIN Flag Count|SYN Flag Count|RST Flag Count|PSH Flag Count|ACK Flag Count|"
    "URG Flag Count|CWE Flag Count|ECE Flag Count|Down/Up Ratio|Average Packet Size|"
    "Avg Fwd Segment Size|Avg Bwd Segment Size|Fwd Avg Bytes/Bulk|"
    "Fwd Avg Packets/Bulk|Fwd Avg Bulk Rate|Bwd Avg Bytes/Bulk|Bwd Avg Packets/Bulk|"
    "Bwd Avg Bulk Rate|Subflow Fwd Packets|Subflow Fwd Bytes|Subflow Bwd Packets|"
    "Subflow Bwd Bytes|Init_Win_bytes_forward|Init_Win_bytes_backward|"
    "act_data_pkt_fwd|min_seg_size_forward|Active Mean|Active Std|Active Max|"
    "Active Min|Idle Mean|Idle Std|Idle Max|Idle Min"
)
_PUBLISHED = _JOINED.split("|")
_TIMES = ("Duration", "IAT", "Active", "Idle")
_FRACTIONS = ("Mean", "Std", "Variance", "/s", "Rate", "Average", "Avg", "IAT")


def column(published: str) -> Column:
    """Return the column of a published name.

    Without bounds: the files hold negative durations, window sizes of -1 and header
    lengths that ran over, and a row is not refused for them.
    """
    is_time = any(word in published for word in _TIMES)
    unit = "us" if is_time else ""
    if "Bytes/s" in published:
        unit = "bytes/s"
    elif "Packets/s" in published:
        unit = "packets/s"
    elif re.search("Length|Size|Bytes|bytes|Segment", published):
        unit = "bytes"
    is_whole = not any(word in published for word in _FRACTIONS) and not is_time
    name = published.lower().replace("/s", "_per_s").replace("/", "_")
    return Column(
        name=re.sub(r"[^a-z0-9]+", "_", name),
        unit=unit,
        step=1 if is_whole else None,
        aliases=(published,),
        description=f"CICFlowMeter's {published}",
    )


FAMILIES = {
    "ddos": "ddos",
    "dos_goldeneye": "dos",
    "dos_hulk": "dos",
    "dos_slowhttptest": "dos",
    "dos_slowloris": "dos",
    "ftp_patator": "brute_force",
    "ssh_patator": "brute_force",
    "web_attack_brute_force": "web_attack",
    "web_attack_sql_injection": "web_attack",
    "web_attack_xss": "web_attack",
    "portscan": "port_scan",
    "bot": "botnet",
}
SCHEMA = Schema(
    name="cic_ids2017",
    columns=tuple(column(name) for name in _PUBLISHED),
    classes=(
        BENIGN, "botnet", "brute_force", "ddos", "dos", "heartbleed", "infiltration",
        "port_scan", "web_attack",
    ),
    families=FAMILIES,
    taxonomy="CIC-IDS2017 scenarios: Patator is brute_force, the four DoS tools are "
    "dos, the three web attacks are web_attack; Heartbleed and Infiltration stand "
    "alone",
)  # fmt: skip
# Part -> name of the published file and its rows in MachineLearningCVE.
PARTS = {
    "monday": ("Monday-WorkingHours", 529_918),
    "tuesday": ("Tuesday-WorkingHours", 445_909),
    "wednesday": ("Wednesday-workingHours", 692_703),
    "thursday_morning": ("Thursday-WorkingHours-Morning-WebAttacks", 170_366),
    "thursday_afternoon": ("Thursday-WorkingHours-Afternoon-Infilteration", 288_602),
    "friday_morning": ("Friday-WorkingHours-Morning", 191_033),
    "friday_afternoon_portscan": (
        "Friday-WorkingHours-Afternoon-PortScan",
        286_467,
    ),
    "friday_afternoon_ddos": ("Friday-WorkingHours-Afternoon-DDos", 225_745),
}
FILES = {
    part: RemoteFile(name=f"{name}.pcap_ISCX.csv", folder="cic-ids2017", sha256=None)
    for part, (name, _) in PARTS.items()
}
PAGE = "https://www.unb.ca/cic/datasets/ids-2017.html"
NAMES = {c.aliases[0]: c.name for c in SCHEMA.columns}


def load(
    split: str,
    *,
    folders: Sequence[Path],
    parts: list[str] | None = None,
    on_event: OnEvent = ignore,
) -> Table:
    """Load the files, in the order of the week.

    Column names lose the blanks around them and become ``snake_case`` (the published
    name stays as an alias). The second ``Fwd Header Length`` is dropped. ``Infinity``
    and ``NaN`` in the two rates stay what they are; the preprocessor fills them.
    Lines without any value, of which one version of the Thursday file has many, are
    dropped. The broken dash in ``Web Attack - XSS`` and its like is read as a blank.
    The destination port, and in the other version flow number, addresses and time,
    stand aside, together with ``part``, the file a row came from.

    Parameters
    ----------
    split : {'train'}
    parts : list of str, optional
        Which files: ``monday, tuesday, wednesday, thursday_morning,
        thursday_afternoon, friday_morning, friday_afternoon_portscan,
        friday_afternoon_ddos``. All of them by default.

    Raises
    ------
    RecipeError
        No such part.
    DataError
        A file is missing, damaged or lacks a column.
    """
    del split
    chosen = list(PARTS) if parts is None else parts
    for part in chosen:
        if part not in PARTS:
            raise RecipeError(
                f"cic_ids2017 has no part {part!r}; {nearest(part, list(PARTS))}"
            )
    if not chosen:
        raise RecipeError(
            "cic_ids2017: parts is empty; expected at least one of: "
            f"{', '.join(PARTS)}. Name some or leave the key out"
        )
    for part in chosen:
        if _remote.find(FILES[part], folders) is None:
            raise _remote.missing(FILES[part], folders, page=PAGE)
    tables = []
    for number, part in enumerate(chosen, start=1):
        tables.append(_read(part, folders, on_event))
        on_event(
            Progress(
                step="load cic_ids2017", done=number, total=len(chosen), unit="files"
            )
        )
    return _tables.joined(tables)


def _read(part: str, folders: Sequence[Path], on_event: OnEvent) -> Table:
    place, source = _remote.content(FILES[part], folders, page=PAGE)
    frame = _tables.read(source, form=place.form, where=place.path, numeric=list(NAMES))
    _tables.require(frame, [*NAMES, "Label"], place.path)
    frame = frame.with_row_index("__line", offset=2)
    blank = pl.all_horizontal(pl.exclude("__line").is_null())
    n_read = frame.height
    frame = frame.filter(~blank)
    published = PARTS[part][1]
    if n_read > frame.height:
        on_event(
            Note(
                text=f"{place.path.name}: {n_read - frame.height:,} lines without any "
                "value were dropped"
            )
        )
    if frame.height != published:
        on_event(
            Note(
                text=f"{place.path.name} holds {frame.height:,} flows, the published "
                f"file {published:,}: it is another extract (no checksum of these "
                "files is known)"
            )
        )
    label = _tables.slug(pl.col("Label"))
    attack = frame.select(pl.when(label != "").then(label).alias("attack")).to_series()
    aside = [
        n
        for n in frame.columns
        if n not in NAMES and n not in ("__line", "Label", "Fwd Header Length.1")
    ]  # fmt: skip
    return _tables.labelled(
        SCHEMA,
        frame.rename(NAMES),
        attack,
        where=place.path,
        extra=frame.select(
            *aside, pl.lit(part).alias("part"), pl.col("__line").alias("line")
        ),
    )


DATASET = Dataset(
    name="cic_ids2017",
    title="CIC-IDS2017 (MachineLearningCVE)",
    load=load,
    splits=("train",),
    reads_own_file=False,
    files=tuple(FILES.values()),
    schema=SCHEMA,
    url=PAGE,
    terms="Canadian Institute for Cybersecurity, University of New Brunswick: may be "
    "redistributed in any form with a citation of the data set and its paper (as "
    "quoted by third parties).",
    citation="I. Sharafaldin, A. Habibi Lashkari, A. A. Ghorbani, 'Toward Generating a "
    "New Intrusion Detection Dataset and Intrusion Traffic Characterization', ICISSP "
    "2018. doi:10.5220/0006639801080116",
    caveats=(
        "No official test part, and almost each attack is in one file of one day: a "
        "random split learns the day.",
        "Known label and feature errors (flows cut at the wrong packet, mislabelled "
        "attempts): L. Liu et al., 'Error Prevalence in NIDS datasets', IEEE CNS 2022, "
        "doi:10.1109/CNS56114.2022.9947235; G. Engelen et al., IEEE SPW 2021, "
        "doi:10.1109/SPW53761.2021.00009.",
        "11 Heartbleed, 21 SQL injection and 36 infiltration flows in all.",
        "Flow Bytes/s and Flow Packets/s are infinite or NaN where the duration is "
        "zero; durations, header lengths and window sizes can be negative.",
        "No checksum of these files is known; their row counts are compared.",
    ),
)
