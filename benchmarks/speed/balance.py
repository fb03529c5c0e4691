"""Time each sampler on the NSL-KDD training part; each in a process of its own.

    python benchmarks/speed/balance.py [--data DIR] [--rows N] [--json FILE] [NAME ...]

70 % of KDDTrain+ (duplicates kept on one side), prepared as a recipe would, rare
classes lifted to at most 10,000 rows. Without the published files the embedded data
set stands in, and the output says so. Peak memory is that of the whole process,
Python and libraries included; ``none`` shows how much of it is rows and libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

CAP = 10_000
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "datasets"


def main() -> None:
    from evenflow import registry

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="samplers; all without")
    parser.add_argument("--data", type=Path, default=BESIDE)
    parser.add_argument("--rows", type=int, help="at most so many rows")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.data, args.rows)))
        return
    results = []
    print(f"{'sampler':22}{'rows in':>9}{'rows out':>10}{'seconds':>9}{'peak MiB':>10}")
    for name in args.names or registry.names("balance"):
        command = [sys.executable, __file__, "--one", name, "--data", str(args.data)]
        if args.rows:
            command += ["--rows", str(args.rows)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(run.stdout)
        results.append(result)
        print(
            f"{name:22}{result['rows_in']:9,}{result['rows_out']:10,}"
            f"{result['seconds']:9.2f}{result['peak_mib']:10,.0f}",
            flush=True,
        )
    print(f"data: {results[0]['data']}; {results[0]['machine']}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measure(name: str, data: Path, rows: int | None) -> dict[str, object]:
    import resource

    import numpy as np

    from evenflow import registry
    from evenflow.prepare.dealing import hold_out
    from evenflow.prepare.features import Preprocessor

    has_files = (data / "nsl-kdd").is_dir()
    source = registry.load("datasets", "nsl_kdd" if has_files else "synthetic")
    table = source.load("train", folders=[data])
    table = table.take(hold_out(table, fraction=0.3, seed=7)[0])
    if rows:
        table = table.take(np.random.default_rng(7).permutation(len(table))[:rows])
    preprocessor = Preprocessor.fit(table)
    X, y = preprocessor.transform(table), table.labels
    cls = registry.load("balance", name)
    params = {"random_state": 7}
    if "max_rows_per_class" in cls().get_params():
        params["max_rows_per_class"] = CAP
    sampler = cls(**params)
    started, cpu = time.perf_counter(), time.process_time()
    _, y_new = sampler.fit_resample(X, y, layout=preprocessor.layout)
    return {
        "sampler": name,
        "rows_in": len(y),
        "rows_out": len(y_new),
        "features": X.shape[1],
        "classes_in": np.bincount(y).tolist(),
        "classes_out": np.bincount(y_new).tolist(),
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "notes": sampler.notes_,
        "data": source.title,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
    }


if __name__ == "__main__":
    main()
