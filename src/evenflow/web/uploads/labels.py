"""Labels of an uploaded file: a report on its rows, and which verdicts are wrong.

The labels are read from the results of the scoring, which repeat every column of the
file, whatever its format. A model never reads them.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evenflow import files
from evenflow.datasets import table_file
from evenflow.errors import BundleError, DataError, LeakError
from evenflow.experiment.evaluate import evaluate_labelled
from evenflow.judge.report import Report
from evenflow.progress import Event, Note
from evenflow.runtime.bundle import Bundle
from evenflow.schema import Table
from evenflow.text.numbers import MISSING
from evenflow.web.uploads.results import TRUTH, Results

logger = logging.getLogger(__name__)

REPORT = "report.json"
MOST_ROWS = 1_000_000
"""Labelled rows of one report at most, the first ones: all are held in memory."""
ERRORS = {
    "missed": "Missed attacks",
    "false_alarm": "False alarms",
    "other_class": "Attacks of another class",
}
"""Kind of a wrong verdict -> what pages call it."""
LINE = "line number of evenflow"
"""Column that tells the rows apart while they are read; no file has it."""


def column_of(
    bundle: Bundle, results: Results, label: str, benign: tuple[str, ...] = ()
) -> str:
    """Return the label column of a file, empty where it has none.

    Parameters
    ----------
    label : str
        The column that its sender named; empty to find it by its name.
    benign : tuple of str
        Values that mean benign; a file of which they are named has labels.

    Raises
    ------
    DataError
        There is no such column.
    """
    frame = results.frame(MOST_ROWS)
    try:
        return table_file.label_column(bundle.schema, frame, label=label, name="file")
    except DataError:
        if label or benign:
            raise
        return ""


def evaluate(
    bundle: Bundle,
    results: Results,
    folder: Path,
    *,
    name: str,
    label: str = "",
    benign: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Write the report of a labelled file and its wrong rows into a folder.

    Returned is what the result of the job says of the labels: empty for a file without
    labels; ``problem`` where they cannot be read, and then no report is written.

    Parameters
    ----------
    results : Results
        Verdicts on all rows of the file.
    folder : Path
        That of the results.
    name : str
        The sender's name of the file.
    label : str
        The label column, where the sender named it.
    benign : tuple of str
        Values of the label that mean benign, where the sender named them.
    """
    if not results.height:
        return {}
    try:
        column = column_of(bundle, results, label, benign)
    except DataError as error:
        return {"column": label, "problem": str(error)}
    if not column:
        return {}
    found: dict[str, Any] = {"column": column}
    notes: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    frame = results.frame(MOST_ROWS).with_columns(
        results.scan.select(pl.col("line").alias(LINE)).head(MOST_ROWS).collect()
    )
    frame, n_unlabelled = _labelled(frame, column, benign)
    found["unlabelled"] = n_unlabelled
    found["left_out"] = max(0, results.height - MOST_ROWS)
    if not frame.height:
        return found | {"problem": f"no row has a value in the column {column!r}"}
    try:
        table = table_file.load_frame(
            bundle.schema,
            frame,
            name=name,
            lines=frame[LINE].to_numpy(),
            label=column,
            benign=benign,
            on_event=on_event,
        )
        report, table, scores = evaluate_labelled(
            bundle, table, name=name, on_event=on_event
        )
    except (DataError, LeakError, BundleError) as error:
        logger.info("no report on %s: %s", name, error)
        return found | {
            "problem": str(error).replace(str(bundle.path), bundle.path.name)
        }
    files.write_json(folder / REPORT, report.to_dict())
    wrong = _write_truth(results, folder / TRUTH, table, scores.code)
    trained = set(bundle.schema.classes)
    unknown = {c: n for c, n in table.counts().items() if c not in trained and n}
    return found | {
        "rows": len(table),
        "notes": notes,
        "unknown": unknown,
        "wrong": wrong,
        "figures": {
            key: report.binary[key]
            for key in ("accuracy", "detection_rate", "false_alarm_rate")
        },
    }


def read(folder: Path) -> Report:
    """Return the report of an upload.

    Raises
    ------
    DataError
        It is not there.
    """
    try:
        value = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "the report of this upload does not exist, expected one of a labelled "
            "file. Upload the file again"
        ) from error
    return Report.from_dict(value)


def _labelled(
    frame: pl.DataFrame, column: str, benign: tuple[str, ...]
) -> tuple[pl.DataFrame, int]:
    """Return the rows with a label, and how many have none."""
    words = frame[column].cast(pl.String).str.strip_chars().fill_null("")
    has = ~words.str.to_lowercase().is_in(sorted(MISSING)) | words.is_in(list(benign))
    return frame.filter(has), int((~has).sum())


def _write_truth(
    results: Results, path: Path, table: Table, code: NDArray[np.int64]
) -> dict[str, int]:
    """Write true class and error of each row; return the number of each error.

    A row that is not in the report has neither.
    """
    assert table.extra is not None  # noqa: S101 (it holds the column added above)
    assert table.attack is not None  # noqa: S101 (load_frame reads labels)
    classes, y = np.array(table.schema.classes), table.labels
    error = np.full(len(y), "", dtype="<U11")
    error[(y > 0) & (code == 0)] = "missed"
    error[(y == 0) & (code > 0)] = "false_alarm"
    error[(y > 0) & (code > 0) & (y != code)] = "other_class"
    truth = pl.DataFrame(
        {
            "line": table.extra[LINE].cast(pl.Int64),
            "true_class": classes[y],
            "true_label": table.attack.cast(pl.String),
            "error": error,
        }
    )
    lines = results.scan.select("line").collect()
    whole = lines.join(truth, on="line", how="left", maintain_order="left")
    with files.replacing(path) as part:
        whole.drop("line").write_parquet(part)
    return {kind: int((error == kind).sum()) for kind in ERRORS}
