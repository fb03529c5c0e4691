"""KDD Cup 99: the data set that NSL-KDD was made from, with all its duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenflow.datasets import Dataset, _kdd, _remote, _tables
from evenflow.datasets._kdd import Taxonomy
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import Note, OnEvent, ignore
from evenflow.schema import Table

SCHEMA = _kdd.schema("kdd99")


def _file(name: str) -> RemoteFile:
    return RemoteFile(name=name, folder="kdd99", sha256=None)


FILES = {"train": _file("kddcup.data_10_percent"), "test": _file("corrected")}
PUBLISHED = {
    "train": {
        "benign": 97_278, "dos": 391_458, "probe": 4_107, "r2l": 1_126, "u2r": 52,
    },
    "test": {
        "benign": 60_593, "dos": 229_853, "probe": 4_166, "r2l": 16_189, "u2r": 228,
    },
}  # fmt: skip
"""Rows of each class in the published files, under the taxonomy ``kdd_cup``."""
PAGE = "https://kdd.ics.uci.edu/databases/kddcup99/kddcup99.html"


def load(
    split: str,
    *,
    folders: Sequence[Path],
    taxonomy: Taxonomy = "kdd_cup",
    on_event: OnEvent = ignore,
) -> Table:
    """Load a published file.

    Nothing is dropped or changed: duplicates stay, and ``normal`` becomes ``benign``.

    Parameters
    ----------
    split : {'train', 'test'}
        ``kddcup.data_10_percent`` or ``corrected``, unpacked or as ``.gz``.
    taxonomy : {'kdd_cup', 'httptunnel_r2l'}
        Which of the two common maps from attack type to family.

    Raises
    ------
    DataError
        The file is missing, damaged or not in the published format.
    """
    place, source = _remote.content(FILES[split], folders, page=PAGE)
    table = _kdd.table(_kdd.schema("kdd99", taxonomy), place, source)
    n_rows = sum(PUBLISHED[split].values())
    if len(table) != n_rows or (
        taxonomy == "kdd_cup" and table.counts() != PUBLISHED[split]
    ):
        on_event(
            Note(
                text=f"{place.path.name} holds {len(table):,} rows "
                f"({_tables.tally(table.counts())}), the published file {n_rows:,} "
                f"({_tables.tally(PUBLISHED[split])}): it is another extract (no "
                "checksum of these files is known)"
            )
        )
    return table


DATASET = Dataset(
    name="kdd99",
    title="KDD Cup 99, 10 % file (1999)",
    load=load,
    splits=tuple(FILES),
    reads_own_file=False,
    files=tuple(FILES.values()),
    schema=SCHEMA,
    has_official_test=True,
    url=PAGE,
    terms="University of California, Irvine, KDD Archive: see the publisher's page.",
    citation="S. Hettich, S. D. Bay, 'The UCI KDD Archive', University of California, "
    "Irvine, 1999; S. J. Stolfo et al., 'Cost-based modeling for fraud and intrusion "
    "detection: results from the JAM project', DISCEX 2000. "
    "doi:10.1109/DISCEX.2000.821515",
    caveats=(
        "Simulated traffic of 1998; no figure on it applies to a network of today.",
        "About three rows in four belong to two floods, smurf and neptune, mainly "
        "duplicates: accuracy counts floods. NSL-KDD was made to do without them "
        "(doi:10.1109/CISDA.2009.5356528).",
        "17 attack types occur only in the test file.",
        "Two rows of the test file, 136,489 and 136,497, hold the service ICMP, which "
        "is not a service (doi:10.1109/CISDA.2009.5356528).",
        "No checksum of these files is known; their row counts are compared.",
    ),
)
