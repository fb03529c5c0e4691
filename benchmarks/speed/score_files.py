"""How fast a bundle scores: files of any length, batches, one record.

Usage::

    python benchmarks/speed/score_files.py BUNDLE RECORDS -o OUT.json [--rows N ...]

BUNDLE is a trained bundle (a CNN for the published figures), RECORDS a file of its
data set (KDDTest+); longer files repeat its rows. Every file is scored by a process
of its own, so that peak memory is that file's. Ratios compare runs of one minute on
one machine; seconds alone say little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evenflow.inference import BATCH_ROWS
from evenflow.runtime.bundle import Bundle, load
from evenflow.runtime.records import read_records
from evenflow.runtime.stream import score_file

ROWS = (10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("records", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.bundle, *given.child)))
        return
    bundle = load(given.bundle)
    frames = [b.table.frame for b in read_records(given.records, bundle.schema)]
    frame = pl.concat(frames)
    result = {
        "bundle": given.bundle.name,
        "model_bytes": bundle.manifest["model_bytes"],
        "machine": machine(),
        "batches": batches(bundle, frame),
        "one_record": one_record(bundle, frame),
        "files": [file(given.bundle, frame, n) for n in given.rows],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.output:
        given.output.write_text(text + "\n")


def batches(bundle: Bundle, frame: pl.DataFrame) -> dict[str, float]:
    """Rows/s of the whole bundle against the bare model, batch after batch."""
    from evenflow.schema import Table

    rows = np.resize(np.arange(frame.height), 16 * BATCH_ROWS)
    table = Table(schema=bundle.schema, frame=frame[rows])
    starts = range(0, len(table), BATCH_ROWS)
    ends = (min(start + BATCH_ROWS, len(table)) for start in starts)
    parts = [table.take(np.arange(*part)) for part in zip(starts, ends, strict=True)]
    X = [bundle.preprocessor.transform(part) for part in parts]

    def whole() -> None:
        for part in parts:
            bundle.decide(part)

    def bare() -> None:
        for x in X:
            bundle.session.run(["log_proba"], {"x": x})

    def prepare() -> None:
        for part in parts:
            bundle.preprocessor.transform(part)

    seconds = {f.__name__: best(f) for f in (whole, bare, prepare)}
    return {
        "batch_rows": BATCH_ROWS,
        "score_rows_per_s": round(len(table) / seconds["whole"]),
        "onnxruntime_rows_per_s": round(len(table) / seconds["bare"]),
        "prepare_rows_per_s": round(len(table) / seconds["prepare"]),
        "ratio": round(seconds["bare"] / seconds["whole"], 3),
    }


def one_record(bundle: Bundle, frame: pl.DataFrame, n: int = 2000) -> dict[str, float]:
    """Return milliseconds of one record, given as a dict, in process."""
    records = frame[: min(n, frame.height)].to_dicts()
    for record in records[:50]:
        bundle.decide_record(record)
    ms = []
    for i in range(n):
        started = time.perf_counter()
        bundle.decide_record(records[i % len(records)])
        ms.append((time.perf_counter() - started) * 1e3)
    p50, p99 = np.percentile(ms, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


def file(bundle: Path, frame: pl.DataFrame, n_rows: int) -> dict[str, Any]:
    """Score a CSV file of so many rows to CSV in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, sink = Path(folder) / "in.csv", Path(folder) / "out.csv"
        write_repeated(frame, n_rows, source)
        command = [sys.executable, __file__, bundle, source, "--child", source, sink]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return {"rows": n_rows, "csv_bytes": source.stat().st_size} | found


def child(bundle: Path, source: Path, sink: Path) -> dict[str, float]:
    detector = load(bundle)
    started = time.process_time()
    summary = score_file(detector, source, sink)
    assert summary.scored == summary.read
    cpu_s = time.process_time() - started
    return {
        "rows_per_s": round(summary.scored / summary.seconds),
        "rows_per_cpu_s": round(summary.scored / cpu_s),
        "seconds": round(summary.seconds, 3),
        "peak_mb": round(peak_mb(), 1),
    }


def peak_mb() -> float:
    """Return this process's own peak; ``getrusage`` would repeat its parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def write_repeated(frame: pl.DataFrame, n_rows: int, path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(frame[:0].write_csv().encode())
        body, left = frame.write_csv(include_header=False).encode(), n_rows
        while left >= frame.height:
            stream.write(body)
            left -= frame.height
        stream.write(frame[:left].write_csv(include_header=False).encode())


def best(run: Callable[[], None], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def machine() -> dict[str, Any]:
    import onnxruntime

    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "polars": pl.__version__,
        "load_1min": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
