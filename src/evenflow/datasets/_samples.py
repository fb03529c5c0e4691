"""The samples of BoT-IoT that circulate in public repositories, each for itself.

Joining them would make the class depend on which file a row came from: nearly all
benign rows come from one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenflow.datasets import Dataset, _argus
from evenflow.datasets._remote import RemoteFile
from evenflow.progress import OnEvent, ignore
from evenflow.schema import Schema, Table

SAMPLE = (
    "A sample, not the data set: published figures do not compare with figures on it."
)


def dataset(
    *,
    title: str,
    file: RemoteFile,
    schema: Schema,
    caveats: tuple[str, ...],
    source: str,
    needs: Sequence[str] = ("category", "subcategory"),
) -> Dataset:
    """Return the data set of a sample that is one file without a test part."""

    def load(
        split: str, *, folders: Sequence[Path], on_event: OnEvent = ignore
    ) -> Table:
        """Load the sample; ``train`` is all of it."""
        del split, on_event
        frame, where = _argus.read(file, folders, schema, page=source, needs=needs)
        return _argus.table(frame, schema, where)

    return Dataset(
        name=schema.name,
        title=title,
        load=load,
        splits=("train",),
        reads_own_file=False,
        files=(file,),
        schema=schema,
        url=source,
        terms=_argus.TERMS,
        citation=_argus.CITATION,
        caveats=(SAMPLE, *caveats),
    )
