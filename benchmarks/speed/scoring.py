"""How fast a model scores prepared rows: PyTorch, a plain export, and ours.

    python benchmarks/speed/scoring.py --json figures.json

Rows/s at batch 1024 and the time of one record, for every model, in one process.
What the whole bundle and the command line add is measured by ``score_files.py``.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import _measure
import numpy as np
import onnxruntime
import torch
from _plain import PlainCNN

from evenflow import registry
from evenflow.learn.export import to_onnx
from evenflow.learn.fitting import of_arrays
from evenflow.learn.network import FittedNetwork, Network

N_CLASSES, BATCH = 5, 1024


def session(content: bytes) -> onnxruntime.InferenceSession:
    """Return a session set up as a sensor's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


def network(model: torch.nn.Module, n_features: int) -> FittedNetwork:
    """Return an untrained network, which scores as fast as a trained one."""
    return FittedNetwork(
        model=model.to(memory_format=torch.channels_last).eval(),
        n_features=n_features,
        n_classes=N_CLASSES,
        history=(),
        best_epoch=0,
    )


def rate(run: Callable[[np.ndarray], Any], X: np.ndarray, repeats: int) -> int:
    """Return rows/s of the best of several passes in batches."""
    parts = [X[start : start + BATCH] for start in range(0, len(X), BATCH)]

    def work() -> None:
        for part in parts:
            run(part)

    return round(len(X) / _measure.best_s(work, repeats=repeats))


def latency_ms(run: Callable[[np.ndarray], Any], row: np.ndarray) -> dict[str, float]:
    """Return the median and the 99th percentile of 1,000 calls with one row."""
    for _ in range(50):
        run(row)
    found = []
    for _ in range(1000):
        start = time.perf_counter()
        run(row)
        found.append(1e3 * (time.perf_counter() - start))
    p50, p99 = np.percentile(found, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def served(content: bytes) -> Callable[[np.ndarray], Any]:
    """Return a function that scores through ONNX Runtime."""
    found = session(content)
    return lambda x: found.run(["log_proba"], {"x": x})


def main() -> None:
    """Measure and report."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--features", type=int, default=119)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--models", nargs="*", default=registry.names("models"))
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8 * BATCH, given.features)).astype(np.float32)
    y = X[:, :N_CLASSES].argmax(axis=1).astype(np.int64)
    row = X[:1].copy()
    figures: dict[str, Any] = {}
    for name in given.models:
        plug_in = registry.load("models", name)
        config = plug_in.Config
        entry: dict[str, Any] = {}
        if isinstance(plug_in, Network):
            model = plug_in.build(given.features, N_CLASSES, config())
            if name == "cnn":
                peer = network(PlainCNN(model.eval()), given.features)
                entry["conv1d_torch_rows_per_s"] = rate(
                    peer.log_proba, X, given.repeats
                )
                entry["conv1d_onnx_rows_per_s"] = rate(
                    served(to_onnx(peer)), X, given.repeats
                )
            fitted: Any = network(model, given.features)
        else:
            task = of_arrays(X, y, X[:BATCH], y[:BATCH], n_classes=N_CLASSES)
            fitted = plug_in.fit(config(), task)
        content = to_onnx(fitted)
        entry["library_rows_per_s"] = rate(fitted.log_proba, X, given.repeats)
        entry["onnx_rows_per_s"] = rate(served(content), X, given.repeats)
        entry["onnx_over_library"] = round(
            entry["onnx_rows_per_s"] / entry["library_rows_per_s"], 2
        )
        entry["one_record_ms"] = latency_ms(served(content), row)
        entry["onnx_bytes"] = len(content)
        entry["n_parameters"] = fitted.n_parameters
        if dataclasses.is_dataclass(config):
            entry["config"] = dataclasses.asdict(config())
        figures[name] = entry
    _measure.report(
        {
            "benchmark": "scoring",
            "batch_size": BATCH,
            "features": given.features,
            "models": figures,
            "machine": _measure.machine(),
        },
        given.json,
    )


if __name__ == "__main__":
    main()
