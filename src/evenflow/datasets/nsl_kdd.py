"""NSL-KDD: KDD Cup 99 without its duplicates, and the field's common yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenflow.datasets import Dataset, _kdd, _remote
from evenflow.datasets._kdd import Taxonomy
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Table

ASIDE = ("difficulty",)
SCHEMA = _kdd.schema("nsl_kdd", aside=ASIDE)
# The publisher's page says the set is not available at this time; this public copy
# holds the same bytes, which the SHA-256 decides in any case.
_COPY = "https://raw.githubusercontent.com/defcom17/NSL_KDD/master/"


def _file(
    name: str, sha256: str, size: int, parquet: str, copied: bool = True
) -> RemoteFile:
    return RemoteFile(
        name=f"{name}.txt",
        folder="nsl-kdd",
        sha256=sha256,
        size=size,
        parquet=f"{name}.parquet",
        parquet_sha256=parquet,
        url=_COPY + name.replace("+", "%2B") + ".txt" if copied else None,
    )


FILES = {
    "train": _file(
        "KDDTrain+",
        "1b86d2f957b33082081bba410fe129b475efebcc13c9014c3f447c8271aadf95",
        19_109_424,
        "a52763641fac8acece256257df2c8c1cf284a2b2cfec62e42f88b2a6b27eabb6",
    ),
    "test": _file(
        "KDDTest+",
        "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84",
        3_441_513,
        "ec7d1813133fa2ab86452a63f35e08bd8283ab03d9ca5dbc4a67cc8491b8ce2c",
    ),
    "test21": _file(
        "KDDTest-21",
        "746993ac9e25868827cacf09eab450050a2a1056e1ce48a1ad39f5dc801d531d",
        1_814_092,
        "80fb8214cbd821601406226b1375298df66cdb2f1c32ef24c4bdd301c3241093",
    ),
    "train20": _file(
        "KDDTrain+_20Percent",
        "7ea86479faab5ca2190b7f18b4982fb058ce5bf2b46e0e1017d0d9ef90f9c16e",
        3_822_033,
        "c6cd4bf31c8e97328309c8faf893c700cc16c1a85cdcd7136feba6e34d704d96",
    ),
}
PAGE = "https://www.unb.ca/cic/datasets/nsl.html"


def load(
    split: str,
    *,
    folders: Sequence[Path],
    taxonomy: Taxonomy = "kdd_cup",
    on_event: OnEvent = ignore,
) -> Table:
    """Load a published file.

    Nothing is dropped or changed: ``normal`` becomes ``benign``, and ``difficulty``
    (how many of 21 learners labelled the record rightly) is not used, because it
    was computed from the label.

    Parameters
    ----------
    split : {'train', 'test', 'test21', 'train20'}
    taxonomy : {'kdd_cup', 'httptunnel_r2l'}
        Which of the two common maps from attack type to family.

    Raises
    ------
    DataError, ChecksumError
        The file is missing, damaged or not the published one.
    """
    del on_event
    place, source = _remote.content(FILES[split], folders, page=PAGE)
    return _kdd.table(_kdd.schema("nsl_kdd", taxonomy, aside=ASIDE), place, source)


DATASET = Dataset(
    name="nsl_kdd",
    title="NSL-KDD (2009)",
    load=load,
    splits=tuple(FILES),
    reads_own_file=False,
    files=tuple(FILES.values()),
    schema=SCHEMA,
    has_official_test=True,
    url=PAGE,
    terms="Canadian Institute for Cybersecurity, University of New Brunswick: may be "
    "redistributed in any form with a citation of the data set and its paper (as "
    "quoted by third parties).",
    citation="M. Tavallaee, E. Bagheri, W. Lu, A. Ghorbani, 'A Detailed Analysis of "
    "the KDD CUP 99 Data Set', IEEE CISDA 2009. doi:10.1109/CISDA.2009.5356528",
    caveats=(
        "Simulated traffic of 1998; no figure on it applies to a network of today.",
        "17 attack types (3,750 rows) occur only in the test file: a high figure on a "
        "random split of the training file says nothing about them.",
        "664 test rows have features that also occur in training, 610 of them with "
        "the same attack type.",
        "15 feature vectors of train and 57 of test carry two labels; 28 of the 178 "
        "snmpgetattack rows equal normal training rows.",
        "num_outbound_cmds is 0 everywhere; su_attempted takes the value 2.",
    ),
)
